"""Where an encoder is looked up. The library of a kind is loaded with the first encoder of that kind."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from clipsum.encoders.base import EncoderSpec, FrameEncoder, Kind, Precision
from clipsum.errors import UsageError, one_of

if TYPE_CHECKING:
    from clipsum.encoders.clip import ClipTexts


def _clip(name: str, pretrained: str | None, device: str, precision: Precision) -> FrameEncoder:
    from clipsum.encoders.clip import load_clip

    return load_clip(name, pretrained, device, precision)


def _blip(name: str, pretrained: str | None, device: str, precision: Precision) -> FrameEncoder:
    from clipsum.encoders.blip import load_blip

    return load_blip(name, pretrained, device, precision)


def _timm(name: str, pretrained: str | None, device: str, precision: Precision) -> FrameEncoder:
    from clipsum.encoders.timm import load_timm

    return load_timm(name, pretrained, device, precision)


LOADERS: Mapping[Kind, Callable[[str, str | None, str, Precision], FrameEncoder]] = {
    "clip": _clip,
    "blip": _blip,
    "timm": _timm,
}


def load_encoder(spec: EncoderSpec, device: str = "cpu", precision: Precision = "auto") -> FrameEncoder:
    """The encoder that `spec` names. Raises: UsageError where it is not the one that `spec` was made with."""
    encoder = LOADERS[spec.kind](spec.name, spec.pretrained or spec.weights, device, precision)
    _refuse_other(encoder.name, encoder.spec, spec)
    return encoder


def load_texts(spec: EncoderSpec, device: str = "cpu", precision: Precision = "auto") -> "ClipTexts":
    """What embeds texts as the CLIP that `spec` names does, and holds nothing that sees frames.

    Raises: UsageError where it is not the one that `spec` was made with, or no CLIP.
    """
    from clipsum.encoders.clip import load_clip_texts

    if spec.kind != "clip":
        raise UsageError(f"encoder {spec.name} of kind '{spec.kind}' embeds frames only: take a CLIP")
    texts = load_clip_texts(spec.name, spec.pretrained or spec.weights, device, precision)
    _refuse_other(texts.name, texts.spec, spec)
    return texts


def _refuse_other(name: str, found: EncoderSpec, wanted: EncoderSpec) -> None:
    """Raise UsageError where an encoder is not the one that `wanted` was made with."""
    if found.fingerprint != wanted.fingerprint:
        raise UsageError(
            f"encoder {name} has fingerprint {found.fingerprint[:16]}, expected {wanted.fingerprint[:16]}: "
            "its weights, its architecture or its preprocessing are not the ones that this was made with"
        )
    for what in ("width", "preprocessing"):  # frames are made by these words before an encoder is loaded
        if (has := getattr(found, what)) != (expected := getattr(wanted, what)):
            raise UsageError(f"encoder {name} has {what} {has}, expected {expected}: copy its bundle again")


def find_encoder(
    words: str, pretrained: str | None = None, device: str = "cpu", precision: Precision = "auto"
) -> FrameEncoder:
    """The encoder that a user names: `[kind:]name`, with its weights apart or, for a CLIP, behind a slash.

    `clip:ViT-B-32/openai` is `ViT-B-32` with `pretrained` "openai"; `timm:resnet152.tv2_in1k`;
    `blip:Salesforce/blip-image-captioning-base`; each name may be a folder or an `s3://` place too.
    Raises: UsageError, one line.
    """
    kind, name, tag = parse_encoder(words)
    if tag and pretrained:
        raise UsageError(f"encoder '{words}' names the weights '{tag}', and '{pretrained}' are given too: name one")
    return LOADERS[kind](name, pretrained or tag, device, precision)


def parse_encoder(words: str) -> tuple[Kind, str, str | None]:
    """Kind, name and the weights behind its slash, if there are any. Raises: UsageError for an unknown kind."""
    kind, colon, name = words.partition(":")
    if not colon or words.startswith("s3://") or Path(words).exists():
        kind, name = "clip", words
    known = {str(known): known for known in LOADERS}
    if kind not in known:
        raise one_of(kind, known, "kind of encoder")
    if not name:
        raise UsageError(f"encoder '{words}' has no name: write it as {kind}:NAME")
    architecture, slash, tag = name.partition("/")
    if kind == "clip" and slash:
        from open_clip import list_models

        if architecture in list_models():
            return "clip", architecture, tag
    return known[kind], name, None
