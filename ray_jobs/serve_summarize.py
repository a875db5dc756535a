"""The summarize deployment: frames and words of several requests in one batch, rows out."""

import asyncio
import os
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from ray import serve

from clipsum import rows
from clipsum.records import Frames
from clipsum.rows import Outcome
from clipsum.serving.probe import PROBE
from ray_jobs.item import StageItem
from ray_jobs.model_stages import Encode, Summarize
from ray_jobs.serve_config import BATCH_SHARES
from ray_jobs.stages import StageSettings

SHARE = 64
"""Positions, of text and frames: the unit of a batch's size. 64 of them are what the summarizer writes at once."""
GATHER_S = 0.003
KEPT_MODELS = 2
"""The bundle that is served, and the one before it, for requests that are on their way."""
WELL_S = 30.0
LETTERS_A_TOKEN = 4
Tell = Callable[[str, Any], None]


@dataclass(frozen=True)
class Done:
    """The row of a video, and what was seen of it: an item with embeddings, for the next question about it."""

    row: dict[str, Any]
    seen: StageItem


def shares(items: Sequence[StageItem]) -> int:
    """The size of a batch; one item alone is never too large."""
    sizes = [_positions(item) // SHARE + 1 for item in items]
    return sum(sizes) if len(sizes) > 1 else min(sizes[0], BATCH_SHARES)


def _positions(item: StageItem) -> int:
    frames = item.frames.times_s if item.frames else item.embeddings.times_s if item.embeddings else ()
    return len(frames) + len(item.transcript.text) // LETTERS_A_TOKEN


class Models:
    """The stages of one bundle."""

    def __init__(self, settings: StageSettings) -> None:
        self._settings = settings
        self._encode, self._summarize = Encode(settings), Summarize(settings)

    def run(self, items: Sequence[StageItem], tells: Sequence[Tell]) -> list[Done]:
        """The rows of items with frames or embeddings, in their order."""
        new = iter(self._encode.encode([item for item in items if item.frames is not None]))
        seen = [next(new) if item.frames is not None else item for item in items]
        _tell(tells, "encoded")
        done = self._summarize.summarize(seen)
        _tell(tells, "summarized")
        bundle_id, fingerprint = self._settings.bundle_id, self._settings.fingerprint
        return [
            Done(rows.row(item.outcome, bundle_id, fingerprint), before)
            for item, before in zip(done, seen, strict=True)
        ]

    def probe(self) -> None:
        """Run the model on next to nothing. Raises what went wrong."""
        size_px = self._settings.preprocessing.size_px
        frames = Frames(np.zeros(1), np.zeros((1, size_px, size_px, 3), np.uint8), np.ones(1, bool))
        item = StageItem(0, Outcome(PROBE.ref, duration_s=1.0), PROBE.transcript, frames)
        [done] = self.run([item], ())
        if done.row["status"] != "ok":
            raise RuntimeError(f"the model failed on the health check: {done.row['detail']}")


def _tell(tells: Sequence[Tell], stage: str) -> None:
    for tell in tells:
        tell("stage", {"stage": stage})


class Writer:
    """A replica. While a batch is worked on, what comes gathers, and is the next batch."""

    def __init__(self, settings: StageSettings) -> None:
        os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
        self._models: OrderedDict[str, Models] = OrderedDict({settings.bundle_id: Models(settings)})
        self._thread = ThreadPoolExecutor(1, "model")
        self._free = asyncio.Event()
        self._free.set()
        self._well_at = time.monotonic()

    async def summarize(self, item: StageItem, settings: StageSettings) -> Done:
        """The row of an item."""
        return await self._joined(item, settings, _unheard)

    async def follow(self, item: StageItem, settings: StageSettings) -> AsyncIterator[tuple[str, Any]]:
        """The same, telling on the way how far it is: names and data of events, the last ("done", the `Done`)."""
        events: asyncio.Queue[tuple[str, Any]] = asyncio.Queue()
        loop = asyncio.get_running_loop()

        def tell(name: str, data: Any) -> None:
            loop.call_soon_threadsafe(events.put_nowait, (name, data))

        task = asyncio.ensure_future(self._joined(item, settings, tell))
        task.add_done_callback(lambda _: events.put_nowait(("done", None)))
        try:
            while (event := await events.get())[0] != "done":
                yield event
            yield "done", task.result()
        finally:
            task.cancel()

    async def _joined(self, item: StageItem, settings: StageSettings, tell: Tell) -> Done:
        await self._free.wait()
        done: Done = await self._together(item, settings, tell)
        return done

    @serve.batch(max_batch_size=BATCH_SHARES, batch_wait_timeout_s=GATHER_S, batch_size_fn=shares)  # type: ignore[untyped-decorator]
    async def _together(self, items: list[StageItem], settings: list[StageSettings], tells: list[Tell]) -> list[Done]:
        self._free.clear()
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, self._run, items, settings, tells)
        finally:
            self._free.set()

    def _run(self, items: list[StageItem], settings: list[StageSettings], tells: list[Tell]) -> list[Done]:
        done: dict[int, Done] = {}
        for bundle in dict.fromkeys(each.bundle_id for each in settings):
            places = [place for place, each in enumerate(settings) if each.bundle_id == bundle]
            models = self._of(settings[places[0]])
            results = models.run([items[place] for place in places], [tells[place] for place in places])
            done |= zip(places, results, strict=True)
        self._well_at = time.monotonic()
        return [done[place] for place in range(len(items))]

    def _of(self, settings: StageSettings) -> Models:
        if settings.bundle_id not in self._models:
            self._models[settings.bundle_id] = Models(settings)
            while len(self._models) > KEPT_MODELS:
                self._models.popitem(last=False)
        self._models.move_to_end(settings.bundle_id)
        return self._models[settings.bundle_id]

    async def check_health(self) -> None:
        """Run the model, unless it has just been run. Raises where the replica is to be replaced."""
        if time.monotonic() - self._well_at > WELL_S:
            await asyncio.get_running_loop().run_in_executor(self._thread, next(reversed(self._models.values())).probe)
            self._well_at = time.monotonic()


def _unheard(name: str, data: Any) -> None:
    """Nobody follows."""
