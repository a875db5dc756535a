"""A scorer for a trained kitchen model, which goes on writing the summaries that it wrote: only the scorer learns."""

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from safetensors import safe_open
from safetensors.torch import load_model, save_model

from clipsum.models.guidance import TextEncoder
from clipsum.training.frame_validation import THRESHOLD, with_threshold
from clipsum.training.highlight_quality import baselines, calibrate, score_parts
from clipsum.training.kitchen_recipe import (
    KitchenRecipe,
    Trained,
    new_model,
    origin_of,
    settings_of,
    train_kitchen,
)
from clipsum.training.loop import StepReport
from clipsum.training.quality_parts import Part
from clipsum.training.recorded import differences

FIGURES = ("tau", "f1_query", "f1_generic", "f1_cosine")


def with_scorer(
    trained: Trained,
    parts: Mapping[str, Part],
    recipe: KitchenRecipe,
    encoder: TextEncoder,
    path: Path,
    on_step: Callable[[StepReport], None] | None = None,
) -> Trained:
    """The model with a scorer: from `path`, where one of this recipe and these embeddings is, else trained, put there.

    Every other weight stays as it is, to the bit, as by the recipe `scorer`. Attention is global, as the summarizer's
    own: on validation videos a scorer with local layers over those frame states had a τ-b of .397, with local guidance
    too .402, and this one .408. The scorer is not calibrated.
    """
    train = parts["train"]
    chosen = recipe.with_scorer("supervised", writes=False).trained_with(objective={"learn_temporal": False})
    origin = origin_of(chosen, train.one.fingerprint)
    model = new_model(chosen, len(trained.tokenizer), train.one.vectors.shape[1])
    model.load_state_dict(trained.model.state_dict(), strict=False)
    if path.exists() and _is_of(path, origin):
        assert model.scorer is not None
        load_model(model.scorer, path)
        return Trained(model.eval(), trained.reader)
    found = train_kitchen(train.videos, train.frames, chosen, on_step=on_step, encoder=encoder, start=model)
    assert found.model.scorer is not None
    save_model(found.model.scorer, str(path.with_suffix(".part")), metadata=origin)
    path.with_suffix(".part").rename(path)
    return found


def calibrated(trained: Trained, parts: Mapping[str, Part], encoder: TextEncoder) -> dict[str, float]:
    """Give the model its threshold of `matched`, from the validation videos; returns `{split}.scorer.{figure}`.

    Figures as of `score_parts`, means over videos; `ceiling`: tau of people; `match`: balanced accuracy of `matched`.
    """
    model = trained.model
    found = score_parts(model, parts, encoder)
    threshold = calibrate(found["validation"])
    model.config = with_threshold(model.config, {THRESHOLD: threshold})
    metrics: dict[str, float] = {}
    for split, figures in found.items():
        named = {name: float(np.mean(figures[name])) for name in FIGURES}
        kept = np.mean(np.concatenate(figures["answered"]) >= threshold)
        refused = np.mean(np.concatenate(figures["unanswered"]) < threshold)
        named |= {"ceiling": float(baselines(parts[split])["ceiling"].mean()), "match": float(kept + refused) / 2}
        metrics |= {f"{split}.scorer.{name}": round(value, 4) for name, value in named.items()}
    return metrics


def _is_of(path: Path, origin: Mapping[str, str]) -> bool:
    with safe_open(path, framework="pt") as stored:
        before = stored.metadata() or {}
    return not differences(settings_of(before), settings_of(origin), KitchenRecipe)
