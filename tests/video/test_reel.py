"""Reels: what is cut, how long it is, and whether the sound still belongs to the picture."""

import av
import numpy as np
import pytest

from clipsum import storage
from clipsum.errors import ItemError
from clipsum.highlights.select import HighlightConfig, highlights
from clipsum.records import Embeddings, Highlight
from clipsum.video.reel import ON_KEY_S, merged, on_keys, write_reel
from tests.video import makers
from tests.video.clapper import CLAPS, beeps, flashes, write_clapper

FRAME_S = 0.04
SPANS = {"off key frames": [(2.3, 4.7), (7.15, 9.35)], "on key frames": [(2.0, 4.0), (6.9, 10.1)]}
CUT = {"off key frames": SPANS["off key frames"], "on key frames": [(2.0, 4.0), (7.0, 10.0)]}


def _moments(spans):
    return [Highlight(start_s, end_s, 0.5) for start_s, end_s in spans]


def _expected(spans):
    """Where the claps of the source are in the reel."""
    at_s, found = 0.0, []
    for start_s, end_s in spans:
        found += [clap - start_s + at_s for clap in CLAPS if start_s <= clap < end_s]
        at_s += end_s - start_s
    return found


def _spans_of_streams(path):
    """kind -> (first time, end) by the packets."""
    found = {}
    with av.open(str(path)) as container:
        for packet in container.demux():
            if packet.pts is not None:
                start, end = (float(at * packet.time_base) for at in (packet.pts, packet.pts + packet.duration))
                before = found.get(packet.stream.type, (np.inf, 0.0))
                found[packet.stream.type] = min(before[0], start), max(before[1], end)
    return found


@pytest.fixture(scope="module", params=["clap.mp4", "clap.mkv", "clap.ts"])
def clapper(request, tmp_path_factory):
    return write_clapper(tmp_path_factory.mktemp("clapper") / request.param)


@pytest.mark.parametrize("where", SPANS)
def test_picture_and_sound_stay_together_and_cuts_fall_where_they_should(clapper, where, tmp_path):
    reel = write_reel(str(clapper), _moments(SPANS[where]), str(tmp_path / "reel.mp4"))
    is_copied = where == "on key frames" and clapper.suffix != ".ts"
    assert (reel.copied, reel.pieces) == (is_copied, 2)
    expected = _expected(CUT[where] if is_copied else SPANS[where])
    seen, heard = flashes(tmp_path / "reel.mp4"), beeps(tmp_path / "reel.mp4")
    assert len(expected) == 5
    np.testing.assert_allclose(seen, expected, atol=FRAME_S)
    np.testing.assert_allclose(heard, expected, atol=FRAME_S)
    np.testing.assert_allclose(np.subtract(seen, heard), 0, atol=0.025)


@pytest.mark.parametrize("where", SPANS)
def test_a_reel_is_as_long_as_its_pieces_in_both_streams_and_never_longer(clapper, where, tmp_path):
    reel = write_reel(str(clapper), _moments(SPANS[where]), str(tmp_path / "reel.mp4"))
    for start_s, end_s in _spans_of_streams(tmp_path / "reel.mp4").values():
        assert -0.03 < start_s < FRAME_S + 0.01
        assert end_s == pytest.approx(reel.duration_s, abs=FRAME_S)
    assert reel.duration_s <= sum(end_s - start_s for start_s, end_s in SPANS[where]) + 1e-9


def test_a_browser_can_begin_before_it_has_the_whole_file(clapper, tmp_path):
    write_reel(str(clapper), _moments(SPANS["off key frames"]), str(tmp_path / "reel.mp4"))
    data = (tmp_path / "reel.mp4").read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")


def test_the_first_frame_of_a_piece_is_the_one_on_screen_where_it_begins(tmp_path):
    slow = makers.write(tmp_path / "slow.mp4", "libx264", makers.X264, steps=(25,), frames=makers.pictures(8))
    write_reel(str(slow), _moments([(2.5, 4.5)]), str(tmp_path / "reel.mp4"))
    with av.open(str(tmp_path / "reel.mp4")) as container:
        found = [(frame.time, frame.to_ndarray(format="rgb24")) for frame in container.decode(video=0)]
    assert [time_s for time_s, _ in found] == pytest.approx([0.0, 0.5, 1.5], abs=1e-3)
    sources = makers.pictures(8)
    nearest = [
        min(range(8), key=lambda n, shown=shown: np.abs(sources[n].astype(int) - shown).mean()) for _, shown in found
    ]
    assert nearest == [2, 3, 4]


@pytest.mark.parametrize("spans", [[(2.5, 4.5)], [(2.5, 2.9)], [(2.5, 3.95), (6.2, 6.9)]])
def test_the_last_picture_lasts_to_the_end_of_its_piece_and_no_longer(spans, tmp_path):
    slow = makers.write(tmp_path / "slow.mp4", "libx264", makers.X264, steps=(25,), frames=makers.pictures(8))
    reel = write_reel(str(slow), _moments(spans), str(tmp_path / "reel.mp4"))
    with av.open(str(tmp_path / "reel.mp4")) as container:
        (stream,) = container.streams
        assert container.duration / 1e6 == pytest.approx(reel.duration_s, abs=1e-3)
        assert float(stream.duration * stream.time_base) == pytest.approx(reel.duration_s, abs=1e-3)


@pytest.mark.parametrize(
    "recipe", ["variable_rate.mp4", "vp9.webm", "edit_list.mp4", "mpeg2_interlaced.ts", "h264.flv"]
)
def test_any_container_and_codec_becomes_an_mp4_that_browsers_play(recipe, made, tmp_path):
    source = makers.make(next(each for each in makers.RECIPES if each.name == recipe), made)
    reel = write_reel(str(source), _moments([(0.5, 1.2), (1.5, 2.1)]), str(tmp_path / "reel.mp4"))
    with av.open(str(tmp_path / "reel.mp4")) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.codec_context.pix_fmt) == ("h264", "yuv420p")
        times_s = [frame.time for frame in container.decode(stream)]
    assert times_s[0] == 0
    assert all(np.diff(times_s) > 0)
    assert times_s[-1] + FRAME_S == pytest.approx(reel.duration_s, abs=3 * FRAME_S)


@pytest.mark.parametrize("is_open", [True, False])
def test_no_frame_is_lost_that_needs_the_key_frame_after_its_piece(is_open, tmp_path):
    options = {"preset": "medium", "g": "23", "bf": "3", "x264-params": f"open-gop={is_open:d}:scenecut=0"}
    source = makers.write(tmp_path / "source.mp4", "libx264", options, frames=makers.pictures(50))
    with av.open(str(source)) as container:
        keys_s = sorted(float(p.pts * p.time_base) for p in container.demux(video=0) if p.is_keyframe and p.size)
    reel = write_reel(str(source), _moments([(keys_s[0], keys_s[1])]), str(tmp_path / "reel.mp4"))
    with av.open(str(tmp_path / "reel.mp4")) as container:
        shown = sum(1 for _ in container.decode(video=0))
    assert (reel.copied, shown) == (not is_open, 23) == (not is_open, round((keys_s[1] - keys_s[0]) * makers.FPS))


def test_a_video_that_is_turned_is_turned_in_its_reel(shared_dir, tmp_path):
    source = shared_dir / "videos/odd/video_90.mov"
    write_reel(str(source), _moments([(0.2, 0.7)]), str(tmp_path / "reel.mp4"))
    shown = []
    for path in (source, tmp_path / "reel.mp4"):
        with av.open(str(path)) as container:
            frame = next(container.decode(video=0))
            shown.append((frame.rotation, frame.width > frame.height))
    assert shown[0] == shown[1]


def test_sound_that_breaks_off_is_silence_to_the_end(tmp_path):
    source = write_clapper(tmp_path / "clap.mp4", silent_from_s=3.2)
    write_reel(str(source), _moments([(1.3, 2.2), (6.3, 7.7)]), str(tmp_path / "reel.mp4"))
    assert beeps(tmp_path / "reel.mp4") == pytest.approx([0.22], abs=FRAME_S)
    assert _spans_of_streams(tmp_path / "reel.mp4")["audio"][1] == pytest.approx(2.3, abs=FRAME_S)


def test_a_video_without_sound_has_a_reel_without_sound(tmp_path):
    source = write_clapper(tmp_path / "clap.mp4", sound=False)
    write_reel(str(source), _moments([(1.3, 2.7)]), str(tmp_path / "reel.mp4"))
    assert set(_spans_of_streams(tmp_path / "reel.mp4")) == {"video"}
    assert flashes(tmp_path / "reel.mp4") == pytest.approx([0.22, 1.22], abs=FRAME_S)


def test_damage_in_a_piece_costs_its_frames_and_not_the_reel(clapper, tmp_path):
    data = bytearray(clapper.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 200] = bytes(200)
    (tmp_path / clapper.name).write_bytes(data)
    write_reel(str(tmp_path / clapper.name), _moments([(1.3, 10.7)]), str(tmp_path / "reel.mp4"))
    assert len(flashes(tmp_path / "reel.mp4")) >= 6


def test_what_is_no_video_and_what_has_no_highlights_is_refused(tmp_path):
    (tmp_path / "words.mp4").write_text("not a video\n" * 50)
    with pytest.raises(ItemError, match="not_a_video"):
        write_reel(str(tmp_path / "words.mp4"), _moments([(0, 1)]), str(tmp_path / "reel.mp4"))
    with pytest.raises(ItemError, match="no highlights"):
        write_reel(str(tmp_path / "words.mp4"), [], str(tmp_path / "reel.mp4"))
    with pytest.raises(ItemError, match=r"its highlights last 0\.006 s, less than a picture"):
        write_reel(str(tmp_path / "words.mp4"), _moments([(0, 0.006)]), str(tmp_path / "reel.mp4"))
    assert not (tmp_path / "reel.mp4").exists()


def test_highlights_that_touch_are_one_piece_in_order_of_time():
    assert merged(_moments([(5, 7), (1, 2), (2, 3), (6, 8)])) == [(1, 3), (5, 8)]


def test_cuts_move_inwards_to_key_frames_and_only_where_all_have_one_near():
    keys_s = np.array([0.0, 2.0, 4.0, 6.0])
    assert on_keys([(1.9, 4.1), (5.8, 8.0)], keys_s, 8.0) == [(2.0, 4.0), (6.0, 8.0)]
    assert on_keys([(2.0 - ON_KEY_S - 0.01, 4.0)], keys_s, 8.0) is None
    assert on_keys([(2.01, 4.0)], keys_s, 8.0) is None
    assert on_keys([(3.9, 4.1)], keys_s, 8.0) is None


def test_a_reel_goes_to_s3_and_comes_from_there(s3, tmp_path):
    source = write_clapper(tmp_path / "clap.mp4")
    storage.upload(source, f"{s3.uri}/clap.mp4")
    reel = write_reel(f"{s3.uri}/clap.mp4", _moments(SPANS["on key frames"]), f"{s3.uri}/reels/clap.mp4")
    storage.download(f"{s3.uri}/reels/clap.mp4", tmp_path / "back.mp4")
    assert reel.copied
    assert len(flashes(tmp_path / "back.mp4")) == 5


def test_the_reel_of_a_real_video_plays_in_a_browser_within_the_budget_sound_and_picture_together(
    shared_dir, browser, tmp_path
):
    source, rng = shared_dir / "videos/street_1080p_123s.mp4", np.random.default_rng(0)
    times_s = (np.arange(50) + 0.5) * 122.6 / 50
    seen = Embeddings(times_s, rng.normal(size=(50, 8)).astype(np.float32), "f", "uniform:50", "auto")
    found = highlights(seen, rng.uniform(size=50), 122.6, HighlightConfig(budget=0.03))
    reel = write_reel(str(source), found, str(tmp_path / "reel.mp4"))
    assert 0 < reel.duration_s <= 0.03 * 122.6 + 1e-9
    (tmp_path / "page.html").write_text('<video src="reel.mp4" autoplay muted></video>')
    page = browser.new_page()
    page.goto((tmp_path / "page.html").as_uri())
    page.wait_for_function("document.querySelector('video').ended", timeout=60_000)
    played = page.evaluate(
        """() => { const v = document.querySelector('video');
        return {at: v.currentTime, length: v.duration, width: v.videoWidth, error: v.error && v.error.message,
                pictures: v.webkitDecodedFrameCount, sound: v.webkitAudioDecodedByteCount}; }"""
    )
    page.close()
    assert played["error"] is None
    assert played["length"] == pytest.approx(reel.duration_s, abs=0.05)
    assert played["at"] == pytest.approx(played["length"], abs=0.05)
    assert played["width"] == 1920
    assert played["pictures"] > 20 * reel.duration_s
    assert played["sound"] > 0
    (_, video_end), (_, audio_end) = _spans_of_streams(tmp_path / "reel.mp4").values()
    assert video_end == pytest.approx(audio_end, abs=0.035)
