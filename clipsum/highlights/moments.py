"""From what the model has of some videos to the moments that matter in them: the one way, for batch job and service.

T frames of a video, Q queries, V width of the encoder's vectors. The scores are the scorer's; which shots they make
highlights is `select`'s part, what the shots are called that of `chapters`.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clipsum.encoders.load import load_texts
from clipsum.highlights.asking import has_texts
from clipsum.highlights.chapters import chapters
from clipsum.highlights.segmentation import change_points
from clipsum.highlights.select import HighlightConfig, highlights
from clipsum.models.batch import Guide
from clipsum.models.config import ScorerConfig
from clipsum.models.guidance import GuidingTexts, TextEncoder, guide, guiding_texts
from clipsum.models.summarize import Summarizer
from clipsum.models.text import sentences, timed_sentences
from clipsum.records import Asked, Embeddings, Moments, Segment, Transcript

TEXTS_A_CALL = 64  # bounds the states of the text encoder, some 60 MB in a ViT-B/32
Scores = NDArray[np.float32]


@dataclass(frozen=True)
class Watched:
    """What there is of one video: frames, if any, words, the summary that was written, and what is asked of it.

    `queries` as `asking.checked_queries` gives them.
    """

    embeddings: Embeddings | None
    transcript: Transcript
    duration_s: float
    summary: str = ""
    queries: tuple[str, ...] = ()


class MomentFinder:
    """A bundle's scorer at work. `is_able` says whether the bundle has one; without, there are no moments to be had.

    `encoder`: the bundle's, where it is loaded already; else its text side is, alone. It is not loaded where it has no
    texts in the space of its frames: the scorer then goes by the frames alone, and titles by the times at which
    sentences are said.
    """

    def __init__(
        self, summarizer: Summarizer, encoder: TextEncoder | None = None, config: HighlightConfig | None = None
    ) -> None:
        bundle = summarizer.bundle
        self._scorer = scorer = bundle.manifest.model.scorer
        self.is_able = scorer is not None
        self._threshold = scorer.match_threshold if scorer else None
        self._summarizer, self._config = summarizer, config or HighlightConfig()
        reads = self.is_able and has_texts(bundle.manifest)
        self._encoder = (encoder or load_texts(bundle.encoder_spec, summarizer.device)) if reads else None

    @property
    def encoder(self) -> TextEncoder | None:
        """What embeds texts here; None where there are no moments to be had, or no texts in the space of the frames."""
        return self._encoder

    def find(self, batch: Sequence[Watched]) -> list[Moments | None]:
        """The moments of each video, in order; None of each where the bundle has no scorer.

        The frames are looked at once, and scored once in general and once for each query. A video without frames has
        no scores. A query fits where a frame's score reaches the bundle's `match_threshold`; one that fits nothing has
        its low scores and no highlight. Where the bundle has no threshold, `matched` is None. A query of which the
        encoder knows no word fits nothing, and its scores are 0.
        Raises: UsageError where embeddings were not made for this bundle.
        """
        if not self.is_able:
            return [None] * len(batch)
        seen = [
            _Seen.of(video, self._scorer)
            for video in batch
            if video.embeddings is not None and len(video.embeddings.vectors)
        ]
        known = self._embedded(text for each in seen for text in each.texts)
        guided = [
            (each.embeddings, each.duration_s, [known.guide(t, each.duration_s) for t in each.guiding]) for each in seen
        ]
        scored = zip(seen, self._summarizer.score_all(guided), strict=True)
        return [
            self._moments(*next(scored), known)
            if video.embeddings is not None and len(video.embeddings.vectors)
            else Moments(queries=tuple(Asked(query, self._matched(None), (), ()) for query in video.queries))
            for video in batch
        ]

    def _embedded(self, texts: Iterable[str]) -> "_Known":
        if self._encoder is None:
            return _Known()
        wanted = list(dict.fromkeys(texts))
        vectors: dict[str, Scores] = {}
        for start in range(0, len(wanted), TEXTS_A_CALL):
            chunk = wanted[start : start + TEXTS_A_CALL]
            vectors |= dict(zip(chunk, self._encoder.encode_text(chunk), strict=True))
        return _Known(vectors)

    def _moments(self, seen: "_Seen", scores: Scores, known: "_Known") -> Moments:
        """`scores` (1 + Q, T): in general, then for each query."""
        points = change_points(seen.embeddings.vectors, self._config.penalty)
        read = [True, *map(self._reads, seen.queries)]
        scores = np.where(np.array(read)[:, None], scores, 0.0).astype(np.float32)
        least_of = [-math.inf, *(self._least if can else math.inf for can in read[1:])]
        generic, *asked = (
            tuple(
                highlights(seen.embeddings, row, seen.duration_s, self._config, least=least, points=points)
                if seen.duration_s > 0
                else ()
            )
            for row, least in zip(scores, least_of, strict=True)
        )
        titles = known.vectors_of(seen.titles)
        matched = [self._matched(row) if can else False for row, can in zip(scores[1:], read[1:], strict=True)]
        found = zip(seen.queries, matched, scores[1:], asked, strict=True)
        return Moments(
            frame_scores=tuple(scores[0].tolist()),
            highlights=generic,
            chapters=tuple(chapters(seen.embeddings, seen.duration_s, points, seen.titles, titles)),
            queries=tuple(Asked(query, fits, tuple(row.tolist()), own) for query, fits, row, own in found),
        )

    def _reads(self, query: str) -> bool:
        """Whether the encoder knows any of its words; one that cannot tell is believed to."""
        reads: Callable[[str], bool] | None = getattr(self._encoder, "reads", None)
        return reads is None or reads(query)

    @property
    def _least(self) -> float:
        return -math.inf if self._threshold is None else self._threshold

    def _matched(self, scores: Scores | None) -> bool | None:
        if self._threshold is None:
            return None
        return scores is not None and bool(scores.max() >= self._threshold)


@dataclass(frozen=True)
class _Seen:
    """A video with frames. `guiding`: what guides the generic scoring, then that of each query (1 + Q).

    `titles`: what a chapter may be called, the summary's sentences, then the transcript's.
    """

    embeddings: Embeddings
    duration_s: float
    queries: tuple[str, ...]
    guiding: tuple[GuidingTexts, ...]
    titles: tuple[Segment, ...]

    @classmethod
    def of(cls, video: Watched, scorer: ScorerConfig | None) -> "_Seen":
        """The video with all its texts."""
        assert video.embeddings is not None
        written = map(Segment, sentences(Transcript((Segment(video.summary),))))
        return cls(
            video.embeddings,
            video.duration_s,
            video.queries,
            tuple(guiding_texts(query, video.transcript, video.summary, scorer) for query in (None, *video.queries)),
            (*written, *timed_sentences(video.transcript)),
        )

    @property
    def texts(self) -> Iterable[str]:
        """All that is to be embedded."""
        return (segment.text for texts in (*(each.texts for each in self.guiding), self.titles) for segment in texts)


@dataclass(frozen=True)
class _Known:
    """Vectors of texts (V,), None where the encoder has none."""

    vectors: dict[str, Scores] | None = None

    def encode_text(self, texts: list[str]) -> Scores:
        """M texts -> (M, V)."""
        return np.stack([(self.vectors or {})[text] for text in texts])

    def guide(self, texts: GuidingTexts, duration_s: float) -> Guide | None:
        """What guides the scoring, if anything can."""
        return None if self.vectors is None else guide(texts, self, duration_s)

    def vectors_of(self, segments: Sequence[Segment]) -> Scores | None:
        """(M, V), None where there are none."""
        return self.encode_text([segment.text for segment in segments]) if self.vectors and segments else None
