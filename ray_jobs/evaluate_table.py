"""An evaluation on the terminal: figures with their intervals, splits side by side, and how they were measured.

A table is as wide as the terminal at most: where it does not fit, intervals go below their figures.
"""

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table

from clipsum.evaluation.tables import OUT_OF_DISTRIBUTION, TRAINED_ON, figure_rows, protocol_lines
from clipsum.reports import units

SIDE_BY_SIDE = 3
"""Splits of one table: so many fit 80 columns."""
_UNBOUNDED = 1_000


def print_evaluation(console: Console, record: Mapping[str, Any], page: str) -> None:
    """The tables at the end."""
    splits = list(record["splits"].items())
    for start in range(0, len(splits), SIDE_BY_SIDE):
        part = {**record, "splits": dict(splits[start : start + SIDE_BY_SIDE])}
        wide = _table(part, " ")
        width = console.measure(wide, options=console.options.update(max_width=_UNBOUNDED)).maximum
        console.print(wide if width <= console.width else _table(part, "\n"))
    for line in (*_notes(record), *protocol_lines(record)):
        console.print(line, style="dim", highlight=False, markup=False)
    console.print(f"Report  {page}", soft_wrap=True, highlight=False)


def _table(record: Mapping[str, Any], between: str) -> Table:
    """The splits of `record`; `between` stands between a figure and its interval."""
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("")
    for name, split in record["splits"].items():
        table.add_column(f"{name or 'all'}\n{units.counted(split['videos'], 'video')}", justify="right", no_wrap=True)
    for label, figures in figure_rows(record):
        table.add_row(label, *(_cell(figure, between) for figure in figures))
    for stage in ("decode", "encode", "generate"):
        seconds = [split["seconds_per_video"].get(stage) for split in record["splits"].values()]
        if any(seconds):
            told = [(f"{each['mean']:.3f}", f"median {each['median']:.3f}") if each else ("–", "") for each in seconds]
            table.add_row(f"{stage}, s a video", *(_dimmed(*each, between) for each in told))
    return table


def _cell(figure: Mapping[str, float] | None, between: str) -> str:
    if not figure:
        return "–"
    if "low" not in figure:
        return f"{figure['value']:.2f}"
    low, high = figure["low"], figure["high"]
    return _dimmed(f"{figure['value']:.2f}", f"{low:.2f}{'–' if low >= 0 else ' to '}{high:.2f}", between)


def _dimmed(value: str, more: str, between: str) -> str:
    return f"{value}{between}[dim]{more}[/]" if more else value


def _notes(record: Mapping[str, Any]) -> list[str]:
    """Parameters, memory, and what is not among the scored videos."""
    counts, memory = record["parameters"], record["peak_memory_bytes"]
    told = ", ".join(f"{name} {units.count(count)}" for name, count in counts.items())
    held = ", ".join(f"{name} {units.size(size)}" for name, size in memory.items())
    notes = [f"parameters: {told}", f"peak memory: {held}; {units.span(record['wall_s'])} in all"]
    notes.append(f"seconds: {record['data']['seconds']}")
    notes += [f"{name}: out of distribution" for name in record["splits"] if name in OUT_OF_DISTRIBUTION]
    if missing := sum(record["without_reference"].values()):
        notes.append(f"not scored: {units.counted(missing, 'video')} without a reference")
    if failures := record["data"]["failures"]:
        listed = ", ".join(f"{number:,} {reason}" for reason, number in failures.items())
        notes.append(f"not scored: failed videos: {listed}")
    if record["data"].get("holds_training"):
        notes.append(TRAINED_ON)
    if pending := record["data"]["pending"]:
        notes.append(f"not scored: {units.counted(pending, 'video')} still pending")
    return notes
