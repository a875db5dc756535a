"""The decode deployment: one video at a time, in a child process that is killed when nobody waits for it any more."""

import asyncio
import os
import time
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
from clipsum.serving.waiting import finished, looked_up
from ray_jobs.item import StageItem
from ray_jobs.stages import Decode, StageSettings, with_words

ABORT_EVERY_S = 0.05
CHECK_S, WELL_S = 30.0, 30.0
"""How long the video of a health check may take, and how long a video that was decoded counts as one."""


class Decoder:
    """A replica. It decodes for whichever bundle a request is for; another bundle costs it a new child."""

    def __init__(self, settings: StageSettings, sources: Sources) -> None:
        sources.confine()
        self._probe = os.memfd_create("clipsum-probe")  # gone with the process, however that ends
        self._probe_path = Path(f"/proc/{os.getpid()}/fd/{self._probe}")
        write_probe(self._probe_path)
        self._settings, self._decode = settings, Decode(settings)
        self._turn = asyncio.Lock()
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
            async with self._turn:
                return await self._decoded(item, settings)

    async def _decoded(self, item: StageItem, settings: StageSettings) -> StageItem:
        if settings != self._settings:
            await finished(lambda: self._change(settings))  # half changed, it would serve the next one wrongly
        task = asyncio.ensure_future(asyncio.to_thread(self._decode.decode_item, self._located(item)))
        async with self._killed_with(task):
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

    @asynccontextmanager
    async def _killed_with(self, task: asyncio.Future[Any]) -> AsyncIterator[None]:
        """Where this is cancelled, end the child, again and again, until the thread that waits for it is done."""
        try:
            yield
        except asyncio.CancelledError:
            while not task.done():
                self._decode.abort()
                await asyncio.wait([task], timeout=ABORT_EVERY_S)
            raise

    def _located(self, item: StageItem) -> StageItem:
        ref = item.outcome.ref
        if ref != PROBE.ref:
            return item
        uri = str(self._probe_path)
        return replace(item, outcome=replace(item.outcome, ref=replace(ref, uri=uri, transcript_uri="")))

    def _change(self, settings: StageSettings) -> None:
        before, self._decode = self._decode, Decode(settings)
        self._settings = settings
        before.close()

    def __del__(self) -> None:
        """End the child with the replica."""
        self._decode.close()
