"""What a person sees of an ablation: a line for each cell that ends, and the table."""

import time
from collections.abc import Mapping
from types import TracebackType
from typing import Any

from rich.console import Console
from rich.table import Table

from clipsum import storage
from clipsum.ablation.layout import columns_of, note_lines, videos_words
from clipsum.evaluation.tables import split_title
from clipsum.reports.units import counted, span
from ray_jobs.ablate_cell import CELLS, RESULT

TITLES = ("R-L", "Δ R-L")
"""The columns that a terminal is wide enough for."""


class CellLine:
    """Says how each cell ended; use as a context manager. `done` of `total` were done before."""

    def __init__(self, console: Console, total: int, done: int) -> None:
        self._console, self._total, self._done, self._before = console, total, done, done
        self._live = console.status("")
        self._started_at = time.monotonic()

    def __enter__(self) -> "CellLine":
        if self._done:
            self._console.print(f"{self._done} of {self._total} cells are done already", highlight=False)
        if self._console.is_terminal:
            self._live.update(self._words())
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()
        if kind is not None:
            self._console.print("Stopped: the same command again goes on with the cells that are not done")

    def show(self, result: Mapping[str, Any]) -> None:
        """Tell what came of a cell."""
        self._done += 1
        name = f"{result['label']}, seed {result['seed']}"
        if result["status"] == "ok":
            scores = next(iter(result["splits"].values()))["figures"]
            said = f"R-L {scores['rougeL']['value']:.2f} after {result['training']['steps']:,} steps, "
            said += span(result["wall_s"])
        else:
            said = f"failed: {result['reason']}"
        line = f"{self._done} of {self._total}  {name}: {said}"
        self._console.print(line, highlight=False, markup=False, soft_wrap=True)
        self._live.update(self._words())

    def _words(self) -> str:
        new, left = self._done - self._before, self._total - self._done
        taken_s = time.monotonic() - self._started_at
        return f"{left} cells to go" + (f", about {span(taken_s / new * left)}" if new and left else "")


def print_failed(console: Console, failed: int, total: int, output: str) -> None:
    """How many cells failed, where each says why, and what to do about it."""
    said = f"{failed:,} of {counted(total, 'cell')} failed, see {storage.join(output, CELLS, '*', RESULT)}: "
    said += "the same command tries them again"
    console.print(said, highlight=False, markup=False, soft_wrap=True)


def print_table(console: Console, record: Mapping[str, Any], output: str) -> None:
    """The tables in short, what is missing, and where all of it is."""
    for split in record["splits"]:
        columns = [column for column in columns_of(record, split) if column.title in TITLES]
        table = Table(box=None, padding=(0, 3, 0, 0), header_style="bold")
        table.add_column(f"{split_title(split)}, {videos_words(record, split)}", no_wrap=True)
        for column in columns:
            table.add_column(column.title, justify="right", no_wrap=True)
        for row in record["rows"]:
            table.add_row(row["label"], *(column.cell(row, row["splits"][split]) for column in columns))
        console.print(table, markup=False)
    for line in note_lines(record):
        console.print(line, style="dim", highlight=False, markup=False, soft_wrap=True)
    console.print(f"Report  {storage.join(output, 'report.html')}", soft_wrap=True, highlight=False)
