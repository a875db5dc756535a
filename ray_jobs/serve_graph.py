"""The way of a video through the deployments: decode, unless it was seen before, then summarize."""

from typing import Any

from ray.serve.handle import DeploymentHandle

from clipsum.rows import Outcome
from clipsum.serving.app import Tell
from clipsum.serving.cache import ByteCache, CacheKey
from clipsum.serving.limits import Deadline
from clipsum.serving.refusals import refused_reason
from clipsum.serving.videos import UPLOADED, Video
from ray_jobs.item import StageItem
from ray_jobs.serve_handles import losses_told, result_of
from ray_jobs.serve_metrics import Meters
from ray_jobs.serve_models import Done
from ray_jobs.serve_seen import Kept, again, held_bytes
from ray_jobs.stages import StageSettings


class Graph:
    """The deployments, and what was seen of videos. Whoever cancels a call of `row_of` stops the work behind it."""

    def __init__(
        self, decode: DeploymentHandle[Any], summarize: DeploymentHandle[Any], cache_bytes: int, meters: Meters
    ) -> None:
        self._decode, self._summarize, self._meters = decode, summarize, meters
        self._cache: ByteCache[Kept] = ByteCache(cache_bytes, held_bytes)

    async def row_of(
        self, video: Video, settings: StageSettings, deadline: Deadline, tell: Tell | None = None
    ) -> dict[str, Any]:
        """The row; `tell` hears how far it is. Raises: RefusedError where there is none, TimeoutError."""
        key = _key(video, settings)
        with losses_told():
            item, source = await self._seen(video, settings, key, deadline)
            if tell is not None:
                tell("stage", {"stage": "decoded"})
            done = await self._written(source, settings, tell)
        if done.row["status"] == "failed":
            self._meters.failed("summarize", done.row["reason"])
            raise refused_reason(done.row["reason"])
        self._meters.row(done.row)
        if item.embeddings is None:
            self._cache.put(key, Kept(done.seen, None if video.transcript.segments else video.words_version))
        return done.row | {"uri": video.uri}

    async def _seen(
        self, video: Video, settings: StageSettings, key: CacheKey, deadline: Deadline
    ) -> tuple[StageItem, Any]:
        """The item with frames or embeddings, and what stands for it in the next call, so that nothing is sent twice.

        What a caller says is spoken is never kept for others; who says nothing gets what the video itself says.
        """
        kept = self._cache.get(key, lambda each: bool(video.transcript.segments) or each.words == video.words_version)
        if kept is not None:
            found = again(kept.item, video)
            return found, found
        response = self._decode.decode.remote(StageItem(0, Outcome(video.ref), video.transcript), settings, deadline)
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

    def count_cache(self) -> None:
        """Tell the meters how it stands with the cache."""
        self._meters.cache(self._cache.hits, self._cache.misses, self._cache.bytes_held)


def _key(video: Video, settings: StageSettings) -> CacheKey:
    uri = video.uri if video.uri == UPLOADED else video.ref.uri
    version = "" if video.ref.version.endswith("-") else video.ref.version  # https told a size and nothing else
    return CacheKey(uri, version, settings.fingerprint, str(settings.sampling), settings.seek)
