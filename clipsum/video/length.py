"""How long a video is, by its container, without a picture of it."""

from clipsum.config import Limits, Sampling
from clipsum.storage import open_reader
from clipsum.video.faults import faults
from clipsum.video.opening import opened
from clipsum.video.ways import WAYS


def duration_of(uri: str, limits: Limits | None = None) -> float:
    """Seconds, as decoding it would tell: by its index where it has one, else by all of it. Raises: ItemError."""
    one = limits or Limits(), Sampling(frames=1)
    with open_reader(uri) as reader, faults("open"), opened(reader, *one, "keyframe", False, WAYS) as found:
        return found.timeline.duration_s
