"""QFVS: queries of a video whose shots are tagged."""

import numpy as np
import pytest

from clipsum.datasets.marks import AskedQuery, Marks, TaggedShots
from clipsum.evaluation.evaluate import evaluate
from clipsum.evaluation.record import compose
from clipsum.evaluation.tables import figure_rows
from clipsum.records import Asked
from tests.evaluation.test_evaluate import FACTS
from tests.evaluation.toy import case_of

SHOTS = 200  # of which a summary has 4
TIMES_S = np.arange(1.0, 5 * SHOTS, 2.5)  # two frames in each shot of 5 s


def _case(index, right):
    """One query each for shots 3 to 5 and shot 20, each shot of its own concept; `right`: scored where they are."""
    shots = TaggedShots(np.eye(SHOTS, dtype=bool), 5.0)
    queries = AskedQuery("car and food", ((15.0, 30.0),)), AskedQuery("sky", ((100.0, 105.0),)), AskedQuery("sea")
    asked = [
        Asked(each.text, None, tuple((each.at(TIMES_S) if right else 1 - each.at(TIMES_S)).tolist()), ())
        for each in queries
    ]
    marks = Marks(queries=queries, shots=shots)
    return case_of(index, reference="", marks=marks, frame_times_s=TIMES_S, frame_scores=TIMES_S, asked=asked)


@pytest.mark.parametrize(("right", "precision", "recall"), [(True, 50, 100), (False, 0, 0)])
def test_the_best_2_percent_of_the_shots_answer_a_query_however_many_people_chose(right, precision, recall):
    """Four shots for each query, three of which answer the one, and one the other."""
    record = compose(evaluate([_case(index, right) for index in range(2)], draws=20), FACTS)
    figures = record["splits"]["test"]["moments"]["figures"]
    assert figures["qfvs.precision"]["value"] == pytest.approx(precision)
    assert figures["qfvs.recall"]["value"] == pytest.approx(recall)
    assert 0 < figures["qfvs.f1"]["random_floor"] < 30
    assert record["splits"]["test"]["videos"] == 2
    rows = dict(figure_rows(record))
    assert "QFVS: concept IoU, F1" in rows
    assert "QFVS: concept IoU, F1, random scores" in rows
    assert "the 2% of the video's shots" in record["protocol"]["QFVS"]
