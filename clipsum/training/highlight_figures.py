"""From the frame scores and summaries of all runs to the figures of Q4, Q5 and Q7. Pure: nothing is read or written.

N seeds, V videos.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clipsum.datasets.kitchen.recipe import Video
from clipsum.metrics.bootstrap import paired_bootstrap
from clipsum.training.highlight_quality import calibrate
from clipsum.training.quality_conditions import GLOBAL, HEADLINE
from clipsum.training.quality_figures import score

Matrix = NDArray[np.float64]
Rows = Sequence[Mapping[str, Any]]
_SPLITS = ("test", "ood")
_FIGURES = ("tau", "f1_query", "f1_generic", "f1_cosine", "f1_random")
_WITHOUT_A_MODEL = ("early", "middle", "difference")
_TARGETS: tuple[tuple[str, str, Any], ...] = (
    ("Q4 τ-b with each annotator, % of the ceiling", ">= 80", lambda x: x >= 80),
    ("Q4 100 τ-b over the best of position and frame difference", "> 0", lambda d: d["low"] > 0),
    ("Q5 F1 of the query over that of the generic score, ratio", ">= 2", lambda x: x >= 2),
    ("Q5 100 F1 of the query less that of zero-shot CLIP cosine", ">= 0", lambda d: d["mean"] >= 0),
    ("Q7 100 τ-b, trained jointly less apart, global attention", ">= -1", lambda d: d["mean"] >= -1),
    ("Q7 ROUGE-L, trained jointly less apart, global attention", ">= -1", lambda d: d["mean"] >= -1),
)


def highlight_figures(
    rows: Rows, floors: Mapping[str, Mapping[str, Matrix]], videos: Mapping[str, Sequence[Video]]
) -> dict[str, Any]:
    """Every figure as plain data; `rows` are the runs' records, `floors` the baselines (V,) and `videos` by split.

    `ood` stands beside each: what is met is decided on `test`. A target whose runs are not there is None, and not met.
    """
    systems: dict[str, list[Mapping[str, Any]]] = {}
    for row in sorted(rows, key=lambda row: row["seed"]):
        systems.setdefault(row["condition"], []).append(row)
    columns = {split: _target_figures(systems, floors[split], videos[split], split) for split in _SPLITS}
    targets = [
        {"target": name, "limit": limit, "test": test, "ood": ood, "met": test is not None and bool(met(test))}
        for (name, limit, met), test, ood in zip(_TARGETS, columns["test"], columns["ood"], strict=True)
    ]
    scored = {name: runs for name, runs in systems.items() if all(run["frames"] for run in runs)}
    return {
        "seeds": {name: len(runs) for name, runs in systems.items()},
        "targets": targets,
        "scores": {name: {split: _spreads(runs, split) for split in _SPLITS} for name, runs in scored.items()},
        "floors": {split: {name: float(found.mean()) for name, found in floors[split].items()} for split in _SPLITS},
    }


def _target_figures(
    systems: Mapping[str, Rows], floors: Mapping[str, Matrix], videos: Sequence[Video], split: str
) -> tuple[float | dict[str, float] | None, ...]:
    """In the order of `_TARGETS`."""
    tau, query, generic, cosine = (_matrix(systems[HEADLINE], split, name) for name in _FIGURES[:4])
    best_without = max((floors[name] for name in _WITHOUT_A_MODEL), key=lambda found: float(found.mean()))
    apart = (
        100 * float(tau.mean() / floors["ceiling"].mean()),
        _gain(100 * tau, 100 * best_without),
        float(query.mean() / generic.mean()),
        _gain(100 * query, 100 * cosine),
    )
    if not {"joint", "both", GLOBAL} <= systems.keys():
        return *apart, None, None
    joint, both = (score(videos, [run["texts"][split] for run in systems[name]]).rouge_l for name in ("joint", "both"))
    both_tau, apart_tau = (100 * _matrix(systems[name], split, "tau") for name in ("joint", GLOBAL))
    return *apart, _gain(both_tau, apart_tau), _gain(joint, both)


def _matrix(runs: Rows, split: str, figure: str) -> Matrix:
    """(N, V)."""
    return np.array([run["frames"][split][figure] for run in runs], float)


def _spreads(runs: Rows, split: str) -> dict[str, dict[str, float]]:
    """Mean and standard deviation over the seeds; `match`: balanced accuracy at the threshold of validation videos."""
    figures = {name: _matrix(runs, split, name).mean(axis=1) for name in _FIGURES}
    figures["match"] = np.array([_matched(run["frames"], split) for run in runs])
    return {
        name: {"mean": float(values.mean()), "sd": float(values.std(ddof=1)) if len(values) > 1 else 0.0}
        for name, values in figures.items()
    }


def _matched(frames: Mapping[str, Any], split: str) -> float:
    threshold = calibrate(frames["validation"])
    kept = np.concatenate(frames[split]["answered"]) >= threshold
    refused = np.concatenate(frames[split]["unanswered"]) < threshold
    return float((kept.mean() + refused.mean()) / 2)


def _gain(ours: Matrix, theirs: Matrix) -> dict[str, float]:
    return asdict(paired_bootstrap(ours, theirs))
