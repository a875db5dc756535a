"""From the summaries of all runs to the figures of Q1 to Q3. Pure: nothing is read or written."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clipsum.datasets.kitchen.language import summary
from clipsum.datasets.kitchen.recipe import Video
from clipsum.datasets.kitchen.vocabulary import SLOTS
from clipsum.metrics.bootstrap import Difference, paired_bootstrap
from clipsum.metrics.kitchen import CHANCE, hidden_slots, order_tau
from clipsum.metrics.rouge import PROTOCOL, rouge

Matrix = NDArray[np.float64]


@dataclass(frozen=True, repr=False)
class Scores:
    """One system on one part, from N training seeds on V videos: each figure (N, V), `hidden` by slot.

    `hidden[slot]`: how many of a video's hidden slots of that kind are right; `asked[slot]` (V,): how many there are.
    """

    rouge_l: Matrix
    tau: Matrix
    hidden: Mapping[str, Matrix]
    asked: Mapping[str, Matrix]
    shuffled: NDArray[np.bool_]

    def accuracy(self, slots: Sequence[str] = SLOTS) -> Matrix:
        """Share of hidden slots that are right, in percent: (N,); NaN where nothing is asked."""
        right, asked = (np.asarray(sum(of[s].sum(axis=-1) for s in slots)) for of in (self.hidden, self.asked))
        return 100 * right / asked if asked else np.full(right.shape, np.nan)

    def row(self) -> dict[str, dict[str, float]]:
        """Mean and standard deviation over the seeds of every figure."""
        figures = {
            "hidden": self.accuracy(),
            **{f"hidden_{slot}": self.accuracy([slot]) for slot in SLOTS},
            "rouge_l": self.rouge_l.mean(axis=1),
            "tau_shuffled": self._of_shuffled(self.tau),
            "rouge_l_shuffled": self._of_shuffled(self.rouge_l),
        }
        return {name: _spread(values) for name, values in figures.items()}

    def _of_shuffled(self, values: Matrix) -> Matrix:
        """The mean over the shuffled videos: (N,); NaN where there is none."""
        if not self.shuffled.any():
            return np.full(len(values), np.nan)
        return np.asarray(values[:, self.shuffled].mean(axis=1))


def score(videos: Sequence[Video], runs: Sequence[Mapping[str, str]]) -> Scores:
    """Score the summaries (video_id → text) of each seed's run against the truth about the videos."""
    references = [summary(video.steps) for video in videos]
    texts = [[run[video.video_id] for video in videos] for run in runs]
    found = [[hidden_slots(video, text) for video, text in zip(videos, row, strict=True)] for row in texts]
    return Scores(
        rouge_l=np.array([rouge(row, references).rouge_l for row in texts]),
        tau=np.array([[order_tau(video, text) for video, text in zip(videos, row, strict=True)] for row in texts]),
        hidden={s: np.array([[sum(ok for q, ok in of if q == s) for of in row] for row in found]) for s in SLOTS},
        asked={s: np.array([sum(q == s for q, _ in of) for of in found[0]]) for s in SLOTS},
        shuffled=np.array([video.shuffled for video in videos]),
    )


def figures(rows: Sequence[Mapping[str, Any]], videos: Mapping[str, Sequence[Video]]) -> dict[str, Any]:
    """Every figure of Q1 to Q3 as plain data; `rows` are the runs' records, `videos` those of each part."""
    systems = _systems(rows, videos)
    return {
        "protocol": {
            "rouge": PROTOCOL,
            "bootstrap": "paired, over videos, 10,000 draws, seeds averaged first; 95 % percentile interval",
            "seeds": len({row["seed"] for row in rows}),
            "steps": rows[0]["recipe"]["training"]["max_steps"],
            "batch_size": rows[0]["recipe"]["training"]["batch_size"],
            "beams": 5,
            "videos": {part: len(found) for part, found in videos.items()},
            "cpu_s": round(sum(row["cpu_s"] for row in rows)),
            "parameters": {row["condition"]: row["parameters"] for row in rows},
            "fingerprint": rows[0]["fingerprint"],
        },
        "chance": {slot: 100 * value for slot, value in CHANCE.items()},
        "scores": {name: {part: scores.row() for part, scores in parts.items()} for name, parts in systems.items()},
        "targets": _targets(systems),
    }


def _systems(rows: Sequence[Mapping[str, Any]], videos: Mapping[str, Sequence[Video]]) -> dict[str, dict[str, Scores]]:
    """System → part → scores. A text key `part|view` is the system `condition|view` on that part."""
    texts: dict[tuple[str, str], list[Mapping[str, str]]] = {}
    for row in sorted(rows, key=lambda row: row["seed"]):
        for key, found in row["texts"].items():
            part, bar, view = key.partition("|")
            texts.setdefault((row["condition"] + bar + view, part), []).append(found)
    systems: dict[str, dict[str, Scores]] = {}
    for (system, part), runs in texts.items():
        systems.setdefault(system, {})[part] = score(videos[part], runs)
    return systems


def _targets(systems: Mapping[str, Mapping[str, Scores]]) -> list[dict[str, Any]]:
    """Each target with its figure on the test split and out of distribution, and whether the test figure meets it."""
    lines = []
    for what, limit, figure, met in _SPLIT_TARGETS:
        test, ood = (figure({name: parts[split] for name, parts in systems.items() if split in parts})
                     for split in ("test", "ood"))  # fmt: skip
        lines.append({"target": what, "limit": limit, "test": _plain(test), "ood": _plain(ood), "met": met(test)})
    for seek, view in (("auto", ""), ("keyframe", ".keyframe")):
        what = f"Q3 seek {seek} against exact on long GOPs, ROUGE-L"
        test, ood = (_cost_of_seek(systems["both"], split, view) for split in ("long", "long_ood"))
        lines.append({"target": what, "limit": "within 1", "test": asdict(test), "ood": asdict(ood),
                      "met": abs(test.mean) <= 1})  # fmt: skip
    return lines


def _cost_of_seek(parts: Mapping[str, Scores], split: str, view: str) -> Difference:
    return paired_bootstrap(parts[split + view].rouge_l, parts[f"{split}.exact"].rouge_l)


def _share_of_gap(in_order_only: bool = False) -> Any:
    """How much of the way from text only to the oracle is gone, in percent; the oracle does not know the order."""

    def figure(at: Mapping[str, Scores]) -> float:
        keep = ~(at["both"].shuffled & in_order_only)
        text, both, oracle = (float(at[name].rouge_l[:, keep].mean()) for name in ("text", "both", "oracle"))
        return 100 * (both - text) / (oracle - text)

    return figure


def _gain(ours: str, theirs: str, shuffled_only: bool = False) -> Any:
    def figure(at: Mapping[str, Scores]) -> Difference:
        keep = at[ours].shuffled | (not shuffled_only)
        return paired_bootstrap(at[ours].rouge_l[:, keep], at[theirs].rouge_l[:, keep])

    return figure


_SPLIT_TARGETS: tuple[tuple[str, str, Any, Any], ...] = (
    ("Q1 hidden slots right, %", ">= 80", lambda at: float(at["both"].accuracy().mean()), lambda x: x >= 80),
    ("Q1 share of the ROUGE-L gap from text only to oracle, %", ">= 70", _share_of_gap(), lambda x: x >= 70),
    ("Q1 the same where the narration is in order, %", ">= 70", _share_of_gap(in_order_only=True), lambda x: x >= 70),
    ("Q1 ROUGE-L over frames only", "> 0", _gain("both", "frames"), lambda d: d.low > 0),
    ("Q1 ROUGE-L over text only, given another video's frames", "<= 0", _gain("both|mismatched", "text"),
     lambda d: d.mean <= 0),
    ("Q2 Kendall tau, shuffled narration", ">= 0.8",
     lambda at: float(at["both"].tau[:, at["both"].shuffled].mean()), lambda x: x >= 0.8),
    ("Q2 Kendall tau without the temporal encoder", "<= 0.1",
     lambda at: float(at["no-temporal"].tau[:, at["both"].shuffled].mean()), lambda x: x <= 0.1),
    ("Q2 ROUGE-L over no temporal encoder, shuffled narration", ">= 10", _gain("both", "no-temporal", True),
     lambda d: d.mean >= 10),
)  # fmt: skip


def _plain(figure: float | Difference) -> float | dict[str, float]:
    return asdict(figure) if isinstance(figure, Difference) else figure


def _spread(values: Matrix) -> dict[str, float]:
    return {"mean": float(values.mean()), "sd": float(values.std(ddof=1)) if len(values) > 1 else 0.0}
