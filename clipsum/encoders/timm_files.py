"""Files of timm's models: how a name, a tag, a file, a folder or an `s3://` place becomes one, and how one is written.

The folder layout is timm's own for hubs: `config.json`, `model.safetensors`.
"""

import difflib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import timm
import torch
from safetensors.torch import save_file
from timm.data import resolve_data_config
from timm.models import load_state_dict

from clipsum import storage
from clipsum.config import Preprocessing
from clipsum.encoders.hub import LOADING, copy_if_whole, local_files, not_loaded
from clipsum.errors import UsageError, one_of

CONFIG_FILE = "config.json"
WEIGHTS_FILE = "model.safetensors"
RESIZES: dict[str, Literal["shortest", "squash"]] = {"center": "shortest", "squash": "squash"}


@dataclass(frozen=True)
class LoadedTimm:
    """A model in float32 on the CPU, without classifier, and where its weights are from: a `tag` or `weights`."""

    name: str
    tag: str | None
    weights: str | None
    model: Any
    architecture: dict[str, Any]
    preprocessing: Preprocessing

    @property
    def width(self) -> int:
        """Of the pooled features; some models have one more layer after the pooling."""
        return int(getattr(self.model, "head_hidden_size", None) or self.model.num_features)


def read_timm(name: str, pretrained: str | None) -> LoadedTimm:
    """Build the model and load its weights; arguments as in `load_timm`. Raises: UsageError."""
    if pretrained is None and (storage.is_s3(name) or Path(name).is_dir()):
        name, pretrained = Path(name).name, name
    architecture, _, tag = name.partition(".")
    if pretrained is None or _has_tag(architecture, pretrained):
        return _by_tag(architecture, pretrained or tag)
    with local_files(pretrained, "weights") as path:
        if path is None and "/" not in pretrained:
            _check_name(architecture)
            raise one_of(pretrained, _tags(architecture), f"weights of {architecture}: tag, file or folder")
        if path is None:
            raise UsageError(f"weights '{pretrained}' are not there: give a tag, a file or a folder with {CONFIG_FILE}")
        weights = storage.canonical(pretrained)
        if path.is_dir():
            model = _made(f"'{name}' from '{pretrained}'", f"local-dir:{path}", pretrained=True)
            config = json.loads((path / CONFIG_FILE).read_text())
            built = _architecture(config["architecture"], config.get("model_args"))
        else:
            _check_name(architecture)
            model = _made(f"'{name}'", name, pretrained=False)
            _fill(model, path, f"'{name}' from '{pretrained}'")
            built = _architecture(architecture)
    return LoadedTimm(name, None, weights, model, built, _preprocessing(model.pretrained_cfg))


def write_timm(
    folder: Path,
    model: torch.nn.Module,
    architecture: str,
    preprocessing: Preprocessing,
    model_args: Mapping[str, Any] | None = None,
) -> None:
    """Write timm's hub layout of a model without classifier; `model_args`: what made it, beside its name."""
    folder.mkdir(parents=True, exist_ok=True)
    save_file({key: value.contiguous() for key, value in model.state_dict().items()}, folder / WEIGHTS_FILE)
    known = timm.get_pretrained_cfg(architecture)
    described = {
        "num_classes": 0,
        "first_conv": known.first_conv if known else None,
        "classifier": known.classifier if known else None,
        "input_size": [3, preprocessing.size_px, preprocessing.size_px],
        "interpolation": preprocessing.interpolation,
        "crop_mode": next(mode for mode, resize in RESIZES.items() if resize == preprocessing.resize),
        "crop_pct": preprocessing.crop,
        "mean": list(preprocessing.mean),
        "std": list(preprocessing.std),
    }
    config = {"architecture": architecture, "num_classes": 0, "pretrained_cfg": described}
    written = config | ({"model_args": dict(model_args)} if model_args else {})
    (folder / CONFIG_FILE).write_text(json.dumps(written, indent=2) + "\n")


def copy_timm(name: str, pretrained: str | None, folder: Path) -> None:
    """Write what `read_timm` reads to `folder` in hub layout: a folder of that layout file by file, else made anew."""
    if not copy_if_whole(pretrained or name, "weights", (CONFIG_FILE, WEIGHTS_FILE), folder):
        loaded = read_timm(name, pretrained)
        write_timm(folder, loaded.model, loaded.name.partition(".")[0], loaded.preprocessing)


def _by_tag(architecture: str, tag: str) -> LoadedTimm:
    """From the hub; without a tag the first that timm names for it."""
    _check_name(architecture)
    if tag and not _has_tag(architecture, tag):
        raise one_of(tag, _tags(architecture), f"weights of {architecture}")
    tag = tag or timm.get_pretrained_cfg(architecture).tag
    model = _made(f"'{architecture}.{tag}'", f"{architecture}.{tag}", pretrained=True)
    return LoadedTimm(architecture, tag, None, model, _architecture(architecture), _preprocessing(model.pretrained_cfg))


def _architecture(name: str, model_args: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """What makes the model, in the words of its hub layout; a tag says nothing of it."""
    return {"architecture": name.partition(".")[0], "model_args": dict(model_args or {})}


def _made(what: str, source: str, pretrained: bool) -> Any:
    try:
        return timm.create_model(source, pretrained=pretrained, num_classes=0)
    except LOADING as error:
        raise not_loaded(f"encoder {what}", error) from error


def _fill(model: Any, path: Path, what: str) -> None:
    """Load a file of weights: all that the model has must be there, and nothing more but the classifier."""
    try:
        weights = load_state_dict(str(path), use_ema=False, weights_only=True)
        given = {key: value for key, value in weights.items() if not key.startswith(_classifier(model))}
        model.load_state_dict(given)
    except Exception as error:  # what unpickling raises has no common ancestor
        raise not_loaded(f"encoder {what}", error) from error


def _classifier(model: Any) -> tuple[str, ...]:
    names = model.pretrained_cfg.get("classifier") or ()
    return tuple(f"{name}." for name in ((names,) if isinstance(names, str) else names))


def _preprocessing(described: Mapping[str, Any]) -> Preprocessing:
    """The way from picture to input by which the model was tested. Raises: UsageError for one that we do not have."""
    data = resolve_data_config(pretrained_cfg=dict(described), use_test_size=True)
    _, height, width = data["input_size"]
    if height != width or data["crop_mode"] not in RESIZES or data["interpolation"] not in ("bicubic", "bilinear"):
        raise UsageError(
            f"an encoder that wants pictures of {height} x {width} by '{data['crop_mode']}' and "
            f"'{data['interpolation']}' is not supported: square ones by 'center' or 'squash', bicubic or bilinear, are"
        )
    return Preprocessing(
        size_px=height,
        resize=RESIZES[data["crop_mode"]],
        interpolation=data["interpolation"],
        mean=tuple(data["mean"]),
        std=tuple(data["std"]),
        crop=data["crop_pct"],
    )


def _tags(architecture: str) -> list[str]:
    return [name.partition(".")[2] for name in timm.list_pretrained(f"{architecture}.*")]


def _has_tag(architecture: str, tag: str) -> bool:
    return bool(timm.is_model(architecture)) and tag in _tags(architecture)


def _check_name(architecture: str) -> None:
    if not timm.is_model(architecture):
        near = difflib.get_close_matches(architecture, timm.list_models(), n=5, cutoff=0)
        raise one_of(architecture, near, "timm model")
