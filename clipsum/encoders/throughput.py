"""How fast a frozen CLIP runs beside the fastest thing its processor does: a bare matrix product (S4 of the bench).

The FLOPs of a frame are those of its products alone (convolution, linear, attention), 2 for a multiply and add; what
norms, softmax and activations take counts as time and as no FLOP. Pixels go in as uint8 and vectors come out.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median

import numpy as np
import open_clip
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from clipsum.config import Preprocessing
from clipsum.encoders.base import EncoderSpec, Precision
from clipsum.encoders.clip import ClipEncoder
from clipsum.encoders.clip_files import LoadedClip

MATRIX_SIDE = 2048


@dataclass(frozen=True)
class Throughput:
    """Medians of rounds in turn. Rates in GFLOP a second, in the encoder's own number type."""

    frames_per_s: float
    gflop_per_frame: float
    matrix_gflop_per_s: float
    dtype: str

    @property
    def encoder_gflop_per_s(self) -> float:
        """What the encoder reaches."""
        return self.frames_per_s * self.gflop_per_frame

    @property
    def ratio(self) -> float:
        """Encoder's rate over matrix rate; S4 wants 0.85."""
        return self.encoder_gflop_per_s / self.matrix_gflop_per_s


def untrained_clip(name: str = "ViT-B-32", device: str = "cpu", precision: Precision = "auto") -> ClipEncoder:
    """A CLIP of random weights, for measuring where no hub is in reach: the same arithmetic, no meaning."""
    model = open_clip.create_model(name)
    model_cfg = open_clip.get_model_config(name)
    size = model.visual.image_size
    prep = Preprocessing(size_px=size if isinstance(size, int) else size[0])
    loaded = LoadedClip(name, "untrained", None, model, open_clip.get_tokenizer(name), model_cfg, prep)
    width = model_cfg["embed_dim"]
    spec = EncoderSpec(name=name, pretrained="untrained", width=width, preprocessing=prep, fingerprint="untrained")
    return ClipEncoder(loaded, spec, device, precision)


def measure(encoder: ClipEncoder, frames: int = 64, rounds: int = 5) -> Throughput:
    """Embed `frames` random frames and multiply matrices in turn, after a warm-up; medians of wall-clock seconds."""
    side = encoder.preprocessing.size_px
    pixels = np.random.default_rng(0).integers(0, 256, (frames, side, side, 3), dtype=np.uint8)
    left, right = torch.randn(2, MATRIX_SIDE, MATRIX_SIDE, device=encoder.device).to(encoder.dtype)
    product_gflop = 2 * MATRIX_SIDE**3 / 1e9
    frame_gflop = gflop_per_frame(encoder)
    products = max(1, round(frames * frame_gflop / product_gflop))

    def multiply() -> None:
        for _ in range(products):
            torch.mm(left, right)
        if encoder.device.type == "cuda":
            torch.cuda.synchronize()

    embed_s, multiply_s = _in_turn((lambda: encoder.encode_frames(pixels), multiply), rounds)
    return Throughput(
        frames_per_s=frames / embed_s,
        gflop_per_frame=frame_gflop,
        matrix_gflop_per_s=products * product_gflop / multiply_s,
        dtype=str(encoder.dtype).removeprefix("torch."),
    )


def gflop_per_frame(encoder: ClipEncoder) -> float:
    """GFLOP of one frame, counted as it runs; attention is taken apart for it, since fused kernels are not counted."""
    side = encoder.preprocessing.size_px
    fused = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
            encoder.encode_frames(np.zeros((1, side, side, 3), np.uint8))
    finally:
        torch.backends.mha.set_fastpath_enabled(fused)
    return float(counter.get_total_flops()) / 1e9


def _in_turn(ways: tuple[Callable[[], object], ...], rounds: int) -> list[float]:
    taken: list[list[float]] = [[] for _ in ways]
    for turn in range(rounds + 1):
        for number, way in enumerate(ways):
            start = time.perf_counter()
            way()
            if turn:
                taken[number].append(time.perf_counter() - start)
    return [median(seconds) for seconds in taken]
