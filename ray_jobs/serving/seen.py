"""What an ingress keeps of a video that was looked at, for the next question about it."""

from dataclasses import dataclass, replace

from clipsum.records import Embeddings
from clipsum.serving.videos import Video
from ray_jobs.item import StageItem


@dataclass(frozen=True)
class Kept:
    """An item with embeddings. `words`: their version, as `Video.words_version`; None where a caller said them."""

    item: StageItem
    words: str | None


def kept(item: StageItem, embeddings: Embeddings, words: str | None) -> Kept:
    """What to keep of an item: no pixels, and a copy of the embeddings, which would hold a whole answer in memory."""
    own = replace(embeddings, times_s=embeddings.times_s.copy(), vectors=embeddings.vectors.copy())
    return Kept(replace(item, frames=None, embeddings=own), words)


def held_bytes(held: Kept) -> int:
    """What it takes in memory, nearly."""
    item, outcome = held.item, held.item.outcome
    vectors = item.embeddings.vectors.nbytes if item.embeddings is not None else 0
    pictures = sum(len(thumbnail.jpeg) for thumbnail in outcome.thumbnails)
    words = sum(200 + 4 * len(segment.text) for segment in item.transcript.segments)
    return 4096 + vectors + pictures + words + 80 * len(outcome.frame_times_s)


def again(item: StageItem, video: Video) -> StageItem:
    """The item for another question about it: looking at it costs nothing this time."""
    transcript = video.transcript if video.transcript.segments else item.transcript
    outcome = replace(
        item.outcome,
        ref=video.ref,
        transcript_source=transcript.source,
        bytes_read=0,
        decode_cpu_s=0.0,
        encode_s=0.0,
    )
    return replace(item, outcome=outcome, transcript=transcript, encode_cpu_s=0.0)
