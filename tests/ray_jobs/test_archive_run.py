"""One start of a job without any work: what it refuses, what it leaves alone, how it ends. Nothing here starts Ray."""

import json
import os
import signal
import threading
import time
from collections.abc import Callable
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from clipsum import rows
from clipsum.config import load
from clipsum.datasets.manifest import list_sources
from clipsum.records import Failure, Summary
from clipsum.rows import Outcome
from ray_jobs import archive_run, manifest, parts, report
from ray_jobs.call import Call, part_rows, stage_settings
from ray_jobs.cli import run
from ray_jobs.config import SummarizeConfig
from ray_jobs.interrupts import interrupts_held
from ray_jobs.jobs import SUMMARIZE
from ray_jobs.ledger import Ledger
from ray_jobs.model_stages import RESULT_SCHEMA
from ray_jobs.owner import Owner, owned
from ray_jobs.pools import Machine


def _row(index: int, outcome: Outcome) -> dict[str, Any]:
    return rows.row(outcome, "b", "f") | {"index": index}


@pytest.fixture
def finished(kitchen: Path, bundle: str, tmp_path: Path) -> Callable[..., list[str]]:
    """Leaves rows in `out` as a run over the kitchen would that was given `sets`; returns its command line."""

    def leave(*sets: str, failed: int = 0) -> list[str]:
        config = load(SummarizeConfig, None, sets)
        call = Call(SUMMARIZE, (str(kitchen),), str(tmp_path / "out"), bundle, config)
        settings = stage_settings(call)
        refs = list(list_sources(call.sources))
        (tmp_path / "listed").mkdir(exist_ok=True)
        listed = manifest.write(refs, tmp_path / "listed", manifest.file_rows(part_rows(call, settings)))
        failure, summary = Failure("corrupt", "decode", "cut short"), Summary("Old.", "text")
        outcomes = [
            Outcome(ref, failure=failure) if i < failed else Outcome(ref, duration_s=1.0, summary=summary)
            for i, ref in enumerate(refs)
        ]
        made = [_row(i, outcome) for i, outcome in enumerate(outcomes)]
        ledger = Ledger(call.output, listed, SUMMARIZE.settings_id(settings), part_rows(call, settings), 60)
        ledger.add(pa.Table.from_pylist(made, schema=pa.schema([*rows.SCHEMA, ("index", pa.int64())])))
        ledger.flush()
        return ["summarize", str(kitchen), "--output", call.output, "--bundle", bundle]

    return leave


def _summaries(output: Path) -> list[str | None]:
    return [row["summary"] for row in parts.read_rows(str(output))]


def test_a_cluster_that_does_not_answer_costs_no_row_whatever_is_listed_now(finished, tmp_path, kitchen):
    call = finished()
    [one, *_] = sorted(kitchen.glob("*.mp4"))
    other = tmp_path / "other.mp4"
    other.write_bytes(one.read_bytes())
    assert run(["summarize", str(other), *call[2:], "--address", "127.0.0.1:1"]) == 2
    assert _summaries(tmp_path / "out") == ["Old."] * 3
    assert not (tmp_path / "out/manifest").exists()


def test_ctrl_c_before_work_can_begin_leaves_the_output_as_it_was(finished, tmp_path, monkeypatch):
    call = finished()

    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(archive_run, "connected", interrupted)
    assert run([*call, "--set", "sampling.frames=4"]) == 130
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["summaries"]


def test_a_limit_never_takes_rows_out(finished, tmp_path, capsys):
    assert run([*finished(), "--limit", "1"]) == 2
    assert "--limit 1 would take 2 rows out of" in capsys.readouterr().err
    assert _summaries(tmp_path / "out") == ["Old."] * 3


def test_rows_of_another_archive_are_lost_only_where_that_is_said_and_then_told_of(finished, tmp_path, kitchen, capsys):
    call = finished()
    [one, *_] = sorted(kitchen.glob("*.mp4"))
    again = ["summarize", str(one), *call[2:]]
    assert run(again) == 2
    assert "holds 2 rows of videos that are not listed now, which would be lost" in capsys.readouterr().err
    assert _summaries(tmp_path / "out") == ["Old."] * 3
    assert run([*again, "--set", "drop_unlisted=true"]) == 0
    assert "2 rows of videos that are not listed any more dropped" in capsys.readouterr().out
    assert _summaries(tmp_path / "out") == ["Old."]


@pytest.mark.parametrize(("fraction", "code"), [("0.5", 1), ("0.7", 0)])
def test_too_many_failures_are_exit_code_1_where_nothing_is_left_to_do_as_well(finished, fraction, code):
    assert run([*finished(failed=2), "--max-failed-fraction", fraction]) == code


def test_the_report_counts_what_the_record_counts(finished, tmp_path, capsys):
    call = finished("sampling.frames=4")
    finished_now = run([*call, "--set", "sampling.frames=4"])
    assert (finished_now, "3 summarised of 3" in capsys.readouterr().out) == (0, True)
    record = tmp_path / "out/run.json"
    run_json = json.loads(record.read_text())
    record.write_text(json.dumps({**run_json, "settings": "of another bundle", "counts": {"listed": 3, "ok": 0}}))
    assert run(["report", str(tmp_path / "out")]) == 0
    page = (tmp_path / "out/report.html").read_text()
    assert "0 of 3 videos summarised" in page
    assert "Old." not in page


def test_a_start_that_finds_nothing_to_do_reads_no_row_for_the_report_again(finished, tmp_path):
    call, page = finished(), tmp_path / "out/report.html"
    assert run(call) == 0
    page.write_text("as it was")
    assert run(call) == 0
    assert page.read_text() == "as it was"
    record = tmp_path / "out/run.json"
    told = json.loads(record.read_text())
    told["attempts"][-1]["ending"] = "running"  # it was killed, and may have left rows that the report does not know
    record.write_text(json.dumps(told))
    assert run(call) == 0
    assert "Old." in page.read_text()
    page.unlink()
    assert run(call) == 0
    assert "Old." in page.read_text()


def test_the_report_reads_the_large_columns_of_those_rows_alone_that_it_shows(finished, tmp_path, monkeypatch):
    finished(failed=1)
    monkeypatch.setattr("clipsum.reports.digest.MAX_CARDS", 1)
    made = list(report._rows_of(str(tmp_path / "out"), None))
    assert [row["status"] for row in made] == ["failed", "ok", "ok"]
    assert sum("thumbnails" in row for row in made) == 1
    assert list(report._rows_of(str(tmp_path / "out"), "of another bundle")) == []


@pytest.fixture
def on_no_ray(kitchen, bundle, tmp_path, monkeypatch):
    """A call whose results come one by one without Ray; what is appended to the list runs after each."""
    after: list[Callable[[], object]] = []

    def results(listed, *_):
        for index, ref in manifest.refs_of(manifest.read(listed, 0)):
            row = _row(index, Outcome(ref, duration_s=1.0, bytes_read=5, summary=Summary("New.", "text")))
            yield pa.Table.from_pylist([row | {"started_at": 1.0, "decode_cpu_s": 0.5}], schema=RESULT_SCHEMA)
            for look in after:
                look()

    monkeypatch.setattr(archive_run, "connected", lambda *_: nullcontext(Machine(2)))
    monkeypatch.setattr(archive_run.pipeline, "run", results)
    return ["summarize", str(kitchen), "--output", str(tmp_path / "out"), "--bundle", bundle], after


def test_the_record_on_disk_keeps_up_with_the_rows(on_no_ray, tmp_path):
    """A driver that is killed leaves the last of these."""
    records: list[dict[str, Any]] = []
    call, after = on_no_ray
    after.append(lambda: records.append(json.loads((tmp_path / "out/run.json").read_text())))
    assert run([*call, "--set", "flush_s=1e-9"]) == 0
    assert [record["counts"]["ok"] for record in records] == [1, 2, 3]
    assert [record["bytes_read"] for record in records] == [5, 10, 15]
    assert all(record["attempts"][-1]["ending"] == "running" and record["wall_s"] > 0 for record in records)


def test_a_second_start_on_the_same_output_is_refused_in_one_line(on_no_ray, tmp_path, capsys):
    with owned(str(tmp_path / "out"), print, beat_s=0.02):
        assert run(on_no_ray[0]) == 2
        assert [path.name for path in (tmp_path / "out").iterdir()] == ["owner"]
    complaint = capsys.readouterr().err
    assert f"Process {os.getpid()} on " in complaint
    assert f"is at work on '{tmp_path / 'out'}'" in complaint
    assert complaint.count("\n") == 1
    assert run(on_no_ray[0]) == 0
    assert not (tmp_path / "out/owner").exists()


def test_a_start_that_another_took_over_writes_nothing_more(on_no_ray, tmp_path, monkeypatch, capsys):
    owners: list[Owner] = []
    (call, after), record = on_no_ray, tmp_path / "out/run.json"

    @contextmanager
    def quickly_owned(output, say):
        with owned(output, say, beat_s=0.01) as owner:
            owners.append(owner)
            yield owner

    def take_over() -> None:
        (tmp_path / "out/owner/000009.json").write_text("{}")
        record.write_text("of the other start")
        deadline = time.monotonic() + 30
        while not owners[0].is_lost:
            assert time.monotonic() < deadline
            threading.Event().wait(0.01)

    monkeypatch.setattr(archive_run, "owned", quickly_owned)
    after.append(take_over)
    assert run([*call, "--set", "flush_s=1e-9"]) == 1
    assert "another start, which goes on, took" in capsys.readouterr().err
    assert record.read_text() == "of the other start"
    assert _summaries(tmp_path / "out") == ["New."]


def test_ctrl_c_in_the_midst_of_an_entry_leaves_books_that_agree_with_the_rows(on_no_ray, tmp_path, monkeypatch):
    write = parts.write

    def write_and_press(*args):
        write(*args)
        os.kill(os.getpid(), signal.SIGINT)  # between the part that is there and the count of it

    monkeypatch.setattr(parts, "write", write_and_press)
    assert run([*on_no_ray[0], "--set", "part_rows=1"]) == 130
    record = json.loads((tmp_path / "out/run.json").read_text())
    assert (record["counts"]["ok"], record["attempts"][-1]["videos"]) == (1, 1)
    assert _summaries(tmp_path / "out") == ["New."]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_second_ctrl_c_does_not_wait_for_the_entry():
    def entry() -> None:
        with interrupts_held():
            for _ in range(2):
                os.kill(os.getpid(), signal.SIGINT)
            pytest.fail("went on")

    with pytest.raises(KeyboardInterrupt):
        entry()
