import itertools
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path

import av
import numpy as np
import pytest

from clipsum.bench import decode, lines
from clipsum.bench.sample_video import write_sample
from clipsum.config import Preprocessing
from clipsum.video.sampling import sample_times
from ray_jobs import bench, bench_batch
from ray_jobs.cli import run
from ray_jobs.pools import Machine


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_sample(tmp_path_factory.mktemp("bench") / "sample.mp4", duration_s=4, gop_s=1)


@pytest.fixture(scope="module")
def missing(sample: Path) -> dict[str, str]:
    """Peers that are not on this machine, with the reason."""
    return decode.missing_peers(sample)


def skip_without(missing: dict[str, str], *peers: str) -> None:
    if lacking := [f"{peer} ({missing[peer]})" for peer in peers if peer in missing]:
        pytest.skip(f"needs {', '.join(lacking)}")


def test_a_line_holds_on_the_side_of_its_limit_that_it_names():
    assert lines.at_least("S1", "", "", "", 15.0, 15).ok
    assert not lines.at_least("S1", "", "", "", 14.9, 15).ok
    assert lines.at_most("S3", "", "", "", 0.1, 0.10).ok
    assert not lines.at_most("S3", "", "", "", 0.11, 0.10).ok


def test_ways_run_in_turn_and_the_first_round_does_not_count(monkeypatch):
    clock = itertools.count()
    monkeypatch.setattr(lines, "cpu_clock", lambda: float(next(clock) ** 2))
    order = []
    medians = lines.cpu_medians({"a": lambda: order.append("a"), "b": lambda: order.append("b")}, rounds=1)
    assert "".join(order) == "abab"
    # The warm-up reads 0 and 1 and keeps neither; then a runs from 4 to 9, b from 16 to 25.
    assert medians == {"a": 5.0, "b": 9.0}


def test_processor_seconds_count_finished_children():
    before = lines.cpu_clock()
    subprocess.run([sys.executable, "-c", "sum(i * i for i in range(3_000_000))"], check=True)
    assert lines.cpu_clock() - before > 0.02


def test_the_sample_has_a_key_frame_at_every_gop_and_the_same_bytes_each_time(sample, tmp_path):
    with av.open(str(sample)) as container:
        keys = [float(packet.pts * packet.time_base) for packet in container.demux(video=0) if packet.is_keyframe]
        assert (container.streams.video[0].width, container.streams.video[0].height) == (1280, 720)
    assert keys == pytest.approx([0, 1, 2, 3], abs=0.01)
    again = write_sample(tmp_path / "again.mp4", duration_s=4, gop_s=1)
    assert again.read_bytes() == sample.read_bytes()


@pytest.mark.parametrize("peer", ["opencv", "torchcodec"])
def test_every_way_gives_the_frames_of_the_same_moments(sample, missing, peer, monkeypatch):
    skip_without(missing, peer)
    monkeypatch.setattr(decode, "PREPROCESSING", Preprocessing(size_px=224, resize="squash"))
    times_s = sample_times(decode.SAMPLING, 4.0)
    ours = decode.ours(str(sample), "exact").frames.pixels.astype(float)
    if peer == "torchcodec":
        theirs = decode.torchcodec(sample, times_s).permute(0, 2, 3, 1).numpy().astype(float)
    else:
        theirs = np.stack(decode.opencv(sample, times_s)).astype(float)
    assert np.abs(ours - theirs).mean() < 0.5 * np.abs(ours[:-1] - theirs[1:]).mean()


def test_the_floor_decodes_the_key_frames(sample):
    assert decode.floor(sample, decode._key_packets(sample)) == 4


def test_ffmpeg_decodes_the_key_frames(sample, missing):
    skip_without(missing, "ffmpeg")
    assert len(decode.ffmpeg(sample)) == 4 * 224 * 224 * 3


@pytest.mark.slow
def test_lines_are_made_for_every_target_of_decoding(sample, missing):
    made = decode.decode_lines(sample, None, rounds=1)
    assert [line.target for line in made] == ["S1", "S1", "S1", "S2", "S2", "S3"]
    assert all(line.ours and line.other for line in made)
    assert [line.other for line in made if line.ratio is None] == [
        f"{peer} {missing[peer]}" for peer in ("opencv", "ffmpeg", "opencv", "torchcodec") if peer in missing
    ]


def test_peers_that_are_missing_are_lines_that_say_so(sample, monkeypatch):
    def not_there(*_):
        raise ModuleNotFoundError("No module named 'cv2'")

    def not_loading(*_):
        raise RuntimeError("Could not load libtorchcodec. Likely causes:\n1. FFmpeg is not properly installed")

    monkeypatch.setattr(decode, "PEERS", {"opencv": not_there, "torchcodec": not_loading, "ffmpeg": not_there})
    made = decode.decode_lines(sample, None, rounds=1)
    assert [line.target for line in made] == ["S1", "S1", "S1", "S2", "S2", "S3"]
    said = [line.other for line in made if line.verdict == "none"]
    assert said[:3] == [f"{peer} not installed" for peer in ("opencv", "ffmpeg", "opencv")]
    assert said[3:] == ["torchcodec does not load: Could not load libtorchcodec. Likely causes:"]


def test_an_unknown_target_is_refused_in_one_line(capsys):
    assert run(["bench", "S11"]) == 2
    assert (
        capsys.readouterr().err
        == "clipsum: target 'S11' is not known: use one of S1, S2, S3, S4, S5, S6, S8, S9, S10 (did you mean 'S1'?)\n"
    )


def test_every_target_that_can_be_named_is_measured(monkeypatch, tmp_path):
    asked = []
    for module, name in (("decode", "decode_lines"), ("encode", "encode_lines")):
        monkeypatch.setattr(f"clipsum.bench.{module}.{name}", lambda *_, name=name: asked.append(name) or [])
    for place in ("clipsum.bench.training.training_line", "clipsum.bench.generation.generation_line"):
        monkeypatch.setattr(place, lambda *_, place=place: asked.append(place))
    monkeypatch.setattr("ray_jobs.bench_batch.batch_line", lambda *_: asked.append("batch_line"))
    monkeypatch.setattr("ray_jobs.bench_serve.serve_lines", lambda *_: asked.append("serve_lines") or [])
    monkeypatch.setattr("clipsum.bench.sample_video.write_sample", lambda path: path)
    for target in bench.TARGETS:
        asked.clear()
        list(bench._measure({target}, tmp_path, None, None, 1, "kitchen-tiny", 1, None))
        assert len(asked) == 1, target
    assert {"S1", "S2", "S3", "S4", "S6", "S8", "S9", "S10"} <= set(bench.TARGETS)


def test_decoding_is_measured_on_the_video_that_is_named(sample, tmp_path, monkeypatch, capsys):
    asked = []
    monkeypatch.setattr("clipsum.bench.decode.decode_lines", lambda path, *_: asked.append(path) or [])
    assert run(["bench", "S1", "--video", str(sample)]) == 0
    assert asked == [sample]
    (tmp_path / "words.mp4").write_text("no video")
    assert run(["bench", "S1", "--video", str(tmp_path / "words.mp4")]) == 2
    assert "words.mp4' cannot be measured, not_a_video: " in capsys.readouterr().err
    assert run(["bench", "S1", "--video", str(tmp_path / "none.mp4")]) == 2


def test_a_batch_job_is_measured_from_warm_pools_on(monkeypatch, tmp_path):
    asked = []

    def begun(*_, **given):
        asked.append(given)
        raise InterruptedError

    monkeypatch.setattr(bench_batch, "connected", lambda _: nullcontext(Machine(2)))
    monkeypatch.setattr(bench_batch.pipeline, "run", begun)
    with pytest.raises(InterruptedError):
        bench_batch.batch_line(tmp_path, 1, "kitchen-tiny", None)
    assert asked == [{"warm_first": True}]
