"""Items of different lengths as one padded batch: the one way into the model, for training and for use.

B batch, S text tokens, T frames, V visual width, L tokens of the summary, M texts that guide the scoring of frames.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

IGNORED_LABEL = -100


@dataclass(frozen=True)
class Guide:
    """What guides the scoring of a video's frames: texts as vectors (M, V) float32 in the space of its frames.

    `times` (M, 2): start and end as t / duration, the starts rising; (0, 1) where a text has no time of its own.
    `asked`: it is a query, not what the video itself says. Raises: ValueError where shapes or order are not these.
    """

    vectors: NDArray[np.float32]
    times: NDArray[np.float64]
    asked: bool = False

    def __post_init__(self) -> None:
        shapes = self.vectors.shape, self.times.shape
        if self.vectors.ndim != 2 or self.times.shape != (len(self.vectors), 2):
            raise ValueError(f"Guide: vectors and times are {shapes[0]} and {shapes[1]}, expected (M, V) and (M, 2)")
        if not np.all(np.diff(self.times[:, 0]) >= 0):
            raise ValueError("Guide: the starts of times must rise")


@dataclass(frozen=True)
class Item:
    """One video for the model.

    `input_ids` `<s> … </s>`; `vectors` (T, V) float32 or None without frames; `relative` (T,): t / duration, from
    `temporal.relative_times`; `labels` `<s> … </s>` when training. Where the frame encoder learns too, `pixels`
    (T, H, W, 3) uint8 are what it sees, and `shift` (T, V), if any, is added to the vectors that it then gives.
    `text_times` (S, 2), for local cross-attention: start and end of the sentence of each token as t / duration, (0, 1)
    where it has no time. `guide`: the texts that guide the scoring of frames, if any do; `marks` (T,) in [0, 1] when
    scoring is trained: the share of annotators to whom each frame matters. `queries`: other guides of the same video
    with marks of their own, for training to choose from. `written`: the guide of its reference summary, likewise.
    """

    input_ids: Sequence[int]
    vectors: NDArray[np.float32] | None = None
    relative: NDArray[np.float64] | None = None
    labels: Sequence[int] | None = None
    pixels: NDArray[np.uint8] | None = None
    shift: NDArray[np.float32] | None = None
    text_times: NDArray[np.float64] | None = None
    guide: Guide | None = None
    marks: NDArray[np.float32] | None = None
    queries: tuple[tuple[Guide, NDArray[np.float32]], ...] = ()
    written: Guide | None = None


def collate(items: Sequence[Item], pad_id: int, device: str | torch.device = "cpu") -> dict[str, Tensor]:
    """Keyword arguments of `ClipSum.forward` and `ClipSum.generate`; frames are left out where no item has any.

    `labels` are there when the first item has some, guides where any item has one. Masks are true on what is real.
    For the loss of frame scores, where any item has marks: `marks` (B, T) and `marked` (B,), which items have.
    """
    lengths = torch.tensor([len(item.input_ids) for item in items])
    batch = {
        "input_ids": _pad([torch.tensor(item.input_ids) for item in items], pad_id),
        "text_mask": torch.arange(int(lengths.max())) < lengths[:, None],
        **_text_times(items),
        **_frames(items),
        **_guides(items),
        **_marks(items),
    }
    if items[0].labels is not None:
        batch["labels"] = _pad([torch.tensor(item.labels) for item in items], IGNORED_LABEL)
    return {name: tensor.to(device, non_blocking=True) for name, tensor in batch.items()}


def _text_times(items: Sequence[Item]) -> dict[str, Tensor]:
    """(B, S, 2), where any item has some."""
    if all(item.text_times is None for item in items):
        return {}
    whole = [np.tile((0.0, 1.0), (len(item.input_ids), 1)) for item in items]
    times = [every if item.text_times is None else item.text_times for item, every in zip(items, whole, strict=True)]
    return {"text_times": _pad([torch.from_numpy(each) for each in times], 0.0)}


def _frames(items: Sequence[Item]) -> dict[str, Tensor]:
    counts = torch.tensor([0 if item.vectors is None else len(item.vectors) for item in items])
    if not counts.any():
        return {}
    width = next(item.vectors.shape[1] for item in items if item.vectors is not None and len(item.vectors))
    nothing: Any = np.zeros((0, width), np.float32), np.zeros(0)
    pairs = [(item.vectors, item.relative) if count else nothing for item, count in zip(items, counts, strict=True)]
    return {
        "frames": _pad([torch.from_numpy(vectors) for vectors, _ in pairs], 0.0),
        "positions": _pad([torch.from_numpy(relative) for _, relative in pairs], 0.0),
        "frame_mask": torch.arange(int(counts.max())) < counts[:, None],
    }


def _guides(items: Sequence[Item]) -> dict[str, Tensor]:
    counts = torch.tensor([0 if item.guide is None else len(item.guide.vectors) for item in items])
    if not counts.any():
        return {}
    width = next(item.guide.vectors.shape[1] for item in items if item.guide is not None)
    nothing = Guide(np.zeros((0, width), np.float32), np.zeros((0, 2)))
    guides = [item.guide or nothing for item in items]
    return {
        "guide": _pad([torch.from_numpy(guide.vectors) for guide in guides], 0.0),
        "guide_mask": torch.arange(int(counts.max())) < counts[:, None],
        "guide_times": _pad([torch.from_numpy(guide.times) for guide in guides], 0.0),
        "asked": torch.tensor([guide.asked for guide in guides]),
    }


def _marks(items: Sequence[Item]) -> dict[str, Tensor]:
    marked = torch.tensor([item.marks is not None and item.vectors is not None for item in items])
    if not marked.any():
        return {}
    counts = [0 if item.vectors is None else len(item.vectors) for item in items]
    rows = [
        np.zeros(n, np.float32) if item.marks is None else item.marks for item, n in zip(items, counts, strict=True)
    ]
    return {
        "marks": _pad([torch.from_numpy(row[:n]) for row, n in zip(rows, counts, strict=True)], 0.0),
        "marked": marked,
    }


def _pad(rows: list[Tensor], value: float) -> Tensor:
    return torch.nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=value)
