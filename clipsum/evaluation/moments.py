"""How well scores of frames agree with what people marked, second by second: figures, random floor, human ceiling.

A benchmark has the figures that its papers print, under its own name: TVSum the mean of the people's F1 and SumMe the
best, over the published shots, or those of the embeddings by kernel temporal segmentation. All else has those of
VideoXum's protocol, where a person of the 1 to 5 kind chose the 15 % of the seconds that they gave most; who marked 0
or 1 chose what is 1.
A annotators, N seconds, T frames, S shots.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clipsum.datasets.frame_scores import ScoredVideo
from clipsum.datasets.marks import Benchmark, Marks
from clipsum.evaluation import agreement, answers
from clipsum.evaluation.cases import Case
from clipsum.highlights.select import BUDGET, fitting_shots, top_fraction
from clipsum.metrics.bootstrap import Estimate, bootstrap
from clipsum.metrics.frames import (
    CHOICES_ALONE,
    HEADLINE,
    Figure,
    mean_figures,
    protocol_of,
    score_frames,
    selected_shots,
    shots_mask,
)

LABELS = {
    "f1_mean": "moments: F1, mean of people",
    "tau_per_user": "moments: 100 τ, per person",
    "rho_per_user": "moments: 100 ρ, per person",
    "tau_mean_user": "moments: 100 τ, mean of people",
    "rho_mean_user": "moments: 100 ρ, mean of people",
}
VT_CLIPSCORE = "vt_clipscore"
NAMES: dict[Benchmark, str] = {"tvsum": "TVSum", "summe": "SumMe"}
_OWN = {
    "f1_mean": "F1, mean of people",
    "f1_max": "F1, best person",
    "tau_per_user": "100 τ, per person",
    "rho_per_user": "100 ρ, per person",
}
FLOOR, CEILING = "moments|random|", "moments|people|"
Moments = Mapping[str, tuple[Estimate, Figure]]


def scored_seconds(case: Case) -> ScoredVideo | None:
    """The case second by second: each has the score of the nearest frame. None where scores or marks are lacking.

    Its shots are there where it is of a benchmark: the published ones, else those of its frames, where they are known.
    """
    importance = None if case.marks is None else case.marks.importance
    if case.marks is None or importance is None or not len(case.frame_scores):
        return None
    middles_s = np.arange(importance.shape[1]) + 0.5
    nearest = np.abs(np.subtract.outer(middles_s, np.asarray(case.frame_times_s))).argmin(axis=1)
    given, shots = importance.astype(np.float64), None
    if case.marks.benchmark is not None and case.marks.shot_starts_s is not None:
        shots = _counted(np.searchsorted(case.marks.shot_starts_s[1:], middles_s, side="right"))
    elif case.marks.benchmark is not None and case.shot_starts is not None:
        starts = _starts(case, importance.shape[1])
        shots = _counted(np.searchsorted(starts[1:], nearest, side="right"))
    scores = np.asarray(case.frame_scores, np.float64)[nearest]
    return ScoredVideo(case.video_id, scores, shots, _chosen(case.marks, given, shots), given)


def _counted(shot_of: NDArray[np.intp]) -> NDArray[np.intp]:
    """How many seconds each shot has, of the shot that each second (N,) is in; one without any is left out."""
    counts = np.bincount(shot_of)
    return counts[counts > 0].astype(np.intp)


def _starts(case: Case, seconds: int) -> NDArray[np.intp]:
    """The first frames of its shots, with those cut that no knapsack could take, as highlights cut them."""
    starts, most_s = np.append(0, np.asarray(case.shot_starts, np.intp)), int(BUDGET * seconds)
    if not most_s:
        return starts
    # a piece that is shorter than the budget by any amount covers the middles of no more seconds than that
    return fitting_shots(starts, np.asarray(case.frame_times_s, np.float64), float(seconds), most_s - 1e-6)


def _chosen(marks: Marks, given: NDArray[np.float64], shots: NDArray[np.intp] | None) -> NDArray[np.bool_]:
    """The seconds that each person chose, (A, N): of who gave 1 to 5, those of the best shots, or the best seconds."""
    if marks.highest - marks.lowest == 1:
        return given > marks.lowest
    if shots is None:
        return np.stack([top_fraction(row) for row in given])
    return np.stack([shots_mask(selected_shots(row, shots), shots) for row in given])


def moment_figures(cases: Sequence[Case]) -> tuple[int, Moments]:
    """How many cases could be compared, and their figures: F1 in points, correlations times 100; none of no case.

    Those of a benchmark are named after it (`tvsum.f1_mean`); its F1 is there where the shots are known. VT-CLIPScore
    needs no marks: it is the mean over all cases that have one.
    """
    pairs = [
        (case.marks.benchmark, video)
        for case in cases
        if case.marks is not None and (video := scored_seconds(case)) is not None
    ]
    found: dict[str, tuple[Estimate, Figure]] = {}
    for benchmark in dict.fromkeys(benchmark for benchmark, _ in pairs):
        videos = [video for own, video in pairs if own == benchmark]
        means = mean_figures(score_frames(videos, benchmark or "videoxum"))
        names = list(LABELS) if benchmark is None else [HEADLINE[benchmark], "tau_per_user", "rho_per_user"]
        if benchmark is not None and any(video.shot_lengths is None for video in videos):
            names.remove(HEADLINE[benchmark])
        prefix = "" if benchmark is None else f"{benchmark}."
        found |= {prefix + name: _scaled(*means[name], 1 if name.startswith("f1") else 100) for name in names}
    answered, of_queries = answers.answer_figures(cases)
    found |= of_queries
    if agreed := [case.vt_clipscore for case in cases if case.vt_clipscore is not None]:
        estimate = bootstrap([score for score, _ in agreed])
        found[VT_CLIPSCORE] = estimate, Figure(estimate.value, float(np.mean([floor for _, floor in agreed])), None)
    return len(pairs) + answered, found


def _scaled(estimate: Estimate, figure: Figure, factor: float) -> tuple[Estimate, Figure]:
    ceiling = None if figure.human_ceiling is None else factor * figure.human_ceiling
    scaled = Estimate(*(factor * value for value in (estimate.value, estimate.low, estimate.high)))
    return scaled, Figure(scaled.value, factor * figure.random_floor, ceiling)


def rows_of(split: Mapping[str, Any]) -> dict[str, Mapping[str, float]]:
    """Name -> figure of a split of the record; its random floor and its human ceiling too, without intervals."""
    found: dict[str, Mapping[str, float]] = {}
    for name, figure in split.get("moments", {}).get("figures", {}).items():
        found |= {name: figure, FLOOR + name: {"value": figure["random_floor"]}}
        if figure["human_ceiling"] is not None:
            found[CEILING + name] = {"value": figure["human_ceiling"]}
    return found


def labels() -> dict[str, str]:
    """What `rows_of` gives, each figure followed by its floor and its ceiling."""
    own = {f"{key}.{name}": f"{NAMES[key]}: {label}" for key in NAMES for name, label in _OWN.items()}
    parts = (("", ""), (FLOOR, ", random scores"), (CEILING, ", people of each other"))
    every = LABELS | own | answers.LABELS | {VT_CLIPSCORE: "VT-CLIPScore, by this bundle's CLIP"}
    return {prefix + name: f"{label}{more}" for name, label in every.items() for prefix, more in parts}


def protocol(names: Collection[str], published_shots: bool = False) -> dict[str, str]:
    """How the figures of these names are measured; `published_shots`: over those, where a video has some."""
    lines = dict.fromkeys(answers.LABELS, ("QFVS", answers.PROTOCOL))
    lines |= {VT_CLIPSCORE: ("VT-CLIPScore", agreement.PROTOCOL)}
    apart = dict(line for name, line in lines.items() if name in names)
    if set(names) <= lines.keys():
        return apart
    told = protocol_of("videoxum")
    chose = f"; a person who gave 1 to 5 chose the {BUDGET:.0%} of the seconds that they gave most"
    said = {
        "moments": "each second has the score of the nearest frame; F1 in points, correlations times 100"
        + (chose if not LABELS.keys().isdisjoint(names) else ""),
        "moments, random": told["random floor"],
        "moments, people": told["human ceiling"],
    }
    for benchmark, title in NAMES.items():
        if any(name.startswith(f"{benchmark}.") for name in names):
            said[title] = _benchmark_protocol(benchmark, f"{benchmark}.{HEADLINE[benchmark]}" in names, published_shots)
    return said | apart


def _benchmark_protocol(benchmark: Benchmark, has_shots: bool, published_shots: bool) -> str:
    people = {
        "tvsum": "a person who gave 1 to 5 chose the shots that a knapsack keeps of that; F1 is the mean of people; "
        "where people chose 0 or 1 alone, τ and ρ are with that",
        "summe": f"F1 is that of the best person; {CHOICES_ALONE}",
    }
    own = "shots by kernel temporal segmentation of these embeddings, cut evenly where they are longer than the budget"
    published = "the published shots, to the second; of a video without any " if published_shots else ""
    shots = f"{published}{own}; 0/1 knapsack over their mean scores"
    lacking = (
        "no F1, since a run over videos keeps no shots, and the marks hold none: evaluate what clipsum embed wrote"
    )
    selection = f"{shots}, at most {BUDGET:.0%} of the seconds" if has_shots else lacking
    return f"{selection}; {people[benchmark]}; τ and ρ with each person, mean of people"
