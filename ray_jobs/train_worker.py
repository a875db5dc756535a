"""What each training worker does: restore, train, keep the books, and store checkpoints. It knows no Ray.

Worker 0 writes; what it decides by its own clock (to save, to stop) it tells the others by a sum after each step.
"""

import time
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

import torch

from clipsum import storage
from clipsum.errors import UsageError
from clipsum.training.loop import StepReport, TrainingDivergedError
from clipsum.training.trainer import Trainer, ValidationReport
from clipsum.training.workers import Group
from ray_jobs.train_books import Books, Record
from ray_jobs.train_checkpoints import Checkpoints

Ending = Literal["finished", "stopped_early", "diverged", "interrupted", "refused", "failed"]


Reporter = Callable[[dict[str, Any]], object]


class Line(Protocol):
    """The line from worker 0 to the person who waits; what is told may be lost, and nothing waits for it."""

    def tell(self, record: Record) -> object:
        """Pass a record on."""

    def is_stop_asked(self) -> bool:
        """Has the person asked to stop?"""
        ...


@dataclass(frozen=True)
class Outcome:
    """How training ended: after so many steps; `message`: why, where it is no good ending. `best`: its record."""

    ending: Ending
    step: int = 0
    total_steps: int = 0
    message: str = ""
    best: Record | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Work:
    """What a worker has to do. `run` is what the report's head says.

    `trainer(group, device)` opens the data and gives what makes a trainer of them. A worker may refuse in the former
    alone; the latter, since in it the workers talk to one another, only where all do.
    """

    output: str
    trainer: Callable[[Group, str], AbstractContextManager[Callable[[], Trainer]]]
    checkpoint_every_s: float | None
    checkpoint_every_steps: int | None
    threads: int | None = None
    run: dict[str, Any] = field(default_factory=dict)


def work(task: Work, group: Group, device: str, line: Line, report: Reporter = lambda metrics: None) -> Outcome:
    """Train to the end, from the last checkpoint if there is one. All workers return the same ending.

    `report` is given the metrics of each validation, by all workers at once.
    Raises: what goes wrong in this worker and maybe in no other, so that the others are not left waiting for it.
    """
    if task.threads:
        torch.set_num_threads(task.threads)
    with ExitStack() as stack:
        try:
            make, refused = stack.enter_context(task.trainer(group, device)), ""
        except UsageError as error:
            refused = str(error) or "refused"
        if reasons := [reason for reason in group.gather(refused) if reason]:
            return Outcome("refused", message=reasons[0])
        return Worker(task, make(), group, device, line, report).go()


class Worker:
    """One worker on the way from its start to the end of training."""

    def __init__(self, task: Work, trainer: Trainer, group: Group, device: str, line: Line, report: Reporter) -> None:
        self._task, self._trainer, self._group, self._device, self._line = task, trainer, group, device, line
        self._checkpoints, self._report = Checkpoints(task.output), report
        self._is_first = self._group.rank == 0
        self._books: Books | None = None
        self._saved_step, self._saved_at = -1, time.monotonic()

    def go(self) -> Outcome:
        """Restore, train, and close the books."""
        trainer = self._trainer
        self._restore()
        with ExitStack() as stack:
            if self._is_first:
                run = {**self._task.run, "total_steps": trainer.total_steps, "workers": self._group.size}
                self._books = Books(self._task.output, trainer.progress.step, run)
                stack.callback(self._books.close)
                self._publish_best()
                started = self._books.start(trainer.progress.step, self._group.size, self._device)
                self._line.tell({**started, "total_steps": trainer.total_steps, "notes": list(trainer.notes)})
            ending, message = self._train()
            best = self._books.best if self._books else None
            if self._books:
                self._books.flush(page=True, ending=ending)
            return Outcome(ending, trainer.progress.step, trainer.total_steps, message, best, trainer.notes)

    def _restore(self) -> None:
        """Go on from the newest whole checkpoint that worker 0 sees."""
        steps = self._checkpoints.steps()[-1:] if self._is_first else []
        steps = self._group.gather(steps)[0]
        if steps:
            with storage.local_copy(self._checkpoints.place(steps[0])) as folder:
                if folder is None:
                    raise RuntimeError(f"{self._checkpoints.place(steps[0])} is not to be seen from this worker")
                self._trainer.restore(folder)
            self._saved_step = self._trainer.progress.step

    def _publish_best(self) -> None:
        """Make up for a publication that a killed worker did not finish."""
        best_step = self._trainer.progress.best_step
        if best_step and best_step in self._checkpoints.steps():
            self._checkpoints.publish(best_step)

    def _train(self) -> tuple[Ending, str]:
        stop = False
        try:
            for report in self._trainer.run():
                if isinstance(report, ValidationReport):
                    self._after_validation(report)
                else:
                    stop = self._after_step(report)
                if stop and self._trainer.progress.step == self._saved_step:
                    return "interrupted", ""
        except TrainingDivergedError as error:
            return "diverged", str(error)
        at = self._trainer.progress
        return ("stopped_early" if at.stopped and at.step < self._trainer.total_steps else "finished"), ""

    def _after_validation(self, report: ValidationReport) -> None:
        if self._books:
            self._line.tell(self._books.validation(report))
        self._save(page=True, is_best=report.best)
        self._report({"step": report.step, "epoch": report.epoch, **report.metrics})

    def _after_step(self, report: StepReport) -> bool:
        """Note it, save if it is time to, and tell whether to stop. A validation that is due is waited for: it saves.

        So no step is saved twice: while its checkpoint is written again there would be none.
        """
        if self._books:
            self._line.tell(self._books.step(report))
        every_s, every_steps = self._task.checkpoint_every_s, self._task.checkpoint_every_steps
        is_due = every_s is not None and time.monotonic() - self._saved_at >= every_s
        is_due |= every_steps is not None and report.step % every_steps == 0
        due, stop = self._group.total(self._is_first and is_due, self._is_first and self._line.is_stop_asked())
        if (due or stop) and not self._trainer.validation_is_due:
            self._save()
        return bool(stop)

    def _save(self, page: bool = False, is_best: bool = False) -> None:
        """Store a checkpoint, and the books before it; all workers call."""
        step, checkpoints = self._trainer.progress.step, self._checkpoints
        if self._books:
            self._books.flush(page=page)
        with checkpoints.writing(step) if self._is_first else nullcontext(Path()) as folder:
            self._trainer.save(folder)
            if self._books:
                checkpoints.store(step, folder)
                if is_best:
                    checkpoints.publish(step, folder)
        if self._is_first:
            checkpoints.prune({step, self._trainer.progress.best_step})
            self._line.tell({"kind": "checkpoint", "step": step})
        self._saved_step, self._saved_at = step, time.monotonic()
