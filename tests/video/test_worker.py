"""The child process: what it gives, and that nothing a video does gets past it."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import av
import numpy as np
import pytest

from clipsum.config import Limits, Preprocessing, Sampling
from clipsum.errors import ItemError
from clipsum.video import child
from clipsum.video.decode import decode_video
from clipsum.video.worker import VideoDecoder
from tests.ray_jobs.serving.slow_video import write_slow_video
from tests.video import makers

PREP = Preprocessing(size_px=32)
SAMPLING = Sampling(frames=7)


def decoder(**limits: float) -> VideoDecoder:
    return VideoDecoder(PREP, SAMPLING, "auto", Limits(**limits))


def test_the_child_gives_what_decoding_in_this_process_gives(plain: Path):
    here = decode_video(str(plain), PREP, SAMPLING, "auto", Limits())
    with decoder() as videos:
        there = videos.decode(str(plain))
    assert np.array_equal(there.frames.pixels, here.frames.pixels)
    assert there.frames.times_s.tolist() == here.frames.times_s.tolist()
    assert (there.duration_s, there.bytes_read, there.strategy) == (here.duration_s, here.bytes_read, here.strategy)
    assert there.cpu_s > 0


def test_a_child_that_reads_files_of_strangers_knows_no_api_keys(plain: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("CLIPSUM_API_KEYS", "a-long-and-random-secret")
    with decoder() as videos:
        videos.decode(str(plain))
        assert b"random-secret" not in Path(f"/proc/{videos.pid}/environ").read_bytes()


def test_one_child_serves_many_videos_and_failures_do_not_end_it(plain: Path, tmp_path: Path):
    with decoder() as videos:
        first = videos.decode(str(plain))
        child = videos.pid
        with pytest.raises(ItemError, match="not_found"):
            videos.decode(str(tmp_path / "none.mp4"))
        second = videos.decode(str(plain))
        assert videos.pid == child
    assert np.array_equal(first.frames.pixels, second.frames.pixels)


def test_a_failure_tells_what_it_cost(plain: Path, tmp_path: Path):
    (tmp_path / "third.mp4").write_bytes(plain.read_bytes()[: plain.stat().st_size // 3])
    with decoder() as videos, pytest.raises(ItemError) as caught:
        videos.decode(str(tmp_path / "third.mp4"))
    assert caught.value.bytes_read > 0
    assert caught.value.cpu_s > 0


def test_the_child_does_not_import_what_takes_long(plain: Path):
    with decoder() as videos:
        videos.decode(str(plain))
        mapped = Path(f"/proc/{videos.pid}/maps").read_text()
    assert "/av/" in mapped
    assert "/torch/" not in mapped


def test_a_child_that_hears_nothing_is_killed_at_the_deadline(plain: Path):
    with decoder(deadline_s=1) as videos:
        videos.decode(str(plain))
        child = videos.pid
        os.kill(child, signal.SIGSTOP)
        with pytest.raises(ItemError, match="deadline_s=1") as caught:
            videos.decode(str(plain))
        assert caught.value.reason == "timeout"
        with pytest.raises(ProcessLookupError):
            os.kill(child, 0)
        assert len(videos.decode(str(plain)).frames.times_s) == 7


def test_the_deadline_holds_within_one_call_into_the_codec(tmp_path: Path):
    path = tmp_path / "slow.mkv"
    with av.open(str(path), "w") as output:
        stream = output.add_stream("ffv1", rate=25, options={"slices": "4", "level": "3"})
        stream.width, stream.height, stream.pix_fmt = 8192, 4320, "gray"
        noise = np.random.default_rng(0).integers(0, 256, (4320, 8192), np.uint8)
        frame = av.VideoFrame.from_ndarray(noise, "gray")
        output.mux(stream.encode(frame))
        output.mux(stream.encode())
    with decoder(deadline_s=0.2) as videos, pytest.raises(ItemError) as caught:
        videos.decode(str(path))
    assert caught.value.reason == "timeout"
    assert caught.value.cpu_s > 0


def test_a_child_that_is_killed_counts_against_its_video_alone(plain: Path):
    with decoder() as videos:
        videos.decode(str(plain))
        child = videos.pid
        os.kill(child, signal.SIGSTOP)
        threading.Timer(0.2, os.kill, (child, signal.SIGKILL)).start()
        with pytest.raises(ItemError, match="SIGKILL") as caught:
            videos.decode(str(plain))
        assert caught.value.reason == "worker_died"
        assert len(videos.decode(str(plain)).frames.times_s) == 7
        assert videos.pid != child


def test_a_child_that_dies_between_two_videos_costs_none(plain: Path):
    with decoder() as videos:
        videos.decode(str(plain))
        os.kill(videos.pid, signal.SIGKILL)
        os.waitid(os.P_PID, videos.pid, os.WEXITED | os.WNOWAIT)
        assert len(videos.decode(str(plain)).frames.times_s) == 7


def test_a_child_that_dies_while_it_starts_is_an_error_of_an_item(plain: Path, monkeypatch: pytest.MonkeyPatch):
    with decoder() as videos:
        with monkeypatch.context() as patch:
            patch.setattr(child, "__name__", "clipsum.no_such_module")
            with pytest.raises(ItemError, match="did not start: it ended with exit code 1") as caught:
                videos.decode(str(plain))
            assert caught.value.reason == "worker_died"
        assert len(videos.decode(str(plain)).frames.times_s) == 7


def test_a_picture_larger_than_the_memory_limit_is_out_of_memory(tmp_path: Path):
    black = np.zeros((4320, 8192, 3), np.uint8)
    path = makers.write(tmp_path / "huge.mp4", "libx264", {"preset": "ultrafast", "bf": "0"}, frames=(black,))
    with decoder(max_memory_bytes=160 * 2**20) as videos:
        with pytest.raises(ItemError) as caught:
            videos.decode(str(path))
        assert caught.value.reason == "out_of_memory"


def test_the_end_of_the_decoder_is_the_end_of_the_child(plain: Path):
    with decoder() as videos:
        videos.decode(str(plain))
        child = videos.pid
    with pytest.raises(ProcessLookupError):
        os.kill(child, 0)
    videos.close()


def test_what_comes_down_the_socket_in_the_middle_of_a_video_does_not_end_the_child(tmp_path: Path):
    """A request that is read before the kernel has told of it looks the same, and cannot be staged."""
    path = write_slow_video(tmp_path / "slow.mp4", pictures=10_000)
    with decoder() as videos:
        videos.start()
        connection = videos._connection
        connection.send((str(path), False))
        assert not connection.poll(0.3)  # it is at work
        connection.send((str(tmp_path / "none.mp4"), False))
        answers = [connection.recv() for _ in range(2)]
    assert [type(answer) for answer in answers] == [tuple, ItemError]


PARENT = """
import sys
from clipsum.config import Limits, Preprocessing, Sampling
from clipsum.video.worker import VideoDecoder
videos = VideoDecoder(Preprocessing(size_px=32), Sampling(frames=7), "auto", Limits())
videos.start()
print(videos.pid, flush=True)
videos.decode(sys.argv[1])
"""


def test_a_child_whose_parent_is_killed_ends_in_mid_video(tmp_path: Path):
    endless = write_slow_video(tmp_path / "slow.mp4", pictures=400_000)
    parent = subprocess.Popen([sys.executable, "-c", PARENT, str(endless)], stdout=subprocess.PIPE, text=True)
    child = Path("/proc", parent.stdout.readline().strip(), "stat")
    wait_until(lambda: cpu_ticks(child) > START_TICKS)
    parent.kill()
    parent.communicate()
    wait_until(lambda: not child.exists() or child.read_text().rpartition(") ")[2][0] == "Z")


START_TICKS = 150  # beyond what its start takes: it decodes


def cpu_ticks(stat: Path) -> int:
    return sum(map(int, stat.read_text().rpartition(") ")[2].split()[11:13]))


def wait_until(holds, within_s=15.0):
    deadline = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)
