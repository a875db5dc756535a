"""Configuration of the jobs over an archive: `--config file.toml`, `--set key=value`."""

from pydantic import Field

from clipsum.config import Config, Limits, Sampling, Seek
from clipsum.highlights.select import HighlightConfig


class StagePool(Config):
    """A stage's actors. What is not given is chosen for the machine (`ray_jobs/pools.py`).

    `cpus` and `gpus` are what Ray reserves for one actor, `threads` what torch really uses in it.
    """

    min_actors: int | None = Field(default=None, ge=1)
    max_actors: int | None = Field(default=None, ge=1)
    initial_actors: int | None = Field(default=None, ge=1)
    cpus: float | None = Field(default=None, gt=0)
    gpus: float | None = Field(default=None, ge=0)
    memory_bytes: int | None = Field(default=None, ge=1)
    threads: int | None = Field(default=None, ge=1)


class ArchiveConfig(Config):
    """What every job over an archive may be told. `sampling` and `seek` default to the bundle's own."""

    sampling: Sampling | None = None
    seek: Seek | None = None
    limits: Limits = Limits()
    allow_https: bool = False
    shared_files: bool = False
    """Every machine of the cluster sees the same local paths, so local sources may be given to it."""

    drop_unlisted: bool = False
    """Rows of videos that are not listed any more go; otherwise a call that would lose any is refused."""

    decode: StagePool = StagePool()
    encode: StagePool = StagePool()
    decode_batch: int | None = Field(default=None, ge=1)
    """Videos in one block that a decode actor takes; smaller where their frames would not fit a block."""
    encode_batch: int | None = Field(default=None, ge=1)

    part_rows: int = Field(default=128, ge=1, le=100_000)
    """Rows of one file of the output; fewer where rows are so large that a file would be."""
    flush_s: float = Field(default=60.0, gt=0)
    """How often rows of parts that are not full yet are written; a killed driver loses at most this much work."""
    thumbnails: int = Field(default=5, ge=0, le=20)
    no_progress_timeout_s: float | None = Field(default=None, gt=0)
    price_core_hour: float | None = Field(default=None, ge=0)
    price_gpu_hour: float | None = Field(default=None, ge=0)


class SummarizeConfig(ArchiveConfig):
    """How an archive is summarised."""

    summarize: StagePool = StagePool()
    summarize_batch: int | None = Field(default=None, ge=1)
    estimate_videos: int = Field(default=8, ge=1)
    highlights: HighlightConfig = HighlightConfig()


class EmbedConfig(ArchiveConfig):
    """How an archive is embedded."""

    keep_pixels: bool = False
    """Store the frames as well, at the encoder's size, for encoders that are to be fine-tuned."""
