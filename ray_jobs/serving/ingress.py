"""The ingress deployment: what the HTTP app speaks for, done by the decode and the summarize deployment."""

import asyncio
import logging
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from fastapi import FastAPI
from ray.serve.handle import DeploymentHandle

from clipsum.errors import ItemError
from clipsum.serving.app import Tell, create_app
from clipsum.serving.deliveries import Deliveries
from clipsum.serving.keys import ApiKey, KeyRing
from clipsum.serving.limits import Admission, Deadline
from clipsum.serving.probe import PROBE
from clipsum.serving.refusals import RefusedError
from clipsum.serving.schemas import BundleCard, JobRequest
from clipsum.serving.videos import Video, named, sweep
from clipsum.serving.waiting import looked_up
from clipsum.serving.webhooks import send
from clipsum.storage.guard import check_host
from ray_jobs.serving.bundle import Follower, Served, pointer_of
from ray_jobs.serving.census import Census, census, work_of
from ray_jobs.serving.config import ServeConfig
from ray_jobs.serving.graph import Graph
from ray_jobs.serving.health import Health
from ray_jobs.serving.hooks import Teller
from ray_jobs.serving.jobs import Worker
from ray_jobs.serving.metrics import Meters
from ray_jobs.serving.places import jobs_of, webhook_secret
from ray_jobs.stages import StageSettings

log = logging.getLogger(__name__)
HOOKS_AT_ONCE, DRAINING_S = 2, 0.5
SWEPT_S = 3600.0
"""So old is what is swept up at the least: the folder may be that of another service, with longer deadlines, too."""


class Shape(NamedTuple):
    """Of the service: how many replicas there may be at the most, and how many requests each ingress lets in."""

    most: Census
    admitted: int


class Ingress:
    """A replica; it is the `Service` of its app."""

    def __init__(
        self,
        config: ServeConfig,
        settings: StageSettings,
        keys: tuple[ApiKey, ...],
        decode: DeploymentHandle[Any],
        summarize: DeploymentHandle[Any],
        shape: Shape,
    ) -> None:
        config.sources.confine()
        self._config, self._meters = config, Meters()
        self._graph = Graph(decode, summarize, config.cache_bytes, self._meters)
        self._served = Served(Follower(settings, pointer_of(config)), self._graph.prepare)
        self._health = Health(lambda deadline: self._graph.row_of(PROBE, self._served.settings, deadline))
        self.keys, self.sources = KeyRing(keys, shape.most.ingresses), config.sources
        self.admission = Admission(shape.admitted, shape.most.stages, shape.most.ingresses)
        self.jobs = jobs_of(config)
        self.uploads, self.upload_bytes, self.deadline_s = Path(config.uploads), config.upload_bytes, config.deadline_s

    def __serve_build_asgi_app__(self) -> FastAPI:
        """Serve asks for the app by this name, in the process of the replica."""
        self.uploads.mkdir(0o700, parents=True, exist_ok=True)
        tempfile.tempdir = str(self.uploads)  # where forms are put on their way: what is usual may lie in memory
        return create_app(self, self._working)

    @asynccontextmanager
    async def _working(self, _: FastAPI) -> AsyncIterator[None]:
        """Work on jobs and follow the pointer, for as long as this replica lives."""
        config, secret = self._config, webhook_secret(self._config)
        teller = Teller(Deliveries(self.jobs.log), partial(send, hosts=config.webhooks), secret, config.watch_s)
        workers = [Worker(self.jobs, self._job, teller.wake, config.watch_s) for _ in range(config.jobs_at_once)]
        runs = [self._watch, *[teller.run] * (HOOKS_AT_ONCE if secret else 0), *(worker.run for worker in workers)]
        await self._served.follow()  # first: jobs are done by the bundle that is pointed at
        tasks = [asyncio.ensure_future(run()) for run in runs]
        yield
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)

    async def drain(self, within_s: float) -> None:
        """Let no request in any more, and wait for those inside."""
        self.admission.close()
        with suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                while self.admission.inside:
                    await asyncio.sleep(DRAINING_S)
        await asyncio.sleep(DRAINING_S)  # an answer that is on its way has left its place already

    async def _job(self, asked: dict[str, Any], reach: Callable[[str], None]) -> dict[str, Any]:
        deadline = Deadline(self._config.job_deadline_s)
        async with asyncio.timeout(deadline.left_s):
            video = await looked_up(lambda: named(asked["uri"], asked["query"], asked["transcript"], self.sources))
        return await self.summarize(
            video, deadline, lambda name, data: reach(data["stage"]) if name == "stage" else None
        )

    def check_job(self, asked: JobRequest) -> None:
        """As `Service.check_job`."""
        self.sources.check(asked.uri)
        if asked.webhook is not None:
            if not webhook_secret(self._config):
                raise RefusedError(403, "access_denied", "webhook: this service tells none")
            try:
                check_host(asked.webhook, self._config.webhooks)
            except ItemError as error:
                raise RefusedError(403, "access_denied", "webhook: this service may not tell this address") from error

    async def summarize(self, video: Video, deadline: Deadline, tell: Tell | None = None) -> dict[str, Any]:
        """As `Service.summarize`."""
        async with asyncio.timeout(deadline.left_s):
            row = await self._graph.row_of(video, self._served.settings, deadline, tell)
        self.admission.worked(work_of(row))
        self._health.seen()
        return row

    async def check(self) -> None:
        """As `Service.check`."""
        await self._health.check()

    async def card(self) -> BundleCard:
        """As `Service.card`."""
        return await self._served.card()

    async def move(self, bundle: str) -> BundleCard:
        """As `Service.move`."""
        return await self._served.move(bundle)

    async def _watch(self) -> None:
        """Follow the pointer, see how many share the work, and sweep up."""
        while True:
            await self._count()
            await asyncio.sleep(self._config.watch_s)
            try:
                await asyncio.to_thread(sweep, self.uploads, max(SWEPT_S, 2 * self.deadline_s))
            except OSError as error:
                log.warning("uploads could not be swept up: %s", error)
            await self._served.follow()

    async def _count(self) -> None:
        """Judge rates and waits by the replicas there are now; the bound of requests stands for all there may be."""
        try:
            now = await asyncio.to_thread(census)
        except Exception as error:
            log.warning("the replicas could not be counted: %s", error)
            return
        self._meters.inside(self.admission.inside)  # between answers too: Ray forgets a gauge that is not set
        self._graph.count_cache()
        self.keys.share(now.ingresses)
        self.admission.share(now.stages, now.ingresses)

    def answered(self, route: str, status: int, seconds: float) -> None:
        """As `Service.answered`."""
        self._meters.request(route, status, seconds, self.admission.inside)
        self._graph.count_cache()
