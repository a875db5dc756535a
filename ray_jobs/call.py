"""What a job over an archive was asked for, and the settings of its stages that follow from that and the bundle."""

import math
from dataclasses import dataclass, replace

from clipsum.config import DEFAULT_BUNDLE, Sampling
from clipsum.errors import UsageError
from clipsum.highlights.asking import checked_queries
from clipsum.highlights.select import HighlightConfig
from clipsum.models.bundle import load_bundle
from ray_jobs.blocks import BLOCK_BYTES, video_bytes_of
from ray_jobs.config import ArchiveConfig, EmbedConfig, SummarizeConfig
from ray_jobs.jobs import Job
from ray_jobs.pools import Plan
from ray_jobs.stages import StageSettings

COPIES = 2
"""Of its frames, that a decoding process holds at its end: one by one, and as one array."""
PART_BYTES = 128 * 2**20
"""What one file of the output may take in memory."""
TOY = f"{DEFAULT_BUNDLE} knows only its toy kitchen: for real videos bring a --bundle of yours"


@dataclass(frozen=True)
class Call:
    """What a job was asked for; `toy_videos`: of the toy kitchen; `queries`: of every video.

    Raises: UsageError for numbers that cannot be.
    """

    job: Job
    sources: tuple[str, ...]
    output: str
    bundle: str
    config: ArchiveConfig
    limit: int | None = None
    address: str | None = None
    retry_failed: bool = False
    max_failed_fraction: float = 1.0
    toy_videos: bool = False
    queries: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.limit is not None and self.limit < 1:
            raise UsageError(f"--limit {self.limit}: give 1 or more, or leave it out for all videos")
        check_fraction(self.max_failed_fraction)

    @property
    def notes(self) -> list[str]:
        """What people should know about the rows of this run, a line each."""
        return [TOY] if self.bundle == DEFAULT_BUNDLE and not self.toy_videos else []


def check_fraction(part: float) -> None:
    """Raise UsageError for a `--max-failed-fraction` that is no part of a whole."""
    if not 0 <= part <= 1:
        raise UsageError(f"--max-failed-fraction {part:g}: give a number from 0 to 1")


def stage_settings(call: Call) -> StageSettings:
    """What the stages need to know, from the configuration and the bundle. Raises: UsageError where they do not fit."""
    bundle, config = load_bundle(call.bundle), call.config
    manifest = bundle.manifest
    summarizes = config if isinstance(config, SummarizeConfig) else None
    settings = StageSettings(
        bundle=bundle.name_elsewhere(call.bundle),
        bundle_id=bundle.bundle_id,
        fingerprint=manifest.fingerprint,
        preprocessing=manifest.encoder.preprocessing,
        sampling=laid_over(manifest.sampling, config.sampling),
        seek=config.seek or manifest.seek,
        limits=config.limits,
        thumbnails=config.thumbnails,
        keep_pixels=isinstance(config, EmbedConfig) and config.keep_pixels,
        scores=summarizes is not None and manifest.model.scorer is not None,
        queries=checked_queries(call.queries, manifest, call.bundle),
        highlights=summarizes.highlights if summarizes else HighlightConfig(),
    )
    refuse_too_many_frames(settings)
    video_bytes = video_bytes_of(settings.sampling, settings.preprocessing.size_px)
    if settings.keep_pixels and video_bytes > BLOCK_BYTES:
        raise UsageError(
            f"keep_pixels=true with sampling {settings.sampling} is {video_bytes:,} bytes a video, and {BLOCK_BYTES:,} "
            "are the most: sample fewer frames, e.g. --set sampling.frames=50"
        )
    return settings


def refuse_too_many_frames(settings: StageSettings) -> None:
    """Raise UsageError where the frames of one video could not be held: each such video would fail, one by one."""
    sampling, limits = settings.sampling, settings.limits
    held = COPIES * video_bytes_of(Sampling(frames=1), settings.preprocessing.size_px)
    room = limits.max_memory_bytes // held
    longest = math.ceil(limits.max_duration_s * sampling.rate_fps)
    frames = sampling.frames if sampling.mode == "uniform" else min(sampling.max_frames, longest)
    if frames > room:
        key = "frames" if sampling.mode == "uniform" else "max_frames"
        raise UsageError(
            f"{frames:,} frames of a video at {held:,} bytes each are more than limits.max_memory_bytes="
            f"{limits.max_memory_bytes}: --set sampling.{key}={room}, or --set limits.max_memory_bytes={frames * held}"
        )


def laid_over(bundles: Sampling, given: Sampling | None) -> Sampling:
    """The bundle's sampling, with the keys that were given in the place of its own.

    Raises: UsageError for a key that says nothing in the mode that comes of it.
    """
    if given is None:
        return bundles
    keys = given.model_dump(exclude_unset=True)
    both = Sampling(**{**bundles.model_dump(), **keys})
    idle = {"rate_fps", "max_frames"} if both.mode == "uniform" else {"frames"}
    if idle.issuperset(keys):
        other = "rate" if both.mode == "uniform" else "uniform"
        raise UsageError(
            f"sampling.{next(iter(keys))} says nothing in sampling.mode={both.mode}, which the bundle has: "
            f"add --set sampling.mode={other}, or leave it out"
        )
    return both


def with_pools(settings: StageSettings, chosen: Plan) -> StageSettings:
    """The settings with the threads and devices that the pools settled on.

    A stage that reserves no GPU computes on the CPU: Ray would let it see every GPU of its machine all the same.
    """
    last = chosen.summarize or chosen.encode
    return replace(
        settings,
        encode_threads=chosen.encode.threads,
        summarize_threads=last.threads,
        encode_device="cuda" if chosen.encode.gpus else "cpu",
        summarize_device="cuda" if last.gpus else "cpu",
    )


def part_rows(call: Call, settings: StageSettings) -> int:
    """Rows of one file of the output: as configured, fewer where rows are large."""
    return max(1, min(call.config.part_rows, PART_BYTES // call.job.row_bytes(settings)))
