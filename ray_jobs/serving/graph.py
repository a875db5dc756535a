"""The way of a video through the deployments: decode, unless it was seen before, then summarize."""

from functools import partial
from typing import Any

from ray.serve.handle import DeploymentHandle

from clipsum.errors import Reason
from clipsum.rows import Outcome
from clipsum.serving.app import Tell
from clipsum.serving.cache import ByteCache, CacheKey
from clipsum.serving.limits import Deadline
from clipsum.serving.probe import PROBE
from clipsum.serving.refusals import RefusedError, refused_reason
from clipsum.serving.videos import UPLOADED, Video
from ray_jobs.item import StageItem
from ray_jobs.serving.handles import losses_told, result_of
from ray_jobs.serving.metrics import Meters
from ray_jobs.serving.models import Done
from ray_jobs.serving.seen import Kept, again, held_bytes, kept
from ray_jobs.stages import StageSettings

DIED: Reason = "worker_died"
TRIES = 2
"""How often a video is decoded whose decoding process dies: it may have been killed for another's memory."""


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
            done = await self._written(source, settings, deadline, tell)
        if done.row["status"] == "failed":
            self._meters.failed("summarize", done.row["reason"])
            raise refused_reason(done.row["reason"])
        if video is not PROBE:
            self._meters.row(done.row)
        if done.embeddings is not None:
            words = None if video.transcript.segments else video.words_version
            self._cache.put(key, kept(item, done.embeddings, words))
        return done.row | {"uri": video.uri}

    async def _seen(
        self, video: Video, settings: StageSettings, key: CacheKey, deadline: Deadline
    ) -> tuple[StageItem, Any]:
        """The item with frames or embeddings, and what stands for it in the next call, so that nothing is sent twice.

        What a caller says is spoken is never kept for others; who says nothing gets what the video itself says.
        """
        held = None if video is PROBE else self._cache.get(key, partial(_fits, video))
        if held is not None:
            found = again(held.item, video)
            return found, found
        item = StageItem(0, Outcome(video.ref), video.transcript)
        for _ in range(TRIES):
            response = self._decode.decode.remote(item, settings, deadline)
            found = await result_of(response)
            if found.outcome.failure is None:
                return found, response
            reason = found.outcome.failure.reason
            self._meters.failed("decode", reason)
            if reason != DIED:
                raise refused_reason(reason)
        raise RefusedError(422, DIED, "the process that decodes videos dies of this one")

    async def _written(self, source: Any, settings: StageSettings, deadline: Deadline, tell: Tell | None) -> Done:
        done: Done
        if tell is None:
            done = await result_of(self._summarize.summarize.remote(source, settings, deadline))
            return done
        stream = self._summarize.options(stream=True).follow.remote(source, settings, deadline)
        try:
            async for name, data in stream:
                if name == "done":
                    done = data
                    return done
                tell(name, data)
        finally:
            stream.cancel()
        raise refused_reason(DIED)

    async def prepare(self, settings: StageSettings) -> None:
        """Have every replica ready for a bundle, beside what it does. Raises: UsageError where one cannot load it."""
        with losses_told():
            for part in (self._summarize, self._decode):
                await result_of(part.prepare.remote(settings))  # one first: what it cannot load no other need try
                await part.broadcast("prepare", settings).results_async()

    def count_cache(self) -> None:
        """Tell the meters how it stands with the cache."""
        self._meters.cache(self._cache.hits, self._cache.misses, self._cache.bytes_held)


def _fits(video: Video, held: Kept) -> bool:
    return bool(video.transcript.segments) or held.words == video.words_version


def _key(video: Video, settings: StageSettings) -> CacheKey:
    uri = video.uri if video.uri == UPLOADED else video.ref.uri
    version = "" if video.ref.version.endswith("-") else video.ref.version  # https told a size and nothing else
    return CacheKey(uri, version, settings.fingerprint, str(settings.sampling), settings.seek, settings.previews)
