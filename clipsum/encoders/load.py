"""Where an encoder is looked up."""

from collections.abc import Callable

from clipsum.encoders.base import EncoderSpec, FrameEncoder, Precision
from clipsum.encoders.clip import load_clip
from clipsum.errors import UsageError

LOADERS: dict[str, Callable[[str, str | None, str, Precision], FrameEncoder]] = {"clip": load_clip}


def load_encoder(spec: EncoderSpec, device: str = "cpu", precision: Precision = "auto") -> FrameEncoder:
    """The encoder that `spec` names. Raises: UsageError where its weights are not those that `spec` was made with."""
    encoder = LOADERS[spec.kind](spec.name, spec.pretrained or spec.weights, device, precision)
    if encoder.fingerprint != spec.fingerprint:
        raise UsageError(
            f"encoder {encoder.name} has fingerprint {encoder.fingerprint[:16]}, expected {spec.fingerprint[:16]}: "
            "its weights or its preprocessing are not the ones that this was made with"
        )
    return encoder
