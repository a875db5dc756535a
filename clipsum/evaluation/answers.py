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

NAME, LABEL = "qfvs.f1", "QFVS: concept IoU, F1"
__all__ = ["LABEL", "NAME", "PROTOCOL", "answer_figures"]


def answer_figures(cases: Sequence[Case]) -> tuple[int, dict[str, tuple[Estimate, Figure]]]:
    """How many videos have tagged shots and scores for their queries, and the figure over them; none of no video."""
    found = [figures for figures in map(_of_video, cases) if figures is not None]
    if not found:
        return 0, {}
    estimate, floor = bootstrap([each.f1 for each in found]), float(np.mean([each.random_f1 for each in found]))
    return len(found), {NAME: (estimate, Figure(estimate.value, floor, None))}


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
            pairs.append((best_shots(of_shots, len(reference)), reference))
    return mean_match(pairs, shots.tags) if pairs else None
