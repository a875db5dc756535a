"""What flows from module to module. A record checks its shapes when made and prints shapes, not data.

T frames, H height, W width, D width of an embedding. All times are seconds on the player's clock:
`pts * time_base - container.start_time`.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from clipsum.errors import ItemError, Reason

Evidence = Literal["text", "frames", "both", "none"]


def _check(condition: bool, message: str) -> None:
    if not condition:
        raise ValueError(message)


def _check_times(times_s: NDArray[np.float64], count: int, owner: str) -> None:
    _check(times_s.shape == (count,), f"{owner}: times_s is {times_s.shape}, expected ({count},)")
    _check(bool(np.all(np.diff(times_s) > 0)), f"{owner}: times_s must rise strictly")


@dataclass(frozen=True)
class VideoRef:
    """One listed video. `version` (ETag, or size + mtime) decides whether work on it is new.

    `transcript_uri` is None where nobody looked for one, "" where the listing saw none beside the video.
    `summary` is a reference, `split` the part of a dataset that the video belongs to.
    """

    uri: str
    video_id: str
    version: str
    size_bytes: int | None = None
    transcript: str | None = None
    transcript_uri: str | None = None
    query: str | None = None
    summary: str | None = None
    split: str | None = None


@dataclass(frozen=True, repr=False)
class Frames:
    """Decoded frames: times_s (T,) float64, pixels (T, H, W, 3) uint8 RGB, exact (T,) bool.

    `exact[i]` says that frame i is the one on screen at the time that was asked for, not merely the nearest key frame.
    """

    times_s: NDArray[np.float64]
    pixels: NDArray[np.uint8]
    exact: NDArray[np.bool_]

    def __post_init__(self) -> None:
        shape = self.pixels.shape
        _check(self.pixels.ndim == 4 and shape[3] == 3, f"Frames: pixels is {shape}, expected (T, H, W, 3)")
        _check(self.pixels.dtype == np.uint8, f"Frames: pixels is {self.pixels.dtype}, expected uint8")
        _check_times(self.times_s, shape[0], "Frames")
        _check(self.exact.shape == (shape[0],), f"Frames: exact is {self.exact.shape}, expected ({shape[0]},)")

    def __repr__(self) -> str:
        return f"Frames(pixels={self.pixels.shape} {self.pixels.dtype}, exact={int(self.exact.sum())})"


@dataclass(frozen=True, repr=False)
class Embeddings:
    """Frame embeddings: times_s (T,) float64, vectors (T, D) float32, L2-normalised, and how they came to be.

    `fingerprint` names encoder weights + preprocessing; `sampling` (which times) and `seek` (how sought) are compared
    on their own.
    """

    times_s: NDArray[np.float64]
    vectors: NDArray[np.float32]
    fingerprint: str
    sampling: str
    seek: str

    def __post_init__(self) -> None:
        _check(self.vectors.ndim == 2, f"Embeddings: vectors is {self.vectors.shape}, expected (T, D)")
        _check_times(self.times_s, self.vectors.shape[0], "Embeddings")

    def __repr__(self) -> str:
        return f"Embeddings(vectors={self.vectors.shape}, fingerprint={self.fingerprint[:12]})"


@dataclass(frozen=True)
class Segment:
    """A piece of a transcript; the times are None where the source has none (a plain text)."""

    text: str
    start_s: float | None = None
    end_s: float | None = None


@dataclass(frozen=True, repr=False)
class Transcript:
    """What is said. `source`: "manifest", "sidecar", "embedded" or "none"."""

    segments: tuple[Segment, ...] = ()
    source: str = "none"

    @property
    def text(self) -> str:
        """All segments as one text."""
        return " ".join(segment.text for segment in self.segments)

    def __repr__(self) -> str:
        return f"Transcript({len(self.segments)} segments, source={self.source})"


@dataclass(frozen=True)
class Summary:
    """The summary of one video and the evidence that it had; with evidence "none" the text is empty."""

    text: str
    evidence: Evidence
    text_tokens: int = 0
    text_tokens_dropped: int = 0


@dataclass(frozen=True)
class Highlight:
    """A moment that matters, in seconds on the player's clock."""

    start_s: float
    end_s: float
    score: float


@dataclass(frozen=True)
class Chapter:
    """A stretch of a video and its title, in seconds on the player's clock."""

    start_s: float
    end_s: float
    title: str


@dataclass(frozen=True, repr=False)
class Asked:
    """What one question found: frame_scores (T,), and the moments. `matched`: None where nobody calibrated that."""

    query: str
    matched: bool | None
    frame_scores: tuple[float, ...]
    highlights: tuple[Highlight, ...]

    def __repr__(self) -> str:
        return f"Asked({self.query!r}, matched={self.matched}, highlights={len(self.highlights)})"


@dataclass(frozen=True, repr=False)
class Moments:
    """What matters in a video, frame by frame (T,) and as moments, in general and for each question."""

    frame_scores: tuple[float, ...] = ()
    highlights: tuple[Highlight, ...] = ()
    chapters: tuple[Chapter, ...] = ()
    queries: tuple[Asked, ...] = ()

    def __repr__(self) -> str:
        counts = ", ".join(f"{name}={len(values)}" for name, values in vars(self).items())
        return f"Moments({counts})"


@dataclass(frozen=True)
class Failure:
    """Why a video has no summary. It is data: it goes on the video's row."""

    reason: Reason
    stage: str
    detail: str

    @classmethod
    def of(cls, error: ItemError) -> "Failure":
        """The failure that an `ItemError` stands for."""
        return cls(error.reason, error.stage, error.detail)


@dataclass(frozen=True, repr=False)
class Preview:
    """A whole frame for people to look at: pixels (H, W, 3) uint8 RGB, small, upright, uncropped."""

    time_s: float
    pixels: NDArray[np.uint8]

    def __post_init__(self) -> None:
        shape = self.pixels.shape
        _check(self.pixels.ndim == 3 and shape[2] == 3, f"Preview: pixels is {shape}, expected (H, W, 3)")

    def __repr__(self) -> str:
        return f"Preview(time_s={self.time_s:g}, pixels={self.pixels.shape})"


@dataclass(frozen=True)
class Decoded:
    """What decoding one video gives: frames, facts of the container, and what it cost.

    `bytes_read` counts bytes of the source that were really read; `cpu_s` is processor time of the decoding process.
    `subtitles` holds the embedded subtitle stream's segments, when they were asked for;
    `previews` some of the frames for people to look at, likewise.
    """

    frames: Frames
    duration_s: float
    warnings: tuple[str, ...] = ()
    bytes_read: int = 0
    cpu_s: float = 0.0
    strategy: str = ""
    subtitles: tuple[Segment, ...] = ()
    previews: tuple[Preview, ...] = ()
