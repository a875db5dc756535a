"""Embedded subtitles, of every kind, by the index and by reading everything."""

from fractions import Fraction
from pathlib import Path

import av
import pytest
from av.stream import Disposition
from av.subtitles.subtitle import SubtitleSet

from clipsum.config import Limits, Preprocessing, Sampling
from clipsum.records import Segment
from clipsum.video.decode import decode_video
from clipsum.video.ways import WAYS, Way

LINES = ((0.2, 1.0, r"{\i1}Crack{\i0} two eggs"), (1.2, 2.5, r"whisk them,\Nthen fry"))
SPOKEN = ((0.2, 1.0, "Crack two eggs"), (1.2, 2.5, "whisk them, then fry"))
HEADER = b"""[Script Info]
ScriptType: v4.00+

[V4+ Styles]
Format: Name, Fontname, Fontsize, PrimaryColour, SecondaryColour, OutlineColour, BackColour, Bold, Italic, Underline, \
StrikeOut, ScaleX, ScaleY, Spacing, Angle, BorderStyle, Outline, Shadow, Alignment, MarginL, MarginR, MarginV, Encoding
Style: Default,Arial,16,&Hffffff,&Hffffff,&H0,&H0,0,0,0,0,100,100,0,0,1,1,0,2,10,10,10,1

[Events]
Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text
"""


def with_subtitles(plain: Path, path: Path, codec: str, streams: int = 1, spoken_in: int = 0) -> Path:
    """The plain video with subtitle streams, of which the default one, at `spoken_in`, says what is spoken."""
    with av.open(str(plain)) as source, av.open(str(path), "w") as output:
        copied = output.add_stream_from_template(source.streams.video[0])
        texts = [output.add_stream(codec) for _ in range(streams)]
        for place, text in enumerate(texts):
            text.codec_context.subtitle_header = HEADER
            text.time_base = text.codec_context.time_base = Fraction(1, 1000)
            text.disposition = Disposition.default if place == spoken_in else Disposition(0)
        packets = [packet for packet in source.demux(video=0) if packet.size]
        for packet in packets:
            packet.stream = copied
        for place, text in enumerate(texts):
            for start_s, end_s, line in LINES:
                packets.append(text_packet(text, start_s, end_s, line if place == spoken_in else "something else"))
        for packet in sorted(packets, key=lambda packet: packet.dts * packet.time_base):
            output.mux(packet)
    return path


def text_packet(stream: av.stream.Stream, start_s: float, end_s: float, line: str) -> av.Packet:
    start_ms, length_ms = round(1000 * start_s), round(1000 * (end_s - start_s))
    said = SubtitleSet.create(f"0,0,Default,,0,0,0,,{line}".encode(), 0, length_ms, start_ms)
    packet = stream.codec_context.encode_subtitle(said)
    packet.stream, packet.time_base = stream, Fraction(1, 1000)
    packet.pts = packet.dts = start_ms
    packet.duration = length_ms
    return packet


def subtitles(path: Path, ways: tuple[Way, ...] = WAYS, want: bool = True) -> tuple[Segment, ...]:
    prep = Preprocessing(size_px=32)
    return decode_video(str(path), prep, Sampling(frames=2), "auto", Limits(), want_subtitles=want, ways=ways).subtitles


def spoken(found: tuple[Segment, ...]) -> list[tuple[float, float, str]]:
    return [(round(line.start_s or 0.0, 2), round(line.end_s or 0.0, 2), line.text) for line in found]


@pytest.mark.parametrize("ways", [WAYS, ("forward",)], ids=["cheapest", "forward"])
@pytest.mark.parametrize(
    ("codec", "suffix"), [("mov_text", "mp4"), ("mov_text", "mov"), ("srt", "mkv"), ("ass", "mkv")]
)
def test_lines_are_read_with_their_times_and_without_markup(
    plain: Path, tmp_path: Path, codec: str, suffix: str, ways: tuple[Way, ...]
):
    path = with_subtitles(plain, tmp_path / f"video.{suffix}", codec)
    assert spoken(subtitles(path, ways)) == list(SPOKEN)


@pytest.mark.parametrize(("codec", "suffix"), [("mov_text", "mp4"), ("srt", "mkv")])
def test_of_several_subtitle_streams_the_default_one_is_read(plain: Path, tmp_path: Path, codec: str, suffix: str):
    path = with_subtitles(plain, tmp_path / f"video.{suffix}", codec, streams=2, spoken_in=1)
    assert spoken(subtitles(path)) == list(SPOKEN)


def test_what_is_not_wanted_or_not_there_is_not_read(plain: Path, tmp_path: Path):
    assert subtitles(with_subtitles(plain, tmp_path / "video.mp4", "mov_text"), want=False) == ()
    assert subtitles(plain) == ()
