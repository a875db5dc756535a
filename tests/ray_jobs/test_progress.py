"""The table at the end of a run over an archive."""

import io
import time

from rich.console import Console

from ray_jobs import progress
from ray_jobs.progress import ProgressLine, print_summary

RUN = {
    **{"counts": {"listed": 2, "ok": 2, "failed": 0, "pending": 0}, "failures": {}, "video_hours": 0.1},
    **{"attempts": [{"videos": 0}], "bytes_read": 52, "bytes_listed": 1000},
}


def _said(**changes):
    out = io.StringIO()
    print_summary(Console(file=out, width=80), {**RUN, **changes}, "summarised", "Report", "out/report.html")
    return out.getvalue()


def test_the_share_of_bytes_read_is_told_and_is_never_above_all():
    assert "52 bytes of 1 kB (5.2 %)" in _said()
    assert "1.08 kB of 1 kB (all, parts more than once)" in _said(bytes_read=1080)


def test_notes_of_a_run_stand_before_its_report():
    lines = _said(notes=["it knows only a toy"]).splitlines()
    assert lines[-2:] == ["it knows only a toy", "Report  out/report.html"]


def _said_before(results: int, monkeypatch) -> str:
    """What a line says of a stage of which `results` come, and then nothing for longer than is usual."""
    monkeypatch.setattr(progress, "QUIET_S", 0.05)
    console = Console(file=io.StringIO(), width=200)
    with ProgressLine(console, 4) as line:
        for _ in range(results):
            line.update(1, 0, 1.0)
        deadline = time.monotonic() + 5
        while line._quiet.is_alive() and time.monotonic() < deadline:
            time.sleep(0.01)
    return console.file.getvalue()


def test_where_nothing_comes_for_a_minute_the_reasons_are_told_once(monkeypatch):
    assert _said_before(0, monkeypatch) == f"{progress.QUIET}\n"
    assert _said_before(1, monkeypatch) == ""
