"""`--reel DIR2` of `clipsum summarize` and `clipsum report`: each video's highlights of a run, cut out as an mp4.

`NAME.mp4` holds the highlights in general, `NAME.query-2.mp4` those of the second question that was asked of the video.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from clipsum import storage
from clipsum.errors import ItemError
from clipsum.records import Highlight
from clipsum.reports.export import safe_name
from clipsum.reports.units import counted
from ray_jobs import parts

SHOWN = 20
_ASKED = re.compile(r"(?P<name>.+)\.query-\d+\.mp4")
Row = dict[str, Any]


class _Cut(NamedTuple):
    """A reel to be made: its file, what it shows, and the question that this answers, "" in general."""

    file: str
    moments: list[Highlight]
    question: str


@dataclass
class Reels:
    """How many were written, how long they are together, and of which videos there is none, with the reason.

    `asked`: (how the file ends, the question) -> how many of them show what answers it.
    """

    written: int = 0
    seconds: float = 0.0
    without: list[str] = field(default_factory=list)
    asked: Counter[tuple[str, str]] = field(default_factory=Counter)


def reels_of(output: str, settings: str | None, place: str) -> int:
    """Cut the reels of a run's rows into `place`, and say so; returns 0, or 1 where highlights were, and no reel is.

    `settings`: those of the run; rows of others are left out.
    """
    done = cut_reels(parts.read_rows(output, settings=settings), place)
    for line in lines_of(done, place):
        print(line)
    return 1 if done.without and not done.written else 0


def cut_reels(rows: Iterable[Row], output: str) -> Reels:
    """Write the reels of every row that has highlights, video by video; NAME as `--export` names it.

    A question that nothing in a video answers has none there, and one of an earlier question goes. A video that is
    gone, or whose highlights cannot be decoded, is counted and costs no other its reel. Bound: the names of the
    questions' reels that are there already.
    """
    from clipsum.video.reel import STAGE, write_reel

    done, earlier = Reels(), _earlier(output)
    for row in rows:
        if row["status"] != "ok" or row["highlights"] is None:
            continue
        cuts = list(_cuts(row))
        for file in earlier.get(safe_name(row), set()) - {cut.file for cut in cuts}:
            storage.delete(storage.join(output, file))
        for cut in cuts:
            try:
                reel = write_reel(row["uri"], cut.moments, storage.join(output, cut.file), title=cut.question)
            except ItemError as error:
                about = f" (“{cut.question}”)" if cut.question else ""
                nothing = (error.reason, error.stage) == ("not_found", STAGE)
                why = error.detail if nothing else f"{error.reason}, {error.detail}"
                done.without.append(f"{storage.shown(row['uri'])}{about}: {why}")
            else:
                done.written, done.seconds = done.written + 1, done.seconds + reel.duration_s
                done.asked.update([(cut.file.removeprefix(safe_name(row)), cut.question)] if cut.question else [])
    return done


def lines_of(done: Reels, output: str) -> list[str]:
    """What people are told of it."""
    if not done.written and not done.without:
        return ["No reels: no row has highlights. Summarise with a --bundle that has a scorer."]
    said = [f"Wrote {counted(done.written, 'reel')} of {done.seconds:,.1f} s together to {storage.shown(output)}"]
    asked = sorted(done.asked.items(), key=lambda each: (len(each[0][0]), each[0]))
    said += [f"  NAME{ending}  “{question}”, {counted(count, 'video')}" for (ending, question), count in asked[:SHOWN]]
    said += [f"      … and of {len(asked) - SHOWN:,} more questions"] if len(asked) > SHOWN else []
    said += [f"No reel of {line}" for line in done.without[:SHOWN]]
    more = len(done.without) - SHOWN
    return [*said, f"… and of {more:,} more"] if more > 0 else said


def _cuts(row: Row) -> Iterator[_Cut]:
    """The reels of a row: in general, then of each question that something in the video answers."""
    name = safe_name(row)
    yield _Cut(f"{name}.mp4", _moments(row), "")
    for number, each in enumerate(row["queries"] or (), start=1):
        if each["highlights"]:
            yield _Cut(f"{name}.query-{number}.mp4", _moments(each), each["query"])


def _moments(scored: Mapping[str, Any]) -> list[Highlight]:
    return [Highlight(**each) for each in scored["highlights"]]


def _earlier(output: str) -> dict[str, set[str]]:
    """Name of a video -> the reels of questions that are there."""
    found: dict[str, set[str]] = {}
    for stored in parts.existing(output):
        file = stored.uri.rpartition("/")[2]
        if named := _ASKED.fullmatch(file):
            found.setdefault(named["name"], set()).add(file)
    return found
