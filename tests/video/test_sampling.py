import numpy as np
import pytest

from clipsum.config import Sampling
from clipsum.video.sampling import sample_times, stride_s


def test_uniform_times_are_the_middles_of_equal_parts():
    assert sample_times(Sampling(frames=4), 8.0).tolist() == [1.0, 3.0, 5.0, 7.0]


def test_a_rate_gives_so_many_times_a_second():
    assert sample_times(Sampling(mode="rate", rate_fps=2), 2.0).tolist() == [0.25, 0.75, 1.25, 1.75]


def test_a_rate_that_would_give_more_than_the_maximum_is_uniform_with_the_maximum():
    times = sample_times(Sampling(mode="rate", rate_fps=2, max_frames=3), 6.0)
    assert times.tolist() == [1.0, 3.0, 5.0]


@pytest.mark.parametrize("duration_s", [0.01, 0.9, 1.0, 59.99, 3600.0])
@pytest.mark.parametrize(
    "sampling", [Sampling(frames=50), Sampling(mode="rate", rate_fps=0.7, max_frames=100)], ids=str
)
def test_times_rise_and_lie_within_the_video(sampling: Sampling, duration_s: float):
    times = sample_times(sampling, duration_s)
    assert len(times) >= 1
    assert (np.diff(times) > 0).all()
    assert times[0] >= 0
    assert times[-1] < duration_s


def test_the_stride_is_the_distance_of_times_or_the_whole_video():
    assert stride_s(np.array([1.0, 3.0]), 4.0) == 2.0
    assert stride_s(np.array([2.0]), 4.0) == 4.0
