"""A frozen CLIP or SigLIP through open_clip: by name and pretrained tag, or from local or `s3://` weights.

N frames, M texts, H = W = `preprocessing.size_px`, D width of the shared space.
"""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from clipsum.encoders.base import EncoderSpec, Precision, fingerprint
from clipsum.encoders.clip_files import LoadedClip, copy_clip, read_clip
from clipsum.encoders.frozen import FrozenEncoder
from clipsum.encoders.patches import takes_raw_pixels
from clipsum.encoders.precision import choose_dtype


class ClipEncoder(FrozenEncoder):
    """A frozen CLIP: evaluation mode, no gradients, projected and L2-normalised embeddings of frames and of texts."""

    def __init__(self, loaded: LoadedClip, spec: EncoderSpec, device: str, precision: Precision) -> None:
        self._tokenizer = loaded.tokenizer
        self._raw = takes_raw_pixels(loaded.model.visual, spec.preprocessing)
        super().__init__(loaded.model, spec, device, precision)

    def encode_text(self, texts: list[str]) -> NDArray[np.float32]:
        """M texts -> (M, D) float32, each L2-normalised."""
        return _text_vectors(self._model, self._tokenizer, texts, self.device, self.width)

    def reads(self, text: str) -> bool:
        """Whether its tokenizer knows any of the text: of one that it does not, the vector says nothing."""
        return _reads(self._tokenizer, text)

    def save(self, folder: Path) -> None:
        """Write it in open_clip's hub layout: configuration, safetensors, tokenizer where it has its own.

        From its files, not from memory: what runs may be of lower precision than what was loaded.
        """
        copy_clip(self.spec.name, self.spec.pretrained or self.spec.weights, folder)

    def _embed(self, frames: Tensor) -> Tensor:
        vectors: Tensor = self._model.encode_image(frames)
        return vectors

    def _tower(self) -> torch.nn.Module:
        tower: torch.nn.Module = self._model.visual
        return tower

    def _prepare(self, pixels: Tensor) -> Tensor:
        """Frames as they are where the tower takes them so, else normalised."""
        return pixels.to(self.device, non_blocking=True) if self._raw else super()._prepare(pixels)


class ClipTexts:
    """The text side of a frozen CLIP: it embeds texts as the whole does, bit for bit, and sees no frames.

    In memory the tower that sees frames is more than half of a CLIP: 88 of the 151 million weights of ViT-B/32.
    """

    def __init__(self, loaded: LoadedClip, spec: EncoderSpec, device: str, precision: Precision) -> None:
        self.spec = spec
        self._tokenizer, self._device = loaded.tokenizer, torch.device(device)
        dtype = choose_dtype(precision, self._device, loaded.model)  # that of the whole, frames and all
        del loaded.model.visual
        self._model = loaded.model.to(self._device, dtype).eval().requires_grad_(False)

    @property
    def name(self) -> str:
        """The architecture and where its weights are from."""
        return f"{self.spec.name}/{self.spec.pretrained or self.spec.weights}"

    @property
    def parameters(self) -> int:
        """How many weights it holds."""
        return sum(weights.numel() for weights in self._model.parameters())

    def encode_text(self, texts: list[str]) -> NDArray[np.float32]:
        """M texts -> (M, D) float32, each L2-normalised."""
        return _text_vectors(self._model, self._tokenizer, texts, self._device, self.spec.width)

    def reads(self, text: str) -> bool:
        """As `ClipEncoder.reads`."""
        return _reads(self._tokenizer, text)


def _reads(tokenizer: Any, text: str) -> bool:
    """True for a tokenizer of pieces of words, which knows every text."""
    own = getattr(tokenizer, "tokenizer", None)
    unknown = getattr(own, "unk_token", None)
    return own is None or unknown is None or any(token != unknown for token in own.tokenize(text))


@torch.inference_mode()
def _text_vectors(
    model: Any, tokenizer: Any, texts: list[str], device: torch.device, width: int
) -> NDArray[np.float32]:
    """M texts -> (M, D)."""
    if not texts:
        return np.zeros((0, width), np.float32)
    vectors = model.encode_text(tokenizer(texts).to(device)).float()
    normalised: NDArray[np.float32] = torch.nn.functional.normalize(vectors, dim=-1).numpy(force=True)
    return normalised


def load_clip(
    name: str, pretrained: str | None = None, device: str = "cpu", precision: Precision = "auto"
) -> ClipEncoder:
    """A frozen CLIP, ready.

    `name`: an architecture of open_clip, e.g. "ViT-B-32"; `pretrained`: a tag of it (fetched from a hub), or a local or
    `s3://` file of weights or folder in open_clip's hub layout. Or `name` alone is such a folder.
    `precision`: "auto" is bf16 where the processor computes in it and the model has no batch norm, else fp32.

    Raises: UsageError, one line.
    """
    loaded = read_clip(name, pretrained)
    return ClipEncoder(loaded, _spec_of(loaded), device, precision)


def load_clip_texts(
    name: str, pretrained: str | None = None, device: str = "cpu", precision: Precision = "auto"
) -> ClipTexts:
    """The text side of the CLIP that `load_clip` loads. Raises: as that."""
    loaded = read_clip(name, pretrained)
    return ClipTexts(loaded, _spec_of(loaded), device, precision)


def _spec_of(loaded: LoadedClip) -> EncoderSpec:
    return EncoderSpec(
        name=loaded.name,
        pretrained=loaded.tag,
        weights=loaded.weights,
        width=loaded.model_cfg["embed_dim"],
        preprocessing=loaded.preprocessing,
        fingerprint=fingerprint(loaded.model.state_dict(), loaded.model_cfg, loaded.preprocessing),
    )
