"""What an embedded video teaches the scorer: the texts that guide it, what people marked, and the video's queries.

T frames, V visual width.
"""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from clipsum.datasets.embedded import Embedded
from clipsum.datasets.marks import Marks
from clipsum.models.batch import Guide, Item
from clipsum.models.guidance import TextEncoder, guide, guiding_texts
from clipsum.records import Transcript
from clipsum.training.config import Sees

_MOST_KEPT = 100_000  # texts: 200 MB of vectors of width 512


class Scoring:
    """Adds guides and marks to items. Texts are embedded once: the encoder is frozen.

    `marks`: by video id. A video without any is guided all the same, for the unsupervised losses. `summaries`: where
    nothing is said, the reference summary may guide, as the summary that is written does in use.
    """

    def __init__(self, encoder: TextEncoder, marks: Mapping[str, Marks], sees: Sees, summaries: bool = False) -> None:
        self._encoder, self._marks, self._sees = _Remembering(encoder), marks, sees
        self._summaries = summaries and sees != "frames"

    def added(self, item: Item, video: Embedded) -> Item:
        """The item with what there is of the video; one without frames as it is, no query that its frames do not tell.

        Raises: UsageError where the encoder has no texts in the space of its frames.
        """
        if item.vectors is None:
            return item
        marks, times_s = self._marks.get(video.video_id, Marks()), video.embeddings.times_s
        said = video.transcript if self._sees != "frames" else Transcript()
        told = [query for query in marks.queries if query.is_told_by(times_s)]
        asked = [(self._guide(query.text, said, video), query.at(times_s)) for query in told]
        queries = tuple((guide, where) for guide, where in asked if guide is not None)
        general = self._guide(None, said, video)
        written = self._guide(None, said, video, video.summary) if self._summaries and general is None else None
        return replace(item, guide=general, marks=marks.at(times_s), queries=queries, written=written)

    def _guide(self, query: str | None, said: Transcript, video: Embedded, summary: str | None = None) -> Guide | None:
        return guide(guiding_texts(query, said, summary), self._encoder, video.duration_s)


class _Remembering:
    """An encoder that embeds each text once, as long as there are not too many."""

    def __init__(self, encoder: TextEncoder) -> None:
        self._encoder = encoder
        self._known: dict[str, NDArray[np.float32]] = {}

    def encode_text(self, texts: list[str]) -> NDArray[np.float32]:
        """M texts -> (M, V), as the encoder does."""
        if new := [text for text in dict.fromkeys(texts) if text not in self._known]:
            if len(self._known) + len(new) > _MOST_KEPT:
                self._known.clear()
                new = list(dict.fromkeys(texts))
            self._known |= dict(zip(new, self._encoder.encode_text(new), strict=True))
        return np.stack([self._known[text] for text in texts])
