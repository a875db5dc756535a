"""`evaluation.json` and `summaries.jsonl`: all that an evaluation found, as plain values."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from clipsum.evaluation import kitchen, moments
from clipsum.evaluation.evaluate import SplitResult
from clipsum.metrics.score import protocol
from clipsum.models.bundle import Bundle
from clipsum.models.config import Generation

SCHEMA_VERSION = 1


def compose(results: Sequence[SplitResult], facts: Mapping[str, Any]) -> dict[str, Any]:
    """The whole record. `facts`: what is not of a split: bundle, data, generation, parameters, memory, failures."""
    names = [name for result in results for name in result.figures]
    told = protocol(names) | (kitchen.PROTOCOL if any(result.kitchen for result in results) else {})
    if measured := {name for result in results for name in result.moments}:
        told |= moments.protocol(measured, any(result.published_shots for result in results))
    return {
        "schema_version": SCHEMA_VERSION,
        **facts,
        "protocol": told,
        "splits": {result.split: _split(result) for result in results},
    }


def generation_facts(bundle: Bundle) -> dict[str, Any]:
    """The settings in force, the checkpoint's own where the bundle leaves them to it."""
    settings = bundle.model.generation_settings(bundle.manifest.model.generation)
    limits = {"max_tokens": bundle.manifest.model.generation.max_tokens}
    names = [name for name in Generation.model_fields if name not in limits]
    return limits | {name: getattr(settings, name, None) for name in names}


def summary_lines(results: Sequence[SplitResult]) -> Iterator[str]:
    """One JSON object a scored video."""
    for result in results:
        for place, case in enumerate(result.cases):
            scores = {name: round(float(column[place]), 4) for name, column in result.columns.items()}
            row = {
                "video_id": case.video_id,
                "split": case.split,
                "reference": case.reference,
                "summary": case.summary,
                "evidence": case.evidence,
                "scores": scores,
            }
            yield json.dumps(row, ensure_ascii=False) + "\n"


def _split(result: SplitResult) -> dict[str, Any]:
    found: dict[str, Any] = {
        "videos": len(result.cases) or result.marked,
        "evidence": dict(result.evidence),
        "figures": {name: asdict(figure) for name, figure in result.figures.items()},
        "seconds_per_video": {stage: asdict(seconds) for stage, seconds in result.seconds.items()},
    }
    if result.kitchen:
        figures = {name: asdict(figure) for name, figure in result.kitchen.items()}
        found["kitchen"] = {**figures, "hidden_slots_chance": result.kitchen_chance}
    if result.moments:
        figures = {
            name: asdict(estimate) | {"random_floor": figure.random_floor, "human_ceiling": figure.human_ceiling}
            for name, (estimate, figure) in result.moments.items()
        }
        found["moments"] = {"videos": result.marked or len(result.cases), "figures": figures}
    return found
