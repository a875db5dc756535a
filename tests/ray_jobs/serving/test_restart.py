"""What was acknowledged survives the service: a job begun by one is ended by the next, from a store on S3."""

import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests

from clipsum import storage
from clipsum.serving.job_log import JobLog
from tests.ray_jobs.serving.asking import eventually
from tests.s3_server import SwiftServer

START_S, END_S, WORK_S = 120, 60, 120


@pytest.mark.slow
def test_a_job_begun_before_a_restart_is_done_after_it_and_has_lost_no_attempt(
    tmp_path: Path, bundle: str, bucket: str, s3_server: SwiftServer, slow_video: Path, monkeypatch
):
    for variable, value in s3_server.environment.items():
        monkeypatch.setenv(variable, value)
    video, state = f"{bucket}/open/slow.mp4", f"{bucket}/state"
    storage.upload(slow_video, video)
    told = {"state": state, "uploads": str(tmp_path / "up"), "sources.s3": f'["{bucket}/open"]', "watch_s": "0.5"}
    words = [word for name, value in told.items() for word in ("--set", f"{name}={value}")]
    with serving(bundle, port := free_port(), words) as url:
        job = requests.post(f"{url}/v1/jobs", json={"uri": video}, timeout=30).json()["id"]
        eventually(lambda: _state(url, job) == "running", 20, "the beginning of the job")
    _, left = JobLog(f"{state}/jobs").last(job) or (0, {})
    assert (left["state"], left["attempt"]) == ("waiting", 0)
    with serving(bundle, port, words) as url:
        eventually(lambda: _state(url, job) in ("done", "failed"), WORK_S, "the end of the job")
        ended = requests.get(f"{url}/v1/jobs/{job}", timeout=30).json()
    assert (ended["state"], ended["error"]) == ("done", None)
    assert ended["result"]["summary"]


@pytest.mark.slow
def test_a_request_in_flight_has_its_answer_though_the_service_is_told_to_end(tmp_path, bundle, slow_video):
    places = {"state": str(tmp_path / "state"), "uploads": str(tmp_path / "up"), "decode.max_replicas": "1"}
    words = [word for name, value in places.items() for word in ("--set", f"{name}={value}")]
    with ThreadPoolExecutor(1) as caller:
        with serving(bundle, free_port(), words) as url:
            asked = caller.submit(
                lambda: requests.post(f"{url}/v1/summaries", files={"file": slow_video.open("rb")}, timeout=120)
            )
            eventually(lambda: any((tmp_path / "up").glob("*.mp4")), 20, "the upload")
        answer = asked.result()
    assert (answer.status_code, answer.json()["status"]) == (200, "ok")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _state(url: str, job: str) -> str:
    return str(requests.get(f"{url}/v1/jobs/{job}", timeout=30).json()["state"])


@contextmanager
def serving(bundle: str, port: int, words: list[str]) -> Iterator[str]:
    """`clipsum serve`, ended as whoever runs it ends it."""
    command = [sys.executable, "-m", "ray_jobs.serve", "--bundle", bundle, "--port", str(port), *words]
    url = f"http://127.0.0.1:{port}"
    process = subprocess.Popen(command)
    try:
        eventually(lambda: _is_well(process, url), START_S, "the service")
        yield url
        process.send_signal(signal.SIGTERM)
        assert process.wait(END_S) == 0
    finally:
        process.kill()
        process.wait()


def _is_well(process: "subprocess.Popen[bytes]", url: str) -> bool:
    assert process.poll() is None, "it ended"
    try:
        return requests.get(f"{url}/healthz", timeout=30).ok
    except requests.ConnectionError:
        return False
