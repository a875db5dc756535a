from itertools import permutations

import numpy as np
import pytest

from clipsum.metrics.concept_iou import concept_iou, match, random_floor

TAGS = np.array([[1, 1, 0, 0], [0, 1, 1, 0], [0, 0, 0, 1], [1, 1, 1, 1], [0, 0, 0, 0]])


def test_iou_is_shared_concepts_over_all_concepts_and_0_for_shots_without_any():
    assert concept_iou(TAGS[[0, 4]], TAGS).tolist() == [
        [1, pytest.approx(1 / 3), 0, 0.5, 0],
        [0, 0, 0, 0, 0],
    ]


def test_a_summary_matches_itself_in_whatever_order():
    found = match([2, 0, 1], [0, 1, 2], TAGS)
    assert (found.precision, found.recall, found.f1) == (100, 100, 100)


def test_each_shot_is_matched_once_so_repeating_the_content_of_one_does_not_pay():
    tags = np.repeat([[1, 1, 0], [0, 0, 1]], [3, 1], axis=0)
    found = match([0, 1, 2], [0, 3], tags)
    assert (found.precision, found.recall) == (pytest.approx(100 / 3), pytest.approx(50))
    assert found.f1 == pytest.approx(40)


def test_no_other_pairing_of_shots_has_a_greater_sum():
    tags = np.random.default_rng(2).random((40, 12)) < 0.3
    ours, theirs = [3, 9, 20, 31, 5], [1, 8, 22, 30, 6]
    iou = concept_iou(tags[ours], tags[theirs])
    best = max(sum(iou[row, column] for row, column in enumerate(order)) for order in permutations(range(5)))
    assert match(ours, theirs, tags).precision == pytest.approx(100 * best / 5)


def test_nothing_in_common_is_0_not_a_division_by_zero():
    assert match([0], [2], TAGS).f1 == 0


def test_the_random_floor_is_seeded_and_below_the_summary_itself():
    tags = np.random.default_rng(1).random((200, 12)) < 0.2
    floor = random_floor([1, 5, 9, 70], tags, 4)
    assert floor == random_floor([1, 5, 9, 70], tags, 4)
    assert 0 < floor.f1 < 60
    assert floor != random_floor([1, 5, 9, 70], tags, 4, seed=1)


@pytest.mark.parametrize("shots", [[], [1, 1], [5], [-1]])
def test_shots_that_the_video_has_not_or_twice_are_refused(shots):
    with pytest.raises(ValueError, match=r"a summary of .* give different ones, each from 0 to 4"):
        match(shots, [0], TAGS)
