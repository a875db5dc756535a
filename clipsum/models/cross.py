"""Local attention between words and frames: each sentence meets the frames of its time, and each frame its sentences.

B batch, H heads, T frames, M texts, K radius, W width, C texts that the busiest frame sees, U texts that reach far.
The window of frame i reaches over the frames i - K to i + K, each of which stands for the time that is nearer to it
than to its neighbours. So every moment lies in a window, however far apart the frames are, and a text always meets
some frame. Times are t / duration, as of `temporal.relative_times`; a text without times spans the whole, (0, 1).
"""

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention


def frame_windows(positions: Tensor, frame_mask: Tensor, radius: int) -> tuple[Tensor, Tensor]:
    """Start and end of each frame's window, both (B, T), from rising times (B, T) and the mask of real frames.

    The first windows start at -inf and the last end at inf: nothing that is said falls outside. Those of padding start
    at inf, and nothing falls inside.
    """
    middles = (positions[:, 1:] + positions[:, :-1]) / 2
    last_is_real = frame_mask[:, 1:]
    endless = positions.new_full((len(positions), radius + 1), torch.inf)
    starts = torch.cat([-endless, middles], dim=1)[:, : positions.shape[1]]
    ends = torch.cat([middles.masked_fill(~last_is_real, torch.inf), endless], dim=1)[:, radius:]
    return starts.masked_fill(~frame_mask, torch.inf), ends


def in_window(times: Tensor, starts: Tensor, ends: Tensor) -> Tensor:
    """Which texts (B, M, 2) meet which frames of windows (B, T): (B, M, T), true where they overlap."""
    return (times[:, :, :1] < ends[:, None]) & (times[:, :, 1:] >= starts[:, None])


def far_reaching(times: Tensor, text_mask: Tensor) -> Tensor:
    """Which of the real texts (B, M, 2), in rising order of their starts, span the whole or end after a later one does.

    A text without times is one. Among the others ends rise as starts do, so that a window meets a row of them.
    """
    ends = times[:, :, 1].masked_fill(~text_mask, torch.inf)
    later = torch.cat([ends.flip(1).cummin(dim=1).values.flip(1)[:, 1:], ends.new_full((len(ends), 1), torch.inf)], 1)
    spans_all = (times[:, :, 0] <= 0) & (times[:, :, 1] >= 1)
    return text_mask & (spans_all | (ends > later[:, : ends.shape[1]]))


def near_texts(times: Tensor, text_mask: Tensor, starts: Tensor, ends: Tensor) -> tuple[Tensor, Tensor]:
    """The texts in each frame's window: their places (B, T, C), and which of those are meant (B, T, C).

    `times` (B, M, 2) in rising order of their starts; only those of the mask (B, M). No tensor of T x M is made.
    """
    order = (~text_mask).byte().argsort(dim=1, stable=True)
    begins, closes = (times[:, :, edge].masked_fill(~text_mask, torch.inf).gather(1, order) for edge in (0, 1))
    first = torch.searchsorted(closes.cummax(dim=1).values, starts.contiguous())
    beyond = torch.searchsorted(begins, ends.contiguous())
    most = int((beyond - first).clamp(min=0).max()) if first.numel() else 0
    rank = first[:, :, None] + torch.arange(most, device=times.device)
    meant = rank < beyond[:, :, None]
    rank = rank.clamp(max=max(0, times.shape[1] - 1)).flatten(1)
    if not most:
        return rank.view(meant.shape), meant
    return order.gather(1, rank).view(meant.shape), meant & (
        closes.gather(1, rank).view(meant.shape) >= starts[:, :, None]
    )


def attend_in_windows(
    query: Tensor, key: Tensor, value: Tensor, times: Tensor, text_mask: Tensor, windows: tuple[Tensor, Tensor]
) -> Tensor:
    """Scaled dot-product attention of frames (B, H, T, W / H) to keys (B, H, 1 + M, W / H): to the first, which stands
    for no text, and to those whose texts (B, M, 2) meet the window of the frame (B, T).

    Memory: O(T * (C * W + H * U)), or O(T * M) where that is less. Texts that reach far are seen by all frames, so they
    are not gathered for each.
    """
    starts, ends = windows
    far = far_reaching(times, text_mask)
    places, meant = near_texts(times, text_mask & ~far, starts, ends)
    always = meant.new_ones(*starts.shape, 1)
    if 2 * query.shape[3] * (1 + places.shape[2]) >= key.shape[2]:
        near = in_window(times, starts, ends).transpose(1, 2) & text_mask[:, None]
        return scaled_dot_product_attention(query, key, value, torch.cat([always, near], dim=2)[:, None])
    wide = (~far).byte().argsort(dim=1, stable=True)[:, : int(far.sum(dim=1).max())]  # (B, U)
    met = in_window(times.gather(1, wide[:, :, None].expand(-1, -1, 2)), starts, ends).transpose(1, 2)
    places = torch.cat([places.new_zeros(*starts.shape, 1), places + 1], dim=2)
    seen = torch.cat([always, meant, met & far.gather(1, wide)[:, None]], dim=2)
    return _attend(query, key, value, places, wide + 1, seen)


def _attend(query: Tensor, key: Tensor, value: Tensor, near: Tensor, wide: Tensor, seen: Tensor) -> Tensor:
    """Each frame attends to keys of its own, `near` (B, T, C), and to `wide` (B, U): to those `seen` (B, T, C + U)."""
    rows = torch.arange(len(near), device=near.device)[:, None, None]
    keys, values = (each.transpose(1, 2)[rows, near] for each in (key, value))  # (B, T, C, H, W / H)
    places = wide[:, None, :, None].expand(-1, key.shape[1], -1, key.shape[3])
    wide_keys, wide_values = (each.gather(2, places) for each in (key, value))  # (B, H, U, W / H)
    scores = torch.cat([torch.einsum("bhtd,btchd->bhtc", query, keys), query @ wide_keys.transpose(2, 3)], dim=3)
    scores = scores / query.shape[3] ** 0.5
    weights = scores.masked_fill(~seen[:, None], torch.finfo(scores.dtype).min).softmax(dim=3)
    count = near.shape[2]
    told: Tensor = torch.einsum("bhtc,btchd->bhtd", weights[..., :count], values)
    told += weights[..., count:] @ wide_values
    return told
