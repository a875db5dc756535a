"""Pieces of a video into an mp4 without decoding: packets as they are, at other times."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from av.container import OutputContainer

from clipsum.video.container import Media
from clipsum.video.reel_streams import Piece, lay, new_reel, packets_from, sound_of, time_of

PLAYED = {"h264", "aac", "mp3"}  # by every browser, in an mp4
EPSILON_S = 1e-4


class NotCopiedError(Exception):
    """The packets' times do not allow it."""


def is_plain(media: Media) -> bool:
    """Whether browsers play its streams as they are: H.264 of 8 bits, square pixels; AAC or MP3, or no sound."""
    codec, sound = media.stream.codec_context, sound_of(media)
    is_seen = codec.name in PLAYED and codec.pix_fmt == "yuv420p" and (media.stream.sample_aspect_ratio or 1) == 1
    return is_seen and (sound is None or sound.codec_context.name in PLAYED)


def copy_pieces(media: Media, again: Media, pieces: Sequence[Piece], path: Path, title: str) -> None:
    """Write the pieces, which begin and end on key frames; `again` is the same video, for its sound.

    Raises: NotCopiedError.
    """
    sound = sound_of(again)
    with new_reel(path, title) as output:
        tracks = [_Copied(media, media.stream, output), *([_Copied(again, sound, output)] if sound else [])]
        lay(tracks, pieces)


def _timed(packets: Iterator[Any]) -> Iterator[Any]:
    """The packets, all with a time of decoding: Matroska has none, and after a seek libav cannot tell it at once.

    Raises: NotCopiedError where one has no time at which it is shown.
    """
    held: list[Any] = []
    for packet in packets:
        if packet.pts is None:
            raise NotCopiedError
        held.append(packet)
        if packet.dts is None:
            continue
        for number, waiting in enumerate(reversed(held)):
            waiting.dts = packet.dts - number * max(1, packet.duration)
        yield from held
        held.clear()


class _Copied:
    """One stream on its way into the output."""

    def __init__(self, media: Media, stream: Any, output: OutputContainer) -> None:
        self._media, self._from, self._output = media, stream, output
        self._to = output.add_stream_from_template(stream)
        self._last: int | None = None

    def write(self, piece: Piece) -> Iterator[float]:
        """The packets of what is shown within the piece."""
        shift = round((piece.at_s - piece.start_s - self._media.start_s) / self._from.time_base)
        packets = _timed(packets_from(self._media, self._from, piece.start_s))
        for packet in packets:
            time_s = time_of(self._media, self._from, packet.pts)
            if time_s > piece.end_s - EPSILON_S and packet.is_keyframe:
                self._refuse_leading(packets, time_s)
                return
            lasts_s = float(packet.duration * self._from.time_base) if self._from.type == "audio" else EPSILON_S
            if piece.start_s - EPSILON_S <= time_s <= piece.end_s - lasts_s:
                self._mux(packet, shift)
                yield piece.moved(time_s)

    def _refuse_leading(self, packets: Iterator[Any], key_s: float) -> None:
        """Raise NotCopiedError where the key frame that ends a piece is needed for frames before it (an open GOP)."""
        following = next(packets, None)
        if following is not None and time_of(self._media, self._from, following.pts) < key_s:
            raise NotCopiedError

    def _mux(self, packet: Any, shift: int) -> None:
        packet.pts, packet.dts = packet.pts + shift, packet.dts + shift
        if packet.dts > packet.pts or (self._last is not None and packet.dts <= self._last):
            raise NotCopiedError
        self._last, packet.stream = packet.dts, self._to
        self._output.mux(packet)

    def close(self) -> None:
        """Nothing is held back. Raises: NotCopiedError where nothing was written."""
        if self._last is None:
            raise NotCopiedError
