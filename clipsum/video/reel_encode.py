"""Pieces of a video into an mp4, decoded and encoded anew: cuts fall where they should, to the frame and the sample.

Sound is laid out by its own times: what is missing is silence, so that it cannot drift away from the picture.
"""

from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.codec.context import Flags
from av.container import OutputContainer
from av.video.frame import PictureType, VideoFrame
from av.video.reformatter import ColorRange
from numpy.typing import NDArray

from clipsum.errors import ItemError
from clipsum.video.container import Media
from clipsum.video.reel_streams import Piece, Track, decoded, lay, new_reel, sound_of

MAX_SIDE_PX = 1920
CLOCK = Fraction(1, 90_000)
X264 = {"preset": "veryfast", "crf": "23", "profile": "high"}
RATE = 48_000
AAC_SAMPLES = 1024
APART = RATE // 50  # sound that is so many samples from where it should be has a gap before it, or overlaps


def encode_pieces(media: Media, again: Media, pieces: Sequence[Piece], path: Path, title: str) -> None:
    """Write the pieces; `again` is the same video, for its sound.

    Raises: ItemError corrupt where none of their pictures can be decoded.
    """
    sound = sound_of(again)
    with new_reel(path, title) as output:
        tracks: list[Track] = [_Pictures(media, output)]
        if sound is not None:
            tracks.append(_Sound(again, sound, output))
        lay(tracks, pieces)


class _Pictures:
    """Frames at their own times; the one that is on screen where a piece begins is its first.

    The last of a piece lasts to its end. A frame waits for the next one, or for the end, before it is encoded: only
    then is known how long it lasts.
    """

    def __init__(self, media: Media, output: OutputContainer) -> None:
        self._media, self._output = media, output
        media.stream.codec_context.thread_count = 0
        media.stream.codec_context.thread_type = "AUTO"
        rate = media.stream.average_rate or media.stream.guessed_rate or Fraction(25)
        self._to: Any = output.add_stream("libx264", rate=min(rate, Fraction(120)), options=X264)
        self._to.codec_context.time_base = CLOCK
        self._to.codec_context.flags |= Flags.frame_duration
        self._waiting: VideoFrame | None = None
        self._at = self._end = 0

    def write(self, piece: Piece) -> Iterator[float]:
        """The frames that are on screen within the piece."""
        on_screen, is_first, self._end = None, True, round(piece.moved(piece.end_s) / CLOCK)
        for time_s, frame in decoded(self._media, self._media.stream, piece.start_s):
            if time_s >= piece.end_s:
                break
            if time_s <= piece.start_s:
                on_screen = frame
                continue
            if is_first and on_screen is not None:
                self._add(on_screen, piece.at_s, True)
            self._add(frame, piece.moved(time_s), is_first and on_screen is None)
            is_first = False
            yield piece.moved(time_s)
        if is_first and on_screen is not None:
            self._add(on_screen, piece.at_s, True)

    def _add(self, frame: VideoFrame, at_s: float, opens: bool) -> None:
        at = round(at_s / CLOCK)
        if self._waiting is None:
            self._set_up(frame)
        elif at <= self._at:
            return
        else:
            self._encode(at)
        picture = frame.reformat(self._to.width, self._to.height, "yuv420p", dst_color_range=ColorRange.MPEG)
        picture.pts, picture.time_base = at, CLOCK
        picture.pict_type = PictureType.I if opens else PictureType.NONE
        self._at, self._waiting = at, picture

    def _encode(self, end: int) -> None:
        """The frame that waits, which lasts to `end`."""
        assert self._waiting is not None
        self._waiting.duration = end - self._at
        self._output.mux(self._to.encode(self._waiting))

    def _set_up(self, frame: VideoFrame) -> None:
        """As the first frame is: even sides of square pixels, its colours, and how players are to turn it."""
        width = frame.width * float(self._media.stream.sample_aspect_ratio or 1)
        scale = min(1.0, MAX_SIDE_PX / max(width, frame.height))
        self._to.width, self._to.height = (max(2, round(side * scale / 2) * 2) for side in (width, frame.height))
        self._to.pix_fmt = "yuv420p"
        codec = self._to.codec_context
        codec.color_range = ColorRange.MPEG
        for name in ("colorspace", "color_primaries", "color_trc"):
            setattr(codec, name, getattr(frame, name))
        notes: Any = frame.side_data
        if "DISPLAYMATRIX" in notes:
            self._to.set_display_matrix(np.frombuffer(bytes(notes["DISPLAYMATRIX"]), np.int32).tolist())

    def close(self) -> None:
        """Write what the encoder holds back. Raises: ItemError where there was no picture at all."""
        if self._waiting is None:
            raise ItemError("corrupt", "reel", "none of the highlights' pictures could be decoded")
        self._encode(max(self._end, self._at + 1))
        self._output.mux(self._to.encode(None))


class _Sound:
    """Samples where they belong: each piece of the reel has as many as it is long."""

    def __init__(self, media: Media, stream: Any, output: OutputContainer) -> None:
        self._media, self._from, self._output = media, stream, output
        self._to: Any = output.add_stream("aac", rate=RATE)
        self._to.layout = "stereo"
        self._ready = np.zeros((2, 0), np.float32)
        self._encoded = 0

    def write(self, piece: Piece) -> Iterator[float]:
        """The samples of the piece, silence where it has none."""
        start, end = round(piece.at_s * RATE), round(piece.moved(piece.end_s) * RATE)
        for where, samples in self._samples(piece):
            if where >= end:
                break
            inside = samples[:, max(0, start - where) : end - where]
            self._put(max(start, where), inside)
            yield self._head / RATE
        self._put(end, np.zeros((2, 0), np.float32))

    def _samples(self, piece: Piece) -> Iterator[tuple[int, NDArray[np.float32]]]:
        """(place in the reel, samples (2, N)), in the order of the stream, one after the other unless it has gaps."""
        resampler, place = AudioResampler("fltp", "stereo", RATE), None
        for time_s, frame in decoded(self._media, self._from, piece.start_s):
            told = round(piece.moved(time_s) * RATE)
            place = told if place is None or abs(told - place) > APART else place
            try:
                frames = resampler.resample(frame)
            except ValueError:  # channels or rate change on the way
                resampler = AudioResampler("fltp", "stereo", RATE)
                frames = resampler.resample(frame)
            for each in frames:
                samples = np.asarray(each.to_ndarray(), np.float32)
                yield place, samples
                place += samples.shape[1]

    @property
    def _head(self) -> int:
        return self._encoded + self._ready.shape[1]

    def _put(self, where: int, samples: NDArray[np.float32]) -> None:
        """Samples at their place: silence up to there, and none twice."""
        silence = np.zeros((2, max(0, where - self._head)), np.float32)
        self._ready = np.concatenate([self._ready, silence, samples[:, max(0, self._head - where) :]], axis=1)
        while self._ready.shape[1] >= AAC_SAMPLES:
            self._encode(AAC_SAMPLES)

    def _encode(self, count: int) -> None:
        frame = AudioFrame.from_ndarray(np.ascontiguousarray(self._ready[:, :count]), format="fltp", layout="stereo")
        frame.sample_rate, frame.pts, frame.time_base = RATE, self._encoded, Fraction(1, RATE)
        self._ready, self._encoded = self._ready[:, count:], self._encoded + count
        self._output.mux(self._to.encode(frame))

    def close(self) -> None:
        """Write the rest."""
        if self._ready.shape[1]:
            self._encode(self._ready.shape[1])
        self._output.mux(self._to.encode(None))
