"""From a base bundle and a configuration to the model that a run trains."""

from copy import deepcopy
from typing import Any

import torch
from pydantic import ValidationError
from transformers import BartConfig, BartForConditionalGeneration

from clipsum.errors import UsageError, wrong_value
from clipsum.models.bundle import Bundle
from clipsum.models.config import ModelConfig
from clipsum.models.summarizer import ClipSum
from clipsum.training.config import ModelChanges, Sees, TrainConfig

_OF_TEXTS = {"max_text_tokens", "text_over_limit", "generation"}


def model_config(base: ModelConfig, changes: ModelChanges, sees: Sees, visual_width: int) -> ModelConfig:
    """The base's configuration with the changes, for embeddings of that width. Raises: UsageError.

    A model that sees frames alone gets `context="append"` unless another is asked for: the states of an empty text
    are too few to carry a video.
    """
    given = changes.model_dump(exclude_none=True, exclude={"bart_dropout", "others"})
    if changes.others == "default":
        base = ModelConfig(**base.model_dump(include=_OF_TEXTS))
    generation = {**base.generation.model_dump(), **given.pop("generation")}
    appended = {"context": "append"} if sees == "frames" else {}
    given = {**base.model_dump(), **appended, **given, "visual_width": visual_width, "generation": generation}
    try:
        return ModelConfig(**given)
    except ValidationError as error:
        raise wrong_value(error, ModelConfig, "model.") from error


def build_model(config: TrainConfig, base: Bundle, visual_width: int) -> tuple[ClipSum, str]:
    """The model to train, on the CPU, and a line that says which of its weights are new.

    With init "base", weights of the base bundle that are there under the same name and shape are taken. New weights
    follow from `seed`, through torch's global generator. The base's own model stays as it is. Its scorer comes along
    only where the run trains one: what it goes by, the frame states, is about to change.
    Raises: UsageError where base and changes do not fit.
    """
    trained = base.model
    model = drawn_model(config, trained.bart.config, _to_learn(base.manifest.model, config), visual_width)
    model.bart.generation_config = deepcopy(trained.bart.generation_config)
    _check_kept(config, base.manifest.model, model.config)
    taken = _fitting(model, trained) if config.init == "base" else {}
    model.load_state_dict(taken, strict=False)
    model.record(_of_before(model, base.manifest.model, set(taken)))
    return model, _new_weights(model, set(taken), config.seed)


def _check_kept(config: TrainConfig, base: ModelConfig, changed: ModelConfig) -> None:
    """Refuse to change how frames and words attend in a summarizer of which only the scorer learns."""
    objective = config.objective
    if objective.learn_temporal or objective.lambda_text or config.init != "base":
        return
    for name in ("attention", "cross_attention", "attention_radius"):
        if (now := getattr(changed, name)) != (before := getattr(base, name)):
            raise UsageError(
                f"objective.learn_temporal=false leaves summaries as they are, and model.{name}={now} would change "
                f"them: the base has {before}; take --recipe scorer, or leave objective.learn_temporal at true"
            )


def drawn_model(config: TrainConfig, sizes: BartConfig, base: ModelConfig, visual_width: int) -> ClipSum:
    """A model with the changes, of these sizes, all of its weights drawn from `seed` by torch's global generator.

    Raises: UsageError where sizes and changes do not fit.
    """
    torch.manual_seed(config.seed)
    try:
        bart = BartForConditionalGeneration(_bart_config(config, sizes))
        return ClipSum(model_config(base, config.model, config.sees, visual_width), bart)
    except ValueError as error:
        raise UsageError(f"model: {error}: make it fit with --set model.KEY=VALUE, or take another base") from error


def _to_learn(base: ModelConfig, config: TrainConfig) -> ModelConfig:
    """The base's configuration, its scorer not calibrated, or without it where the run trains none."""
    if base.scorer is None:
        return base
    kept = base.scorer.model_copy(update={"match_threshold": None}) if config.objective.lambda_video else None
    return base.model_copy(update={"scorer": kept})


def _of_before(model: ClipSum, base: ModelConfig, taken: set[str]) -> ModelConfig:
    """The model's configuration, its scorer's origins those of the base's where all of its weights are, else none."""
    config = model.config
    if config.scorer is None or model.scorer is None:
        return config
    goes_on = base.scorer is not None and {f"scorer.{name}" for name in model.scorer.state_dict()} <= taken
    origins = base.scorer.origins if base.scorer and goes_on else ()
    return config.model_copy(update={"scorer": config.scorer.model_copy(update={"origins": origins})})


def _bart_config(config: TrainConfig, base: BartConfig) -> BartConfig:
    sizes = deepcopy(base)
    if config.initial_sd is not None:
        sizes.init_std = config.initial_sd
    if config.model.bart_dropout is not None:
        sizes.dropout = sizes.attention_dropout = sizes.activation_dropout = config.model.bart_dropout
    return sizes


def _fitting(model: ClipSum, base: ClipSum) -> dict[str, Any]:
    shapes = {name: tensor.shape for name, tensor in model.state_dict().items()}
    return {name: tensor for name, tensor in base.state_dict().items() if shapes.get(name) == tensor.shape}


def _new_weights(model: ClipSum, taken: set[str], seed: int) -> str:
    weights = dict(model.named_parameters())
    new = {name: weight for name, weight in weights.items() if name not in taken}
    if not new:
        return "all weights are the base bundle's"
    counts = [sum(weight.numel() for weight in some.values()) for some in (new, weights)]
    if counts[0] == counts[1]:
        return f"all {counts[1]:,} weights are new, drawn from seed {seed}"
    parts = sorted({".".join(name.split(".")[:2]) for name in new})
    return f"{counts[0]:,} of {counts[1]:,} weights are new, drawn from seed {seed}: {', '.join(parts)}"
