"""S4 and S5: the frozen CLIP ViT-B/32 against a bare matrix product on the same device, in the same run."""

import torch

from clipsum.bench.lines import Line, at_least
from clipsum.encoders.throughput import measure, untrained_clip


def encode_lines(rounds: int) -> list[Line]:
    """S4 on the processor, and S5 where there is a GPU. Weights are random: the arithmetic is the same."""
    lines = [_line("S4", "cpu", 64, 0.85, rounds)]
    if torch.cuda.is_available():
        lines.append(_line("S5", "cuda", 4096, 0.50, rounds))
    return lines


def _line(target: str, device: str, frames: int, limit: float, rounds: int) -> Line:
    figure = measure(untrained_clip(device=device), frames, rounds)
    return at_least(
        target,
        f"frozen CLIP ViT-B/32 on {device}, {figure.dtype}",
        f"{figure.encoder_gflop_per_s:.0f} GFLOP/s, {figure.frames_per_s:.0f} frames/s",
        f"matrix product {figure.matrix_gflop_per_s:.0f} GFLOP/s",
        figure.ratio,
        limit,
    )
