"""What a person sees while a model trains, and the table at its end: a live line on a terminal, else plain lines."""

import time
from collections import deque
from collections.abc import Mapping
from types import TracebackType
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn
from rich.table import Table

from clipsum.reports.units import counted, reasons, scores, span
from clipsum.training.objective import TEXT, VIDEO
from ray_jobs.progress import PLAIN_EVERY_S
from ray_jobs.train_worker import Outcome

SPEED_OVER = 50  # steps


class TrainingLine:
    """Steps, loss, speed, time left and the last score; use as a context manager. Takes the records of the books."""

    def __init__(self, console: Console) -> None:
        self._console = console
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
        self._task = self._live.add_task("Starting", total=None, words="")
        self._total, self._starts = 0, 0
        self._step: Mapping[str, Any] = {}
        self._score = ""
        self._times: deque[tuple[int, float]] = deque(maxlen=SPEED_OVER)
        self._printed_at = time.monotonic()

    def __enter__(self) -> "TrainingLine":
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()

    @property
    def is_training(self) -> bool:
        """Have the workers begun?"""
        return self._starts > 0

    def say(self, words: str) -> None:
        """Print a line above the live one."""
        self._live.console.print(words, highlight=False, soft_wrap=True)

    def show(self, record: Mapping[str, Any]) -> None:
        """Take a record in."""
        kind = record["kind"]
        if kind == "start":
            self._start(record)
        elif kind == "step":
            self._step = record
            self._times.append((record["step"], time.monotonic()))
        elif kind == "validation":
            self._score = scores(record["metrics"], brief=True)
            self.say(f"Step {record['step']:,}: {self._score}{', the best so far' if record['best'] else ''}")
            if failures := record.get("failures"):
                number = counted(sum(failures.values()), "streamed video")
                self.say(f"  {number} failed since the validation before: {reasons(failures)}")
        if self._step:
            self._live.update(self._task, description="Training", completed=self._step["step"], words=self.words())
            if not self._console.is_terminal and time.monotonic() - self._printed_at > PLAIN_EVERY_S:
                self._printed_at = time.monotonic()
                self._console.print(
                    f"{self._step['step']:,} of {self._total:,} · {self.words()}", highlight=False, soft_wrap=True
                )

    def words(self) -> str:
        """Epoch, loss, speed and time left, as far as they are known."""
        words = [f"epoch {self._step['epoch'] + 1}", f"loss {self._step['loss']:.3f}{self._of_heads()}"]
        words.append(f"{self._step['examples_per_s']:,.1f} examples/s")
        (first, began), (last, now) = self._times[0], self._times[-1]
        if last > first:
            words.append(f"{span((self._total - last) * (now - began) / (last - first))} left")
        return " · ".join([*words, self._score] if self._score else words)

    def _of_heads(self) -> str:
        """The loss of each head, and, where a scorer learns, which losses its own is made of."""
        losses = self._step.get("losses") or {}
        heads = [f"{name} {losses[name]:.3f}" for name in (TEXT, VIDEO) if name in losses]
        parts = [f"{name} {value:.3f}" for name, value in losses.items() if name not in (TEXT, VIDEO)]
        return f" ({', '.join(heads)}: {', '.join(parts)})" if losses else ""

    def _start(self, record: Mapping[str, Any]) -> None:
        self._starts += 1
        self._total = record["total_steps"]
        self._live.update(self._task, total=self._total, completed=record["step"])
        self._step = {}
        self._times.clear()
        workers = counted(record["workers"], "worker")
        again = "Training again" if self._starts > 1 else "Going on" if record["step"] else "Training"
        place = f" after step {record['step']:,}" if record["step"] or self._starts > 1 else ""
        self.say(f"{again}{place}: {self._total:,} steps on {workers} ({record['device']})")
        if self._starts == 1 and not record["step"]:  # of what begins; whoever goes on was told then
            for note in record["notes"]:
                self.say(f"  {note}")


def print_outcome(console: Console, outcome: Outcome, wall_s: float, output: str) -> None:
    """The table at the end of a run."""
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    early = {"stopped_early": ", stopped early", "interrupted": ": run the same command again to go on"}
    table.add_row("Steps", f"{outcome.step:,} of {outcome.total_steps:,}{early.get(outcome.ending, '')}")
    if outcome.best:
        reached = scores(outcome.best["metrics"])
        table.add_row("Best", f"{reached} on validation, at step {outcome.best['step']:,}")
        table.add_row("Bundle", output)
    table.add_row("Time", span(wall_s))
    console.print(table, highlight=False)
