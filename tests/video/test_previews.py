"""Whole frames for people to look at, beside what the encoder takes."""

from pathlib import Path

import numpy as np
import pytest

from clipsum.config import Limits, Preprocessing, Sampling
from clipsum.records import Decoded
from clipsum.video.decode import decode_video, spread
from clipsum.video.worker import VideoDecoder

PREP = Preprocessing(size_px=32)


def decode(path: Path, previews: int, seek: str = "auto") -> Decoded:
    return decode_video(str(path), PREP, Sampling(frames=10), seek, Limits(), previews)


def test_previews_are_whole_frames_of_the_times_that_frames_have(plain):
    decoded = decode(plain, previews=3)
    assert [preview.pixels.shape for preview in decoded.previews] == [(120, 160, 3)] * 3
    assert {preview.time_s for preview in decoded.previews} <= set(decoded.frames.times_s.tolist())


def test_a_preview_shows_the_frame_of_its_time(plain):
    decoded = decode(plain, previews=4, seek="exact")
    for preview in decoded.previews:
        middle = preview.pixels[:, 20:140].reshape(30, 4, 30, 4, 3).mean(axis=(1, 3))
        distances = [
            np.abs(middle.mean(axis=(0, 1)) - frame.mean(axis=(0, 1))).sum() for frame in decoded.frames.pixels
        ]
        assert decoded.frames.times_s[int(np.argmin(distances))] == preview.time_s


def test_previews_of_a_turned_video_stand_upright(shared_dir):
    decoded = decode(shared_dir / "videos/odd/video_90.mov", previews=1)
    height, width, _ = decoded.previews[0].pixels.shape
    assert (max(height, width), height > width) == (160, True)


def test_none_are_made_where_none_are_asked_for(plain):
    assert decode(plain, previews=0).previews == ()


@pytest.mark.parametrize("count", [1, 5, 50])
def test_at_most_so_many_are_chosen_from_the_middle_of_equal_parts(count):
    chosen = spread(range(20), count)
    assert len(chosen) == min(count, 20)
    assert chosen == sorted(set(chosen))
    assert abs(np.mean(chosen) - 9.5) <= 1


def test_nothing_is_chosen_from_nothing():
    assert spread([], 5) == []


def test_the_child_gives_the_previews_that_the_process_itself_gives(plain):
    here = decode(plain, previews=2).previews
    with VideoDecoder(PREP, Sampling(frames=10), "auto", Limits(), previews=2) as decoder:
        there = decoder.decode(str(plain)).previews
    assert [preview.time_s for preview in there] == [preview.time_s for preview in here]
    assert all(np.array_equal(a.pixels, b.pixels) for a, b in zip(here, there, strict=True))
