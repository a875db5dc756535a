"""What `clipsum summarize --query` says at its end: in how many videos each question was answered."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from clipsum.reports.units import counted
from ray_jobs import parts

SHOWN = 10
COLUMNS = ["queries.list.element.query", "queries.list.element.matched"]


def lines_of(output: str, run: Mapping[str, Any]) -> list[str]:
    """A line for each question that was asked of all videos; none where none was. `run`: its record.

    Bound: the words of the questions, and one part's. Raises: UsageError where a part is damaged.
    """
    asked: list[str] = run.get("queries") or []
    if not asked:
        return []
    tables = parts.read_each(parts.uris(output), COLUMNS)
    of_run = (table for _, made_under, table in tables if made_under == run["settings"])
    found = _count(row for table in of_run for row in table["queries"].to_pylist())
    said = [f"Asked   “{query}”: {_words(found[query, True], found[query, False])}" for query in asked[:SHOWN]]
    return said if len(asked) <= SHOWN else [*said, f"… and {len(asked) - SHOWN} more: see the report"]


def _count(rows: Iterable[list[dict[str, Any]] | None]) -> Counter[tuple[str, bool | None]]:
    """(question, whether it was answered) -> how many videos; None where the bundle cannot tell."""
    return Counter((each["query"], each["matched"]) for row in rows for each in row or ())


def _words(answered: int, unanswered: int) -> str:
    if not answered + unanswered:
        return "see the report; this bundle was not taught to tell whether anything answers a question"
    if not answered:
        return f"nothing in {counted(unanswered, 'video')} answers it"
    return f"found in {answered:,} of {counted(answered + unanswered, 'video')}"
