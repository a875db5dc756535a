"""Local self-attention: frame i sees the frames |i - j| <= k and no others, at a cost of O(T * k) in time and memory.

B batch, H heads, T frames, E width, K radius, C frames of a block, N = ceil(T / C) blocks.
Source: the local attention of the VideoXum line; in blocks, as in Longformer (arXiv 2004.05150), and exact.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import pad, scaled_dot_product_attention

SHORTEST_BLOCK = 16  # smaller blocks make more of them than the processor has use for


def local_attention(
    query: Tensor, key: Tensor, value: Tensor, mask: Tensor, radius: int, dropout: float = 0.0
) -> Tensor:
    """Scaled dot-product attention of (B, H, T, E / H) within `radius`; `mask` (B, T) is true on real frames.

    Equal to full attention under a band mask, to float precision. What padding attends to is itself.
    """
    batch, heads, frames, width = query.shape
    block = max(radius, SHORTEST_BLOCK)
    blocks = -(-frames // block)
    beyond = blocks * block - frames
    queries = pad(query, (0, 0, 0, beyond)).view(batch, heads, blocks, block, width)
    keys, values = (_with_neighbours(pad(each, (0, 0, block, block + beyond)), block) for each in (key, value))
    real = pad(mask, (block, block + beyond)).unfold(1, 3 * block, block)  # (B, N, 3C)
    offset = torch.arange(3 * block, device=mask.device) - block - torch.arange(block, device=mask.device)[:, None]
    allowed = ((offset.abs() <= radius) & real[:, :, None]) | (offset == 0)  # (B, N, C, 3C)
    states = scaled_dot_product_attention(
        _blocks_first(queries), _blocks_first(keys), _blocks_first(values), allowed.flatten(0, 1)[:, None], dropout
    )
    states = states.view(batch, blocks, heads, block, width)
    return states.transpose(1, 2).reshape(batch, heads, blocks * block, width)[:, :, :frames]


class LocalEncoderLayer(nn.TransformerEncoderLayer):
    """torch's transformer layer with local attention in the place of global; the weights keep their names."""

    def __init__(self, width: int, heads: int, ffn: int, dropout: float, radius: int, **options: Any) -> None:
        super().__init__(width, heads, ffn, dropout, **options)
        self.radius = radius

    def forward(self, src: Tensor, src_key_padding_mask: Tensor) -> Tensor:  # type: ignore[override]
        """States (B, T, E), mask (B, T) true on padding -> states (B, T, E)."""
        if self.norm_first:
            states = src + self._attend(self.norm1(src), ~src_key_padding_mask)
            return states + self._ff_block(self.norm2(states))
        states = self.norm1(src + self._attend(src, ~src_key_padding_mask))
        return self.norm2(states + self._ff_block(states))  # type: ignore[no-any-return]

    def _attend(self, states: Tensor, mask: Tensor) -> Tensor:
        return self.dropout1(attend_locally(self.self_attn, states, mask, self.radius))  # type: ignore[no-any-return]


class ContextAggregation(nn.Module):
    """X + dropout(MHA(LayerNorm X)) within `radius`, and no feed-forward: the context aggregation of VideoXum."""

    def __init__(self, width: int, heads: int, dropout: float, radius: int) -> None:
        super().__init__()
        self.radius = radius
        self.norm = nn.LayerNorm(width)
        self.self_attn = nn.MultiheadAttention(width, heads, dropout, batch_first=True)
        self.dropout = nn.Dropout(dropout)

    def forward(self, states: Tensor, mask: Tensor) -> Tensor:
        """States (B, T, E), mask (B, T) true on real frames -> states (B, T, E)."""
        told: Tensor = self.dropout(attend_locally(self.self_attn, self.norm(states), mask, self.radius))
        return states + told


def attend_locally(attention: nn.MultiheadAttention, states: Tensor, mask: Tensor, radius: int) -> Tensor:
    """What torch's self-attention gives under a band mask, with its weights: (B, T, E), mask true on real frames."""
    together = nn.functional.linear(states, attention.in_proj_weight, attention.in_proj_bias)
    by_head = (*states.shape[:2], attention.num_heads, attention.head_dim)
    query, key, value = (part.view(by_head).transpose(1, 2) for part in together.chunk(3, dim=2))
    seen = local_attention(query, key, value, mask, radius, attention.dropout if attention.training else 0.0)
    told: Tensor = attention.out_proj(seen.transpose(1, 2).flatten(2))
    return told


def _with_neighbours(padded: Tensor, block: int) -> Tensor:
    """(B, H, C + N * C + C, E / H) -> each block with the one before and the one after: (B, H, N, 3C, E / H)."""
    return padded.unfold(2, 3 * block, block).transpose(3, 4)


def _blocks_first(blocks: Tensor) -> Tensor:
    """(B, H, N, any, E / H) -> (B * N, H, any, E / H)."""
    return blocks.transpose(1, 2).flatten(0, 1)
