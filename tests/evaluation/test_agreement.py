"""Whether the frames with the top scores show what the summary says."""

import numpy as np
import pytest

from clipsum.evaluation.agreement import agreements
from clipsum.records import Moments, Summary
from tests.datasets.embedded_folder import video

WIDTH = 12


class Words:
    """A text's vector is the direction that its number of words names."""

    def encode_text(self, texts):
        return np.stack([np.eye(WIDTH, dtype=np.float32)[len(text.split())] for text in texts])


def _video(name, directions):
    found = video(name, width=WIDTH, frames=len(directions))
    found.embeddings.vectors[:] = np.eye(WIDTH, dtype=np.float32)[directions]
    return found


def test_it_is_high_where_the_top_frames_show_what_is_said_and_near_random_elsewhere():
    directions, scores = [3] * 3 + [5] * 17, [0.9] * 3 + [0.1] * 17
    videos = [_video("a", directions), _video("b", directions), _video("c", directions)]
    summaries = [Summary(text, "both") for text in ("cut the onion", "boil it", "")]
    right, wrong, silent = agreements(videos, summaries, [Moments(tuple(scores))] * 3, Words())
    assert right[0] == pytest.approx(100)
    assert right[1] < 60
    assert wrong == (0, 0)
    assert silent is None


def test_without_scores_of_frames_or_texts_in_their_space_there_is_none():
    videos, summaries = [_video("a", [3, 4])], [Summary("cut the onion", "both")]
    assert agreements(videos, summaries, [None], Words()) == [None]
    assert agreements(videos, summaries, [Moments((0.1, 0.2))], None) == [None]
