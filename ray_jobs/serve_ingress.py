"""The ingress deployment: what the HTTP app speaks for, done by the decode and the summarize deployment."""

import asyncio
from pathlib import Path
from typing import Any, NamedTuple

from fastapi import FastAPI
from ray.serve.handle import DeploymentHandle

from clipsum.models.bundle import load_bundle
from clipsum.rows import Outcome
from clipsum.serving.app import Tell, create_app
from clipsum.serving.cache import ByteCache, CacheKey
from clipsum.serving.jobs import JobStore
from clipsum.serving.keys import ApiKey, KeyRing
from clipsum.serving.limits import Admission, Deadline
from clipsum.serving.probe import PROBE
from clipsum.serving.refusals import RefusedError, refused_reason
from clipsum.serving.schemas import BundleCard
from clipsum.serving.videos import UPLOADED, Video
from clipsum.storage import join
from ray_jobs.item import StageItem
from ray_jobs.serve_config import ServeConfig
from ray_jobs.serve_handles import losses_told, result_of
from ray_jobs.serve_metrics import COSTS, Meters
from ray_jobs.serve_models import Done
from ray_jobs.serve_seen import Kept, again, held_bytes
from ray_jobs.stages import StageSettings


class Shape(NamedTuple):
    """Of the service: the most ingresses, how many requests each lets in, and the most replicas that summarise."""

    ingresses: int
    admitted: int
    writers: int


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
        self._config, self._settings = config, settings
        self._decode, self._summarize = decode, summarize
        self.keys, self.sources = KeyRing(keys, shape.ingresses), config.sources
        self.admission = Admission(shape.admitted, running=shape.writers)
        self._meters = Meters()
        self.jobs = JobStore(join(config.state, "jobs"), keep_s=config.keep_s)
        self.uploads, self.upload_bytes, self.deadline_s = Path(config.uploads), config.upload_bytes, config.deadline_s
        self._cache: ByteCache[Kept] = ByteCache(config.cache_bytes, held_bytes)

    def __serve_build_asgi_app__(self) -> FastAPI:
        """Serve asks for the app by this name."""
        return create_app(self)

    async def summarize(self, video: Video, deadline: Deadline, tell: Tell | None = None) -> dict[str, Any]:
        """As `Service.summarize`."""
        settings, key = self._settings, _key(video, self._settings)
        async with asyncio.timeout(deadline.left_s):
            with losses_told():
                item, source = await self._seen(video, settings, key)
                if tell is not None:
                    tell("stage", {"stage": "decoded"})
                done = await self._written(source, settings, tell)
        if done.row["status"] == "failed":
            self._meters.failed("summarize", done.row["reason"])
            raise refused_reason(done.row["reason"])
        self._meters.row(done.row)
        self.admission.worked(sum(done.row[column] for column in COSTS.values()))
        if item.embeddings is None:
            self._cache.put(key, Kept(done.seen, is_own=not video.transcript.segments))
        return done.row | {"uri": video.uri}

    async def _seen(self, video: Video, settings: StageSettings, key: CacheKey) -> tuple[StageItem, Any]:
        """The item with frames or embeddings, and what stands for it in the next call, so that nothing is sent twice.

        What a caller says is spoken is never kept for others; who says nothing gets what the video itself says.
        """
        kept = self._cache.get(key)
        if kept is not None and (kept.is_own or video.transcript.segments):
            found = again(kept.item, video)
            return found, found
        response = self._decode.decode.remote(StageItem(0, Outcome(video.ref), video.transcript), settings)
        found = await result_of(response)
        if found.outcome.failure is not None:
            self._meters.failed("decode", found.outcome.failure.reason)
            raise refused_reason(found.outcome.failure.reason)
        return found, response

    async def _written(self, source: Any, settings: StageSettings, tell: Tell | None) -> Done:
        done: Done
        if tell is None:
            done = await result_of(self._summarize.summarize.remote(source, settings))
            return done
        stream = self._summarize.options(stream=True).follow.remote(source, settings)
        try:
            async for name, data in stream:
                if name == "done":
                    done = data
                    return done
                tell(name, data)
        finally:
            stream.cancel()
        raise refused_reason("worker_died")

    async def check(self) -> None:
        """As `Service.check`."""
        row = await self.summarize(PROBE, Deadline(self.deadline_s))
        assert row["status"] == "ok"

    async def card(self) -> BundleCard:
        """As `Service.card`."""
        bundle = await asyncio.to_thread(load_bundle, self._settings.bundle)
        words = await asyncio.to_thread((bundle.folder / "README.md").read_text)
        manifest = bundle.manifest
        return BundleCard(
            bundle_id=bundle.bundle_id,
            fingerprint=manifest.fingerprint,
            sampling=str(manifest.sampling),
            seek=manifest.seek,
            card=words,
        )

    async def move(self, bundle: str) -> BundleCard:
        """As `Service.move`."""
        raise RefusedError(422, "invalid_request", "bundle: not built yet")

    def answered(self, route: str, status: int, seconds: float) -> None:
        """As `Service.answered`."""
        self._meters.request(route, status, seconds, self.admission.inside)
        self._meters.cache(self._cache.hits, self._cache.misses, self._cache.bytes_held)


def _key(video: Video, settings: StageSettings) -> CacheKey:
    ref = video.ref
    uri = video.uri if video.uri == UPLOADED else ref.uri
    return CacheKey(uri, ref.version, settings.fingerprint, str(settings.sampling), settings.seek)
