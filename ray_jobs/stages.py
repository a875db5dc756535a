"""The first stage of the main job as a plain callable, and the settings of every stage. Nothing here knows of Ray.

decode opens its own file (in a child process that can be killed) and finds its transcript; `model_stages` takes over.
No module that this one imports may load torch: decode actors are many, and torch costs each 300 MB and seconds.
"""

import time
from collections.abc import Collection
from dataclasses import dataclass, field, replace

import pyarrow as pa

from clipsum import rows
from clipsum.config import Limits, Preprocessing, Sampling, Seek
from clipsum.highlights.pictures import CANDIDATES
from clipsum.highlights.select import HighlightConfig
from clipsum.rows import Outcome
from clipsum.transcript.find import find_transcript, or_embedded, within_bounds
from clipsum.video.worker import VideoDecoder
from ray_jobs.item import StageItem, Stopwatch, given_up, guarded, pack
from ray_jobs.manifest import refs_of
from ray_jobs.memory import peak_bytes


@dataclass(frozen=True)
class StageSettings:
    """What the actors of every stage are made from. Threads and devices are torch's, in each actor of a model stage.

    `scores`: the bundle has a scorer, so that rows get highlights, and `queries` answers, of every video.
    """

    bundle: str
    bundle_id: str
    fingerprint: str
    preprocessing: Preprocessing
    sampling: Sampling
    seek: Seek
    limits: Limits
    thumbnails: int
    keep_pixels: bool = False
    scores: bool = False
    queries: tuple[str, ...] = ()
    highlights: HighlightConfig = field(default_factory=HighlightConfig)
    encode_threads: int = 1
    summarize_threads: int = 1
    encode_device: str = "cpu"
    summarize_device: str = "cpu"

    @property
    def decoding(self) -> tuple[Preprocessing, Sampling, Seek, Limits, int]:
        """What a decoder is made from: bundles that agree in this share one."""
        return self.preprocessing, self.sampling, self.seek, self.limits, self.previews

    @property
    def previews(self) -> int:
        """Frames of which small pictures are made: where there are highlights, more than are kept."""
        return max(self.thumbnails, CANDIDATES) if self.scores and self.thumbnails else self.thumbnails


class Decode:
    """Manifest rows -> items with frames. One video at a time; the deadline of each is its decoder's.

    Bound: an actor holds the frames of one block, which `pools` keeps below `BLOCK_BYTES`.
    """

    def __init__(self, settings: StageSettings) -> None:
        self._decoder = VideoDecoder(*settings.decoding)
        self._decoder.start()

    def __call__(self, table: pa.Table, died: Collection[int] = ()) -> pa.Table:
        """Decode each row of a manifest table, but for those that `died` of it."""
        return pack(self.decode(table, died))

    def close(self) -> None:
        """End the decoding process."""
        self._decoder.close()

    def abort(self) -> None:
        """End the work on the present video, from any thread; see `VideoDecoder.abort`."""
        self._decoder.abort()

    def decode(self, table: pa.Table, died: Collection[int] = ()) -> list[StageItem]:
        """The items of a manifest table, one per row, in its order."""
        return [self.decode_item(StageItem(index, Outcome(ref)), died) for index, ref in refs_of(table)]

    def decode_item(self, item: StageItem, died: Collection[int] = ()) -> StageItem:
        """The item with its frames and its words; those it brings itself stand."""
        return guarded("decode", self._decode_one, given_up("decode", [replace(item, started_at=time.time())], died))[0]

    def _decode_one(self, items: list[StageItem]) -> list[StageItem]:
        item, watch = items[0], Stopwatch()
        ref = item.outcome.ref
        item = _worded(item)
        decoded = self._decoder.decode(ref.uri, want_subtitles=not item.transcript.segments)
        transcript, cut = within_bounds(or_embedded(item.transcript, decoded.subtitles))
        outcome = replace(
            item.outcome,
            warnings=(*decoded.warnings, *item.outcome.warnings, *cut),
            duration_s=decoded.duration_s,
            frame_times_s=tuple(decoded.frames.times_s.tolist()),
            frame_exact=tuple(decoded.frames.exact.tolist()),
            thumbnails=rows.thumbnails(decoded.previews),
            transcript_source=transcript.source,
            bytes_read=decoded.bytes_read,
        )
        outcome = replace(outcome, decode_cpu_s=decoded.cpu_s + watch.read()[1])
        held = peak_bytes(self._decoder.pid)
        return [replace(item, outcome=outcome, transcript=transcript, frames=decoded.frames, decode_peak_bytes=held)]


def with_words(item: StageItem) -> StageItem:
    """The item with the words that lie outside of its video, for which nobody looks again; or with its failure."""
    [found] = guarded("decode", lambda items: [_worded(items[0])], [item])
    ref = replace(found.outcome.ref, transcript=None, transcript_uri="")
    return replace(found, outcome=replace(found.outcome, ref=ref))


def _worded(item: StageItem) -> StageItem:
    """Raises: ItemError, as `find_transcript`."""
    if item.transcript.segments:
        return item
    transcript, warnings = find_transcript(item.outcome.ref)
    outcome = replace(item.outcome, warnings=(*item.outcome.warnings, *warnings))
    return replace(item, transcript=transcript, outcome=outcome)
