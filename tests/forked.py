"""Processes that have the heavy libraries from the start: forked from one that loads them once, and does nothing else.

As a user starts them it takes each seconds of processor time; that a process does start so is what other tests see.
"""

import multiprocessing
import os
import signal
import sys
from collections.abc import Sequence
from multiprocessing import forkserver
from pathlib import Path

CONTEXT = multiprocessing.get_context("forkserver")
LIBRARIES = ("clipsum.models.summarizer", "clipsum.training.trainer", "ray_jobs.cli", "ray_jobs.train_run")
CONTEXT.set_forkserver_preload(list(LIBRARIES))


def load() -> None:
    """Let the libraries be loaded from now on, beside what this process does."""
    forkserver.ensure_running()


class Command:
    """`clipsum ARGUMENTS` in a process, and a session, of its own; what it says goes to files in `folder`."""

    def __init__(self, arguments: Sequence[str], folder: Path) -> None:
        self._said, self._complaint = folder / "said.txt", folder / "complaint.txt"
        self._process = CONTEXT.Process(target=_main, args=(list(arguments), self._said, self._complaint))
        self._process.start()
        assert self._process.pid
        self.pid: int = self._process.pid

    def runs(self) -> bool:
        """Is it there still?"""
        return self._process.is_alive()

    def kill(self, number: signal.Signals) -> None:
        """Send a signal to the process and those that it has started."""
        os.killpg(self.pid, number)

    def end(self) -> tuple[int | None, str, str]:
        """Wait for the end: the exit code (minus a signal's number), what it said, and its complaints."""
        self._process.join(120)
        return self._process.exitcode, self._said.read_text(), self._complaint.read_text()


def _main(arguments: Sequence[str], said: Path, complaint: Path) -> None:
    from ray_jobs.cli import main

    os.setsid()
    for number, path in ((1, said), (2, complaint)):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT), number)
    sys.argv = ["clipsum", *arguments]
    main()
