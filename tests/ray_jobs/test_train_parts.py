"""The parts of `clipsum train` by themselves: settings, places, checkpoints, the line of progress."""

import io
import json
import tempfile
import time

import pytest
import torch
from rich.console import Console

from clipsum import storage
from clipsum.errors import ItemError, UsageError
from clipsum.training.loop import StepReport
from clipsum.training.workers import Solo
from ray_jobs.cluster import local_of
from ray_jobs.pools import Machine
from ray_jobs.train_books import Books
from ray_jobs.train_checkpoints import Checkpoints
from ray_jobs.train_config import TrainJob, Workers, changes, configure, parse_workers
from ray_jobs.train_data import StoredSource, choose, held_out
from ray_jobs.train_place import Placement, device_here, place_workers
from ray_jobs.train_progress import TrainingLine, print_outcome
from ray_jobs.train_record import RunRecord
from ray_jobs.train_worker import Outcome, Work, work
from tests.ray_jobs.training import events, write_embeddings


def test_workers_are_a_number_or_a_range():
    assert [parse_workers(text) for text in ("0", "2", "1:4", "3:3")] == [(0, 0), (2, 2), (1, 4), (3, 3)]
    assert [str(parse_workers(text)) for text in ("2", "1:4")] == ["2", "1:4"]
    assert parse_workers("1:4").is_elastic


@pytest.mark.parametrize("text", ["", "x", "-1", "1.5", "0:2", "4:1", "1:", ":2", "1:2:3", "²"])
def test_what_is_no_number_of_workers_is_refused(text):
    with pytest.raises(UsageError, match=r"e\.g\. 2 or 1:4"):
        parse_workers(text)


def test_a_recipe_is_changed_by_what_is_said():
    job = configure("clipsum-paper", None, ["optimizer.learning_rate=1e-4", "stream.decode_batch=2"])
    assert (job.optimizer.learning_rate, job.batch_size, job.training.epochs) == (1e-4, 64, 100)
    assert job.stream.decode_batch == 2
    assert "max_failures" not in job.deciding()
    assert job.deciding()["optimizer.learning_rate"] == 1e-4


@pytest.mark.parametrize(
    ("machine", "workers", "job", "streams", "expected"),
    [
        (Machine(16), Workers(2, 2), TrainJob(), False, Placement(False, 1, 8)),
        (Machine(16, 4), Workers(4, 4), TrainJob(), False, Placement(True, 1, None)),
        (Machine(16, 4), Workers(2, 2), TrainJob(use_gpu=False, threads=3), False, Placement(False, 1, 3)),
        (Machine(2), Workers(1, 4), TrainJob(), False, Placement(False, 1, 1)),
        (Machine(2), Workers(2, 2), TrainJob(), True, Placement(False, 0.5, 1)),
        (Machine(2), Workers(4, 4), TrainJob(cpus_per_worker=0.5), False, Placement(False, 0.5, 1)),
    ],
)
def test_a_worker_reserves_a_gpu_where_there_are_any_and_else_a_core_or_less(machine, workers, job, streams, expected):
    assert place_workers(machine, workers, job, streams) == expected


@pytest.mark.parametrize(
    ("machine", "workers", "said"),
    [
        (
            Machine(2),
            Workers(3, 3),
            "reserves 1 CPU and the cluster has 2 cores: take fewer, --set cpus_per_worker=0.67",
        ),
        (Machine(64, 2), Workers(3, 8), "each takes a GPU and the cluster has 2: take fewer, --set use_gpu=false"),
    ],
)
def test_workers_that_do_not_fit_are_refused(machine, workers, said):
    with pytest.raises(UsageError) as caught:
        place_workers(machine, workers, TrainJob())
    assert said in str(caught.value)


@pytest.mark.parametrize(("has_gpu", "use_gpu", "device"), [(1, None, "cuda"), (1, False, "cpu"), (0, None, "cpu")])
def test_training_in_this_process_takes_its_gpu_unless_told_otherwise(monkeypatch, has_gpu, use_gpu, device):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: bool(has_gpu))
    assert device_here(TrainJob(use_gpu=use_gpu)) == device
    assert place_workers(Machine(4, 1), Workers(0, 0), TrainJob(use_gpu=use_gpu), True).use_gpu == (device == "cuda")


def test_splits_are_chosen_by_name_and_what_is_not_there_is_said():
    assert choose("emb", {"train": 3, "validation": 2}, TrainJob()) == ("train", "validation")
    assert choose("emb", {"": 3}, TrainJob(validation_split="auto")) == ("", "")
    with pytest.raises(UsageError, match=r"no split 'train' to train on, its splits are none \(3\)"):
        choose("emb", {"": 3}, TrainJob())


def test_about_a_tenth_is_held_out_whatever_else_there_is():
    ids = [f"v{i}" for i in range(1000)]
    mask = held_out("emb", ids)
    assert 60 < mask.sum() < 140
    assert held_out("emb", ids[500:]).tolist() == mask[500:].tolist()
    with pytest.raises(UsageError, match="too few to hold a tenth of them out"):
        held_out("emb", ["v0"])


@pytest.fixture(params=["local", "s3"])
def output(request, tmp_path):
    return str(tmp_path / "run") if request.param == "local" else f"{request.getfixturevalue('s3').uri}/run"


def write(checkpoints, step, name="model.safetensors"):
    with checkpoints.writing(step) as folder:
        (folder / "bart").mkdir(parents=True)
        (folder / name).write_text(f"weights {step}")
        (folder / "bart/config.json").write_text("{}")
        (folder / "bundle.json").write_text(f'{{"files": {{"{name}": "", "bart/config.json": ""}}, "step": {step}}}')
        (folder / "state.json").write_text("{}")
        checkpoints.store(step, folder)


def test_checkpoints_are_listed_when_whole_published_and_pruned(output):
    checkpoints = Checkpoints(output)
    assert checkpoints.steps() == []
    for step in (3, 20, 100):
        write(checkpoints, step)
    storage.delete(storage.join(checkpoints.place(100), "state.json"))
    assert checkpoints.steps() == [3, 20]
    checkpoints.publish(3)
    assert storage.read_bytes(storage.join(output, "model.safetensors")) == b"weights 3"
    assert b'"step": 3' in storage.read_bytes(storage.join(output, "bundle.json"))
    with pytest.raises(ItemError):
        storage.stat(storage.join(output, "state.json"))
    checkpoints.prune({20})
    left = [stored.uri.removeprefix(f"{output}/") for stored in storage.list_files(storage.join(output, "checkpoints"))]
    assert {uri.split("/")[1] for uri in left} == {"step-0000020"}


def test_what_a_killed_writer_left_in_a_checkpoint_goes_with_it(tmp_path):
    checkpoints = Checkpoints(str(tmp_path))
    for step in (3, 20):
        write(checkpoints, step)
        (tmp_path / f"checkpoints/step-{step:07}/bart/.5e1f.part").write_text("half of the weights")
    checkpoints.prune({20})
    assert [path.name for path in (tmp_path / "checkpoints").iterdir()] == ["step-0000020"]


def test_a_publication_that_broke_off_is_no_bundle_until_it_is_made_again(output, monkeypatch):
    checkpoints = Checkpoints(output)
    for step in (1, 2):
        write(checkpoints, step)
    checkpoints.publish(1)
    real = storage.upload
    monkeypatch.setattr(storage, "upload", lambda path, uri: real(path, uri) if "bart" not in uri else 1 / 0)
    with pytest.raises(ZeroDivisionError):
        checkpoints.publish(2)
    assert not storage.exists(storage.join(output, "bundle.json"))
    monkeypatch.undo() if not output.startswith("s3") else monkeypatch.setattr(storage, "upload", real)
    checkpoints.publish(2)
    assert b'"step": 2' in storage.read_bytes(storage.join(output, "bundle.json"))


def test_the_line_says_the_loss_of_each_head_and_what_frame_scores_reached():
    out = io.StringIO()
    line = TrainingLine(Console(file=out, width=200))
    losses = {"text": 2.0, "video": 0.5, "keyframes": 0.4, "diversity": 1.0}
    with line:
        line.show({"kind": "start", "step": 0, "total_steps": 9, "workers": 1, "device": "cpu", "notes": []})
        line.show({"kind": "step", "step": 1, "epoch": 0, "loss": 2.5, "examples_per_s": 41.0, "losses": losses})
        line.show({"kind": "validation", "step": 1, "metrics": {"tau": 14.71, "frame_loss": 1.5}, "best": True})
        words = line.words()
    assert words.startswith("epoch 1 · loss 2.500 (text 2.000, video 0.500: keyframes 0.400, diversity 1.000) · 41.0")
    assert "Step 1: 100 τ of frame scores 14.7, loss of frame scores 1.5, the best so far" in out.getvalue()


def test_the_line_says_what_goes_on():
    out = io.StringIO()
    line = TrainingLine(Console(file=out, width=200))
    with line:
        line.show({"kind": "start", "step": 0, "total_steps": 100, "workers": 2, "device": "cpu", "notes": ["a note"]})
        for step in (1, 2):
            line.show({"kind": "step", "step": step, "epoch": 0, "loss": 2.5, "examples_per_s": 41.0})
        metrics = {"rouge1": 30.0, "rouge2": 10.0, "rougeL": 20.0, "loss": 2.0}
        lost = {"corrupt": 2, "timeout": 1}
        line.show({"kind": "validation", "step": 2, "metrics": metrics, "best": True, "failures": lost})
        words = line.words()
        line.show({"kind": "start", "step": 2, "total_steps": 100, "workers": 1, "device": "cpu", "notes": []})
    assert words.startswith("epoch 1 · loss 2.500 · 41.0 examples/s")
    assert words.endswith("left · ROUGE-1 / 2 / L 30.0 / 10.0 / 20.0")
    said = out.getvalue()
    assert "Training: 100 steps on 2 workers (cpu)" in said
    assert "a note" in said
    assert "Step 2: ROUGE-1 / 2 / L 30.0 / 10.0 / 20.0, the best so far" in said
    assert "3 streamed videos failed since the validation before: 2 corrupt, 1 timeout" in said
    assert "Training again after step 2: 100 steps on 1 worker (cpu)" in said


def test_who_goes_on_is_not_told_of_new_weights():
    out = io.StringIO()
    with TrainingLine(Console(file=out, width=200)) as line:
        started = {"kind": "start", "total_steps": 9, "workers": 1, "device": "cpu", "notes": ["all weights are new"]}
        line.show({**started, "step": 4})
    assert out.getvalue().split("\n") == ["Going on after step 4: 9 steps on 1 worker (cpu)", ""]


def test_scores_have_one_spelling():
    metrics = {"rouge1": 30.0, "rouge2": 10.0, "rougeL": 20.0, "loss": 2.0}
    best, told = {"step": 4, "metrics": metrics}, "ROUGE-1 30.0, ROUGE-2 10.0, ROUGE-L 20.0"
    out = io.StringIO()
    print_outcome(Console(file=out, width=200), Outcome("finished", 9, 9, best=best), 1.0, "run")
    assert f"{told} on validation, at step 4" in out.getvalue()
    assert f"{told} on validation" in RunRecord("run", {"step": 9, "total_steps": 9, "best": best}).summary()


def test_marks_on_this_machine_are_told_where_they_are_read(tmp_path):
    marks, learns = str(tmp_path / "marks.jsonl"), {"objective": {"lambda_video": 1.0}}
    assert local_of(StoredSource("s3://b/emb", "kitchen-tiny", TrainJob(marks=marks, **learns)).places()) == marks
    assert local_of(StoredSource("s3://b/emb", "kitchen-tiny", TrainJob(marks=marks)).places()) is None


class OtherRefuses(Solo):
    """The first of two workers, of which the other has nothing to train on."""

    size = 2

    def gather(self, item):
        return [item, "not so"]


def test_no_worker_makes_its_trainer_where_another_refuses_for_they_would_wait_for_one_another(bundle, tmp_path):
    job = TrainJob(batch_size=4, parallel="fsdp2")  # which is set up by all workers at once
    source = StoredSource(write_embeddings(tmp_path / "emb", bundle), bundle, job)
    outcome = work(Work(str(tmp_path / "run"), source.trainer, None, None), OtherRefuses(), "cpu", None)
    assert (outcome.ending, outcome.message) == ("refused", "not so")


def test_a_start_that_was_cut_off_leaves_the_best_as_it_was_known(tmp_path):
    best = {"step": 4, "epoch": 0, "metrics": {"rouge2": 10.0}}
    for number, outcome in enumerate((Outcome("interrupted", 5, 9, best=best), Outcome("interrupted", 7, 9), None)):
        record = RunRecord(str(tmp_path), json.loads((tmp_path / "run.json").read_text()) if number else {})
        record.begin("1")
        record.end(outcome, 1.0)
        assert json.loads((tmp_path / "run.json").read_text())["best"] == best
    assert json.loads((tmp_path / "run.json").read_text())["step"] == 7


@pytest.mark.parametrize("step", [0, 4])
def test_books_strike_out_what_tensorboard_has_of_steps_that_are_done_again_the_first_too(tmp_path, step):
    books = Books(str(tmp_path), step, {})
    books.step(StepReport(step + 1, 2.0, 50, 1e-4, 1.0))
    books.flush()
    books.close()
    assert [each.step for each in events(tmp_path / "tensorboard") if each.HasField("session_log")] == [step + 1]


def test_books_opened_again_within_a_start_count_its_time_from_its_beginning(tmp_path):
    books = Books(str(tmp_path), 0, {"wall_s": 3600.0, "began_at": time.time() - 1800, "total_steps": 9})
    books.flush(page=True)
    books.close()
    assert "in 1 h 30 min" in (tmp_path / "report.html").read_text()


def test_books_of_a_local_run_leave_nothing_elsewhere_though_their_process_is_killed(tmp_path, monkeypatch):
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "elsewhere"))
    books = Books(str(tmp_path / "run"), 0, {})
    assert list((tmp_path / "elsewhere").iterdir()) == []  # what is not there before the end needs no clearing up
    books.close()


def test_a_run_names_what_it_has_otherwise_than_its_recipe():
    assert changes(configure("kitchen", None, ()), "kitchen") == []
    job = configure("kitchen", None, ["batch_size=8", "optimizer.learning_rate=1e-3", "checkpoint_every_s=9"])
    assert changes(job, "kitchen") == ["batch_size", "optimizer.learning_rate"]
