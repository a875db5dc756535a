import numpy as np
import pytest

from clipsum.metrics.seconds import f1_at_equal_budget, match_threshold, per_second


def test_a_second_has_the_mean_of_its_frames_and_one_without_any_lies_between_its_neighbours():
    times, scores = np.array([0.2, 0.8, 2.5, 3.5]), np.array([1.0, 3.0, 4.0, 6.0])
    found = per_second(times, scores, 5)
    assert found[[0, 2, 3]].tolist() == [2.0, 4.0, 6.0]
    assert found[1] == pytest.approx(3 + 0.7 / 1.7)
    assert found[4] == 6.0


def test_frames_past_the_last_second_count_for_it():
    assert per_second(np.array([0.5, 1.4, 2.1]), np.array([0.0, 1.0, 5.0]), 2).tolist() == [0.0, 3.0]


def test_scores_without_frames_are_refused():
    with pytest.raises(ValueError, match="0 scores at 0 times"):
        per_second(np.zeros(0), np.zeros(0), 3)


def test_f1_at_equal_budget_is_the_share_of_the_wanted_among_as_many_best():
    wanted = np.array([False, True, True, False, False])
    assert f1_at_equal_budget(np.array([0.0, 9, 8, 1, 2]), wanted) == 1
    assert f1_at_equal_budget(np.array([9.0, 8, 0, 1, 2]), wanted) == 0.5
    assert f1_at_equal_budget(np.array([9.0, 0, 0, 8, 2]), wanted) == 0
    with pytest.raises(ValueError, match="no second is wanted"):
        f1_at_equal_budget(np.zeros(5), np.zeros(5, bool))


def test_the_threshold_lies_between_what_is_answered_and_what_is_not():
    assert match_threshold([0.9, 0.7], [0.1, 0.3]) == (0.5, 1.0)
    threshold, accuracy = match_threshold([0.9, 0.8, 0.2], [0.1, 0.4, 0.3])
    assert 0.4 < threshold < 0.8
    assert accuracy == pytest.approx((2 / 3 + 1) / 2)


def test_questions_of_one_kind_alone_make_no_threshold():
    with pytest.raises(ValueError, match="2 answered and 0 unanswered"):
        match_threshold([0.9, 0.8], [])
