"""The figures of Q4, Q5 and Q7 as Markdown, ready to be read."""

from collections.abc import Mapping
from typing import Any

from clipsum.training.quality_table import figure, table

_SYSTEMS = {
    "scores-local": "scorer alone, supervised, local attention",
    "scores": "– global attention",
    "scores-unsupervised": "– global attention, unsupervised",
    "joint": "with the summaries, jointly, global attention",
}
_FLOORS = {
    "random": "random",
    "early": "position: early first",
    "middle": "position: middle first",
    "difference": "frame difference",
    "ceiling": "each annotator (mean) against the mean of the other nine: the ceiling",
}
_F1 = {"query": "the query's score", "generic": "the generic score", "cosine": "zero-shot CLIP", "random": "random"}
_SPLITS = {"test": "test", "ood": "out of distribution"}


def highlights_markdown(found: Mapping[str, Any]) -> str:
    """Targets, then agreement with annotators and what queries find, each for both splits."""
    lines = [
        "**Frame scores.** τ-b: per second, with each of ten annotators, mean over annotators and videos. F1: of as "
        "many seconds as are right, mean over a video's queries that have an answer. `matched`: balanced accuracy over "
        "all queries, at the threshold that the validation videos gave.",
        "",
        *table(
            ("target", "limit", "test", "out of distribution", "met"),
            [
                (
                    each["target"],
                    each["limit"],
                    figure(each["test"]),
                    figure(each["ood"]),
                    "yes" if each["met"] else "**no**",
                )
                for each in found["targets"]
            ],
        ),
    ]
    for split, title in _SPLITS.items():
        lines += ["", f"**Frame scores, {title}**", "", *_agreement(found, split)]
    return "\n".join(lines) + "\n"


def _agreement(found: Mapping[str, Any], split: str) -> list[str]:
    head = ("model", "τ-b", *(f"F1, {label}" for label in _F1.values()), "`matched`, %")
    rows = []
    for name, label in _SYSTEMS.items():
        if row := found["scores"].get(name, {}).get(split):
            count = found["seeds"][name]
            label = f"{label} ({count} seed{'' if count == 1 else 's'})"
            f1 = (_share(row[f"f1_{key}"]) for key in _F1)
            rows.append((label, f"{row['tau']['mean']:.3f} ± {row['tau']['sd']:.3f}", *f1, _share(row["match"])))
    blank = ("–",) * (len(_F1) + 1)
    rows += [(label, f"{found['floors'][split][name]:.3f}", *blank) for name, label in _FLOORS.items()]
    return table(head, rows)


def _share(value: Mapping[str, float]) -> str:
    """In percent; what no seed changes has no spread."""
    mean = f"{100 * value['mean']:.1f}"
    return f"{mean} ± {100 * value['sd']:.1f}" if value["sd"] > 1e-9 else mean
