"""`--reel DIR2` of `clipsum summarize` and `clipsum report`: each video's highlights of a run, cut out as an mp4."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from clipsum import storage
from clipsum.errors import ItemError
from clipsum.records import Highlight
from clipsum.reports.export import safe_name
from clipsum.reports.units import counted
from ray_jobs import parts

SHOWN = 20
Row = dict[str, Any]


@dataclass
class Reels:
    """How many were written, how long they are together, and of which videos there is none, with the reason."""

    written: int = 0
    seconds: float = 0.0
    without: list[str] = field(default_factory=list)


def reels_of(output: str, settings: str | None, place: str) -> int:
    """Cut the reels of a run's rows into `place`, and say so; returns 0, or 1 where highlights were, and no reel is.

    `settings`: those of the run; rows of others are left out.
    """
    done = cut_reels(parts.read_rows(output, settings=settings), place)
    for line in lines_of(done, place):
        print(line)
    return 1 if done.without and not done.written else 0


def cut_reels(rows: Iterable[Row], output: str) -> Reels:
    """Write `NAME.mp4` for every row that has highlights, video by video; NAME as `--export` names it.

    A video that is gone, or whose highlights cannot be decoded, is counted and costs no other its reel.
    """
    from clipsum.video.reel import write_reel

    done = Reels()
    for row in rows:
        if row["status"] != "ok" or row["highlights"] is None:
            continue
        try:
            moments = [Highlight(**each) for each in row["highlights"]]
            reel = write_reel(row["uri"], moments, storage.join(output, f"{safe_name(row)}.mp4"))
        except ItemError as error:
            done.without.append(f"{storage.shown(row['uri'])}: {error.reason}, {error.detail}")
        else:
            done.written, done.seconds = done.written + 1, done.seconds + reel.duration_s
    return done


def lines_of(done: Reels, output: str) -> list[str]:
    """What people are told of it."""
    if not done.written and not done.without:
        return ["No reels: no row has highlights. Summarise with a --bundle that has a scorer."]
    said = [f"Wrote {counted(done.written, 'reel')} of {done.seconds:,.1f} s together to {storage.shown(output)}"]
    said += [f"No reel of {line}" for line in done.without[:SHOWN]]
    more = len(done.without) - SHOWN
    return [*said, f"… and of {more:,} more"] if more > 0 else said
