"""`clipsum report DIR`: make the report of a run again; `--export` and `--reel` write files of each video."""

import sys
from collections.abc import Iterator
from typing import Annotated, Any

import pyarrow as pa
import typer

from clipsum import storage
from clipsum.errors import ItemError, UsageError, refused
from clipsum.reports.digest import drawn
from clipsum.reports.export import export_rows
from clipsum.reports.page import render_report
from clipsum.rows import SCHEMA
from ray_jobs import parts, run_record
from ray_jobs.places import check_apart
from ray_jobs.reels import reels_of

HEAVY = ("thumbnails", "frame_times_s", "frame_exact", "frame_scores")
"""Columns that only a card needs: nine tenths of what rows hold."""


def report(
    output: Annotated[str, typer.Argument(metavar="DIR", help="Output folder of a run, local or s3://.")],
    export: Annotated[
        str | None, typer.Option(metavar="DIR2", help="Also write a text, a .vtt and a JSON per video here.")
    ] = None,
    reel: Annotated[
        str | None,
        typer.Option(metavar="DIR3", help="Also cut each video's highlights, and each answer, into mp4s here."),
    ] = None,
) -> int:
    """Make report.html again from the rows of a run."""
    for option, place in (("--export", export), ("--reel", reel)):
        if place is not None:
            storage.check_writable(place)
            check_apart(place, option)
    try:
        found = parts.uris(output)
    except ItemError as error:
        raise refused(f"'{output}' cannot be read", error) from error
    if not found:
        raise UsageError(f"'{output}' holds no summaries: name the --output folder of clipsum summarize")
    run = run_record.read(output) or {}
    print(f"Report: {write_report(output, run)}")
    if export is not None:
        rows = parts.read_rows(output, settings=run.get("settings"))
        print(f"Wrote {export_rows(rows, export):,} files to {export}")
    return 0 if reel is None else reels_of(output, run.get("settings"), reel)


def place_of(output: str) -> str:
    """The address of the report of an output folder."""
    return storage.join(output, "report.html")


def write_report(output: str, run: dict[str, Any]) -> str:
    """Render report.html of `output` from its rows; returns its address. Bound: one part of rows, and the page.

    Rows of other settings than the run's, which still wait for new ones, are not in it, as they are not in its counts.
    """
    place = place_of(output)
    storage.write_bytes(place, render_report(run, _rows_of(output, run.get("settings"))).encode())
    return place


def _rows_of(output: str, settings: str | None) -> Iterator[parts.Row]:
    """Every row that was made under `settings`; `HEAVY` columns of those alone that have a card on the page."""
    uris: list[str] = []

    def briefly() -> Iterator[parts.Row]:
        for uri, made_under, table in parts.read_each(parts.uris(output), ["video_id", "uri", "status"]):
            if settings in (None, made_under):
                uris.append(uri)
                yield from table.to_pylist()

    cards = drawn(briefly())
    for uri, _, table in parts.read_each(uris, [name for name in SCHEMA.names if name not in HEAVY]):
        found = table.to_pylist()
        shown = [row["video_id"] in cards for row in found]
        heavy = iter(parts.read(uri, list(HEAVY))[1].filter(pa.array(shown)).to_pylist() if any(shown) else ())
        yield from ({**row, **next(heavy)} if is_shown else row for row, is_shown in zip(found, shown, strict=True))


if __name__ == "__main__":
    from ray_jobs.cli import main

    sys.exit(main("report"))
