"""What a person sees while a job runs, and the table at its end. On a terminal a live line, elsewhere plain lines."""

import threading
import time
from collections.abc import Mapping
from functools import partial
from types import TracebackType
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn
from rich.table import Table

from clipsum.reports.units import counted, share_read, size, span

PLAIN_EVERY_S = 10.0
QUIET_S = 60.0
QUIET = "No result yet: large videos take this long, or the cluster has no room for the actors (`ray status` tells)"


class ProgressLine:
    """Counts videos; use as a context manager. `total` and `done` at the start: listed videos, and rows already there.

    The rate counts from the first result on, so that the start of the actors does not spoil the time left.
    """

    def __init__(
        self, console: Console, total: int, done: int = 0, failed: int = 0, doing: str = "Summarising"
    ) -> None:
        self._console, self._total, self._done, self._failed, self._doing = console, total, done, failed, doing
        self._new, self._video_s = 0, 0.0
        self._first_at, self._first_new, self._first_video_s = 0.0, 0, 0.0
        self._printed_at = time.monotonic()
        self._live = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(bar_width=30),
            MofNCompleteColumn(),
            TextColumn("{task.fields[words]}"),
            console=console,
            disable=not console.is_terminal,
            transient=True,
        )
        self._task = self._live.add_task("Starting", total=total, completed=done, words="")
        self._quiet = threading.Timer(QUIET_S, partial(console.print, QUIET, highlight=False))
        self._quiet.daemon = True

    def __enter__(self) -> "ProgressLine":
        self._live.start()
        self._quiet.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._quiet.cancel()
        self._live.stop()

    def update(self, videos: int, failed: int, video_s: float) -> None:
        """Add `videos` just done, `failed` of them in vain, the rest `video_s` seconds long."""
        self._quiet.cancel()
        self._done, self._failed = self._done + videos, self._failed + failed
        self._new, self._video_s = self._new + videos, self._video_s + video_s
        if not self._first_at:
            self._first_at, self._first_new, self._first_video_s = time.monotonic(), self._new, self._video_s
        self._live.update(self._task, description=self._doing, completed=self._done, words=self.words())
        if not self._console.is_terminal and time.monotonic() - self._printed_at > PLAIN_EVERY_S:
            self._printed_at = time.monotonic()
            said = f"{self._done} of {counted(self._total, 'video')} · {self.words()}".removesuffix(" · ")
            self._console.print(said, highlight=False)

    def words(self) -> str:
        """Failures, video-hours per hour and the time left, as far as they are known."""
        elapsed_s = time.monotonic() - self._first_at
        words = [f"{self._failed} failed"] if self._failed else []
        if self._new > self._first_new and elapsed_s > 0:
            words.append(f"{(self._video_s - self._first_video_s) / elapsed_s:,.0f} video-hours/h")
            left_s = (self._total - self._done) * elapsed_s / (self._new - self._first_new)
            words.append(f"{span(left_s)} left")
        return " · ".join(words)


def print_summary(console: Console, run: Mapping[str, Any], done: str, what: str, place: str) -> None:
    """The table at the end of a run, which has `done` something to its videos, and the `place` of `what` it left."""
    counts, attempt = run["counts"], run["attempts"][-1]
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    table.add_row("Videos", f"{counts['ok']:,} {done} of {counts['listed']:,}")
    if counts["failed"]:
        table.add_row("Failed", f"{counts['failed']:,}")
        for reason, number in run["failures"].items():
            table.add_row("", f"{number:,} {reason}")
    if counts["pending"]:
        table.add_row("Pending", f"{counts['pending']:,}: run the same command again to go on")
    table.add_row("Length", f"{span(run['video_hours'] * 3600)} of video")
    if attempt["videos"]:
        faster = f", {attempt['video_s'] / attempt['wall_s']:,.1f} x real time" if attempt["wall_s"] else ""
        table.add_row("Time", f"{span(attempt['wall_s'])} for {counted(attempt['videos'], 'video')}{faster}")
    if run["bytes_listed"]:
        read, listed = run["bytes_read"], run["bytes_listed"]
        table.add_row("Read", f"{size(read)} of {size(listed)} ({share_read(read, listed)})")
    console.print(table)
    for note in run.get("notes", ()):
        console.print(note, soft_wrap=True, highlight=False)
    console.print(f"{what}  {place}", soft_wrap=True, highlight=False)


class CountLine:
    """A line that counts, for what is not the main job; use as a context manager. Silent but on a terminal."""

    def __init__(self, console: Console, verb: str, things: str) -> None:
        self._console, self._verb, self._things = console, verb, things
        self._live = console.status(f"{verb} {things}")
        self._done = 0

    def __enter__(self) -> "CountLine":
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()
        self._console.print(f"{self._verb} {self._things}: {self._done} done", highlight=False)

    def show(self, done: int, total: int) -> None:
        """Say that `done` of `total` are done."""
        self._done = done
        self._live.update(f"{self._verb} {self._things}: {done} of {total}")
