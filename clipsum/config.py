"""One frozen, validated configuration per job, read from TOML and overridden by `--set key=value`.

Numbers carry their unit in their name. An unknown key is refused, with the nearest known one.
"""

import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from clipsum.errors import UsageError, one_of

Seek = Literal["auto", "exact", "keyframe"]
ConfigT = TypeVar("ConfigT", bound="Config")


class Config(BaseModel):
    """Base of every configuration: frozen, and no key that is not declared."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Sampling(Config):
    """Which times of a video are looked at.

    `uniform`: t_i = (i + 1/2) * duration / frames. `rate`: `rate_fps` a second, at most `max_frames` (then uniform).
    """

    mode: Literal["uniform", "rate"] = "uniform"
    frames: int = Field(default=50, ge=1, le=100_000)
    rate_fps: float = Field(default=1.0, gt=0)
    max_frames: int = Field(default=512, ge=1, le=100_000)

    def __str__(self) -> str:
        """The name that embeddings carry, e.g. `uniform:50` or `rate:1.0:512`."""
        return f"uniform:{self.frames}" if self.mode == "uniform" else f"rate:{self.rate_fps}:{self.max_frames}"


class Limits(Config):
    """What one video may cost. Past a limit it fails with a reason of its own."""

    max_duration_s: float = Field(default=4 * 3600, gt=0)
    max_bytes: int = Field(default=64 * 2**30, gt=0)
    max_pixels_per_frame: int = Field(default=8192 * 4352, gt=0)
    max_memory_bytes: int = Field(default=4 * 2**30, gt=0)
    deadline_s: float = Field(default=300, gt=0)


class Preprocessing(Config):
    """An encoder's own way from a picture to its input; part of the fingerprint.

    `resize`: "shortest" scales the shorter side to `size_px` and crops the centre; "squash" scales both sides.
    """

    size_px: int = Field(default=224, ge=8)
    resize: Literal["shortest", "squash"] = "shortest"
    interpolation: Literal["bicubic", "bilinear"] = "bicubic"
    mean: tuple[float, float, float] = (0.48145466, 0.4578275, 0.40821073)
    std: tuple[float, float, float] = (0.26862954, 0.26130258, 0.27577711)
    version: int = 1


def load(cls: type[ConfigT], path: str | None = None, overrides: Iterable[str] = ()) -> ConfigT:
    """Build a configuration from a TOML file and `key=value` words, nested keys joined by dots.

    Raises: UsageError, one line that names the key, the value and what is allowed.
    """
    values: dict[str, Any] = _read_toml(path) if path else {}
    for word in overrides:
        key, equals, text = word.partition("=")
        if not equals:
            raise UsageError(f"--set '{word}' has no '=': write it as key=value, e.g. --set sampling.frames=20")
        _put(values, key.strip().split("."), _parse(text))
    _refuse_unknown(cls, values, "")
    try:
        return cls(**values)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"]) or "configuration"
        given = "" if isinstance(first["input"], dict) else f" '{first['input']}'"
        raise UsageError(f"{key}{given}: {first['msg']}") from error


def _read_toml(path: str) -> dict[str, Any]:
    try:
        return tomllib.loads(Path(path).read_text())
    except OSError as error:
        raise UsageError(f"--config '{path}' cannot be read: {error.strerror}") from error
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"--config '{path}' is not valid TOML: {error}") from error


def _parse(text: str) -> Any:
    """A TOML value where it is one (numbers, booleans, lists), else the words as they stand."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text.strip()


def _put(values: dict[str, Any], keys: list[str], value: Any) -> None:
    for key in keys[:-1]:
        inner = values.setdefault(key, {})
        if not isinstance(inner, dict):
            raise UsageError(f"--set {'.'.join(keys)}: '{key}' is a value, not a section")
        values = inner
    values[keys[-1]] = value


def _refuse_unknown(cls: type[BaseModel], values: Mapping[str, Any], prefix: str) -> None:
    for key, value in values.items():
        if key not in cls.model_fields:
            raise one_of(prefix + key, [prefix + name for name in cls.model_fields], "configuration key")
        inner = cls.model_fields[key].annotation
        if isinstance(value, Mapping) and isinstance(inner, type) and issubclass(inner, BaseModel):
            _refuse_unknown(inner, value, f"{prefix}{key}.")
