"""One video on the page: what a row of the output says, made ready to be shown.

A card holds at most `MAX_THUMBNAILS` pictures of `picture.MAX_JPEG_BYTES`, `MAX_TEXT` characters of summary and
`MAX_LISTED` short lines of each other kind, so that a page of cards is bounded whatever the rows hold. A field that is
missing or null is left out, never guessed.
"""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import quote

from clipsum.reports import units
from clipsum.reports.curve import Curve, Piece, marks, score_curve, ticks
from clipsum.reports.facts import facts_of
from clipsum.reports.picture import jpeg_size, shown_size
from clipsum.storage import shown

MAX_THUMBNAILS = 6
MAX_TEXT = 20_000
MAX_LINE = 300
MAX_LISTED = 60
FOLD_AFTER = 700
SHORT_S = 20
EVIDENCE = {
    "both": "words and pictures",
    "text": "words only",
    "frames": "pictures only",
    "none": "no evidence",
}

ALL_SCORES = 0.0, 1.0
"""The scale of a question's curve, so that one that nothing fits is flat; the generic one is a ranking."""

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Thumbnail:
    """A picture as a data: URI, the time it was on screen, a link to that moment, and its size in pixels.

    `is_top`: it is of a highlight.
    """

    time: str
    source: str
    link: str
    width: int
    height: int
    is_top: bool = False


@dataclass(frozen=True)
class Moment:
    """A labelled stretch of the video, and a link to its start where there can be one."""

    when: str
    title: str
    link: str


@dataclass(frozen=True)
class Timeline:
    """Highlights on a line of time, under the score curve where there is one; `ticks`: where the pictures are from."""

    curve: Curve | None
    marks: list[Piece]
    moments: list[Moment]
    ticks: str = ""


@dataclass(frozen=True)
class Query:
    """One question that was asked of the video, and where it was answered.

    `missed`: nothing answers it; `unsure`: these are its best moments, and the bundle cannot tell whether they do.
    """

    text: str
    missed: bool
    unsure: bool
    timeline: Timeline


@dataclass(frozen=True)
class Card:
    """Everything that one video shows. `opening` starts the summary, `rest` is folded away, `order` sorts cards."""

    title: str
    order: tuple[str, str]
    link: str
    duration: str
    evidence: str
    opening: str
    rest: str
    thumbnails: list[Thumbnail]
    timeline: Timeline
    chapters: list[Moment]
    queries: list[Query]
    warnings: list[str]
    facts: list[tuple[str, str]]


def make_card(row: Row) -> Card:
    """The card of an `ok` row. Any key may be missing or null."""
    uri = str(row.get("uri") or "")
    player = _Player(video_link(uri), units.number(row.get("duration_s")) or 0.0)
    opening, rest = fold(_text(row, "summary", MAX_TEXT))
    return Card(
        title=video_title(row),
        order=(shown(uri), str(row.get("video_id"))),
        link=player.link,
        duration=player.clock(player.duration_s) if player.duration_s else "",
        evidence=EVIDENCE.get(_text(row, "evidence"), ""),
        opening=opening,
        rest=rest,
        thumbnails=_thumbnails(_items(row, "thumbnails"), _items(row, "highlights"), player),
        timeline=_timeline(row, row, player),
        chapters=[player.moment(item, _text(item, "title")) for item in _items(row, "chapters")[:MAX_LISTED]],
        queries=[_query(item, row, player) for item in _items(row, "queries")[:MAX_LISTED]],
        warnings=[str(warning)[:MAX_LINE] for warning in list(row.get("warnings") or ())[:MAX_LISTED]],
        facts=facts_of(row),
    )


def _query(item: Row, row: Row, player: "_Player") -> Query:
    matched = item.get("matched")
    return Query(_text(item, "query"), matched is False, matched is None, _timeline(item, row, player, ALL_SCORES))


def video_title(row: Row) -> str:
    """The file's name, else the video's id."""
    name = PurePosixPath(shown(str(row.get("uri") or "")).removesuffix("?…")).name
    return name[-MAX_LINE:] or _text(row, "video_id") or "(no name)"


def video_link(uri: str) -> str:
    """Where a browser can open the video: a local file or an open web address, else nothing."""
    if uri.startswith("/"):
        return "file://" + quote(units.clean(uri))
    is_open = uri.startswith(("file:///", "https://")) and uri == shown(uri)
    return quote(units.clean(uri), safe=":/%,;=+$!*()~") if is_open else ""


def fold(summary: str) -> tuple[str, str]:
    """A long summary in two: what is read at once, and the rest; cut between words where there are any."""
    if len(summary) <= FOLD_AFTER * 1.3:
        return summary, ""
    space = summary.rfind(" ", FOLD_AFTER // 2, FOLD_AFTER)
    end = space if space > 0 else FOLD_AFTER
    return summary[:end], summary[end:].lstrip()


@dataclass(frozen=True)
class _Player:
    """Times of one video in words and as links; a short video's times have tenths, or they would read alike."""

    link: str
    duration_s: float

    def clock(self, seconds: float | None) -> str:
        return units.clock(seconds, tenths=0 < self.duration_s < SHORT_S)

    def at(self, seconds: float | None) -> str:
        return f"{self.link}#t={seconds:.1f}" if self.link and seconds is not None else ""

    def moment(self, item: Row, title: str) -> Moment:
        start, end = units.number(item.get("start_s")), units.number(item.get("end_s"))
        return Moment(f"{self.clock(start)}–{self.clock(end)}", title, self.at(start))


def _text(row: Row, key: str, limit: int = MAX_LINE) -> str:
    value = row.get(key)
    if value is None:
        return ""
    text = str(value).strip()
    return text if len(text) <= limit else text[:limit] + " … (cut here; the row holds all of it)"


def _items(row: Row, key: str) -> Sequence[Row]:
    return [item for item in (row.get(key) or ()) if isinstance(item, Mapping)]


def _thumbnails(items: Sequence[Row], highlights: Sequence[Row], player: _Player) -> list[Thumbnail]:
    made = []
    spans = [tuple(units.number(item.get(side)) or 0.0 for side in ("start_s", "end_s")) for item in highlights]
    for item in items[:MAX_THUMBNAILS]:
        time_s, size = units.number(item.get("time_s")), jpeg_size(item.get("jpeg"))
        if time_s is not None and size:
            source = "data:image/jpeg;base64," + base64.b64encode(item["jpeg"]).decode()
            is_top = any(start_s <= time_s < end_s for start_s, end_s in spans)
            thumbnail = Thumbnail(player.clock(time_s), source, player.at(time_s), *shown_size(*size), is_top)
            made.append((time_s, thumbnail))
    return [thumbnail for _, thumbnail in sorted(made, key=lambda pair: pair[0])]


def _timeline(scored: Row, row: Row, player: _Player, scale: tuple[float, float] | None = None) -> Timeline:
    highlights = _items(scored, "highlights")[:MAX_LISTED]
    shown = [units.number(item.get("time_s")) for item in _items(row, "thumbnails")[:MAX_THUMBNAILS]]
    return Timeline(
        curve=score_curve(row.get("frame_times_s"), scored.get("frame_scores"), player.duration_s, scale),
        marks=marks(highlights, player.duration_s),
        moments=[player.moment(item, "") for item in highlights],
        ticks=ticks((time_s for time_s in shown if time_s is not None), player.duration_s),
    )
