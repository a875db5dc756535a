"""What both ways to cut a reel share: pieces, the streams they are cut from, and tracks laid side by side."""

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import av
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.stream import Disposition

from clipsum.video.container import Media, packets_of

BACK_S = 10.0
FAST_START = {"movflags": "+faststart"}  # the index first, so that a browser plays before it has all


class Piece(NamedTuple):
    """What lies between `start_s` and `end_s` in the video stands from `at_s` on in the reel."""

    start_s: float
    end_s: float
    at_s: float = 0.0

    def moved(self, time_s: float) -> float:
        """A time of the video as one of the reel."""
        return time_s - self.start_s + self.at_s


class Track(Protocol):
    """Pictures or sound on their way into a reel."""

    def write(self, piece: Piece) -> Iterator[float]:
        """Write a piece; after each bit of it, how far the track has come, in seconds of the reel."""

    def close(self) -> None:
        """Write what is held back."""


def new_reel(path: Path, title: str) -> OutputContainer:
    """The mp4 at `path`, open to be written; players show its `title`, if it has one."""
    output: OutputContainer = av.open(path, "w", format="mp4", container_options=FAST_START)
    if title:
        output.metadata["title"] = title
    return output


def lay(tracks: Sequence[Track], pieces: Sequence[Piece]) -> None:
    """Write the pieces, always going on with the track that is behind: in the file, too, they lie side by side."""
    for piece in pieces:
        going = {number: (piece.at_s, track.write(piece)) for number, track in enumerate(tracks)}
        while going:
            behind = min(going, key=lambda number: going[number][0])
            at_s = next(going[behind][1], None)
            if at_s is None:
                del going[behind]
            else:
                going[behind] = at_s, going[behind][1]
    for track in tracks:
        track.close()


def sound_of(media: Media) -> AudioStream | None:
    """The stream of sound that players take, if there is one that can be decoded."""
    found = [stream for stream in media.container.streams.audio if stream.codec_context is not None]
    return next((stream for stream in found if stream.disposition & Disposition.default), found[0] if found else None)


def time_of(media: Media, stream: Any, pts: int) -> float:
    """Seconds on the player's clock of a time in the stream's unit."""
    return float(pts * stream.time_base) - media.start_s


def packets_from(media: Media, stream: Any, start_s: float) -> Iterator[Any]:
    """The packets of one stream, from the key packet at or before `start_s` on."""
    media.source.spent = True
    try:
        media.container.seek(max(0, int((start_s + media.start_s) / stream.time_base)), stream=stream)
    except av.FFmpegError:  # no index: from the beginning
        media.container.seek(0)
    return packets_of(media, stream)


def decoded(media: Media, stream: Any, start_s: float) -> Iterator[tuple[float, Any]]:
    """(time, frame) of one stream from the last before `start_s` on, or some before it.

    Containers without an index are sought by guess: where that comes out too late, again from earlier.
    """
    for back_s in (0.0, BACK_S, math.inf):
        frames = _decoded_from(media, stream, max(0.0, start_s - back_s))
        first = next(frames, None)
        if first is not None and (first[0] <= start_s or start_s <= back_s):
            yield first
            yield from frames
            return


def _decoded_from(media: Media, stream: Any, start_s: float) -> Iterator[tuple[float, Any]]:
    """(time, frame) from the key packet before `start_s` on; what cannot be decoded is left out."""
    packets = packets_from(media, stream, start_s)
    stream.codec_context.flush_buffers()
    packet: Any = True
    while packet is not None:
        packet = next(packets, None)
        try:
            frames = stream.codec_context.decode(packet)
        except (av.FFmpegError, EOFError):
            continue
        yield from ((time_of(media, stream, frame.pts), frame) for frame in frames if frame.pts is not None)
