"""Chapters: the shots of a video, each with the sentence for a title that fits its frames best.

T frames, M sentences, V width of the encoder's vectors, K shots.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from clipsum.highlights.select import boundaries
from clipsum.models.text import Span, span_of
from clipsum.records import Chapter, Embeddings, Segment

Numbers = NDArray[np.float64]


def chapters(
    embeddings: Embeddings,
    duration_s: float,
    points: NDArray[np.intp],
    sentences: Sequence[Segment],
    vectors: NDArray[np.float32] | None,
) -> list[Chapter]:
    """The chapters, in order, from 0 to the end of the video; neighbours of one title are one. None without a title.

    `points`: frames at which shots begin, as `change_points` gives them. `sentences` (M): of the summary, without
    times, and of the transcript, which title only a shot in which they are said. What fits best has the greatest
    cosine with the mean of the shot's frames. Where there are no `vectors` (M, V), it is what is said longest in it.
    """
    if not len(embeddings.vectors) or not sentences or duration_s <= 0:
        return []
    bounds_s = boundaries(embeddings.times_s, points, duration_s)
    spans = [span_of(sentence) for sentence in sentences]
    fit = shared_s = _shared_s(bounds_s, spans)
    if vectors is None:
        may = (shared_s > 0) & np.array([span is not None for span in spans])
    else:
        may, fit = shared_s > 0, _cosines(embeddings.vectors, points, vectors)
    fit = np.where(may, fit, -np.inf)
    titles = [_title(sentences[row.argmax()].text) if np.isfinite(row).any() else "" for row in fit]
    return _joined(bounds_s, titles)


def _shared_s(bounds_s: Numbers, spans: Sequence[Span]) -> Numbers:
    """For how long each sentence is said in each shot, (K, M); one without a time for all of each."""
    edges = np.array([span or (-np.inf, np.inf) for span in spans])
    shared: Numbers = np.minimum(bounds_s[1:, None], edges[:, 1]) - np.maximum(bounds_s[:-1, None], edges[:, 0])
    return np.maximum(shared, 0.0)


def _cosines(frames: NDArray[np.float32], points: NDArray[np.intp], vectors: NDArray[np.float32]) -> Numbers:
    """Of the mean of each shot's frames with each sentence, (K, M)."""
    sums = np.add.reduceat(frames.astype(np.float64), np.append(0, points))
    means = sums / np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-12)
    cosines: Numbers = means @ vectors.T.astype(np.float64)
    return cosines


def _title(sentence: str) -> str:
    """A sentence as a title: without its full stop, with a capital."""
    words = sentence.strip().rstrip(".")
    return words[:1].upper() + words[1:]


def _joined(bounds_s: Numbers, titles: Sequence[str]) -> list[Chapter]:
    """Shots as chapters; one without a title goes on with the one before it, or begins the one after it."""
    named = [title for title in titles if title]
    if not named:
        return []
    made: list[Chapter] = []
    for start_s, end_s, title in zip(bounds_s[:-1].tolist(), bounds_s[1:].tolist(), titles, strict=True):
        if not made:
            made.append(Chapter(start_s, end_s, title or named[0]))
        elif title in ("", made[-1].title):
            made[-1] = Chapter(made[-1].start_s, end_s, made[-1].title)
        else:
            made.append(Chapter(start_s, end_s, title))
    return made
