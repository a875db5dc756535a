"""Open a video: its stream, its clock, and what libav may read of it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction

import av
import numpy as np
from av.container import InputContainer
from av.packet import Packet
from av.stream import Discard, Disposition, Stream
from av.video.stream import VideoStream
from numpy.typing import NDArray

from clipsum.config import Limits
from clipsum.errors import ItemError
from clipsum.storage import RangeReader
from clipsum.video.faults import faults, has_video_signature

BUFFER_BYTES = 2**16
# what keeps times, unlike a codec's bare packets, and cannot name another file: a playlist could make libav read
# addresses that nobody asked for
FORMATS = (
    "mov,mp4,m4a,3gp,3g2,mj2",
    "matroska,webm",
    *("mpegts", "mpeg", "avi", "flv", "asf", "ogg", "mxf", "nut", "ivf", "rm", "dv"),
)
OPEN_OPTIONS = {"format_whitelist": ",".join(FORMATS), "protocol_whitelist": "none"}
FRAGMENT_MARKS = (b"mvex", b"moof")


class Source:
    """A reader as libav sees it. While `blank`, it gives zeros without reading: enough to learn times, at no bytes.

    `spent`: packets were taken, or sought; what wants all of them needs to open the file anew.
    """

    def __init__(self, reader: RangeReader) -> None:
        self._reader = reader
        self._at = 0
        self._tail = b""
        self.blank = False
        self.spent = False
        self.fragmented = False

    def read(self, size: int) -> bytes:
        """Up to `size` bytes. Notes in passing whether the file is made of fragments."""
        if self.blank:
            data = bytes(max(0, min(size, self._reader.size_bytes - self._at)))
        else:
            self._reader.seek(self._at)
            data = self._reader.read(size)
            seen = self._tail + data
            self.fragmented = self.fragmented or any(mark in seen for mark in FRAGMENT_MARKS)
            self._tail = data[-3:]
        self._at += len(data)
        return data

    def seek(self, offset: int, whence: int = 0) -> int:
        """Move; the new place."""
        self._at = (0, self._at, self._reader.size_bytes)[whence] + offset
        return self._at

    def tell(self) -> int:
        """The place."""
        return self._at


@dataclass(frozen=True)
class Media:
    """An open container and the video stream that is looked at. `start_s` is where the player's clock starts."""

    source: Source
    container: InputContainer
    stream: VideoStream
    time_base: Fraction
    start_s: float

    def seconds(self, pts: NDArray[np.int64]) -> NDArray[np.float64]:
        """Seconds on the player's clock of presentation times in the stream's unit."""
        return pts.astype(np.float64) * float(self.time_base) - self.start_s

    @property
    def formats(self) -> list[str]:
        """The names of the container's kind."""
        return self.container.format.name.split(",")


@contextmanager
def open_media(reader: RangeReader, limits: Limits) -> Iterator[Media]:
    """Open a container for decoding in one thread, with damage as errors.

    Raises: ItemError not_a_video, corrupt, no_video_stream, unsupported_codec, too_long, too_many_pixels,
    out_of_memory.
    """
    reader.seek(0)
    head = reader.read(512)
    if not head:
        raise ItemError("not_a_video", "open", "the file is empty")
    source = Source(reader)
    options = {"max_pixels": str(limits.max_pixels_per_frame)}
    with faults("open", invalid="corrupt" if has_video_signature(head) else "not_a_video"):
        container = av.open(
            source,
            mode="r",
            options=options,
            container_options=OPEN_OPTIONS,
            metadata_errors="replace",
            buffer_size=BUFFER_BYTES,
        )
    with container:
        stream = _video_stream(container)
        start_s = (container.start_time or 0) / av.time_base
        media = Media(source, container, stream, stream.time_base or Fraction(1, av.time_base), start_s)
        _check(media, limits)
        media.stream.codec_context.thread_count = 1
        media.stream.codec_context.options = {"err_detect": "explode", **options}
        yield media


def packets_of(media: Media, *streams: Stream) -> Iterator["Packet[Stream]"]:
    """The packets of `streams` from here on, to the end or to where the file is broken."""
    media.source.spent = True
    wanted = {stream.index for stream in streams}
    for stream in media.container.streams:
        stream.discard = Discard.default if stream.index in wanted else Discard.all
    try:
        for packet in media.container.demux(streams):
            if packet.size:
                yield packet
    except (av.FFmpegError, IndexError):  # the latter where damage makes a stream appear on the way
        return


def check_duration(duration_s: float, limits: Limits) -> None:
    """Raise ItemError too_long where it is more than `limits` allow. A header may state none, or less than there is."""
    if duration_s > limits.max_duration_s:
        most = f"limits.max_duration_s={limits.max_duration_s:g}"
        raise ItemError("too_long", "open", f"{duration_s:,.1f} s is more than {most}")


def _video_stream(container: InputContainer) -> VideoStream:
    pictures = [stream for stream in container.streams.video if not stream.disposition & Disposition.attached_pic]
    if not pictures:
        kinds = sorted({stream.type for stream in container.streams})
        raise ItemError("no_video_stream", "open", f"the file holds {', '.join(kinds) or 'no streams'}")
    chosen = next((stream for stream in pictures if stream.disposition & Disposition.default), pictures[0])
    if chosen.codec_context is None:
        raise ItemError("unsupported_codec", "open", f"there is no decoder for stream {chosen.index}")
    return chosen


def _check(media: Media, limits: Limits) -> None:
    check_duration((media.container.duration or 0) / av.time_base, limits)
    width, height = media.stream.codec_context.width, media.stream.codec_context.height
    if width * height > limits.max_pixels_per_frame:
        raise ItemError(
            "too_many_pixels",
            "open",
            f"{width}x{height} is more than max_pixels_per_frame={limits.max_pixels_per_frame}",
        )
