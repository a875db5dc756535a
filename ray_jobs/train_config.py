"""Configuration of `clipsum train`: `--recipe NAME`, `--config file.toml`, `--set key=value`."""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from pydantic import Field, field_validator, model_validator

from clipsum import storage
from clipsum.config import load
from clipsum.errors import UsageError
from clipsum.training.checkpoint import FREE
from clipsum.training.config import TrainConfig
from clipsum.training.recipes import recipe
from clipsum.training.splits import check_splits
from ray_jobs.config import EmbedConfig


class TrainJob(TrainConfig):
    """A training configuration, and how this call carries it out; what is said here of the latter may change later.

    `validation_split`: "auto" holds a tenth of the training videos out, chosen by a hash of their ids.
    `marks`: the manifest that says what people marked in the videos and asked of them, for the scorer to learn from.
    `checkpoint_every_s`: how much work a killed worker may lose, besides `checkpoint_every_steps`.
    `use_gpu`: None takes GPUs where there are any. `threads`: of torch, in each worker on a CPU.
    `max_failures`: so often dead workers are started again. `resize_check_s`: how often `--workers min:max` looks for
    room for more. `shared_files`: every machine of the cluster sees the same local paths. `stream`: how videos are
    decoded and encoded, where a manifest of them is trained on.
    """

    train_split: str = "train"
    validation_split: str = "validation"
    marks: str | None = None
    checkpoint_every_s: float | None = Field(default=300.0, gt=0)
    use_gpu: bool | None = None
    cpus_per_worker: float | None = Field(default=None, gt=0)
    threads: int | None = Field(default=None, ge=1)
    max_failures: int = Field(default=8, ge=0)
    resize_check_s: float = Field(default=60.0, gt=0)
    shared_files: bool = False
    stream: EmbedConfig = EmbedConfig(thumbnails=0)

    @field_validator("marks")
    @classmethod
    def _same_from_anywhere(cls, marks: str | None) -> str | None:
        """Workers stand in other folders than the call."""
        return marks and storage.canonical(marks)

    @model_validator(mode="after")
    def _splits(self) -> "TrainJob":
        check_splits(self.train_split, self.validation_split)
        return self

    @property
    def training(self) -> TrainConfig:
        """The part that the training core knows."""
        return TrainConfig(**{name: getattr(self, name) for name in TrainConfig.model_fields})

    @property
    def streaming(self) -> EmbedConfig:
        """How videos are streamed: with their pixels where the encoder learns from them."""
        pixels = self.stream.keep_pixels or self.encoder_finetune.layers > 0
        return self.stream.model_copy(update={"keep_pixels": pixels})

    def deciding(self) -> dict[str, Any]:
        """All that decides the result, by dotted key."""
        return flat(self.model_dump(mode="json", exclude=IDLE))


_DECIDING = TrainConfig.model_fields.keys() - FREE | {"train_split", "validation_split", "marks"}
IDLE = TrainJob.model_fields.keys() - _DECIDING
"""Keys of a job that decide nothing of its result."""


def configure(name: str, path: str | None, overrides: Iterable[str]) -> TrainJob:
    """The recipe `name`, changed by a TOML file and `key=value` words. Raises: UsageError, one line."""
    return load(TrainJob, path, overrides, base=TrainJob(**dict(recipe(name))))


def changes(job: TrainJob, name: str) -> list[str]:
    """The keys of what decides the result that `job` has otherwise than the recipe `name`."""
    as_given, as_named = job.deciding(), configure(name, None, ()).deciding()
    return [key for key, value in as_given.items() if value != as_named.get(key)]


def flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested sections as dotted keys."""
    found: dict[str, Any] = {}
    for key, value in values.items():
        found |= flat(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {prefix + key: value}
    return found


class Workers(NamedTuple):
    """How many workers there may be; `least` 0: this process trains."""

    least: int
    most: int

    @property
    def is_elastic(self) -> bool:
        """May their number change?"""
        return self.least != self.most

    def __str__(self) -> str:
        return f"{self.least}:{self.most}" if self.is_elastic else str(self.most)


def parse_workers(text: str) -> Workers:
    """`--workers 2` or `--workers 1:4`. Raises: UsageError."""
    first, colon, second = text.partition(":")
    numbers = [int(word) if word.isascii() and word.isdigit() else -1 for word in (first, second if colon else first)]
    least, most = numbers
    if least < 0 or most < least or (colon and least == 0):
        raise UsageError(f"--workers '{text}': give a number (0 trains in this process) or min:max, e.g. 2 or 1:4")
    return Workers(least, most)
