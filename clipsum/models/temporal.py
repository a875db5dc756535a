"""Order in time: frame embeddings become frame states.

B batch, T frames, V visual width, E width of the states, P learned positions.
"""

from collections.abc import Sequence
from typing import Literal, TypedDict, Unpack

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import interpolate

from clipsum.models.config import ModelConfig
from clipsum.models.local import ContextAggregation, LocalEncoderLayer


def relative_times(times_s: NDArray[np.float64], duration_s: float) -> NDArray[np.float64]:
    """Each time as t / duration in [0, 1], shape (T,); a video without a length has all its frames in the middle."""
    if duration_s <= 0:
        return np.full(times_s.shape, 0.5)
    return np.clip(times_s / duration_s, 0.0, 1.0)


def relative_spans(spans: Sequence[tuple[float, float] | None], duration_s: float) -> NDArray[np.float64]:
    """Start and end of each as t / duration, (M, 2); None, and any in a video of no length, is the whole, (0, 1)."""
    if duration_s <= 0:
        return np.tile((0.0, 1.0), (len(spans), 1))
    edges = np.array([span or (0.0, duration_s) for span in spans], np.float64).reshape(-1, 2)
    return relative_times(edges, duration_s)


def read_positions(table: Tensor, relative: Tensor) -> Tensor:
    """Learned positions `table` (P, E) read at relative times (B, T) by linear interpolation: (B, T, E).

    A time falls on the position t * P - 1/2, clamped to 0 .. P - 1, so the centres of P equal bins fall exactly on
    0 .. P - 1. Float64 times keep that exact in float32.
    """
    last = table.shape[0] - 1
    place = (relative.double() * table.shape[0] - 0.5).clamp(0, last)
    below = place.floor().long().clamp(max=last - 1)
    share = (place - below).to(table.dtype).unsqueeze(-1)
    return table[below] * (1 - share) + table[below + 1] * share


def ranked_positions(table: Tensor, frame_mask: Tensor) -> Tensor:
    """Learned positions `table` (P, E) by rank among the real frames, which come first (B, T): (B, T, E).

    A video of more than P frames has the table stretched to its length, bicubically, as VideoXum does.
    """
    read = table.new_zeros(*frame_mask.shape, table.shape[1])
    for item, frames in enumerate(frame_mask.sum(dim=1).tolist()):
        stretched = table
        if frames > len(table):
            across = table.T[None, :, :, None]  # (1, E, P, 1)
            stretched = interpolate(across, size=(frames, 1), mode="bicubic", align_corners=False)[0, :, :, 0].T
        read[item, :frames] = stretched[:frames]
    return read


class TemporalEncoder(nn.Module):
    """Learned positions, then transformer layers over the real frames; after them, positions by index again.

    Where the configuration has it, context aggregation comes last, before either head.
    `attention="local"`: in each layer a frame sees its `attention_radius` neighbours on either side, and no others.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        width = config.state_width
        self.project = nn.Identity() if width == config.visual_width else nn.Linear(config.visual_width, width)
        # About as long as the L2-normalised frames that they are added to.
        self.positions = nn.Parameter(torch.randn(config.temporal_positions, width) * width**-0.5)
        self.dropout = nn.Dropout(config.dropout)
        self.by_rank = config.positions == "index"
        sizes = width, config.temporal_heads, config.temporal_ffn, config.dropout
        how = config.attention, config.attention_radius
        kind: LayerKind = {"activation": config.temporal_activation, "norm_first": config.temporal_norm == "pre"}
        self.layers = nn.ModuleList(encoder_layer(*sizes, *how, **kind) for _ in range(config.temporal_layers))
        aggregating = width, config.temporal_heads, config.dropout, config.attention_radius
        self.aggregate = ContextAggregation(*aggregating) if config.aggregation else None

    def forward(self, frames: Tensor, relative: Tensor, frame_mask: Tensor) -> Tensor:
        """Frames (B, T, V), t / duration (B, T), mask (B, T) true on real frames -> states (B, T, E).

        States of padding are arbitrary but finite.
        """
        positions = ranked_positions(self.positions, frame_mask) if self.by_rank else None
        placed = read_positions(self.positions, relative) if positions is None else positions
        states: Tensor = self.dropout(self.project(frames) + placed)
        # A row without any frame attends to its padding: a softmax over nothing would be NaN.
        ignore = ~frame_mask & frame_mask.any(dim=1, keepdim=True)
        for layer in self.layers:
            states = layer(states, src_key_padding_mask=ignore)
        states = states if positions is None else states + positions
        return states if self.aggregate is None else self.aggregate(states, frame_mask)


class LayerKind(TypedDict, total=False):
    """What else a layer may be, by torch's names."""

    activation: str
    norm_first: bool


def encoder_layer(
    width: int,
    heads: int,
    ffn: int,
    dropout: float,
    attention: Literal["global", "local"],
    radius: int,
    **kind: Unpack[LayerKind],
) -> nn.Module:
    """A transformer layer over frames, post-norm and ReLU unless told; "local": each sees `radius` on either side."""
    sizes = width, heads, ffn, dropout
    if attention == "local":
        return LocalEncoderLayer(*sizes, radius=radius, batch_first=True, **kind)
    return nn.TransformerEncoderLayer(*sizes, batch_first=True, **kind)
