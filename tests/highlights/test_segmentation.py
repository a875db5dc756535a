"""Kernel temporal segmentation against its definition, tried out in full."""

import math
import tracemalloc
from itertools import combinations

import numpy as np
import pytest

from clipsum.highlights import segmentation
from clipsum.highlights.segmentation import change_points


def scenes(lengths, noise=0.05, width=16, seed=0):
    """L2-normalised frames of scenes, each about a direction of its own."""
    rng = np.random.default_rng(seed)
    centres = np.repeat(np.linalg.qr(rng.normal(size=(width, width)))[0][: len(lengths)], lengths, axis=0)
    frames = centres + noise * rng.normal(size=centres.shape)
    return frames / np.linalg.norm(frames, axis=1, keepdims=True)


def cost(frames, points, penalty):
    scatter = sum(np.square(shot - shot.mean(axis=0)).sum() for shot in np.split(frames, points))
    number, count = len(points), len(frames)
    variance = max(0.01, np.square(frames - frames.mean(axis=0)).sum() / count)
    price = penalty * variance * number / (2 * count) * (math.log(count / number) + 1) if number else 0.0
    return scatter / count + price


def test_scenes_are_found_where_they_begin_without_being_told_how_many():
    assert change_points(scenes([12, 5, 20, 9])).tolist() == [12, 17, 37]


@pytest.mark.parametrize("count", [10, 40, 300])
@pytest.mark.parametrize("noise", [1e-4, 0.05, 1.0])
def test_a_video_of_one_scene_has_no_change_point_however_much_it_is_disturbed(count, noise):
    assert change_points(scenes([count], noise, width=64)).tolist() == []


@pytest.mark.parametrize("lengths", [[12, 5, 20, 13], [25, 25], [6, 7, 5, 8, 7, 6, 11]])
def test_scenes_of_a_real_encoder_are_found_whose_frames_all_have_much_in_common(lengths):
    rng = np.random.default_rng(1)
    common, own = np.eye(512)[0], rng.normal(size=(len(lengths), 512)) / 512**0.5
    noise = rng.normal(size=(50, 512)) / 512**0.5
    frames = 0.866 * common + np.repeat(0.42 * own, lengths, axis=0) + 0.265 * noise
    frames /= np.linalg.norm(frames, axis=1, keepdims=True)
    cosines = frames @ frames.T
    assert cosines[0, 1] == pytest.approx(0.93, abs=0.02)
    assert cosines[0, -1] == pytest.approx(0.75, abs=0.03)
    assert change_points(frames).tolist() == np.cumsum(lengths)[:-1].tolist()


@pytest.mark.parametrize("penalty", [0.02, 0.1, 0.4, 1.0])
def test_no_other_choice_of_change_points_costs_less(penalty):
    frames = scenes([3, 2, 4, 1], noise=0.3, seed=3)
    every = (points for number in range(10) for points in combinations(range(1, 10), number))
    best = min(every, key=lambda points: cost(frames, points, penalty))
    assert tuple(change_points(frames, penalty, most=9)) == best


def test_the_number_of_change_points_can_be_bounded():
    assert len(change_points(scenes([12, 5, 20, 9]), most=1)) == 1


@pytest.mark.parametrize("count", [1, 2, 3])
def test_very_short_videos_are_segmented(count):
    assert len(change_points(scenes([1] * count), penalty=0.01)) < count


def test_more_frames_than_are_held_cost_no_more_memory_and_changes_are_found_to_within_a_group(monkeypatch):
    monkeypatch.setattr(segmentation, "MOST_FRAMES", 128)
    change_points(scenes([8]))  # what numpy imports on first use counts not
    peaks = []
    for times in (1, 8):
        frames = scenes([40 * times, 60 * times, 28 * times])
        tracemalloc.start()
        found = change_points(frames)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert np.abs(found - [40 * times, 100 * times]).max() <= times
    assert peaks[1] < 1.3 * peaks[0]


@pytest.mark.parametrize("frames", [np.zeros((0, 4)), np.zeros(4), np.full((3, 4), np.nan)])
def test_what_cannot_be_segmented_is_refused(frames):
    with pytest.raises(ValueError, match="give finite vectors"):
        change_points(frames)


def test_a_penalty_of_nothing_is_refused():
    with pytest.raises(ValueError, match="penalty 0: give a number above 0"):
        change_points(np.eye(3), 0)
