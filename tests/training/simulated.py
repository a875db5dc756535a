"""Kitchen videos with simulated frame embeddings: a sum of directions for what is on screen, and some noise."""

import numpy as np

from clipsum.datasets.kitchen.recipe import make_video
from clipsum.datasets.kitchen.vocabulary import SLOTS, VALUES
from clipsum.records import Embeddings

WIDTH = 64
_SCALE = WIDTH**-0.5


def directions(seed=0):
    """A random direction of length about 1 for each value of each slot."""
    rng = np.random.default_rng(seed)
    return {(slot, value): rng.standard_normal(WIDTH) * _SCALE for slot in SLOTS for value in VALUES[slot]}


def embed(video, count=50, noise=0.5, seed=0):
    """Embeddings at the centres of `count` equal bins, as an encoder might give them, and the duration."""
    known, rng = directions(seed), np.random.default_rng([seed, video.index])
    times = (np.arange(count) + 0.5) * video.duration_s / count
    ends = [step.end_s for step in video.steps]
    shown = [video.steps[min(np.searchsorted(ends, time, "right"), len(ends) - 1)] for time in times]
    vectors = np.array([sum(known[slot, step.value(slot)] for slot in SLOTS) for step in shown])
    vectors += rng.standard_normal(vectors.shape) * noise * _SCALE
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return Embeddings(times, vectors.astype(np.float32), "simulated", f"uniform:{count}", "auto"), video.duration_s


def corpus(split, count, frames=50, seed=0):
    """The first `count` videos of a split and their frames by video_id."""
    videos = [make_video(split, index, seed) for index in range(count)]
    return videos, {video.video_id: embed(video, frames) for video in videos}
