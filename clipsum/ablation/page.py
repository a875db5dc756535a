"""The report of an ablation: one HTML page of its tables. Like every page of ClipSum it loads nothing.

Bound: the rows of the grid.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from clipsum.ablation.layout import SHOWN, Column, columns_of, note_lines, protocol_lines, steps_words, videos_words
from clipsum.evaluation.tables import split_title
from clipsum.reports import units
from clipsum.reports.page import environment

Record = Mapping[str, Any]
WIDE = 1000
"""Units of the picture of the intervals."""


@dataclass(frozen=True)
class Interval:
    """A difference and its interval as places from 0 to `WIDE`; `is_sure`: it leaves zero out."""

    low: float
    mean: float
    high: float
    zero: float
    is_sure: bool


@dataclass(frozen=True)
class Line:
    """A row of a table: its cells, each a value and how sure it is, and the picture of its interval if it has one."""

    cells: list[tuple[str, str]]
    interval: Interval | None
    is_reference: bool
    is_best: bool


@dataclass(frozen=True)
class Table:
    """The table of a split. `words`: so many columns from the left say what the row is."""

    title: str
    videos: str
    heads: list[str]
    words: int
    lines: list[Line]


def render_ablation(record: Record) -> str:
    """The page, as text to be written in UTF-8; `record` is what ablation.json holds."""
    rows, seeds = record["rows"], len(record["grid"]["seeds"])
    done = sum(len(row["seeds"]) for row in rows)
    return (
        environment()
        .get_template("ablation.html.j2")
        .render(
            headline=_headline(record),
            lead=f"{units.count(done)} of {units.count(len(rows) * seeds)} trainings, {steps_words(record)} each",
            tables=[_table(record, split) for split in record["splits"]],
            reference=record["reference"],
            protocol=protocol_lines(record),
            notes=note_lines(record),
            wide=WIDE,
        )
    )


def _headline(record: Record) -> str:
    rows, seeds = len(record["rows"]), len(record["grid"]["seeds"])
    return f"{units.counted(rows, 'configuration')}, {units.counted(seeds, 'seed')} each"


def _table(record: Record, split: str) -> Table:
    columns = columns_of(record, split)
    best = max((_mean(row, split) for row in record["rows"]), default=0.0)
    span = _span(record, split)
    return Table(
        title=split_title(split),
        videos=videos_words(record, split),
        heads=[column.title for column in columns],
        words=next(place for place, column in enumerate(columns) if column.title == "sees") + 1,
        lines=[_line(record, row, split, columns, best, span) for row in record["rows"]],
    )


def _line(
    record: Record, row: Record, split: str, columns: list[Column], best: float, span: tuple[float, float]
) -> Line:
    told = row["splits"][split]
    return Line(
        cells=[_parted(column.cell(row, told)) for column in columns],
        interval=_interval((told["difference"] or {}).get(SHOWN), span),
        is_reference=row["label"] == record["reference"],
        is_best=best > 0 and _mean(row, split) == best,
    )


def _parted(words: str) -> tuple[str, str]:
    """`5.66 ± 8.00` and `+1.2 [-1.9, +4.3]` as the value and the rest."""
    value, _, spread = words.partition(" ± ")
    if spread:
        return value, f"± {spread}"
    value, _, interval = words.partition(" [")
    return value, interval.removesuffix("]").replace(",", " to")


def _mean(row: Record, split: str) -> float:
    figure = row["splits"][split]["figures"].get(SHOWN)
    return float(figure["mean"]) if figure else 0.0


def _span(record: Record, split: str) -> tuple[float, float]:
    """The least and the most that any interval of a split reaches, zero among them."""
    found = [(row["splits"][split]["difference"] or {}).get(SHOWN) for row in record["rows"]]
    ends = [0.0, *(each[end] for each in found if each for end in ("low", "high"))]
    return min(ends), max(ends)


def _interval(found: Record | None, span: tuple[float, float]) -> Interval | None:
    least, most = span
    if found is None or most <= least:
        return None
    low, mean, high, zero = (
        round(WIDE * (0.02 + 0.96 * (value - least) / (most - least)), 1)
        for value in (found["low"], found["mean"], found["high"], 0.0)
    )
    return Interval(low, mean, high, zero, is_sure=found["low"] > 0 or found["high"] < 0)
