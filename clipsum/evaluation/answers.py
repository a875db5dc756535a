"""How well a bundle's scores answer the queries of a video whose shots are tagged: QFVS's concept IoU.

Q queries, S shots, T frames.
"""

from collections.abc import Sequence

import numpy as np

from clipsum.evaluation.cases import Case
from clipsum.metrics.bootstrap import Estimate, bootstrap
from clipsum.metrics.concept_iou import PROTOCOL, QueryFigures, best_shots, mean_match
from clipsum.metrics.frames import Figure
from clipsum.metrics.seconds import per_second

LABELS = {
    "qfvs.f1": "QFVS: concept IoU, F1",
    "qfvs.precision": "QFVS: concept IoU, precision",
    "qfvs.recall": "QFVS: concept IoU, recall",
}
__all__ = ["LABELS", "PROTOCOL", "answer_figures"]


def answer_figures(cases: Sequence[Case]) -> tuple[int, dict[str, tuple[Estimate, Figure]]]:
    """How many videos have tagged shots and scores for their queries, and the figures over them; none of no video."""
    found = [figures for figures in map(_of_video, cases) if figures is not None]
    if not found:
        return 0, {}
    return len(found), {name: _figure(found, name.removeprefix("qfvs.")) for name in LABELS}


def _figure(found: Sequence[QueryFigures], name: str) -> tuple[Estimate, Figure]:
    estimate = bootstrap([getattr(each, name) for each in found])
    floor = float(np.mean([getattr(each, f"random_{name}") for each in found]))
    return estimate, Figure(estimate.value, floor, None)


def _of_video(case: Case) -> QueryFigures | None:
    shots = None if case.marks is None else case.marks.shots
    if case.marks is None or shots is None or not len(case.frame_times_s):
        return None
    scores = {each.query: each.frame_scores for each in case.asked}
    pairs = []
    for query in case.marks.queries:
        reference = shots.within(query)
        if reference and len(scores.get(query.text, ())):
            shot_of = np.asarray(case.frame_times_s) / shots.shot_s
            of_shots = per_second(shot_of, np.asarray(scores[query.text], float), len(shots.tags))
            pairs.append((best_shots(of_shots), reference))
    return mean_match(pairs, shots.tags) if pairs else None
