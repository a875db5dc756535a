"""`clipsum ablate` from its command line: cells on a Ray, resumed, and one that fails alone."""

import csv
import json
import os
import signal
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path

import pytest
import ray

from clipsum.ablation.grid import read_grid
from clipsum.ablation.rows import rows_of
from clipsum.models.bundle import load_bundle
from ray_jobs import ablate_run
from ray_jobs.ablate_cell import CellTask, read_cell, run_task
from ray_jobs.ablate_look import look
from ray_jobs.ablate_progress import CellLine
from ray_jobs.cli import run
from ray_jobs.owner import owned
from ray_jobs.train_config import TrainJob
from tests.ray_jobs.training import write_embeddings, write_gaps

GRID = """
seeds = [0, 1]
split = "test"
reference = "CLIP/both"
sees = ["text", "both"]

[base]
max_steps = 3
batch_size = 4
[base.model]
dropout = 0.0
[base.validation]
batch_size = 8

[[encoders]]
name = "CLIP"
data = "{data}"
bundle = "{bundle}"
"""
CELLS = ["clip-both-seed0", "clip-both-seed1", "text-seed0", "text-seed1"]


@pytest.fixture(scope="module")
def data(bundle, tmp_path_factory):
    return write_embeddings(tmp_path_factory.mktemp("data") / "emb", bundle, train=8, validation=3, test=4)


@pytest.fixture
def grid(data, bundle, tmp_path):
    def write(more=""):
        path = tmp_path / "grid.toml"
        path.write_text(GRID.format(data=data, bundle=bundle) + more)
        return str(path)

    return write


@pytest.fixture(scope="module")
def done(data, bundle, two_cores, tmp_path_factory):
    """An undisturbed ablation of two rows from two seeds."""
    folder = tmp_path_factory.mktemp("done")
    (folder / "grid.toml").write_text(GRID.format(data=data, bundle=bundle))
    assert run(["ablate", str(folder / "grid.toml"), "--output", str(folder / "abl")]) == 0
    return folder / "abl"


def results(output):
    return {path.parent.name: path.read_bytes() for path in Path(output).glob("cells/*/result.json")}


def test_each_row_is_trained_from_each_seed_and_the_table_says_how_it_fared(done):
    assert sorted(results(done)) == CELLS
    record = json.loads((done / "ablation.json").read_text())
    text, both = sorted(record["rows"], key=lambda row: row["label"], reverse=True)
    assert (text["label"], both["label"]) == ("text", "CLIP/both")
    for row in (text, both):
        told = row["splits"]["test"]
        values = [
            json.loads(results(done)[name])["splits"]["test"]["figures"]["rougeL"]["value"]
            for name in CELLS
            if name.startswith("text") == (row is text)
        ]
        assert told["figures"]["rougeL"]["values"] == values
        assert told["videos"] == 4
        assert row["seeds"] == [0, 1]
    assert (text["encoder"], text["parameters"]["encoder"], text["temporal"]) == (None, None, "none")
    assert both["parameters"]["encoder"] > 0
    assert both["parameters"]["trained"] > text["parameters"]["trained"] > 0
    assert text["splits"]["test"]["difference"]["videos"] == 4
    assert both["splits"]["test"]["difference"] is None


def test_the_table_is_there_as_markdown_csv_and_page(done):
    table = (done / "table.md").read_text()
    assert "| encoder | weights | temporal | fusion | sees | R-1 | R-2 | R-L | BLEU-4 |" in table
    assert table.index("- seeds 0, 1: mean ± standard deviation") < table.index("| encoder |")
    assert "| CLIP | frozen | global | concat | text + frames |" in table
    lines = list(csv.DictReader((done / "table.csv").open()))
    assert [(line["label"], line["split"], line["seeds"]) for line in lines] == [
        ("text", "test", "0 1"),
        ("CLIP/both", "test", "0 1"),
    ]
    assert float(lines[1]["rougeL_sd"]) >= 0
    page = (done / "report.html").read_text()
    assert "2 configurations, 2 seeds each" in page
    assert "<script" not in page


def test_a_finished_cell_is_not_done_again_and_new_ones_are_added(done, grid, two_cores, tmp_path, capsys):
    before = results(done)
    more = '[[rows]]\nlabel = "gated one"\nset = {model.fusion = "gated"}\n'
    assert run(["ablate", grid(more), "--output", str(done), "--set", "keep_bundles=true"]) == 0
    assert "4 of 6 cells are done already" in capsys.readouterr().out
    after = results(done)
    assert {name: after[name] for name in before} == before
    assert set(after) - set(before) == {"gated-one-seed0", "gated-one-seed1"}
    kept = load_bundle(str(done / "cells" / "gated-one-seed0" / "bundle"))
    assert kept.manifest.model.fusion == "gated"
    assert "| gated one | CLIP | frozen | global | gated |" in (done / "table.md").read_text()


def test_an_ablation_that_another_start_took_over_says_so_and_leaves_the_table_alone(done, grid, monkeypatch, capsys):
    before = (done / "ablation.json").read_bytes()

    @contextmanager
    def lost(output, say):
        with owned(output, say) as owner:
            owner.is_lost = True
            (done / "ablation.json").write_bytes(b"of the other start")
            yield owner

    monkeypatch.setattr(ablate_run, "owned", lost)
    assert run(["ablate", grid(), "--output", str(done)]) == 1
    assert "another start, which goes on, took" in capsys.readouterr().err
    assert (done / "ablation.json").read_bytes() == b"of the other start"
    (done / "ablation.json").write_bytes(before)


def test_other_settings_on_the_same_cells_are_refused_by_name(done, grid, capsys):
    assert run(["ablate", grid(), "--output", str(done), "--set", "base.max_steps=4"]) == 2
    assert "max_steps=3, this call has max_steps=4: give another --output" in capsys.readouterr().err


def test_a_cell_that_fails_is_a_row_with_its_reason_and_is_tried_again(grid, two_cores, tmp_path, capsys):
    wild = '[[rows]]\nlabel = "wild"\nset = {optimizer = {learning_rate = 1e30, visual_learning_rate = 1e30}, '
    wild += 'schedule = {warmup_steps = 0, shape = "constant"}}\n'
    call = ["ablate", grid(wild), "--output", str(tmp_path / "abl"), "--set", "seeds=[0]", "--set", "sees=['both']"]
    assert run(call) == 0
    out = capsys.readouterr().out
    assert "wild, seed 0: failed: " in out
    said = f"1 of 2 cells failed, see {tmp_path}/abl/cells/*/result.json: the same command tries them again"
    assert said in out.splitlines()
    failed = json.loads(results(tmp_path / "abl")["wild-seed0"])
    assert failed["status"] == "failed"
    assert "loss" in failed["reason"]
    table = (tmp_path / "abl" / "table.md").read_text()
    assert "- wild, seed 0, failed: " in table
    assert "| wild | CLIP | frozen | – | – | text + frames | – |" in table
    assert run([*call, "--max-failed-fraction", "0.4"]) == 1
    assert "1 of 2 cells are done already" in capsys.readouterr().out


def test_nothing_but_failures_is_exit_code_1(grid, two_cores, tmp_path):
    wild = ["base.optimizer.learning_rate=1e30", "base.optimizer.visual_learning_rate=1e30", "seeds=[0]"]
    words = [word for setting in (*wild, "base.schedule.warmup_steps=0") for word in ("--set", setting)]
    assert run(["ablate", grid(), "--output", str(tmp_path / "abl"), "--set", "sees=['both']", *words]) == 1


def scratch_folders():
    """Where cells are at work on this machine, or were killed."""
    return set(Path(tempfile.gettempdir()).glob("clipsum-cell-*"))


def test_ctrl_c_is_130_with_a_table_of_what_is_done_and_the_same_command_goes_on(
    done, grid, tmp_path, capsys, monkeypatch
):
    call = ["ablate", grid(), "--output", str(tmp_path / "abl")]
    show = CellLine.show

    def interrupted(line, result):
        show(line, result)
        raise KeyboardInterrupt

    others = scratch_folders()
    with monkeypatch.context() as patched:
        patched.setattr(CellLine, "show", interrupted)
        assert run(call) == 130
    assert scratch_folders() <= others
    assert "Stopped: the same command again goes on" in capsys.readouterr().out
    assert "not done yet from seed" in (tmp_path / "abl" / "table.md").read_text()
    before = results(tmp_path / "abl")
    assert run(call) == 0
    after = results(tmp_path / "abl")
    assert sorted(after) == CELLS
    assert {name: after[name] for name in before} == before
    assert figures_of(after) == figures_of(results(done))


def figures_of(found):
    return {name: json.loads(found[name])["splits"]["test"]["figures"] for name in CELLS}


@pytest.mark.slow
def test_a_killed_driver_goes_on_and_ends_with_the_same_figures(done, grid, tmp_path):
    output = tmp_path / "abl"
    call = ["ablate", grid(), "--output", str(output), "--set", "seeds=[0, 1, 2]"]
    process = subprocess.Popen(
        [sys.executable, "-m", "ray_jobs.cli", *call, "--address", ray.get_runtime_context().gcs_address],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    while process.poll() is None and not results(output):
        signal.sigtimedwait([], 0.02)
    os.kill(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    before = results(output)
    assert 1 <= len(before) < 6
    assert run(call) == 0
    after = results(output)
    assert {name: after[name] for name in before} == before
    assert figures_of(after) == figures_of(results(done))


def test_a_cell_on_s3_is_read_as_it_was_written_and_leaves_its_bundle(data, bundle, s3):
    job = TrainJob(max_steps=2, batch_size=4)
    task = CellTask("a row", 3, f"{s3.uri}/abl/cells/a-row-seed3", data, bundle, job, ("test",), keep_bundle=True)
    assert read_cell(task.place, 3).result is None
    made = run_task(task)
    cell = read_cell(task.place, 3)
    assert (cell.is_ok, cell.result) == (True, made)
    assert sorted(cell.scores["test"]) == ["e000", "e001", "e002", "e003"]
    figure = made["splits"]["test"]["figures"]["rougeL"]["value"]
    assert figure == pytest.approx(sum(scores["rougeL"] for scores in cell.scores["test"].values()) / 4, abs=1e-3)
    assert load_bundle(f"{task.place}/bundle").manifest.trained_on.startswith("8 videos of split 'train'")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--set", "split=tset"], "has no embedded video of split 'tset'"),
        (["--set", "split=validation"], "split 'validation' is trained on, or chooses the best"),
        (["--set", "base.max_step=3"], "did you mean 'base.max_steps'?"),
        (["--set", "reference=CLIP/boht"], "did you mean 'CLIP/both'?"),
        (["--set", "base.recipe=kitchn"], "did you mean 'kitchen'?"),
        (["--max-failed-fraction", "2"], "--max-failed-fraction 2: give a number from 0 to 1"),
    ],
)
def test_a_wrong_grid_is_one_line_before_anything_is_trained(grid, tmp_path, capsys, words, said):
    assert run(["ablate", grid(), "--output", str(tmp_path / "abl"), *words]) == 2
    complaint = capsys.readouterr().err
    assert said in complaint
    assert complaint.count("\n") == 1
    assert not results(tmp_path / "abl")


def test_videos_that_could_not_be_embedded_and_those_that_wait_for_it_are_told(grid, bundle, tmp_path):
    place = write_embeddings(tmp_path / "emb", bundle, train=8, validation=3, test=4)
    write_gaps(place, bundle, listed=20)
    read = read_grid(grid(), [f"encoders=[{{name='CLIP', data='{place}', bundle='{bundle}'}}]"])
    assert look(read.encoders[0], rows_of(read), read).left_out == [
        "2 videos of split 'train' could not be embedded: 1 corrupt, 1 timeout",
        "3 listed videos not embedded yet: the same clipsum embed again goes on",
    ]


def test_a_cluster_that_is_not_there_is_one_line_and_leaves_nothing(grid, tmp_path, capsys):
    assert run(["ablate", grid(), "--output", str(tmp_path / "abl"), "--address", "127.0.0.1:1"]) == 2
    assert "'127.0.0.1:1'" in capsys.readouterr().err
    assert not [path for path in (tmp_path / "abl").rglob("*") if path.is_file()]
