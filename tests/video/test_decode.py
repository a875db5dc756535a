"""What a video may be, what it may not, and what is said about it."""

from pathlib import Path

import av
import numpy as np
import pytest

from clipsum.config import Limits, Preprocessing, Sampling
from clipsum.errors import ItemError
from clipsum.records import Decoded
from clipsum.storage import open_reader, write_bytes
from clipsum.video.decode import decode_video
from clipsum.video.worker import VideoDecoder
from tests.conftest import S3
from tests.video import makers

PREP = Preprocessing(size_px=32)


def decode(path: Path, seek: str = "auto", limits: Limits | None = None, frames: int = 50) -> Decoded:
    return decode_video(str(path), PREP, Sampling(frames=frames), seek, limits or Limits())


def reason_of(path: Path, limits: Limits | None = None) -> tuple[str, str]:
    with pytest.raises(ItemError) as caught:
        decode(path, limits=limits)
    return caught.value.reason, caught.value.stage


def recipe(name: str) -> makers.Recipe:
    return next(recipe for recipe in makers.RECIPES if recipe.name == name)


def test_a_video_shorter_than_asked_gives_the_frames_it_has_and_no_repeat(plain: Path):
    decoded = decode(plain, "exact", frames=400)
    assert len(decoded.frames.times_s) == makers.FRAMES
    assert decoded.frames.exact.all()


def test_no_key_frame_is_given_twice(plain: Path):
    times_s = decode(plain, "keyframe", frames=50).frames.times_s
    assert times_s.tolist() == [0.0, 1.0, 2.0, 3.0] or len(times_s) == len(set(makers.key_times(plain)))


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        (Limits(max_duration_s=2), "too_long"),
        (Limits(max_bytes=1000), "too_large"),
        (Limits(max_pixels_per_frame=160 * 120 - 1), "too_many_pixels"),
    ],
)
@pytest.mark.parametrize("name", ["closed_gop.mp4", "h264.ts", "h264.mkv"])
def test_a_limit_that_is_passed_is_the_reason(made: Path, name: str, limits: Limits, reason: str):
    assert reason_of(makers.make(recipe(name), made), limits) == (reason, "open")


def test_a_recording_whose_header_states_no_duration_is_as_long_as_it_is(tmp_path: Path):
    live = makers.write(tmp_path / "live.webm", "libvpx", {"g": "25", "cpu-used": "8"}, {"live": "1"})
    with av.open(str(live)) as container:
        assert container.duration is None
    assert reason_of(live, Limits(max_duration_s=2)) == ("too_long", "open")
    assert len(decode(live, frames=5).frames.times_s) == 5


@pytest.mark.parametrize(("name", "codec"), [("bare.h264", "libx264"), ("bare.m2v", "mpeg2video")])
def test_bare_packets_without_times_are_none_of_the_formats_that_are_read(tmp_path: Path, name: str, codec: str):
    path = makers.write(tmp_path / name, codec, {"g": "12"}, frames=makers.pictures()[:20])
    assert reason_of(path) == ("not_a_video", "open")


def test_what_is_not_there_is_not_found(tmp_path: Path):
    assert reason_of(tmp_path / "none.mp4") == ("not_found", "open")


@pytest.mark.parametrize("data", [b"", b"hello world " * 999, bytes(99_999), np.random.default_rng(0).bytes(99_999)])
def test_what_is_no_video_is_said_to_be_none(tmp_path: Path, data: bytes):
    path = tmp_path / "video.mp4"
    path.write_bytes(data)
    assert reason_of(path) == ("not_a_video", "open")


def test_a_playlist_is_not_followed(tmp_path: Path, plain: Path):
    path = tmp_path / "list.m3u8"
    path.write_text(f"#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXTINF:4,\n{plain}\n#EXT-X-ENDLIST\n")
    assert reason_of(path) == ("not_a_video", "open")


def test_sound_alone_has_no_video_stream(tmp_path: Path):
    path = tmp_path / "sound.mp4"
    with av.open(str(path), "w") as output:
        stream = output.add_stream("aac", rate=8000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 8000), np.float32), format="fltp", layout="mono")
        frame.rate = 8000
        output.mux(stream.encode(frame))
        output.mux(stream.encode())
    assert reason_of(path) == ("no_video_stream", "open")


@pytest.mark.parametrize("name", ["closed_gop.mp4", "faststart.mov", "h264.mkv", "h264.flv", "vp9.webm"])
def test_a_file_cut_to_a_third_is_corrupt(made: Path, tmp_path: Path, name: str):
    whole = makers.make(recipe(name), made).read_bytes()
    path = tmp_path / name
    path.write_bytes(whole[: len(whole) // 3])
    assert reason_of(path)[0] == "corrupt"


def test_a_file_that_lacks_its_end_is_done_with_a_warning(made: Path, tmp_path: Path):
    whole = makers.make(recipe("faststart.mov"), made).read_bytes()
    path = tmp_path / "short.mov"
    path.write_bytes(whole[: len(whole) * 85 // 100])
    decoded = decode(path)
    assert any("breaks off" in warning for warning in decoded.warnings)
    assert decoded.duration_s < 3.4


def damaged(plain: Path, path: Path, packets: int) -> Path:
    """The file with five bits of each of the first `packets` key packets turned over."""
    data = bytearray(plain.read_bytes())
    random = np.random.default_rng(3)
    with av.open(str(plain)) as container:
        keys = [packet for packet in container.demux(video=0) if packet.is_keyframe][:packets]
        for packet in keys:
            for place in random.integers(packet.size // 4, packet.size, 5):
                data[packet.pos + int(place)] ^= 1 << int(random.integers(8))
    path.write_bytes(data)
    return path


def test_damage_is_caught_counted_and_warned_of(tmp_path: Path):
    whole = makers.write(tmp_path / "keys.mp4", "libx264", {"g": "1", "preset": "ultrafast"})
    decoded = decode(damaged(whole, tmp_path / "some.mp4", 9), "exact", frames=90)
    assert len(decoded.frames.times_s) == makers.FRAMES - 9
    assert decoded.warnings == ("9 of 90 frames could not be decoded",)


def test_a_video_with_less_than_four_fifths_of_its_frames_is_corrupt(tmp_path: Path):
    whole = makers.write(tmp_path / "keys.mp4", "libx264", {"g": "1", "preset": "ultrafast"})
    assert reason_of(damaged(whole, tmp_path / "many.mp4", 30)) == ("corrupt", "decode")


def test_only_the_header_and_the_wanted_packets_are_read(large: Path):
    with open_reader(str(large)) as reader:
        decoded = decode_video(reader, PREP, Sampling(frames=2), "keyframe", Limits())
        assert decoded.bytes_read == reader.bytes_read
    assert decoded.strategy == "index"
    assert decoded.bytes_read < 0.1 * large.stat().st_size


def test_a_matroska_file_with_an_index_is_not_read_whole(large: Path, tmp_path: Path):
    path = tmp_path / "large.mkv"
    with av.open(str(large)) as source, av.open(str(path), "w") as output:
        copied = output.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.size:
                packet.stream = copied
                output.mux(packet)
    sparse = decode(path, "keyframe", frames=1)
    assert sparse.strategy == "seek"
    assert sparse.bytes_read < 0.6 * path.stat().st_size
    everything = decode_video(str(path), PREP, Sampling(frames=1), "keyframe", Limits(), ways=("forward",))
    assert np.array_equal(sparse.frames.pixels, everything.frames.pixels)
    assert sparse.frames.times_s.tolist() == everything.frames.times_s.tolist()
    assert sparse.duration_s == pytest.approx(everything.duration_s)


def test_every_shared_video_decodes(shared_dir: Path):
    for path in sorted(path for path in (shared_dir / "videos").rglob("*.*") if path.suffix != ".md"):
        for seek in ("exact", "keyframe"):
            decoded = decode(path, seek)
            assert bool(decoded.warnings) == (path.name == "corrupted.mp4" and seek != "keyframe"), (path, seek)
            assert len(decoded.frames.times_s) >= (1 if seek == "keyframe" else 3), (path, seek)
            assert decoded.frames.times_s[-1] <= decoded.duration_s, (path, seek)


def test_the_damaged_shared_video_cut_to_a_third_is_corrupt(shared_dir: Path, tmp_path: Path):
    whole = (shared_dir / "videos" / "odd" / "corrupted.mp4").read_bytes()
    path = tmp_path / "third.mp4"
    path.write_bytes(whole[: len(whole) // 3])
    assert reason_of(path)[0] == "corrupt"


def test_of_several_streams_the_default_one_is_taken(shared_dir: Path):
    path = shared_dir / "videos" / "nasa_13013.mp4"
    decoded = decode(path, "exact", frames=5)
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        times = [float(frame.pts * stream.time_base) for frame in container.decode(stream)]
    assert set(decoded.frames.times_s.round(6)) <= set(np.round(times, 6))
    assert decoded.duration_s == pytest.approx(13.0)


def test_a_video_in_s3_gives_the_same_and_only_the_wanted_packets_are_fetched(s3: S3, large: Path):
    uri = f"{s3.uri}/large.mp4"
    write_bytes(uri, large.read_bytes())
    here = decode_video(str(large), PREP, Sampling(frames=2), "keyframe", Limits())
    with VideoDecoder(PREP, Sampling(frames=2), "keyframe", Limits()) as videos:
        there = videos.decode(uri)
        assert np.array_equal(there.frames.pixels, here.frames.pixels)
        assert there.strategy == "index"
        assert there.bytes_read < 0.1 * large.stat().st_size
        with pytest.raises(ItemError, match="not_found at open"):
            videos.decode(f"{s3.uri}/none.mp4")
