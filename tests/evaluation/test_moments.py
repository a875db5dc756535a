"""Scores of frames against what people marked."""

from dataclasses import replace

import numpy as np
import pytest

from clipsum.datasets.marks import Marks
from clipsum.evaluation.evaluate import evaluate
from clipsum.evaluation.moments import moment_figures, scored_seconds
from clipsum.evaluation.record import compose
from clipsum.evaluation.tables import figure_rows
from tests.evaluation.test_evaluate import FACTS
from tests.evaluation.toy import case_of

SECONDS = 40
RNG = np.random.default_rng(3)
TRUTH = RNG.permutation(SECONDS) / SECONDS


def _people(count=5):
    noisy = TRUTH + 0.2 * RNG.normal(size=(count, SECONDS))
    return np.clip(np.round(1 + 4 * noisy), 1, 5).astype(np.uint8)


def _case(index, scores, people=None):
    marks = Marks(_people() if people is None else people, 1, 5)
    times_s = np.arange(SECONDS) + 0.5
    return replace(case_of(index), frame_times_s=times_s.tolist(), frame_scores=list(scores), marks=marks)


def test_scores_that_follow_people_lie_above_the_floor_and_near_the_ceiling():
    count, figures = moment_figures([_case(index, TRUTH) for index in range(4)])
    assert count == 4
    for estimate, figure in figures.values():
        assert estimate.value == figure.value > 3 * abs(figure.random_floor) or estimate.value > 2 * figure.random_floor
        assert figure.human_ceiling > figure.random_floor
    assert 40 < figures["tau_per_user"][0].value <= 100
    _, reversed_ones = moment_figures([_case(index, 1 - TRUTH) for index in range(4)])
    assert reversed_ones["tau_per_user"][0].value < 0


def test_a_second_has_the_score_of_the_nearest_frame_whatever_the_rate():
    case = replace(_case(0, [0.1, 0.9, 0.2]), frame_times_s=[2.0, 10.0, 30.0], frame_scores=[0.1, 0.9, 0.2])
    scores = scored_seconds(case).scores
    assert scores[[0, 5, 6, 19, 20, 39]].tolist() == [0.1, 0.1, 0.9, 0.9, 0.2, 0.2]


def test_who_marked_zero_or_one_chose_what_is_one():
    chosen = (RNG.random((3, SECONDS)) < 0.3).astype(np.uint8)
    video = scored_seconds(replace(_case(0, TRUTH), marks=Marks(chosen)))
    assert np.array_equal(video.user_summary, chosen > 0)


SHOTS = list(range(4, SECONDS, 4))


def _benchmark(name, people, scores=TRUTH, shots=SHOTS):
    scale = (1, 5) if name == "tvsum" else (0, 1)
    return replace(_case(0, scores), marks=Marks(np.asarray(people, np.uint8), *scale, (), name), shot_starts=shots)


def test_tvsum_has_the_mean_f1_of_its_people_over_shots_under_its_own_name():
    one = np.repeat([1, 2, 3, 4, 1, 2, 3, 4, 1, 5], 4)
    count, figures = moment_figures([_benchmark("tvsum", [one, one, one[::-1]], scores=one / 5)])
    assert (count, set(figures)) == (1, {"tvsum.f1_mean", "tvsum.tau_per_user", "tvsum.rho_per_user"})
    assert figures["tvsum.f1_mean"][0].value == pytest.approx(200 / 3)
    assert figures["tvsum.f1_mean"][1].random_floor < figures["tvsum.f1_mean"][0].value
    _, alone = moment_figures([_benchmark("tvsum", [one], scores=one / 5)])
    assert [figure.value for _, figure in alone.values()] == pytest.approx([100, 100, 100])
    video = scored_seconds(_benchmark("tvsum", [one]))
    assert video.shot_lengths.tolist() == [4] * 10
    assert video.user_summary.tolist() == [(one == 5).tolist()]


@pytest.mark.parametrize("shots", [[], [25], [3, 20, 31]])
def test_shots_that_no_knapsack_could_take_are_cut_so_that_something_is_chosen(shots):
    one = np.repeat([1, 2, 3, 4, 1, 2, 3, 4, 1, 5], 4)
    video = scored_seconds(_benchmark("tvsum", [one], shots=shots))
    assert max(video.shot_lengths) <= 0.15 * SECONDS
    assert video.shot_lengths.sum() == SECONDS
    assert 0 < video.user_summary.sum() <= 0.15 * SECONDS
    _, figures = moment_figures([_benchmark("tvsum", [one], scores=one / 5, shots=shots)])
    assert figures["tvsum.f1_mean"][0].value == pytest.approx(100)


def test_summe_has_the_best_f1_of_its_people_under_its_own_name_and_says_what_its_correlations_are_with():
    first, second = (np.repeat(np.arange(10) == shot, 4) for shot in (2, 7))
    cases = [_benchmark("summe", [first, second], scores=first), _case(1, TRUTH)]
    record = compose(evaluate(cases, draws=20), FACTS)
    figures = record["splits"]["test"]["moments"]["figures"]
    assert figures["summe.f1_max"]["value"] == pytest.approx(100)
    assert figures["summe.f1_max"]["human_ceiling"] == 0
    assert figures["f1_mean"]["value"] > 0  # of the other video, which is of no benchmark
    assert "choices of 0 and 1" in record["protocol"]["SumMe"]
    rows = dict(figure_rows(record))
    assert "SumMe: F1, best person, random scores" in rows
    assert "SumMe: 100 τ, per person, people of each other" in rows


def test_a_benchmark_whose_shots_are_not_known_has_no_f1_and_says_so():
    record = compose(evaluate([_benchmark("tvsum", _people(), shots=None)], draws=20), FACTS)
    assert set(record["splits"]["test"]["moments"]["figures"]) == {"tvsum.tau_per_user", "tvsum.rho_per_user"}
    assert "no F1, since a run over videos keeps no shots" in record["protocol"]["TVSum"]


def test_the_published_shots_are_taken_where_a_benchmark_brings_them_and_a_run_over_videos_has_its_f1_too():
    one = np.repeat([1, 2, 3, 4, 1, 2, 3, 4, 1, 5], 4)
    starts_s = tuple(range(0, SECONDS, 4))
    for shots in (None, [1, 2, 3]):
        case = _benchmark("tvsum", [one], scores=one / 5, shots=shots)
        case = replace(case, marks=replace(case.marks, shot_starts_s=starts_s))
        assert scored_seconds(case).shot_lengths.tolist() == [4] * 10
        record = compose(evaluate([case], draws=20), FACTS)
        assert record["splits"]["test"]["moments"]["figures"]["tvsum.f1_mean"]["value"] == pytest.approx(100)
        assert record["protocol"]["TVSum"].startswith("the published shots")


def test_cases_without_scores_or_without_marks_have_no_such_figures():
    assert moment_figures([replace(_case(0, TRUTH), marks=None), replace(_case(1, TRUTH), frame_scores=())]) == (0, {})
    (result,) = evaluate([case_of(0), case_of(1)], draws=20)
    assert "moments" not in compose([result], FACTS)["splits"]["test"]


def test_the_table_shows_each_figure_with_random_scores_and_people_below_it():
    record = compose(evaluate([*(_case(index, TRUTH) for index in range(3)), case_of(5)], draws=20), FACTS)
    assert record["splits"]["test"]["moments"]["videos"] == 3
    rows = dict(figure_rows(record))
    labels = [label for label in rows if label.startswith("moments")]
    assert labels[:3] == [
        "moments: F1, mean of people",
        "moments: F1, mean of people, random scores",
        "moments: F1, mean of people, people of each other",
    ]
    (tau,), (floor,) = rows["moments: 100 τ, per person"], rows["moments: 100 τ, per person, random scores"]
    assert tau["value"] > 40 > abs(floor["value"])
    assert "low" in tau
    assert "low" not in floor
    assert "human ceiling" in record["protocol"] or "moments, people" in record["protocol"]
    assert (
        pytest.approx(tau["value"], abs=1e-9) == record["splits"]["test"]["moments"]["figures"]["tau_per_user"]["value"]
    )
