"""From a pretrained BART, or that of a bundle, and a frame encoder to a bundle that can be used at once.

With `residual` fusion, the default, the new parts add nothing until they are trained: the bundle summarises texts as
that BART does, token by token, and every frame leaves its summaries as they are.
"""

import math
from collections.abc import Sequence
from typing import Any

import torch
from transformers import BartForConditionalGeneration

from clipsum import storage
from clipsum.config import Config, Sampling, Seek, load
from clipsum.encoders.base import FrameEncoder
from clipsum.encoders.load import find_encoder
from clipsum.errors import ItemError, UsageError, refused
from clipsum.models.bundle import BUNDLED, MANIFEST, load_bundle, save_bundle
from clipsum.models.card import CardFacts, encoder_name, model_card
from clipsum.models.config import ModelConfig
from clipsum.models.pretrained import own_generation, read_bart
from clipsum.models.summarizer import ClipSum

ANY_WIDTH = 720_720  # while the encoder's is not known: 1 to 16 heads divide it
SEED = 0  # of the new weights, none of which speaks before training


class ConvertConfig(Config):
    """What may be chosen about the new bundle; what nobody chooses follows from its parts: see `starting_point`."""

    model: ModelConfig = ModelConfig(fusion="residual")
    sampling: Sampling = Sampling()
    seek: Seek = "auto"


def convert(
    bart_name: str,
    encoder_words: str,
    pretrained: str | None,
    place: str,
    *,
    config_file: str | None = None,
    settings: Sequence[str] = (),
    git_revision: str = "unknown",
) -> str:
    """Write the bundle to `place`, a folder or `s3://`; returns its id.

    `bart_name` as in `read_text_side`; `encoder_words` and `pretrained` as in `find_encoder`; `config_file` and
    `settings`: TOML and `key=value` words of `ConvertConfig`. Raises: UsageError, one line; ItemError from the store.
    """
    early = ConvertConfig(model=ModelConfig(visual_width=ANY_WIDTH))
    load(ConvertConfig, config_file, settings, base=early)  # a wrong word is told before anything is fetched
    bart, tokenizer, origin = read_text_side(bart_name)
    encoder = find_encoder(encoder_words, pretrained)
    config = load(ConvertConfig, config_file, settings, base=starting_point(bart, encoder.width))
    model = new_model(config.model, bart, encoder)
    trained_on = f"nothing yet: BART is {origin}, the parts around it are new"
    named = f"{bart_name} with {encoder_name(encoder.spec)}"
    return save_bundle(
        place,
        model=model,
        tokenizer=tokenizer,
        encoder=encoder,
        sampling=config.sampling,
        seek=config.seek,
        card=model_card(_facts(named, trained_on, config.model), model, encoder.spec, config.sampling, config.seek),
        trained_on=trained_on,
        git_revision=git_revision,
    )


def read_text_side(name: str) -> tuple[BartForConditionalGeneration, Any, str]:
    """A BART, its tokenizer, and where they are from, in words: as in `read_bart`, or those of a bundle.

    The latter is how one text side meets another encoder, for a comparison. Raises: UsageError, one line.
    """
    if (BUNDLED / name / MANIFEST).is_file() or _is_bundle(name):
        bundle = load_bundle(name)
        origin = f"that of bundle {bundle.bundle_id}, which was trained on {bundle.manifest.trained_on}"
        return bundle.model.bart, bundle.tokenizer, origin
    return *read_bart(name), f"{name} as published"


def _is_bundle(place: str) -> bool:
    try:
        return storage.exists(storage.join(place, MANIFEST))
    except ItemError as error:
        raise refused(f"BART '{place}' cannot be read", error) from error


def starting_point(bart: BartForConditionalGeneration, width: int) -> ConvertConfig:
    """The configuration for this BART and frames of this width, where nobody chooses otherwise.

    BART's own generation settings stand; texts are cut to what it reads.
    """
    return ConvertConfig(
        model=ModelConfig(
            visual_width=width,
            temporal_heads=math.gcd(ModelConfig().temporal_heads, width),
            fusion="residual",
            max_text_tokens=min(ModelConfig().max_text_tokens, bart.config.max_position_embeddings),
            generation=own_generation(bart),
        )
    )


def new_model(config: ModelConfig, bart: BartForConditionalGeneration, encoder: FrameEncoder) -> ClipSum:
    """A model around this BART; the new weights always the same. Raises: UsageError for what does not fit together."""
    if config.visual_width != encoder.width:
        raise UsageError(
            f"model.visual_width={config.visual_width}, but {encoder.name} gives {encoder.width}: leave it out"
        )
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(SEED)
            return ClipSum(config, bart).eval()
    except ValueError as error:
        raise UsageError(f"the model cannot be built: {error}") from error


def _facts(named: str, trained_on: str, config: ModelConfig) -> CardFacts:
    at_once = config.fusion == "residual" and config.context == "text"
    what = (
        "Until it is trained it summarises texts exactly as that BART does, and frames change nothing."
        if at_once
        else "Its fusion is new and changes what BART reads: it has to be trained before it is of use."
    )
    return CardFacts(
        title=f"ClipSum from {named}",
        what=f"A starting point for training, made of published parts. {what}",
        trained_on=f"{trained_on[0].upper()}{trained_on[1:]}.",
        metrics={},
        limits=("Frames are not yet of any use to it: train it first.",),
    )
