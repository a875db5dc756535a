"""What an ingress keeps of a video that was looked at, for the next question about it."""

from dataclasses import dataclass, replace

from clipsum.serving.videos import Video
from ray_jobs.item import StageItem


@dataclass(frozen=True)
class Kept:
    """An item with embeddings. `words`: their version, as `Video.words_version`; None where a caller said them."""

    item: StageItem
    words: str | None


def held_bytes(kept: Kept) -> int:
    """What it takes in memory, nearly."""
    item, outcome = kept.item, kept.item.outcome
    vectors = item.embeddings.vectors.nbytes if item.embeddings is not None else 0
    pictures = sum(len(thumbnail.jpeg) for thumbnail in outcome.thumbnails)
    words = sum(200 + 4 * len(segment.text) for segment in item.transcript.segments)
    return 4096 + vectors + pictures + words + 80 * len(outcome.frame_times_s)


def again(kept: StageItem, video: Video) -> StageItem:
    """The item for another question about it: looking at it costs nothing this time."""
    transcript = video.transcript if video.transcript.segments else kept.transcript
    outcome = replace(
        kept.outcome,
        ref=video.ref,
        transcript_source=transcript.source,
        bytes_read=0,
        decode_cpu_s=0.0,
        encode_s=0.0,
    )
    return replace(kept, outcome=outcome, transcript=transcript, encode_cpu_s=0.0)
