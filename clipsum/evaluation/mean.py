"""The mean over several evaluations, such as those of a benchmark's five official splits, each by a model of its own.

A figure is first one of each evaluation, over its own videos, and then their mean, as papers on TVSum and SumMe have
it; videos that several splits test count in each.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import Any

from clipsum import storage
from clipsum.errors import ItemError, UsageError, refused
from clipsum.evaluation.record import SCHEMA_VERSION
from clipsum.evaluation.tables import figure_labels, figures_of

FILE = "evaluation.json"
_ALIKE = "schema_version", "protocol", "generation"
Record = Mapping[str, Any]


@dataclass(frozen=True)
class MeanFigure:
    """The mean of a figure over evaluations, its standard deviation over them, and what each had, in order."""

    mean: float
    sd: float
    values: tuple[float, ...]


def read_evaluations(places: Sequence[str]) -> dict[str, Record]:
    """Place -> record, of folders that `clipsum evaluate` wrote.

    Raises: UsageError, one line: fewer than two, one twice, one that is none, or that was measured in another way.
    """
    if twice := next((place for place in places if places.count(place) > 1), None):
        raise UsageError(f"'{twice}' is given twice: name each evaluation once")
    if len(places) < 2:
        raise UsageError(f"{len(places)} evaluations have no mean: name two or more folders of clipsum evaluate")
    records = {place: _read(place) for place in places}
    first = records[places[0]]
    for place, record in records.items():
        if other := next((name for name in _ALIKE if record.get(name) != first.get(name)), None):
            raise UsageError(
                f"'{place}' and '{places[0]}' differ in {other}, so their figures are not of one kind: evaluate both "
                "in the same way"
            )
    return records


def mean_of(records: Sequence[Record]) -> dict[str, dict[str, MeanFigure]]:
    """Split -> name of a figure -> its mean, of the splits and figures that every record has.

    Raises: UsageError where they have no split in common.
    """
    splits = [split for split in records[0]["splits"] if all(split in record["splits"] for record in records)]
    if not splits:
        raise UsageError("the evaluations have no split in common: give each the same --split")
    found = {}
    for split in splits:
        told = [figures_of(record["splits"][split]) for record in records]
        shared = [name for name in figure_labels() if all(name in each for each in told)]
        found[split] = {name: _mean([float(each[name]["value"]) for each in told]) for name in shared}
    return found


def _mean(values: Sequence[float]) -> MeanFigure:
    return MeanFigure(fmean(values), stdev(values), tuple(values))


def _read(place: str) -> Record:
    """Raises: UsageError where there is no evaluation, or one of another version of this program."""
    file = storage.join(place, FILE)
    try:
        record = json.loads(storage.read_bytes(file))
    except ItemError as error:
        raise refused(f"'{place}' holds no evaluation, name the --output of clipsum evaluate", error) from error
    except ValueError as error:
        raise UsageError(f"'{file}' is not JSON: evaluate again") from error
    if not isinstance(record, dict) or record.get("schema_version") != SCHEMA_VERSION:
        raise UsageError(f"'{file}' is no evaluation of version {SCHEMA_VERSION}: evaluate again")
    return record
