"""`clipsum train` from its command line, in this process: what it leaves, how it goes on, what it refuses."""

import json
import math
import os
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
import torch

from clipsum import storage
from clipsum.errors import ItemError
from clipsum.models.bundle import load_bundle
from ray_jobs import train_run
from ray_jobs.cli import run
from ray_jobs.owner import owned
from ray_jobs.train_ray import Running
from ray_jobs.train_worker import Outcome
from tests.forked import Command, load
from tests.ray_jobs.training import STEPS, call, curve, events, records, steps_kept, write_embeddings, write_gaps


@pytest.fixture(scope="module")
def data(bundle, tmp_path_factory):
    return write_embeddings(tmp_path_factory.mktemp("data") / "emb", bundle)


@pytest.fixture(scope="module")
def done(data, bundle, tmp_path_factory):
    """An undisturbed run."""
    output = tmp_path_factory.mktemp("done") / "run"
    assert run(call(data, output, bundle)) == 0
    return output


def test_every_step_and_validation_is_in_the_books_once(done):
    steps, validations = curve(done)
    assert [step for step, _ in steps] == list(range(1, STEPS + 1))
    assert [step for step, _ in validations] == [5, 10, 15]
    assert steps[-1][1] < steps[0][1]
    [start] = records(done, "start")
    assert (start["step"], start["workers"]) == (0, 1)
    assert all(record["examples_per_s"] > 0 and record["learning_rate"] > 0 for record in records(done, "step")[:-1])
    assert len(records(done, "validation")[0]["samples"]) == 5


def test_the_output_is_the_best_bundle_and_only_last_and_best_checkpoints_are_kept(done):
    found = load_bundle(str(done))
    best = [record for record in records(done, "validation") if record["best"]][-1]
    assert found.manifest.metrics == {f"validation.{name}": value for name, value in best["metrics"].items()}
    assert steps_kept(done) == sorted({best["step"], STEPS})
    assert sorted(path.name for path in (done / "checkpoints").iterdir()) == [f"step-{s:07}" for s in steps_kept(done)]
    assert load_bundle(str(done / "checkpoints" / f"step-{best['step']:07}")).bundle_id == found.bundle_id


def test_the_run_says_what_it_was_asked_and_what_came_of_it(done, data):
    asked, came = (json.loads((done / name).read_text()) for name in ("config.json", "run.json"))
    assert asked["config"]["batch_size"] == 4
    assert asked["data"]["videos"] == {"train": 20, "validation": 5}
    assert (came["ending"], came["step"], len(came["attempts"])) == ("finished", STEPS, 1)
    page = (done / "report.html").read_text()
    assert "15 of 15 steps on 20 videos" in page
    assert "Cut 6 carrots." in page


def test_tensorboard_has_every_loss(done):
    found = [
        (event.step, value.simple_value)
        for event in events(done / "tensorboard")
        for value in event.summary.value
        if value.tag == "train/loss"
    ]
    assert found == [(step, pytest.approx(loss)) for step, loss in curve(done)[0]]


def test_a_finished_run_says_so_and_nothing_changes(done, data, bundle, capsys):
    before = {path: path.stat().st_mtime_ns for path in done.rglob("*")}
    assert run(call(data, done, bundle)) == 0
    assert "is finished: 15 of 15 steps" in capsys.readouterr().out
    assert {path: path.stat().st_mtime_ns for path in done.rglob("*")} == before


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (["batch_size=5"], "batch_size=4, this call has batch_size=5: give another --output"),
        (
            ["optimizer.learning_rate=1e-5"],
            "optimizer.learning_rate=0.003, this call has optimizer.learning_rate=1e-05",
        ),
    ],
)
def test_other_settings_on_the_same_run_are_refused_by_name(done, data, bundle, capsys, settings, said):
    assert run(call(data, done, bundle, settings=settings)) == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize("cut", [("summary_share",), ("objective",), ("objective", "video", "mode"), ("stream",)])
def test_a_run_that_is_older_than_a_key_goes_on_where_the_key_has_its_default(done, data, bundle, capsys, cut):
    asked = (done / "config.json").read_bytes()
    older = json.loads(asked)
    section = older["config"]
    for name in cut[:-1]:
        section = section[name]
    del section[cut[-1]]
    (done / "config.json").write_text(json.dumps(older))
    code = run(call(data, done, bundle))
    (done / "config.json").write_bytes(asked)
    assert (code, capsys.readouterr().err) == (0, "")


def test_other_data_on_the_same_run_are_refused(done, bundle, tmp_path, capsys):
    assert run(call(write_embeddings(tmp_path / "emb", bundle, train=16), done, bundle)) == 2
    assert "data=20 videos, 5 for validation" in capsys.readouterr().err


def test_what_decides_nothing_may_be_said_anew(done, data, bundle):
    assert run(call(data, done, bundle, settings=["checkpoint_every_s=7", "checkpoint_every_steps=3"])) == 0
    assert run(call(data, done, bundle, settings=["micro_batch_size=2", "parallel=fsdp2"])) == 0  # as a checkpoint may


def test_a_run_that_dies_at_any_write_goes_on_to_the_same_end(done, data, bundle, tmp_path, monkeypatch):
    """Before each write of checkpoint, bundle and books in turn; the store is the only thing that a start finds."""
    names = ("write_bytes", "upload", "delete")
    real = {name: getattr(storage, name) for name in names}
    output, deaths, left = tmp_path / "run", 0, 0

    def dying(name, *arguments):
        nonlocal left
        left -= 1
        if left < 0:
            raise ItemError("storage_error", "open", "dies here")
        return real[name](*arguments)

    for name in names:
        monkeypatch.setattr(storage, name, partial(dying, name))
    while True:
        left = 4 + 7 * deaths
        try:
            if run(call(data, output, bundle, settings=["checkpoint_every_steps=4"])) == 0:
                break
        except ItemError:
            pass
        deaths += 1
    assert deaths > 4
    assert curve(output) == curve(done)
    found, expected = (load_bundle(str(place)).manifest.files for place in (output, done))
    assert found["model.safetensors"] == expected["model.safetensors"]


def wait_for_checkpoint(runs, output):
    while runs() and not steps_kept(output):
        signal.sigtimedwait([], 0.02)


LONG = ("epochs=30", "validation.every_epochs=15", "checkpoint_every_steps=7")


@pytest.fixture(scope="module", autouse=True)
def libraries():
    """The processes that are started here share what they load."""
    load()


@pytest.fixture(scope="module")
def long_run(data, bundle, tmp_path_factory):
    output = tmp_path_factory.mktemp("long") / "run"
    assert run(call(data, output, bundle, settings=LONG)) == 0
    return output


def test_a_killed_driver_loses_nothing_but_time(long_run, data, bundle, tmp_path):
    output = tmp_path / "run"
    process = Command(call(data, output, bundle, settings=LONG), tmp_path)
    wait_for_checkpoint(process.runs, output)
    process.kill(signal.SIGKILL)
    code, _, complaint = process.end()
    assert (code, complaint) == (-signal.SIGKILL, "")
    assert run(call(data, output, bundle, settings=LONG)) == 0
    assert curve(output) == curve(long_run)
    assert len(records(output, "start")) >= 2


def test_ctrl_c_saves_and_leaves_with_130_and_the_same_command_goes_on_from_there(long_run, data, bundle, tmp_path):
    output = tmp_path / "run"
    process = Command(call(data, output, bundle, settings=LONG), tmp_path)
    wait_for_checkpoint(process.runs, output)
    process.kill(signal.SIGINT)
    code, said, complaint = process.end()
    assert (code, complaint) == (130, "")
    assert "run the same command again to go on" in said
    stopped = json.loads((output / "run.json").read_text())
    assert stopped["ending"] == "interrupted"
    assert steps_kept(output)[-1] == stopped["step"] == records(output, "step")[-1]["step"] < 150
    assert run(call(data, output, bundle, settings=LONG)) == 0
    assert records(output, "start")[-1]["step"] == stopped["step"]
    assert curve(output) == curve(long_run)


@pytest.mark.slow
def test_a_second_ctrl_c_stops_at_once_and_the_record_says_where_the_next_start_goes_on(data, bundle, tmp_path):
    output = tmp_path / "run"
    slow = (*LONG, "validation.every_epochs=2", "validation.batch_size=1")
    process = subprocess.Popen(
        [sys.executable, "-u", "-m", "ray_jobs.cli", *call(data, output, bundle, settings=slow)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    wait_for_checkpoint(lambda: process.poll() is None, output)
    os.killpg(process.pid, signal.SIGINT)
    for line in process.stdout:
        if "Stopping" in line:
            os.killpg(process.pid, signal.SIGINT)
    process.communicate(timeout=120)
    assert process.returncode == 130
    stopped = json.loads((output / "run.json").read_text())
    assert stopped["ending"] == "interrupted"
    assert 0 < stopped["step"] <= steps_kept(output)[-1]  # one more may have been under way
    assert stopped["total_steps"] == 150


def test_a_loss_that_is_not_finite_ends_the_run_in_one_line_without_a_checkpoint_of_it(data, bundle, tmp_path, capsys):
    wild = ["optimizer.learning_rate=1e30", "optimizer.visual_learning_rate=1e30", "schedule.warmup_steps=0"]
    assert run(call(data, tmp_path / "run", bundle, settings=wild)) == 1
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "learning_rate" in said
    assert steps_kept(tmp_path / "run") == []
    assert all(math.isfinite(loss) for _, loss in curve(tmp_path / "run")[0])
    assert json.loads((tmp_path / "run" / "run.json").read_text())["ending"] == "diverged"


def test_a_run_that_gets_no_better_stops_early(data, bundle, tmp_path, capsys):
    still = ["optimizer.learning_rate=1e-12", "optimizer.visual_learning_rate=1e-12", "validation.patience=1"]
    assert run(call(data, tmp_path / "run", bundle, settings=still)) == 0
    assert "10 of 15, stopped early" in capsys.readouterr().out
    assert run(call(data, tmp_path / "run", bundle, settings=still)) == 0
    assert "is finished: 10 of 15 steps" in capsys.readouterr().out


def test_a_tenth_of_the_training_videos_is_held_out_when_asked_always_the_same(bundle, tmp_path, capsys):
    data = write_embeddings(tmp_path / "emb", bundle, train=40, validation=0)
    assert run(call(data, tmp_path / "a", bundle, settings=["max_steps=1"])) == 2
    said = capsys.readouterr().err
    assert "has no split 'validation' to validate on, its splits are 'train' (40)" in said
    assert "--set validation_split=auto" in said
    for name in ("a", "b"):
        assert run(call(data, tmp_path / name, bundle, settings=["max_steps=1", "validation_split=auto"])) == 0
    one, other = (json.loads((tmp_path / name / "config.json").read_text())["data"] for name in ("a", "b"))
    assert one == other
    assert 1 <= one["videos"]["validation"] <= 9
    assert one["videos"]["train"] + one["videos"]["validation"] == 40


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["train", "--output", "run"], "--data is missing: name the --output folder of clipsum embed"),
        (["train", "--data", "emb"], "--output is missing"),
        (["train", "--data", "emb", "--output", "run", "--recipe", "clipsum-papre"], "did you mean 'clipsum-paper'?"),
        (["train", "--data", "emb", "--output", "run", "--workers", "two"], "--workers 'two': give a number"),
        (["train", "--data", "emb", "--output", "run", "--workers", "3:1"], "--workers '3:1': give a number"),
        (["train", "--data", "emb", "--output", "run", "--workers", "-1"], "--workers '-1': give a number"),
        (["train", "--data", "nowhere", "--output", "run"], "holds no embeddings"),
        (["train", "--data", "emb", "--output", "run", "--set", "epoch=3"], "did you mean 'epochs'?"),
        (["train", "--data", "emb", "--output", "run", "--set", "validation_split=test"], "what it is tested on"),
        (["train", "--data", "emb", "--output", "run", "--set", "validation_split=train"], "are both 'train'"),
        (
            ["train", "--data", "emb", "--output", "run", "--workers", "5", "--set", "batch_size=4"],
            "more than batch_size=4",
        ),
        (["train", "--data", "emb", "--output", "run", "--bundle", "nowhere"], "bundle 'nowhere' is not known"),
    ],
)
def test_a_wrong_call_is_one_line_and_exit_code_2(arguments, said, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert run(arguments) == 2
    complaint = capsys.readouterr().err
    assert said in complaint
    assert complaint.count("\n") == 1
    assert not (tmp_path / "run").exists()


def test_videos_that_could_not_be_embedded_and_those_that_wait_for_it_are_told(bundle, tmp_path, capsys):
    data = write_embeddings(tmp_path / "emb", bundle)
    write_gaps(data, bundle, listed=30)
    assert run(call(data, tmp_path / "run", bundle, settings=["max_steps=1"])) == 0
    said = capsys.readouterr().out
    assert "2 videos of split 'train' could not be embedded: 1 corrupt, 1 timeout\n" in said
    assert "3 listed videos not embedded yet" in said


def test_data_without_summaries_is_refused(bundle, tmp_path, capsys):
    data = write_embeddings(tmp_path / "emb", bundle, summary=None)
    assert run(call(data, tmp_path / "run", bundle)) == 2
    assert "no video of split 'train' has a summary" in capsys.readouterr().err


@pytest.mark.parametrize("has_gpu", [False, True])
def test_a_gpu_that_is_asked_for_is_taken_or_refused(data, bundle, tmp_path, capsys, monkeypatch, has_gpu):
    taken = []

    def train_here(task, device):
        taken.append(device)
        return Running(list, int, lambda: Outcome("finished", 1, 1))

    monkeypatch.setattr(torch.cuda, "is_available", lambda: has_gpu)
    monkeypatch.setattr(train_run, "train_here", train_here)
    code = run(call(data, tmp_path / "run", bundle, settings=["use_gpu=true"]))
    complaint = capsys.readouterr().err
    assert (code, taken, complaint.count("\n")) == ((0, ["cuda"], 0) if has_gpu else (2, [], 1))
    assert has_gpu or "sees no GPU: --set use_gpu=false" in complaint


def test_embeddings_of_another_encoder_are_refused_naming_both_sides(data, tmp_path, capsys):
    assert run(call(data, tmp_path / "run", "kitchen-tiny")) == 2
    said = capsys.readouterr().err
    assert "fingerprint" in said
    assert "takes" in said
    assert not (tmp_path / "run").exists()


def test_a_bundle_is_not_written_over_by_a_run(data, bundle, capsys):
    before = (Path(bundle) / "bundle.json").read_bytes()
    assert run(call(data, bundle, bundle)) == 2
    assert "holds a bundle that no training run wrote" in capsys.readouterr().err
    assert (Path(bundle) / "bundle.json").read_bytes() == before


def test_the_record_of_a_run_over_an_archive_is_not_written_over(data, bundle, tmp_path, capsys):
    record = tmp_path / "emb" / "run.json"
    record.parent.mkdir()
    record.write_text("{}")
    assert run(call(data, record.parent, bundle)) == 2
    assert "holds a run over an archive: name a folder of its own" in capsys.readouterr().err
    assert record.read_text() == "{}"


def test_a_run_that_another_start_works_on_is_refused_and_left_alone(data, bundle, tmp_path, capsys):
    output = tmp_path / "run"
    with owned(str(output), print, beat_s=0.02):
        assert run(call(data, output, bundle)) == 2
        assert [path.name for path in output.iterdir()] == ["owner"]
    complaint = capsys.readouterr().err
    assert f"Process {os.getpid()} on " in complaint
    assert f"is at work on '{output}'" in complaint
    assert complaint.count("\n") == 1


def test_a_cluster_that_is_not_there_is_one_line_and_the_output_is_free_for_another_call(
    data, tmp_path, bundle, capsys
):
    words = ("--address", "127.0.0.1:1")
    assert run(call(data, tmp_path / "run", bundle, *words, workers=1, settings=["batch_size=2"])) == 2
    assert "'127.0.0.1:1'" in capsys.readouterr().err
    assert not [path for path in (tmp_path / "run").rglob("*") if path.is_file()]


@pytest.mark.slow
def test_from_s3_to_s3(done, bundle, s3, tmp_path):
    data = write_embeddings(f"{s3.uri}/emb", bundle)
    output = f"{s3.uri}/run"
    assert run(call(data, output, bundle, settings=["checkpoint_every_steps=7"])) == 0
    assert curve(output) == curve(done)
    found = load_bundle(output)
    assert found.manifest.files["model.safetensors"] == load_bundle(str(done)).manifest.files["model.safetensors"]
    names = [stored.uri.removeprefix(f"{output}/") for stored in storage.list_files(output)]
    kept = sorted({name.split("/")[1] for name in names if name.startswith("checkpoints/")})
    assert kept == [f"step-{step:07}" for step in steps_kept(done)]
    assert any(name.startswith("tensorboard/events.") for name in names)
    assert storage.read_bytes(f"{output}/report.html").startswith(b"<!doctype html>")
