"""From summaries and references to figures: one result for each split, every figure with its interval."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean, median

import numpy as np
from numpy.typing import NDArray

from clipsum.datasets.splits import told_order
from clipsum.errors import UsageError, one_of
from clipsum.evaluation.cases import Case
from clipsum.evaluation.kitchen import hidden_chance, kitchen_figures
from clipsum.evaluation.moments import Moments, moment_figures
from clipsum.metrics.bootstrap import Estimate
from clipsum.metrics.score import DRAWS, score

TRAINING = "train"
STAGES = ("decode", "encode", "generate")
RANKED_BY = "rougeL"


@dataclass(frozen=True)
class Seconds:
    """What a stage takes a video."""

    mean: float
    median: float


@dataclass(frozen=True, repr=False)
class SplitResult:
    """A split: its scored cases (N), the scores of each (name -> (N,)), and the figures made of them.

    `moments`: the figures of frame scores, over the `marked` cases that people marked; `published_shots`: some of them
    over the shots that a benchmark's file has.
    """

    split: str
    cases: Sequence[Case]
    columns: Mapping[str, NDArray[np.float64]]
    figures: Mapping[str, Estimate]
    kitchen: Mapping[str, Estimate]
    kitchen_chance: float | None
    evidence: Mapping[str, int]
    seconds: Mapping[str, Seconds]
    moments: Moments = field(default_factory=dict)
    marked: int = 0
    published_shots: bool = False

    def __repr__(self) -> str:
        return f"SplitResult({self.split!r}, n={len(self.cases)}, {RANKED_BY} {self.figures.get(RANKED_BY)})"


def choose_splits(there: Mapping[str, int], wanted: Sequence[str]) -> list[str]:
    """The splits to evaluate: those `wanted`, or all but the training split. `there`: split -> how many videos.

    Raises: UsageError for a split that is not there, or where nothing but training data is.
    """
    if wanted:
        for split in wanted:
            if split not in there:
                raise one_of(split, there, "split")
        return list(dict.fromkeys(wanted))
    if chosen := [split for split in there if split != TRAINING]:
        return chosen
    raise UsageError(
        f"all {sum(there.values()):,} videos are of split '{TRAINING}': name --split {TRAINING} to score what was "
        "trained on, or give data of another split"
    )


def evaluate(cases: Sequence[Case], java: bool = False, draws: int = DRAWS) -> list[SplitResult]:
    """A result for every split of the cases that has a reference or marks: test, ood, validation, others as they come.

    Raises: UsageError where no case has a reference, nor scores of frames and marks to compare them with.
    """
    splits = sorted(dict.fromkeys(case.split for case in cases), key=told_order)
    found = [_result(split, [case for case in cases if case.split == split], java, draws) for split in splits]
    results = [result for result in found if result is not None]
    if not results:
        raise UsageError(
            f"none of {len(cases):,} videos has a reference to score against: give the manifest a column 'summary' "
            "and embed it again, which decodes nothing anew"
        )
    return results


def without_reference(cases: Sequence[Case]) -> dict[str, int]:
    """Split -> how many videos cannot be scored."""
    return dict(Counter(case.split for case in cases if not case.has_reference))


def _result(split: str, cases: Sequence[Case], java: bool, draws: int) -> SplitResult | None:
    scored = [case for case in cases if case.has_reference]
    marked, moments = moment_figures(cases)
    if not scored and not marked:
        return None
    summaries, references = [case.summary for case in scored], [str(case.reference) for case in scored]
    scores = score(summaries, references, java=java) if scored else None
    return SplitResult(
        split=split,
        cases=scored,
        columns=scores.columns if scores else {},
        figures=scores.figures(draws) if scores else {},
        kitchen=kitchen_figures(scored, draws) if scored else {},
        kitchen_chance=hidden_chance(scored) if scored else None,
        evidence=Counter(case.evidence or "unknown" for case in cases),
        seconds=_seconds(cases),
        moments=moments,
        marked=marked,
        published_shots=any(case.marks is not None and case.marks.shot_starts_s is not None for case in cases),
    )


def _seconds(cases: Sequence[Case]) -> dict[str, Seconds]:
    found = {}
    for stage in STAGES:
        if taken := [case.seconds[stage] for case in cases if stage in case.seconds]:
            found[stage] = Seconds(fmean(taken), median(taken))
    return found


def shown_cases(results: Sequence[SplitResult], each: int = 5) -> dict[str, list[tuple[SplitResult, int]]]:
    """`best`, `median` and `worst` -> up to `each` cases of all splits, as (result, place in it), by ROUGE-L.

    No case is shown twice. Median cases are those around the middle, the better first, as everywhere.
    """
    ranked = [(result, place) for result in results for place in range(len(result.cases))]
    ranked.sort(key=lambda pair: -pair[0].columns[RANKED_BY][pair[1]])
    each = max(1, min(each, len(ranked) // 3))
    middle = max(each, (len(ranked) - each) // 2)
    last = max(each, len(ranked) - each)
    return {"best": ranked[:each], "median": ranked[middle:last][:each], "worst": ranked[last:]}
