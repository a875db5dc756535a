"""CLIP's files: how a name, a tag, a file, a folder or an `s3://` place becomes a model, and how one is written.

The folder layout is open_clip's own for hubs: `open_clip_config.json`, `open_clip_model.safetensors`, tokenizer files.
"""

import difflib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import open_clip
import torch
from open_clip.pretrained import get_pretrained_cfg
from safetensors.torch import save_file

from clipsum import storage
from clipsum.config import Preprocessing
from clipsum.encoders.hub import LOADING, copy_if_whole, local_files, not_loaded, untold
from clipsum.errors import UsageError, one_of

CONFIG_FILE = "open_clip_config.json"
WEIGHTS_FILE = "open_clip_model.safetensors"
_ADVICE = "give a tag, or a local or s3:// file of weights or folder with open_clip_config.json"


@dataclass(frozen=True)
class LoadedClip:
    """A CLIP in float32 on the CPU, how it is built, and where its weights are from: a `tag` or `weights`."""

    name: str
    tag: str | None
    weights: str | None
    model: Any
    tokenizer: Any
    model_cfg: dict[str, Any]
    preprocessing: Preprocessing


def read_clip(name: str, pretrained: str | None) -> LoadedClip:
    """Build the model and load its weights; arguments as in `load_clip`. Raises: UsageError."""
    if pretrained is None and (storage.is_s3(name) or Path(name).is_dir()):
        name, pretrained = Path(name).name, name
    if pretrained is None:
        _check_name(name)
        raise UsageError(f"CLIP '{name}' has no weights named: {_ADVICE}")
    tags = open_clip.list_pretrained_tags_by_model(name)
    if pretrained in tags:
        quick = bool(get_pretrained_cfg(name, pretrained).get("quick_gelu", False))
        return _build(name, pretrained, tag=pretrained, weights=None, quick_gelu=quick)
    with local_files(pretrained, "CLIP weights") as path:
        if path is None and "/" in pretrained:
            raise UsageError(f"CLIP weights '{pretrained}' are not there: {_ADVICE}")
        if path is None:
            _check_name(name)
            raise one_of(pretrained, tags, f"weights of {name}: tag, file or folder")
        if (path / CONFIG_FILE).is_file():
            return _build(f"local-dir:{path}", None, tag=None, weights=storage.canonical(pretrained), label=name)
        _check_name(name)
        return _build(name, str(_weights_file(path)), tag=None, weights=storage.canonical(pretrained))


def write_clip(
    folder: Path,
    model: torch.nn.Module,
    model_cfg: Mapping[str, Any],
    preprocessing: Preprocessing,
    tokenizer: Any,
) -> None:
    """Write open_clip's hub layout; `model_cfg` as open_clip spells it. Its stock tokenizer needs no file."""
    folder.mkdir(parents=True, exist_ok=True)
    save_file({key: value.contiguous() for key, value in model.state_dict().items()}, folder / WEIGHTS_FILE)
    if hasattr(tokenizer, "save_pretrained"):
        tokenizer.save_pretrained(str(folder))
    described = {
        "size": [preprocessing.size_px] * 2,
        "mean": list(preprocessing.mean),
        "std": list(preprocessing.std),
        "interpolation": preprocessing.interpolation,
        "resize_mode": preprocessing.resize,
    }
    config = {"model_cfg": dict(model_cfg), "preprocess_cfg": described}
    (folder / CONFIG_FILE).write_text(json.dumps(config, indent=2) + "\n")


def copy_clip(name: str, pretrained: str | None, folder: Path) -> None:
    """Write what `read_clip` reads to `folder` in hub layout: a folder of that layout file by file, else made anew."""
    if not copy_if_whole(pretrained or name, "CLIP weights", (CONFIG_FILE, WEIGHTS_FILE), folder):
        loaded = read_clip(name, pretrained)
        write_clip(folder, loaded.model, loaded.model_cfg, loaded.preprocessing, loaded.tokenizer)


def _build(
    source: str,
    checkpoint: str | None,
    *,
    tag: str | None,
    weights: str | None,
    label: str | None = None,
    quick_gelu: bool = False,
) -> LoadedClip:
    """The model by open_clip. A tag that was trained with QuickGELU gets it: open_clip itself only warns."""
    try:
        model_cfg = open_clip.get_model_config(source)
        with untold():
            model = open_clip.create_model(
                source, checkpoint, force_quick_gelu=quick_gelu, require_pretrained=True, pretrained_text=False
            )
        tokenizer = open_clip.get_tokenizer(source)
    except LOADING as error:
        raise not_loaded(f"CLIP '{label or source}' with weights '{tag or weights}'", error) from error
    if quick_gelu:
        model_cfg["quick_gelu"] = True
    return LoadedClip(
        label or source, tag, weights, model, tokenizer, model_cfg, _preprocessing(model.visual.preprocess_cfg)
    )


def _preprocessing(described: Mapping[str, Any]) -> Preprocessing:
    """The encoder's own way from picture to input. Raises: UsageError for one that we do not have."""
    size = described["size"]
    sides = {size} if isinstance(size, int) else set(size)
    if len(sides) != 1 or described["resize_mode"] not in ("shortest", "squash"):
        raise UsageError(
            f"CLIP that wants pictures of {size} by resize mode '{described['resize_mode']}' is not supported: "
            "square pictures by 'shortest' or 'squash' are"
        )
    return Preprocessing(
        size_px=sides.pop(),
        resize=described["resize_mode"],
        interpolation=described["interpolation"],
        mean=tuple(described["mean"]),
        std=tuple(described["std"]),
    )


def _check_name(name: str) -> None:
    known = open_clip.list_models()
    if name not in known:
        raise one_of(name, difflib.get_close_matches(name, known, n=5, cutoff=0), "CLIP model")


def _weights_file(path: Path) -> Path:
    """The file itself, or the one file of weights in a folder. Raises: UsageError."""
    if path.is_file():
        return path
    found = sorted(path.glob("*.safetensors"))
    if len(found) != 1:
        raise UsageError(f"'{path}' holds {len(found)} .safetensors files and no {CONFIG_FILE}: name one file")
    return found[0]
