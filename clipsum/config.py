"""One frozen, validated configuration per job, read from TOML and overridden by `--set key=value`.

Numbers carry their unit in their name. An unknown key is refused, with the nearest known one.
"""

import math
import tomllib
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from clipsum.errors import UsageError, one_of, short, wrong_value

DEFAULT_BUNDLE = "kitchen-tiny"
Seek = Literal["auto", "exact", "keyframe"]
ConfigT = TypeVar("ConfigT", bound="Config")


class Config(BaseModel):
    """Base of every configuration: frozen, no key that is not declared, no number that is infinite or none."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Sampling(Config):
    """Which times of a video are looked at.

    `uniform`: t_i = (i + 1/2) * duration / frames. `rate`: `rate_fps` a second, at most `max_frames` (then uniform).
    """

    mode: Literal["uniform", "rate"] = "uniform"
    frames: int = Field(default=50, ge=1, le=100_000)
    rate_fps: float = Field(default=1.0, gt=0)
    max_frames: int = Field(default=512, ge=1, le=100_000)

    @property
    def most(self) -> int:
        """How many frames of a video at most."""
        return self.frames if self.mode == "uniform" else self.max_frames

    def __str__(self) -> str:
        """The name that embeddings carry, e.g. `uniform:50` or `rate:1.0:512`."""
        return f"uniform:{self.frames}" if self.mode == "uniform" else f"rate:{self.rate_fps}:{self.max_frames}"


class Limits(Config):
    """What one video may cost. Past a limit it fails with a reason of its own."""

    max_duration_s: float = Field(default=4 * 3600, gt=0)
    max_bytes: int = Field(default=64 * 2**30, gt=0)
    max_pixels_per_frame: int = Field(default=8192 * 4352, gt=0)
    max_memory_bytes: int = Field(default=4 * 2**30, gt=0)
    deadline_s: float = Field(default=300, gt=0, le=7 * 24 * 3600)


class Preprocessing(Config):
    """An encoder's own way from a picture to its input; part of the fingerprint.

    `resize`: "shortest" scales the shorter side and crops the centre; "squash" scales both sides. They are scaled to
    `scaled_px`, of which the middle `size_px` are kept: `crop` is below 1 for encoders that leave a border out.
    """

    size_px: int = Field(default=224, ge=8)
    resize: Literal["shortest", "squash"] = "shortest"
    interpolation: Literal["bicubic", "bilinear"] = "bicubic"
    mean: tuple[float, float, float] = (0.48145466, 0.4578275, 0.40821073)
    std: tuple[float, float, float] = (0.26862954, 0.26130258, 0.27577711)
    version: int = 1
    # Left out where it is 1, since fingerprints are over what is written here.
    crop: float = Field(default=1.0, gt=0, le=1, exclude_if=lambda crop: crop == 1)

    @property
    def scaled_px(self) -> int:
        """What the shorter side, or each side, is scaled to before the crop."""
        return math.floor(self.size_px / self.crop + 1e-6)


def load(
    cls: type[ConfigT], path: str | None = None, overrides: Iterable[str] = (), base: ConfigT | None = None
) -> ConfigT:
    """Build a configuration from a TOML file and `key=value` words, nested keys joined by dots.

    Where neither says anything, it is as in `base`, if one is given, else as by default.

    Raises: UsageError, one line that names the key, the value and what is allowed.
    """
    values: dict[str, Any] = _read_toml(path) if path else {}
    for word in overrides:
        key, equals, text = word.partition("=")
        if not equals or not key.strip():
            lacks = "no key before its '='" if equals else "no '='"
            raise UsageError(f"--set '{word}' has {lacks}: write it as key=value, e.g. --set sampling.frames=20")
        keys = key.strip().split(".")
        _put(values, keys, _parse(text.strip(), _types_of(cls, keys)))
    _refuse_unknown(cls, values, "")
    if base is not None:
        values = _merged(base.model_dump(), values)
    return _validated(cls, values)


def overlaid(base: ConfigT, values: Mapping[str, Any]) -> ConfigT:
    """`base` with nested `values` laid over it, section by section. Raises: UsageError, as `load`."""
    _refuse_unknown(type(base), values, "")
    return _validated(type(base), _merged(base.model_dump(), values))


def section_of(cls: type[BaseModel], key: str) -> type[BaseModel] | None:
    """The configuration that the field `key` may hold; None where it holds values, or there is no such field."""
    field = cls.model_fields.get(key)
    return next((each for each in _alternatives(field.annotation) if _is_section(each)), None) if field else None


def _validated(cls: type[ConfigT], values: dict[str, Any]) -> ConfigT:
    try:
        return cls(**values)
    except ValidationError as error:
        raise wrong_value(error, cls) from error


def _read_toml(path: str) -> dict[str, Any]:
    try:
        return tomllib.loads(Path(path).read_text("utf-8"))
    except OSError as error:
        raise UsageError(f"--config '{path}' cannot be read: {error.strerror}") from error
    except ValueError as error:  # of TOML, or of UTF-8
        raise UsageError(f"--config '{path}' is not valid TOML: {short(error)}") from error


def _parse(text: str, types: Collection[Any]) -> Any:
    """A TOML value where it is one (numbers, booleans, lists), else the words as they stand.

    Where only words are wanted, `123` and `true` are words too.
    """
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text
    return value if isinstance(value, str) or set(types) - {str, NoneType} else text


def _types_of(cls: type[BaseModel], keys: list[str]) -> tuple[Any, ...]:
    """The types that the field at `keys` may have; () where there is no such field."""
    field = cls.model_fields.get(keys[0])
    types = _alternatives(field.annotation) if field else ()
    if len(keys) == 1:
        return types
    section = section_of(cls, keys[0])
    return _types_of(section, keys[1:]) if section else ()


def _alternatives(annotation: Any) -> tuple[Any, ...]:
    """`A | None` as (A, None's type), anything else alone."""
    return get_args(annotation) if get_origin(annotation) in (Union, UnionType) else (annotation,)


def _is_section(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _put(values: dict[str, Any], keys: list[str], value: Any) -> None:
    for key in keys[:-1]:
        inner = values.setdefault(key, {})
        if not isinstance(inner, dict):
            raise UsageError(f"--set {'.'.join(keys)}: '{key}' is a value, not a section")
        values = inner
    values[keys[-1]] = value


def _merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """`above` laid over `below`, section by section."""
    both = {
        key: _merged(below[key], value) if isinstance(value, Mapping) and isinstance(below.get(key), Mapping) else value
        for key, value in above.items()
    }
    return {**below, **both}


def _refuse_unknown(cls: type[BaseModel], values: Mapping[str, Any], prefix: str) -> None:
    for key, value in values.items():
        if key not in cls.model_fields:
            raise one_of(prefix + key, [prefix + name for name in cls.model_fields], "configuration key")
        for inner in _alternatives(cls.model_fields[key].annotation):
            if isinstance(value, Mapping) and _is_section(inner):
                _refuse_unknown(inner, value, f"{prefix}{key}.")
            elif isinstance(value, list) and get_args(inner) and _is_section(get_args(inner)[0]):
                for item in value:
                    _refuse_unknown(get_args(inner)[0], item if isinstance(item, Mapping) else {}, f"{prefix}{key}.")
