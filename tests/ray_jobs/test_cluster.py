"""`cluster/local.sh`: a head and two workers on this machine, and the main job submitted to them as users submit it."""

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from clipsum import storage
from ray_jobs import parts
from tests.s3_server import REPOSITORY, SwiftServer

RAY = REPOSITORY / ".venv/bin/ray"


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def _runs(pid: int) -> bool:
    """Whether the process is there, and not only waits to be collected."""
    status = Path(f"/proc/{pid}/status")
    return status.exists() and "State:\tZ" not in status.read_text()


class Cluster:
    """Its machines, and so the actors on them, have `environment`."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self.folder, self.port, self.jobs_port = folder, _free_port(), _free_port()
        names = {"PORT": self.port, "DASHBOARD_PORT": self.jobs_port, "FOLDER": folder, "CPUS": 2, **environment}
        names["RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S"] = 2  # nothing is at work when the test stops it
        self.environment = {**os.environ, **{name: str(value) for name, value in names.items()}}

    def script(self, word: str) -> subprocess.CompletedProcess[str]:
        call = ["bash", str(REPOSITORY / "cluster/local.sh"), word]
        return subprocess.run(call, env=self.environment, capture_output=True, text=True, timeout=280)

    def pids(self) -> list[int]:
        return [int(path.read_text()) for path in self.folder.glob("*.pid")]


@pytest.fixture(scope="module")
def cluster(s3_server: SwiftServer) -> Iterator[Cluster]:
    folder = Path(f"/tmp/clipsum-test-{os.getpid()}")  # Ray's socket names must stay short
    made = Cluster(folder, s3_server.environment)
    started = made.script("start")
    try:
        assert started.returncode == 0, started.stderr
        yield made
    finally:
        made.script("stop")
        shutil.rmtree(folder, ignore_errors=True)


def test_a_job_submitted_with_the_working_directory_summarises_an_archive_on_s3_to_s3(cluster, kitchen, bundle, s3):
    for path in kitchen.iterdir():
        storage.upload(path, f"{s3.uri}/archive/{path.name}")
    call = f"python -m ray_jobs.summarize {s3.uri}/archive/ --output {s3.uri}/out --bundle {bundle}"
    submit = [str(RAY), "job", "submit", "--address", f"http://127.0.0.1:{cluster.jobs_port}", "--working-dir", "."]
    done = subprocess.run([*submit, "--", *call.split()], cwd=REPOSITORY, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stdout + done.stderr
    rows = list(parts.read_rows(f"{s3.uri}/out"))
    assert [row["status"] for row in rows] == ["ok"] * 3
    assert "3 summarised of 3" in done.stdout


def test_the_script_says_what_runs(cluster):
    said = cluster.script("status")
    assert said.returncode == 0
    assert said.stdout.split("\n")[:3] == ["head runs", "worker-1 runs", "worker-2 runs"]


def test_a_second_start_is_refused_and_disturbs_nothing(cluster):
    before = cluster.pids()
    assert cluster.script("start").returncode == 2
    assert cluster.pids() == before
    assert cluster.script("status").stdout.count("runs") == 3


def test_stop_ends_what_was_started(cluster):
    pids = cluster.pids()
    assert len(pids) == 3
    assert cluster.script("stop").returncode == 0
    assert not any(_runs(pid) for pid in pids)
    assert cluster.script("status").returncode == 1
