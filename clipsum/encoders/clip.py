"""A frozen CLIP through open_clip: by name and pretrained tag, or from local or `s3://` weights.

N frames, M texts, H = W = `preprocessing.size_px`, D width of the shared space.
"""

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from clipsum.config import Preprocessing
from clipsum.encoders.base import EncoderSpec, Precision, fingerprint
from clipsum.encoders.clip_files import LoadedClip, copy_clip, read_clip
from clipsum.encoders.patches import takes_raw_pixels
from clipsum.encoders.precision import choose_dtype

# Bounds memory: a frame of 224 px takes some 15 MB of states in ViT-B/32. On a CPU more than this leaves its caches.
FRAMES_A_CHUNK = {"cpu": 32, "gpu": 256}


class ClipEncoder:
    """A frozen CLIP: evaluation mode, no gradients, projected and L2-normalised embeddings."""

    def __init__(self, loaded: LoadedClip, spec: EncoderSpec, device: str, precision: Precision) -> None:
        self.spec = spec
        self.device = torch.device(device)
        self.dtype = choose_dtype(precision, self.device, loaded.model)
        self._tokenizer = loaded.tokenizer
        self._model = loaded.model
        self._raw = takes_raw_pixels(self._model.visual, spec.preprocessing)
        self._model.to(self.device, self.dtype).to(memory_format=torch.channels_last).eval().requires_grad_(False)
        mean, std = (torch.tensor(values).view(3, 1, 1) for values in (spec.preprocessing.mean, spec.preprocessing.std))
        # (pixel / 255 - mean) / std as one multiplication and one addition.
        self._scale = (1 / (255 * std)).to(self.device)
        self._shift = (-mean / std).to(self.device)
        self._chunk = FRAMES_A_CHUNK["cpu" if self.device.type == "cpu" else "gpu"]

    @property
    def name(self) -> str:
        """The architecture and where its weights are from."""
        return f"{self.spec.name}/{self.spec.pretrained or self.spec.weights}"

    @property
    def width(self) -> int:
        """D."""
        return self.spec.width

    @property
    def preprocessing(self) -> Preprocessing:
        """CLIP's own."""
        return self.spec.preprocessing

    @property
    def fingerprint(self) -> str:
        """Hex sha256; the same for the same weights, wherever they lie and in whatever precision they run."""
        return self.spec.fingerprint

    @torch.inference_mode()
    def encode_frames(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """(N, H, W, 3) uint8 RGB -> (N, D) float32, each L2-normalised. Raises: ValueError on another shape."""
        size = self.preprocessing.size_px
        if pixels.shape[1:] != (size, size, 3) or pixels.dtype != np.uint8:
            raise ValueError(
                f"frames are {pixels.shape} {pixels.dtype}, {self.name} takes (N, {size}, {size}, 3) uint8"
            )
        vectors = np.zeros((len(pixels), self.width), np.float32)
        for start in range(0, len(pixels), self._chunk):
            chunk = torch.from_numpy(np.ascontiguousarray(pixels[start : start + self._chunk]))
            found = self._normalised(self._model.encode_image(self._prepare(chunk)))
            vectors[start : start + self._chunk] = found.numpy(force=True)
        return vectors

    @torch.inference_mode()
    def encode_text(self, texts: list[str]) -> NDArray[np.float32]:
        """M texts -> (M, D) float32, each L2-normalised."""
        if not texts:
            return np.zeros((0, self.width), np.float32)
        vectors: NDArray[np.float32] = self._normalised(
            self._model.encode_text(self._tokenizer(texts).to(self.device))
        ).numpy(force=True)
        return vectors

    def save(self, folder: Path) -> None:
        """Write it in open_clip's hub layout: configuration, safetensors, tokenizer where it has its own.

        From its files, not from memory: what runs may be of lower precision than what was loaded.
        """
        copy_clip(self.spec.name, self.spec.pretrained or self.spec.weights, folder)

    def _prepare(self, pixels: Tensor) -> Tensor:
        """Frames (N, H, W, 3) uint8 as they are, or normalised (N, 3, H, W) with the colours last in memory."""
        frames = pixels.to(self.device, non_blocking=True)
        return frames if self._raw else (frames.permute(0, 3, 1, 2) * self._scale + self._shift).to(self.dtype)

    @staticmethod
    def _normalised(vectors: Tensor) -> Tensor:
        return torch.nn.functional.normalize(vectors.float(), dim=-1)


def load_clip(
    name: str, pretrained: str | None = None, device: str = "cpu", precision: Precision = "auto"
) -> ClipEncoder:
    """A frozen CLIP, ready.

    `name`: an architecture of open_clip, e.g. "ViT-B-32"; `pretrained`: a tag of it (fetched from a hub), or a local or
    `s3://` file of weights or folder in open_clip's hub layout. Or `name` alone is such a folder.
    `precision`: "auto" is bf16 where the processor computes in it and the frame tower is a transformer, else fp32.

    Raises: UsageError, one line.
    """
    loaded = read_clip(name, pretrained)
    spec = EncoderSpec(
        name=loaded.name,
        pretrained=loaded.tag,
        weights=loaded.weights,
        width=loaded.model_cfg["embed_dim"],
        preprocessing=loaded.preprocessing,
        fingerprint=fingerprint(loaded.model.state_dict(), loaded.preprocessing),
    )
    return ClipEncoder(loaded, spec, device, precision)
