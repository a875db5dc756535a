"""One summarised video with its reference, however it came about; and summaries of videos that are embedded already."""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from clipsum.datasets.embedded import Embedded
from clipsum.datasets.marks import Marks
from clipsum.evaluation.agreement import agreements
from clipsum.highlights.moments import MomentFinder, Watched
from clipsum.highlights.segmentation import change_points
from clipsum.highlights.select import HighlightConfig
from clipsum.models.summarize import Summarizer
from clipsum.records import Asked, Evidence, Moments, Summary

AT_ONCE = 256
"""Videos whose embeddings are in memory together: 26 MB at 50 frames of 512 numbers."""


@dataclass(frozen=True, repr=False)
class Case:
    """A video, what was written about it, and what should have been; `split` "" where it was given none.

    `seconds`: stage -> seconds that it took for this video, for the stages that are known. `frame_scores` (T,) at
    `frame_times_s`, where the bundle has a scorer and people marked the video: `marks`. `shot_starts`: the frames at
    which shots begin but the first, where they are known; `asked` what was found for each query of the marks, where
    shots are tagged to compare answers by. `vt_clipscore`: with that of random frames, by the bundle's
    encoder, where it embeds texts.
    """

    video_id: str
    uri: str
    split: str
    reference: str | None
    summary: str
    evidence: Evidence | None = None
    duration_s: float | None = None
    seconds: Mapping[str, float] = field(default_factory=dict)
    frame_times_s: Sequence[float] = ()
    frame_scores: Sequence[float] = ()
    marks: Marks | None = None
    shot_starts: Sequence[int] | None = None
    vt_clipscore: tuple[float, float] | None = None
    asked: Sequence[Asked] = ()

    @property
    def has_reference(self) -> bool:
        """Whether there is something to score it against."""
        return bool(self.reference and self.reference.strip())

    def __repr__(self) -> str:
        return f"Case({self.video_id}, split={self.split!r}, {len(self.summary)} letters)"


def write_cases(
    videos: Sequence[Embedded],
    summarizer: Summarizer,
    costs: Mapping[str, Mapping[str, float]] | None = None,
    marks: Mapping[str, Marks] | None = None,
    highlights: HighlightConfig | None = None,
) -> Iterator[Case]:
    """The case of each video, in order; `costs` holds what decoding and encoding took, by id, `marks` what people said.

    A video's share of the writing of its chunk (`AT_ONCE` videos, in batches of similar length) is its `generate`.
    Raises: UsageError where embeddings were not made for this bundle.
    """
    chosen = highlights or HighlightConfig()
    finder = MomentFinder(summarizer, config=chosen)
    for start in range(0, len(videos), AT_ONCE):
        chunk = list(videos[start : start + AT_ONCE])
        started = time.perf_counter()
        summaries = summarizer.summarize([(video.embeddings, video.transcript, video.duration_s) for video in chunk])
        share_s = (time.perf_counter() - started) / len(chunk)
        found = _moments(chunk, summaries, finder, marks or {})
        agreed = agreements(chunk, summaries, found, finder.encoder)
        for video, written, moments, agreement in zip(chunk, summaries, found, agreed, strict=True):
            yield Case(
                video_id=video.video_id,
                uri=video.uri,
                split=video.split or "",
                reference=video.summary,
                summary=written.text,
                evidence=written.evidence,
                duration_s=video.duration_s,
                seconds={**(costs or {}).get(video.video_id, {}), "generate": share_s},
                frame_times_s=video.embeddings.times_s.tolist() if moments else (),
                frame_scores=moments.frame_scores if moments else (),
                marks=(marks or {}).get(video.video_id),
                shot_starts=_shot_starts(video, moments, chosen.penalty),
                vt_clipscore=agreement,
                asked=moments.queries if moments else (),
            )


def _shot_starts(video: Embedded, moments: Moments | None, penalty: float) -> list[int] | None:
    """As they were for its highlights, if it has any."""
    if moments is None or not moments.highlights:
        return None
    found: list[int] = change_points(video.embeddings.vectors, penalty).tolist()
    return found


def _moments(
    videos: Sequence[Embedded], summaries: Sequence[Summary], finder: MomentFinder, marks: Mapping[str, Marks]
) -> Sequence[Moments | None]:
    """Of each video, where the bundle finds any."""
    nothing = Marks()
    known = [marks.get(video.video_id, nothing) for video in videos]
    asked = [tuple(dict.fromkeys(query.text for query in own.queries)) if own.shots else () for own in known]
    return finder.find(
        [
            Watched(video.embeddings, video.transcript, video.duration_s, written.text, queries)
            for video, written, queries in zip(videos, summaries, asked, strict=True)
        ]
    )
