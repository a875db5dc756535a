"""BLIP's files: how a hub name, a folder or an `s3://` place becomes its frame tower, and how one is written.

They are `config.json`, `model.safetensors` and `preprocessor_config.json`.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
import transformers
from transformers.utils import cached_file

from clipsum import storage
from clipsum.config import Preprocessing
from clipsum.encoders.hub import LOADING, files_or_hub, not_loaded
from clipsum.errors import UsageError

PREPROCESSING_FILE = "preprocessor_config.json"
INTERPOLATIONS: dict[int, Literal["bilinear", "bicubic"]] = {2: "bilinear", 3: "bicubic"}  # as Pillow numbers them
_ARCHITECTURE = ("hidden_act", "layer_norm_eps", "num_attention_heads", "patch_size")
_MODEL_TYPES = ("blip", "blip_vision_model")


@dataclass(frozen=True)
class LoadedBlip:
    """The frame tower in float32 on the CPU, and where it is from: `hub_name` or `weights`."""

    hub_name: str | None
    weights: str | None
    model: Any
    preprocessing: Preprocessing

    @property
    def architecture(self) -> dict[str, Any]:
        """What decides, beside the weights, what the tower gives for a picture."""
        return {name: getattr(self.model.config, name) for name in _ARCHITECTURE}


class BlipVisionModel(transformers.BlipVisionModel):  # type: ignore[misc]  # transformers is Any to mypy
    """The frame tower alone, out of the file of a whole BLIP, whose other parts are no surprise."""

    _keys_to_ignore_on_load_unexpected = (r"^text_", r"^itm_head", r"^vision_proj", r"^visual_projection", r"^logit_")


def read_blip(place: str) -> LoadedBlip:
    """Load the tower from a hub name, a folder or an `s3://` place. Raises: UsageError."""
    with files_or_hub(place, "BLIP") as path:
        model, preprocessing = _read(str(path or place), place)
        here = path is not None
    return LoadedBlip(None if here else place, storage.canonical(place) if here else None, model, preprocessing)


def write_blip(folder: Path, tower: Any, preprocessing: Preprocessing) -> None:
    """Write a tower and its preprocessing as transformers lays them out."""
    tower.save_pretrained(folder)
    side = preprocessing.size_px
    shortest = {"do_center_crop": True, "size": {"shortest_edge": side}, "crop_size": {"height": side, "width": side}}
    described = {
        "do_resize": True,
        "resample": next(number for number, name in INTERPOLATIONS.items() if name == preprocessing.interpolation),
        "image_mean": list(preprocessing.mean),
        "image_std": list(preprocessing.std),
        **({"size": {"height": side, "width": side}} if preprocessing.resize == "squash" else shortest),
    }
    (folder / PREPROCESSING_FILE).write_text(json.dumps(described, indent=2) + "\n")


def copy_blip(place: str, folder: Path) -> None:
    """Write the tower that `read_blip` reads to `folder`, without the parts of BLIP that are not used."""
    loaded = read_blip(place)
    write_blip(folder, loaded.model, loaded.preprocessing)


def _read(source: str, place: str) -> tuple[Any, Preprocessing]:
    try:
        kind = transformers.AutoConfig.from_pretrained(source).model_type
        if kind not in _MODEL_TYPES:
            raise UsageError(f"'{place}' is a model of type '{kind}', not one of {', '.join(_MODEL_TYPES)}")
        model, found = BlipVisionModel.from_pretrained(
            source,
            key_mapping={r"^vision_model\.": ""},
            dtype=torch.float32,
            use_safetensors=True,
            output_loading_info=True,
        )
        described = json.loads(Path(cached_file(source, PREPROCESSING_FILE)).read_text())
    except LOADING as error:
        raise not_loaded(f"BLIP '{place}'", error) from error
    if found["missing_keys"] or found["mismatched_keys"]:
        missing = sorted(found["missing_keys"]) or found["mismatched_keys"]
        raise UsageError(f"BLIP '{place}' lacks weights of its frame tower, the first of {len(missing)}: {missing[0]}")
    try:
        return model, _preprocessing(described)
    except KeyError as error:
        raise UsageError(f"BLIP '{place}': its {PREPROCESSING_FILE} has no {error}") from error


def _preprocessing(described: Mapping[str, Any]) -> Preprocessing:
    """The model's own way from picture to input. Raises: UsageError for one that we do not have."""
    size = described["size"]
    crop = described.get("crop_size", size) if described.get("do_center_crop") else size
    scaled, kept = size.get("shortest_edge", size.get("height")), crop.get("height", size.get("height"))
    sides = {size.get("width", scaled), size.get("height", scaled)}
    if len(sides) != 1 or crop.get("width", kept) != kept or described["resample"] not in INTERPOLATIONS:
        raise UsageError(f"a BLIP that wants pictures of {size} by resampling {described['resample']} is not supported")
    return Preprocessing(
        size_px=kept,
        resize="shortest" if "shortest_edge" in size else "squash",
        interpolation=INTERPOLATIONS[described["resample"]],
        mean=tuple(described["image_mean"]),
        std=tuple(described["image_std"]),
        crop=kept / scaled,
    )
