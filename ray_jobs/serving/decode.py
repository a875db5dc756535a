"""The decode deployment: one video at a time, in a child process that is killed when nobody waits for it any more."""

import asyncio
import os
import time
from collections import OrderedDict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from clipsum.rows import Outcome
from clipsum.serving.limits import Deadline
from clipsum.serving.probe import PROBE, write_probe
from clipsum.serving.sources import Sources
from clipsum.serving.waiting import looked_up, to_its_end
from ray_jobs.item import StageItem
from ray_jobs.stages import Decode, StageSettings, with_words

ABORT_EVERY_S = 0.05
KEPT_CHILDREN = 2
"""For the bundle that is served, and the one before it."""
CHECK_S, WELL_S = 30.0, 30.0
"""How long the video of a health check may take, and how long a video that was decoded counts as one."""


class Decoder:
    """A replica. It decodes for whichever bundle a request is for.

    A bundle that looks at videos in another way has a child of its own, started beside the video that is at work.
    """

    def __init__(self, settings: StageSettings, sources: Sources) -> None:
        sources.confine()
        self._probe = os.memfd_create("clipsum-probe")  # gone with the process, however that ends
        self._probe_path = Path(f"/proc/{os.getpid()}/fd/{self._probe}")
        write_probe(self._probe_path)
        self._settings = settings
        self._children = OrderedDict({settings.decoding: Decode(settings)})
        self._turn, self._starting = asyncio.Lock(), asyncio.Lock()
        self._well_at = -WELL_S

    async def decode(self, item: StageItem, settings: StageSettings, deadline: Deadline) -> StageItem:
        """The item with frames and words, or with its failure. Cancelled, it stops at once, wherever libav is.

        The deadline ends it too, for who asked may be lost and cancel nothing. Raises: TimeoutError.
        """
        async with asyncio.timeout(deadline.left_s):
            if not item.transcript.segments and item.outcome.ref.transcript_uri != "":
                item = await looked_up(partial(with_words, item))  # before its turn: a slow store keeps nobody waiting
            if not item.alive:
                return item
            await self._ready(settings)
            async with self._turn:
                return await self._decoded(item, settings)

    async def prepare(self, settings: StageSettings) -> None:
        """Have a child ready for a bundle that is to be served. Raises: ItemError where it does not start."""
        await self._ready(settings)

    async def _ready(self, settings: StageSettings) -> Decode:
        if settings.decoding not in self._children:
            async with self._starting:
                if settings.decoding not in self._children:
                    await to_its_end(self._start(settings))
        self._children.move_to_end(settings.decoding)
        return self._children[settings.decoding]

    async def _start(self, settings: StageSettings) -> None:
        self._children[settings.decoding] = await asyncio.to_thread(Decode, settings)

    async def _decoded(self, item: StageItem, settings: StageSettings) -> StageItem:
        decode, self._settings = await self._ready(settings), settings
        while len(self._children) > KEPT_CHILDREN:  # in our turn: none of them is at work
            self._children.popitem(last=False)[1].close()
        task = asyncio.ensure_future(asyncio.to_thread(decode.decode_item, self._located(item)))
        async with _killed_with(task, decode):
            found = await asyncio.shield(task)
        if found.outcome.failure is None:
            self._well_at = time.monotonic()
        return found

    async def check_health(self) -> None:
        """Decode a small video, unless one was just decoded or is at it now, which its deadline ends.

        Raises what went wrong, where this replica is to be replaced.
        """
        if self._turn.locked() or time.monotonic() - self._well_at < WELL_S:
            return
        item = StageItem(0, Outcome(PROBE.ref), PROBE.transcript)
        found = await self.decode(item, self._settings, Deadline(CHECK_S))
        if found.outcome.failure is not None:
            raise RuntimeError(f"the decoder failed on the health check: {found.outcome.failure.detail}")

    def _located(self, item: StageItem) -> StageItem:
        ref = item.outcome.ref
        if ref != PROBE.ref:
            return item
        uri = str(self._probe_path)
        return replace(item, outcome=replace(item.outcome, ref=replace(ref, uri=uri, transcript_uri="")))

    def __del__(self) -> None:
        """End the children with the replica."""
        for decode in self._children.values():
            decode.close()


@asynccontextmanager
async def _killed_with(task: asyncio.Future[Any], decode: Decode) -> AsyncIterator[None]:
    """Where this is cancelled, end the child, again and again, until the thread that waits for it is done."""
    try:
        yield
    except asyncio.CancelledError:
        while not task.done():
            decode.abort()
            await asyncio.wait([task], timeout=ABORT_EVERY_S)
        raise
