"""Which texts guide the scoring of a video's frames, and when they are said: the query, else the transcript's
sentences, else those of the summary that the model wrote itself; of these, what the scorer learned to be guided by.

M texts, V width of the encoder's vectors. The texts are embedded by the encoder of the frames, so that they lie in the
same space and under the same fingerprint.
"""

import re
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from clipsum.models.batch import Guide
from clipsum.models.config import ScorerConfig, TextOrigin
from clipsum.models.temporal import relative_spans
from clipsum.models.text import sentences, span_of, timed_sentences
from clipsum.records import Segment, Transcript

Origin = TextOrigin | Literal["none"]
_WORD = re.compile(r"\w[\w'’-]*")
_MOST_WORDS = 16  # of a query, that stand for themselves too


@dataclass(frozen=True)
class GuidingTexts:
    """Texts and where they are from; they carry times where the transcript does."""

    texts: tuple[Segment, ...] = ()
    origin: Origin = "none"


class TextEncoder(Protocol):
    """What embeds texts; every `FrameEncoder` of kind "clip" does."""

    def encode_text(self, texts: list[str]) -> NDArray[np.float32]:
        """M texts -> (M, V) float32, each L2-normalised. Raises: UsageError where the encoder has no such texts."""


def guiding_texts(
    query: str | None, transcript: Transcript, summary: str | None = None, scorer: ScorerConfig | None = None
) -> GuidingTexts:
    """What there is to guide the scoring, the first of query, transcript, summary that is not empty.

    Of the latter two, those that the `scorer` learned to be guided by; without one, either.

    Of a query its words stand for themselves too, beside the whole: several texts, which a frame may fit one by one.
    """
    if query and query.strip():
        whole = " ".join(query.split())
        words = list(dict.fromkeys(_WORD.findall(whole)))[:_MOST_WORDS]
        return GuidingTexts(tuple(map(Segment, [whole, *(word for word in words if word != whole)])), "query")
    if _may("transcript", scorer) and (said := timed_sentences(transcript)):
        return GuidingTexts(said, "transcript")
    if _may("summary", scorer) and (written := sentences(Transcript((Segment(summary or ""),)))):
        return GuidingTexts(tuple(map(Segment, written)), "summary")
    return GuidingTexts()


def _may(origin: TextOrigin, scorer: ScorerConfig | None) -> bool:
    return scorer is None or scorer.learned(origin)


def guide(texts: GuidingTexts, encoder: TextEncoder, duration_s: float) -> Guide | None:
    """The texts as a model takes them; None where there are none.

    Raises: UsageError where the encoder has no texts in the space of its frames.
    """
    if not texts.texts:
        return None
    vectors = encoder.encode_text([segment.text for segment in texts.texts])
    times = relative_spans([span_of(segment) for segment in texts.texts], duration_s)
    order = np.argsort(times[:, 0], kind="stable")
    return Guide(vectors[order], times[order], asked=texts.origin == "query")
