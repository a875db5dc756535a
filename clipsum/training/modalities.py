"""What changes about an example from epoch to epoch: a modality left out, frames thinned and blurred."""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from clipsum.config import Config
from clipsum.models.batch import Item


class Augmentation(Config):
    """What changes about an example from epoch to epoch, besides what its dataset tells anew.

    `drop_text`, `drop_frames`: chance that a modality is left out, when the other one stays.
    `thin`: chance that only a random share of the frames, at least `thin_to` of them, is kept: key frames are few.
    `noise`: length of a random vector that is added to each frame's unit vector.
    """

    drop_text: float = Field(default=0.1, ge=0, le=1)
    drop_frames: float = Field(default=0.1, ge=0, le=1)
    thin: float = Field(default=0.5, ge=0, le=1)
    thin_to: float = Field(default=0.3, gt=0, le=1)
    noise: float = Field(default=0.3, ge=0)


NO_AUGMENTATION = Augmentation(drop_text=0.0, drop_frames=0.0, thin=0.0, noise=0.0)


def vary(item: Item, augmentation: Augmentation, rng: np.random.Generator) -> Item:
    """The item with one modality perhaps left out, if it has both, and its frames thinned and blurred."""
    if item.vectors is None or item.relative is None:
        return item
    count, without_text, without_frames = len(item.vectors), False, False
    if len(item.input_ids) > 2:
        lot = rng.random()
        without_text = lot < augmentation.drop_text
        without_frames = not without_text and lot < augmentation.drop_text + augmentation.drop_frames
    if without_text:
        item = replace(item, input_ids=(item.input_ids[0], item.input_ids[-1]), text_times=None)
    if without_frames:
        return Item(item.input_ids, labels=item.labels)
    kept = _thin(count, augmentation, rng)
    said = without_text and item.guide is not None and not item.guide.asked
    item = replace(_of_frames(item, kept), guide=None if said else item.guide)
    return _blurred(item, augmentation.noise, rng) if augmentation.noise else item


def asked(item: Item, share: float, rng: np.random.Generator) -> Item:
    """The item guided by one of its queries, with that one's marks, in a `share` of the cases; else as it is."""
    if not item.queries or rng.random() >= share:
        return item
    guide, marks = item.queries[int(rng.integers(len(item.queries)))]
    return replace(item, guide=guide, marks=marks)


def told(item: Item, share: float, rng: np.random.Generator) -> Item:
    """The item guided by its reference summary, in a `share` of the cases where nothing else guides it."""
    if item.guide is not None or item.written is None or rng.random() >= share:
        return item
    return replace(item, guide=item.written)


def sampled(item: Item, most: int, rng: np.random.Generator) -> Item:
    """The item with one frame, drawn at random, of each of `most` equal parts of its frames; all if they are fewer."""
    if item.vectors is None or len(item.vectors) <= most:
        return item
    bounds = np.linspace(0, len(item.vectors), most + 1).round().astype(np.int64)
    return _of_frames(item, rng.integers(bounds[:-1], bounds[1:]))


def _of_frames(item: Item, kept: NDArray[np.int64]) -> Item:
    """The item with those of its frames."""
    parts = {name: getattr(item, name) for name in ("vectors", "relative", "pixels", "marks")}
    changes: dict[str, Any] = {name: part[kept] for name, part in parts.items() if part is not None}
    queries = tuple((guide, marks[kept]) for guide, marks in item.queries)
    return replace(item, **changes, queries=queries)


def _thin(count: int, augmentation: Augmentation, rng: np.random.Generator) -> NDArray[np.int64]:
    """Numbers of the frames that stay, rising."""
    if rng.random() >= augmentation.thin:
        return np.arange(count)
    keep = max(1, round(count * rng.uniform(augmentation.thin_to, 1.0)))
    return np.sort(rng.permutation(count)[:keep])


def _blurred(item: Item, noise: float, rng: np.random.Generator) -> Item:
    """Unit vectors (T, D), moved by about `noise` in a random direction and brought back to length 1.

    Where the encoder is yet to see the pixels, the item is only told by how much.
    """
    assert item.vectors is not None
    shift = rng.standard_normal(item.vectors.shape, np.float32) * np.float32(noise / item.vectors.shape[1] ** 0.5)
    if item.pixels is not None:
        return replace(item, shift=shift)
    moved = item.vectors + shift
    moved /= np.linalg.norm(moved, axis=1, keepdims=True)
    return replace(item, vectors=moved)
