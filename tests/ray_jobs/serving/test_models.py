"""How large a batch of requests may be: by what the model has to look at, not by their number."""

import numpy as np
import pytest

from clipsum.records import Embeddings, Segment, Transcript, VideoRef
from clipsum.rows import Outcome
from ray_jobs.item import StageItem
from ray_jobs.serving.config import BATCH_SHARES
from ray_jobs.serving.models import LETTERS_A_TOKEN, SHARE, shares


def item(frames: int, tokens: int) -> StageItem:
    words = Transcript((Segment("x" * LETTERS_A_TOKEN * tokens),), "manifest") if tokens else Transcript()
    seen = Embeddings(np.arange(float(frames)), np.zeros((frames, 4), np.float32), "f", "s", "auto")
    return StageItem(0, Outcome(VideoRef("a", "a", "")), words, embeddings=seen)


@pytest.mark.parametrize("frames", [0, SHARE, 2 * SHARE])
def test_a_batch_grows_by_the_frames_and_by_the_words_of_each_of_its_videos(frames: int):
    few, many = item(frames, 0), item(frames, 3 * SHARE)
    assert shares([many]) - shares([few]) == 3
    assert shares([item(frames + 5 * SHARE, 0)]) - shares([few]) == 5
    assert shares([few, many, many]) == shares([few]) + 2 * shares([many])


def test_a_video_that_would_fill_a_batch_by_itself_is_one_and_takes_no_other_with_it():
    huge = item(2 * BATCH_SHARES * SHARE, 0)
    assert shares([huge]) == BATCH_SHARES
    assert shares([huge, item(1, 0)]) > BATCH_SHARES
