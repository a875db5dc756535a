"""The report of a run: one HTML page that holds everything it shows and loads nothing.

Every value passes the template's autoescape, and the page's own policy allows no script or style but its own two,
by their hashes, so that a hostile file name or transcript stays text.
"""

import base64
import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from clipsum.reports import units
from clipsum.reports.card import Row
from clipsum.reports.curve import Piece, stacked
from clipsum.reports.digest import MAX_CARDS, MAX_FAILURES, Digest, digest

STAGES = ("decode", "encode", "generate")


@dataclass(frozen=True)
class Bar:
    """A stacked bar: each part's label, its value in words, and its place."""

    parts: list[tuple[str, str, Piece]]


@dataclass(frozen=True)
class Figure:
    """A number of the header, with its unit, what it means, and a bar where it has parts."""

    label: str
    value: str
    unit: str
    note: str
    bar: Bar | None = None


def render_report(run: Mapping[str, Any], rows: Iterable[Row]) -> str:
    """The page, as text to be written in UTF-8.

    `run` is what run.json holds, `rows` the rows of the output; any key of either may be missing or null. One pass over
    the rows, which are not kept: memory is that of `MAX_CARDS` cards, `MAX_FAILURES` failures a reason, and the page.
    """
    environment = Environment(
        loader=PackageLoader("clipsum.reports", ""),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=units.clean,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(csp_hash=csp_hash, count=units.count, pieces=_pieces)
    found = digest(rows)
    return environment.get_template("report.html.j2").render(
        found=found,
        headline=_headline(run, found),
        lead=_lead(run),
        figures=_figures(run, found),
        run_facts=_run_facts(run),
        max_cards=MAX_CARDS,
        max_failures=MAX_FAILURES,
    )


def _pieces(name: str) -> list[str]:
    """A file name cut where a line may break: after the dashes and underscores within it."""
    return re.split(r"(?<=[_-])(?=[^_-])", name)


def csp_hash(text: str) -> str:
    """The name by which a Content-Security-Policy allows an inline script or style."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _section(run: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = run.get(key)
    return value if isinstance(value, Mapping) else {}


def _listed(run: Mapping[str, Any], found: Digest) -> int:
    """Rows are the truth; the run only adds videos that have no row yet."""
    return max(int(units.number(_section(run, "counts").get("listed")) or 0), found.rows)


def _headline(run: Mapping[str, Any], found: Digest) -> str:
    listed = _listed(run, found)
    videos = "video" if listed == 1 else "videos"
    if not listed:
        return "No videos were listed"
    if found.ok == listed:
        return f"{units.count(listed)} {videos}, summarised" if listed > 1 else "One video, summarised"
    return f"{units.count(found.ok)} of {units.count(listed)} {videos} summarised"


def _lead(run: Mapping[str, Any]) -> str:
    hours, wall = units.number(run.get("video_hours")), units.number(run.get("wall_s"))
    factor = units.number(run.get("realtime_factor"))
    read, listed = units.number(run.get("bytes_read")), units.number(run.get("bytes_listed"))
    words = []
    if hours is not None and wall is not None:
        words.append(f"{units.span(hours * 3600)} of video in {units.span(wall)}")
    if factor:
        words.append(f"{units.decimal(factor)} times faster than real time" if factor >= 1 else "")
    if read is not None and listed:
        words.append(f"reading {units.percent(read, listed)} of the bytes")
    return ", ".join(word for word in words if word)


def _figures(run: Mapping[str, Any], found: Digest) -> list[Figure]:
    made = [_videos(run, found), _bytes(run), _processor(run), *_cost(run)]
    return [figure for figure in made if figure]


def _videos(run: Mapping[str, Any], found: Digest) -> Figure:
    listed = _listed(run, found)
    counts = {"summarised": found.ok, "failed": found.failed, "pending": listed - found.ok - found.failed}
    note = f"{units.count(found.warned)} with a warning" if found.warned else "none with a warning"
    return Figure("Videos", units.count(listed), "listed", note, _bar(counts, units.count))


def _bytes(run: Mapping[str, Any]) -> Figure | None:
    read, listed = units.number(run.get("bytes_read")), units.number(run.get("bytes_listed"))
    if read is None or not listed:
        return None
    value, _, unit = units.size(read).partition(" ")
    bar = Bar([(f"of {units.size(listed)}", units.percent(read, listed), stacked([read], listed)[0])])
    return Figure("Read", value, unit, "", bar)


def _processor(run: Mapping[str, Any]) -> Figure | None:
    spent = {stage: units.number(_section(run, "cpu_s").get(stage)) or 0.0 for stage in STAGES}
    total = sum(spent.values())
    if not total:
        return None
    hours = units.number(run.get("video_hours"))
    note = f"{units.span(total / hours)} per video-hour" if hours else ""
    return Figure("Processor time", units.span(total), "", note, _bar(spent, units.span))


def _cost(run: Mapping[str, Any]) -> list[Figure]:
    """Each number of the run's `cost` by its own name: `usd_per_video_hour` reads "usd per video hour"."""
    found = [(str(key), units.number(value)) for key, value in _section(run, "cost").items()]
    return [
        Figure("Cost", units.decimal(value), key.replace("_", " "), "") for key, value in found[:4] if value is not None
    ]


def _bar(parts: Mapping[str, float], words: Any) -> Bar | None:
    pieces = stacked(list(parts.values()))
    named = zip(parts.items(), pieces, strict=False)
    return Bar([(label, words(value), piece) for (label, value), piece in named]) if pieces else None


def _run_facts(run: Mapping[str, Any]) -> list[tuple[str, str]]:
    attempts = run.get("attempts")
    starts = len(attempts) if isinstance(attempts, list) else 0
    facts = [("Run", run.get("run_id")), ("Bundle", run.get("bundle_id")), ("Starts", starts if starts > 1 else None)]
    return [(label, str(value)[:200]) for label, value in facts if isinstance(value, str | int) and value]
