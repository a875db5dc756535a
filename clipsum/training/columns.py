"""What is known of embedded videos without reading any of their vectors."""

from collections.abc import Sequence

import numpy as np

from clipsum.datasets.embedded import Embedded, EmbeddedSet, Sizes


def sizes_of(videos: Sequence[Embedded]) -> Sizes:
    """Frames, and characters of transcript and reference, of each video."""
    if isinstance(videos, EmbeddedSet):
        return videos.sizes()
    said = (sum(len(segment.text) for segment in each.transcript.segments) for each in videos)
    seen = ((len(each.embeddings.vectors), len(each.summary or "")) for each in videos)
    rows = [(frames, text, summary) for text, (frames, summary) in zip(said, seen, strict=True)]
    return Sizes(*np.array(rows, np.int64).reshape(-1, 3).T)


def summaries_of(videos: Sequence[Embedded]) -> list[str | None]:
    """The reference of each video."""
    return videos.summaries if isinstance(videos, EmbeddedSet) else [video.summary for video in videos]


def ids_of(videos: Sequence[Embedded]) -> list[str]:
    """The id of each video."""
    return videos.video_ids if isinstance(videos, EmbeddedSet) else [video.video_id for video in videos]
