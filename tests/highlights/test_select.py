"""Highlights in seconds of the container."""

from itertools import pairwise

import numpy as np
import pytest

from clipsum.config import load
from clipsum.errors import UsageError
from clipsum.highlights.select import HighlightConfig, highlights, top_fraction
from clipsum.records import Embeddings
from tests.highlights.test_segmentation import scenes

DURATION_S = 100.0


def embeddings(lengths, times_s=None):
    vectors = scenes(lengths).astype(np.float32)
    count = len(vectors)
    times_s = (np.arange(count) + 0.5) * DURATION_S / count if times_s is None else np.asarray(times_s, float)
    return Embeddings(times_s, vectors, "f", "uniform:50", "auto")


def test_the_shot_of_the_greatest_scores_is_chosen_whole_and_the_budget_holds():
    video = embeddings([20, 6, 24])
    scores = np.where(np.arange(50) < 20, 0.2, 0.1)
    scores[20:26] = [0.9, 0.7, 0.8, 0.9, 0.7, 0.8]
    (found,) = highlights(video, scores, DURATION_S)
    assert (found.start_s, found.end_s) == (40.0, 52.0)
    assert found.score == pytest.approx(0.8)


@pytest.mark.parametrize("seed", range(5))
def test_highlights_never_take_more_than_the_budget_and_lie_apart_in_order(seed):
    rng = np.random.default_rng(seed)
    video = embeddings([4, 9, 2, 12, 3, 8, 12], np.sort(rng.uniform(0, DURATION_S, 50)))
    found = highlights(video, rng.normal(size=50), DURATION_S)
    assert found
    assert sum(each.end_s - each.start_s for each in found) <= 0.15 * DURATION_S + 1e-9
    assert all(first.end_s <= second.start_s for first, second in pairwise(found))


def test_times_are_those_that_the_frames_carry():
    uneven = np.concatenate([np.linspace(1, 9, 20), np.linspace(70, 75, 6), np.linspace(80, 99, 24)])
    scores = np.zeros(50)
    scores[20:26] = 1.0
    (found,) = highlights(embeddings([20, 6, 24], uneven), scores, DURATION_S, HighlightConfig(budget=0.4))
    assert (found.start_s, found.end_s) == (pytest.approx((9 + 70) / 2), pytest.approx((75 + 80) / 2))


def test_a_shot_longer_than_the_budget_is_cut_so_that_its_best_part_is_shown():
    scores = np.linspace(0, 1, 50)
    (found,) = highlights(embeddings([50]), scores, DURATION_S)
    assert found.end_s == DURATION_S
    assert 10 < found.end_s - found.start_s <= 15


@pytest.mark.parametrize("count", [1, 2, 3])
def test_a_few_frames_of_a_long_video_give_the_budget_around_the_best(count):
    scores = np.arange(count, dtype=float)
    (found,) = highlights(embeddings([1] * count), scores, DURATION_S)
    assert found.end_s - found.start_s == pytest.approx(15)
    assert found.start_s <= (count - 0.5) * DURATION_S / count <= found.end_s
    assert found.end_s <= DURATION_S


def test_no_frames_have_no_highlights():
    empty = Embeddings(np.empty(0), np.empty((0, 8), np.float32), "f", "uniform:50", "auto")
    assert highlights(empty, [], DURATION_S) == []


def test_scores_below_zero_are_ranked_like_others():
    video, scores = embeddings([20, 6, 24]), np.full(50, -3.0)
    scores[20:26] = -1.0
    (found,) = highlights(video, scores, DURATION_S)
    assert (found.start_s, found.end_s) == (40.0, 52.0)


def test_top_frames_are_the_fraction_of_frames_and_neighbours_are_one_highlight():
    scores = np.zeros(50)
    scores[[3, 4, 5, 30, 31, 40, 49]] = [3, 2, 1, 3, 2, 5, 4]
    found = highlights(embeddings([50]), scores, DURATION_S, HighlightConfig(method="frames"))
    assert [(each.start_s, each.end_s) for each in found] == [(6, 12), (60, 64), (80, 82), (98, 100)]
    assert found[0].score == pytest.approx(2)


@pytest.mark.parametrize(("count", "kept"), [(100, 15), (20, 3), (19, 2), (3, 1)])
def test_the_top_fraction_keeps_no_frame_too_many_and_at_least_one(count, kept):
    assert top_fraction(np.arange(count)).sum() == kept
    assert top_fraction(np.zeros(count)).sum() == kept


@pytest.mark.parametrize("method", ["shots", "frames"])
@pytest.mark.parametrize("best", [slice(0, 6), slice(6, 12), slice(44, 50)])
def test_frames_before_the_clock_or_past_the_end_shift_no_time_and_pass_neither_end_nor_budget(method, best):
    times_s = np.linspace(-0.5, 30.0, 50)  # the first ends before 0, and a third lies past a stated end of 20 s
    video, scores = embeddings([6, 6, 20, 12, 6], times_s), np.full(50, 0.1)
    scores[best] = 0.9
    found = highlights(video, scores, 20.0, HighlightConfig(method=method, budget=0.2))
    assert found
    assert sum(each.end_s - each.start_s for each in found) <= 0.2 * 20.0 + 1e-9
    assert all(0 <= each.start_s < each.end_s <= 20.0 for each in found)
    if best == slice(6, 12):
        top = max(found, key=lambda each: each.score)
        assert (top.start_s, top.end_s) == (pytest.approx(times_s[5:7].mean()), pytest.approx(times_s[11:13].mean()))


def test_a_video_of_no_length_has_no_moment_to_be_asked_for():
    with pytest.raises(ValueError, match="a video of 0 s: give a duration above 0"):
        highlights(embeddings([2]), [0.1, 0.2], 0.0)


@pytest.mark.parametrize("scores", [np.zeros(49), np.full(50, np.nan)])
def test_scores_that_do_not_fit_the_frames_are_refused(scores):
    with pytest.raises(ValueError, match="for 50 frames: give a finite one for each"):
        highlights(embeddings([50]), scores, DURATION_S)


def test_a_budget_of_more_than_the_video_is_refused_by_name():
    with pytest.raises(UsageError, match=r"budget '1\.5'"):
        load(HighlightConfig, overrides=["budget=1.5"])
