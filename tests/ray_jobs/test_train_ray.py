"""`clipsum train` on Ray Train: several workers, workers that die, workers that come late."""

import json
import os
import signal
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import ray

from clipsum.errors import UsageError
from clipsum.models.bundle import load_bundle
from ray_jobs.cli import run
from ray_jobs.train_config import TrainJob, Workers
from ray_jobs.train_place import Placement
from ray_jobs.train_ray import open_mailbox, train_on_ray
from ray_jobs.train_worker import Work
from tests.ray_jobs.training import call, records, same_curve, steps_kept, write_embeddings

pytestmark = pytest.mark.usefixtures("two_cores")
LONG = ("epochs=12", "validation.every_epochs=12", "checkpoint_every_steps=7")


@pytest.fixture(scope="module")
def data(bundle, tmp_path_factory):
    return write_embeddings(tmp_path_factory.mktemp("data") / "emb", bundle)


@pytest.fixture(scope="module")
def alone(data, bundle, tmp_path_factory):
    """The run as one process does it."""
    output = tmp_path_factory.mktemp("alone") / "run"
    assert run(call(data, output, bundle, settings=LONG)) == 0
    return output


def workers_of_this_ray():
    """Process ids of the training workers whose raylet is a child of this process: others of the machine stay."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes()
            if words.startswith(b"ray::RayTrainWorker") and parent_of(parent_of(int(process.name))) == os.getpid():
                found.append(int(process.name))
        except OSError:
            continue
    return sorted(found)


def parent_of(pid):
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


class Killer(threading.Thread):
    """SIGKILLs a training worker once a checkpoint is there."""

    def __init__(self, output):
        super().__init__(daemon=True)
        self.output, self.killed, self.over = output, None, threading.Event()

    def run(self):
        while not self.over.wait(0.02):
            if steps_kept(self.output) and (workers := workers_of_this_ray()):
                self.killed = workers[-1]
                os.kill(self.killed, signal.SIGKILL)
                return


def test_two_workers_one_of_them_killed_end_as_one_worker_does(data, bundle, alone, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("RAY_TRAIN_HEALTH_CHECK_INTERVAL_S", "0.3")
    output = tmp_path / "run"
    killer = Killer(output)
    killer.start()
    try:
        code = run(call(data, output, bundle, workers=2, settings=LONG))
    finally:
        killer.over.set()
    said = capsys.readouterr().out
    assert (code, killer.killed is not None) == (0, True), said
    assert "Training again after step" in said
    starts = records(output, "start")
    assert len(starts) == 2
    assert (starts[0]["step"], starts[1]["workers"]) == (0, 2)
    assert starts[1]["step"] >= 7
    same_curve(output, alone)
    assert json.loads((output / "run.json").read_text())["ending"] == "finished"


@pytest.mark.slow
def test_two_workers_that_share_the_weights_end_as_one_worker_does(data, bundle, alone, tmp_path):
    output = tmp_path / "run"
    assert run(call(data, output, bundle, workers=2, settings=[*LONG, "parallel=fsdp2"])) == 0
    same_curve(output, alone)
    ours, theirs = (load_bundle(str(folder)).model.state_dict() for folder in (output, alone))
    assert ours.keys() == theirs.keys()
    assert all(ours[name].shape == theirs[name].shape for name in ours)


@pytest.mark.slow
def test_a_trained_run_summarises(alone, kitchen, tmp_path):
    assert (
        run(["summarize", str(kitchen), "--limit", "1", "--bundle", str(alone), "--output", str(tmp_path / "s")]) == 0
    )


def test_more_workers_than_cores_are_refused_with_what_would_do(data, bundle, tmp_path, capsys):
    assert run(call(data, tmp_path / "run", bundle, workers=3)) == 2
    said = capsys.readouterr().err
    assert "--workers 3: each reserves 1 CPU and the cluster has 2 cores" in said
    assert "--workers 1:3" in said
    assert said.count("\n") == 1


@pytest.mark.slow
def test_the_mailbox_stays_on_the_machine_of_the_driver(monkeypatch):
    asked, remote = [], ray.remote
    monkeypatch.setattr(ray, "remote", lambda **options: (asked.append(options), remote(**options))[1])
    mailbox = open_mailbox()
    assert ray.get(mailbox.take.remote()) == []
    place = asked[0]["scheduling_strategy"]
    assert (place.node_id, place.soft) == (ray.get_runtime_context().get_node_id(), False)


@dataclass(frozen=True)
class Broken:
    """A task whose trainer cannot be made, by worker 1 alone."""

    error: Exception

    @contextmanager
    def trainer(self, group, device):
        if group.rank:
            raise self.error
        yield None


@pytest.mark.slow
@pytest.mark.parametrize(
    ("error", "ending", "said", "retries"),
    [
        (KeyError("no such thing"), "failed", "KeyError: 'no such thing'", 8),
        (UsageError("not so"), "refused", "not so", 8),
        (UsageError("not so"), "refused", "not so", 0),
    ],
)
def test_a_fault_of_one_worker_ends_all_of_them_with_its_words(two_cores, tmp_path, error, ending, said, retries):
    task, job = Work(str(tmp_path / "run"), Broken(error).trainer, None, None), TrainJob(max_failures=retries)
    running = train_on_ray(task, Workers(2, 2), Placement(False, 1, 1), job, str(tmp_path / "scratch"))
    deadline = time.monotonic() + 200
    while not running.join(1.0):
        assert time.monotonic() < deadline
    outcome = running.result()
    assert (outcome.ending, said in outcome.message) == (ending, True)
