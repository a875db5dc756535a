"""The summarize deployment: frames and words of several requests in one batch, rows out."""

import asyncio
import logging
import os
import time
from collections import OrderedDict
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from ray import serve

from clipsum.errors import ItemError, UsageError
from clipsum.serving.limits import Deadline
from clipsum.serving.pointer import BundlePointer
from clipsum.serving.waiting import looked_up, to_its_end
from clipsum.storage.s3_client import patience
from ray_jobs.item import StageItem
from ray_jobs.serving.bundle import Follower
from ray_jobs.serving.config import BATCH_SHARES
from ray_jobs.serving.metrics import Meters
from ray_jobs.serving.models import Asker, Done, Models, shares
from ray_jobs.stages import StageSettings

log = logging.getLogger(__name__)
KEPT_MODELS = 2
"""The bundle that is served, and the one before it, for requests that are on their way."""
WELL_S = 30.0
PATIENCE_S = 10.0
"""How long a replica that begins waits for a store that is away."""


class Writer:
    """A replica. While a batch is worked on, what comes gathers, and is the next batch.

    A bundle is loaded beside the batches: a request that is the first to be for it waits, those for another go on.
    """

    def __init__(self, settings: StageSettings, pointer: BundlePointer) -> None:
        os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
        self._follower = Follower(settings, pointer)
        models = self._pointed_models() or Models(settings)
        self._models: OrderedDict[str, Models] = OrderedDict({self._follower.settings.bundle_id: models})
        self._thread = ThreadPoolExecutor(1, "model")
        self._loading = asyncio.Lock()
        self._free = asyncio.Event()
        self._free.set()
        self._well_at = time.monotonic()
        self._meters = Meters()
        self._following: asyncio.Future[None] | None = None

    def _pointed_models(self) -> Models | None:
        """Begin with the bundle that is pointed at: None where nobody has pointed, or it cannot be had."""
        try:
            with patience(PATIENCE_S):
                turn = self._follower.look()
            models = Models(turn.settings) if turn else None
        except (UsageError, ItemError) as error:
            log.warning("the bundle that is pointed at could not be taken up: %s", error)
            return None
        if turn is not None:
            self._follower.take(turn)
        return models

    async def summarize(self, item: StageItem, settings: StageSettings, deadline: Deadline) -> Done:
        """The row of an item. The deadline ends the work too, for who asked may be lost and cancel nothing.

        Raises: TimeoutError.
        """
        return await self._joined(item, settings, deadline, Asker())

    async def follow(
        self, item: StageItem, settings: StageSettings, deadline: Deadline
    ) -> AsyncIterator[tuple[str, Any]]:
        """The same, telling on the way how far it is: names and data of events, the last ("done", the `Done`)."""
        events: asyncio.Queue[tuple[str, Any]] = asyncio.Queue()
        loop = asyncio.get_running_loop()

        def tell(name: str, data: Any) -> None:
            loop.call_soon_threadsafe(events.put_nowait, (name, data))

        task = asyncio.ensure_future(self._joined(item, settings, deadline, Asker(tell)))
        task.add_done_callback(lambda _: events.put_nowait(("done", None)))
        try:
            while (event := await events.get())[0] != "done":
                yield event
            yield "done", task.result()
        finally:
            task.cancel()

    async def _joined(self, item: StageItem, settings: StageSettings, deadline: Deadline, asker: Asker) -> Done:
        try:
            async with asyncio.timeout(deadline.left_s):
                models = await self._ready(settings)
                await self._free.wait()
                done: Done = await self._together(item, models, asker)
                return done
        finally:
            asker.gone = True

    @serve.batch(max_batch_size=BATCH_SHARES, batch_wait_timeout_s=0, batch_size_fn=shares)  # type: ignore[untyped-decorator]
    async def _together(self, items: list[StageItem], models: list[Models], askers: list[Asker]) -> list[Done]:
        self._free.clear()
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, self._run, items, models, askers)
        finally:
            self._free.set()

    def _run(self, items: list[StageItem], models: list[Models], askers: list[Asker]) -> list[Done]:
        done: dict[int, Done] = {}
        for bundle in dict.fromkeys(models):
            places = [place for place, each in enumerate(models) if each is bundle]
            self._meters.batch(len(places))
            results = bundle.run([items[place] for place in places], [askers[place] for place in places])
            done |= zip(places, results, strict=True)
        if any(each.row["status"] == "ok" for each in done.values()):
            self._well_at = time.monotonic()
        return [done[place] for place in range(len(items))]

    async def _ready(self, settings: StageSettings) -> Models:
        """The models of a bundle, loaded where they are not yet; the least lately used go."""
        if settings.bundle_id not in self._models:
            async with self._loading:
                if settings.bundle_id not in self._models:
                    await to_its_end(self._load(settings))
        self._models.move_to_end(settings.bundle_id)
        while len(self._models) > KEPT_MODELS:
            self._models.popitem(last=False)
        return self._models[settings.bundle_id]

    async def _load(self, settings: StageSettings) -> None:
        self._models[settings.bundle_id] = await asyncio.to_thread(Models, settings)

    async def prepare(self, settings: StageSettings) -> None:
        """Load a bundle that is to be served. Raises: UsageError where it cannot be."""
        await self._ready(settings)

    async def check_health(self) -> None:
        """Run the model, unless it has just been run, and look at the pointer. Raises where this is to be replaced."""
        # beside: a store that is away, or a large bundle, is no illness
        if self._following is None or self._following.done():
            self._following = asyncio.ensure_future(self._follow_pointer())
        if time.monotonic() - self._well_at > WELL_S:
            await asyncio.get_running_loop().run_in_executor(self._thread, next(reversed(self._models.values())).probe)
            self._well_at = time.monotonic()

    async def _follow_pointer(self) -> None:
        """Have the bundle that is pointed at ready, before the first request for it comes here."""
        try:
            turn = await looked_up(self._follower.look)
            if turn is not None:
                await self.prepare(turn.settings)
                self._follower.take(turn)
        except (UsageError, ItemError) as error:
            log.warning("another bundle could not be taken up: %s", error)
