"""The report of an evaluation: one HTML page of its figures, and its best, median and worst cases with their frames.

Like the report of an archive it holds all that it shows and loads nothing. Bound: the cases that it is given.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from clipsum.evaluation.tables import TRAINED_ON, Record, figure_rows, protocol_lines, split_title
from clipsum.reports import units
from clipsum.reports.card import Card, Row, make_card
from clipsum.reports.figures import Figure, bar_of
from clipsum.reports.page import environment

GROUPS = {"best": "Best", "median": "In the middle", "worst": "Worst"}
MAX_TEXT = 4_000
_PARTS = {"encoder": "encoder", "temporal": "temporal", "fusion": "fusion", "bart": "BART"}
Words = list[tuple[str, bool]]


@dataclass(frozen=True)
class CaseView:
    """A case on the page: words of the summary with whether the reference has them in their place, and the reverse."""

    card: Card
    split: str
    score: str
    summary: Words
    reference: Words
    unsupported: list[str]


@dataclass(frozen=True)
class Line:
    """A line of the table: for each split the figure and its interval in words; "" where there is none."""

    label: str
    cells: list[tuple[str, str]]


def render_evaluation(record: Record, cases: Mapping[str, Sequence[Row]]) -> str:
    """The page, as text to be written in UTF-8.

    `record` is what evaluation.json holds; `cases`: `best`, `median`, `worst` -> rows as of `pictured.page_cases`.
    """
    return (
        environment()
        .get_template("evaluation.html.j2")
        .render(
            headline=_headline(record),
            lead=_lead(record),
            run_facts=_facts(record),
            figures=_figures(record),
            splits=[
                (split_title(name), units.counted(split["videos"], "video")) for name, split in record["splits"].items()
            ],
            lines=[Line(label, [_cell(figure) for figure in figures]) for label, figures in figure_rows(record)],
            notes=_notes(record),
            protocol=protocol_lines(record),
            groups=[(GROUPS[name], [_view(row) for row in rows]) for name, rows in cases.items() if rows],
        )
    )


def _headline(record: Record) -> str:
    name, split = next(iter(record["splits"].items()))
    return f"ROUGE-L {split['figures']['rougeL']['value']:.1f} on {name or 'all videos'}"


def _lead(record: Record) -> str:
    total = sum(split["videos"] for split in record["splits"].values())
    splits = ", ".join(split_title(name) for name in record["splits"] if name)
    return f"{units.counted(total, 'video')} with a reference" + (f": {splits}" if splits else "")


def _facts(record: Record) -> list[tuple[str, str]]:
    bundle = record["bundle"]
    facts = [("Bundle", bundle["bundle_id"]), ("Encoder", bundle["encoder"]), ("Frames", bundle["sampling"])]
    return [(label, str(value)[:200]) for label, value in facts]


def _figures(record: Record) -> list[Figure]:
    figures = []
    for name, split in list(record["splits"].items())[:2]:
        found = split["figures"]["rougeL"]
        note = f"95 % of resamplings: {found['low']:.1f} to {found['high']:.1f}"
        figures.append(Figure(f"ROUGE-L, {split_title(name)}", f"{found['value']:.1f}", "", note))
    first = next(iter(record["splits"].values()))
    if seconds := {stage: each["mean"] for stage, each in first["seconds_per_video"].items()}:
        figures.append(Figure("A video takes", units.span(sum(seconds.values())), "", "", bar_of(seconds, units.span)))
    counts = record["parameters"]
    known = {label: float(counts[name]) for name, label in _PARTS.items() if counts.get(name)}
    whole = "" if counts.get("total") else "without the encoder, which is not here"
    figures.append(Figure("Parameters", units.short(sum(known.values())), "", whole, bar_of(known, units.short)))
    return figures


def _cell(figure: Mapping[str, float] | None) -> tuple[str, str]:
    if not figure:
        return "–", ""
    return f"{figure['value']:.2f}", f"{figure['low']:.2f} to {figure['high']:.2f}" if "low" in figure else ""


def _notes(record: Record) -> list[str]:
    """What the figures leave out, and what it took."""
    data = record["data"]
    left_out = [f"{units.count(sum(record['without_reference'].values()))} without a reference"]
    left_out += [f"{units.count(number)} failed ({reason})" for reason, number in data["failures"].items()]
    left_out += [f"{units.count(data['pending'])} pending"] if data["pending"] else []
    memory = ", ".join(f"{name} {units.size(size)}" for name, size in record["peak_memory_bytes"].items())
    chances = [split.get("kitchen", {}).get("hidden_slots_chance") for split in record["splits"].values()]
    guess = f"A guess would get {chances[0]:.1f} % of the hidden slots right." if chances and chances[0] else ""
    return [
        f"Videos that are not scored: {', '.join(left_out)}.",
        f"Seconds of a video: {data['seconds']}. Peak memory: {memory}.",
        *([guess] if guess else []),
        *([f"{TRAINED_ON}."] if data.get("holds_training") else []),
    ]


def _view(row: Row) -> CaseView:
    summary, reference = str(row["summary"])[:MAX_TEXT], str(row["reference"])[:MAX_TEXT]
    return CaseView(
        card=make_card({**row, "summary": ""}),
        split=str(row["split"] or ""),
        score=f"{row['score']:.1f}",
        summary=_marked(summary, reference),
        reference=_marked(reference, summary),
        unsupported=list(row["unsupported"] or ()),
    )


def _marked(text: str, other: str) -> Words:
    """Each word of a text, and whether it stands in the longest run of common words, in order, as ROUGE-L wants it."""
    mine, theirs = ([_letters(word) for word in side.split()] for side in (text, other))
    matched = [False] * len(mine)
    for place, _, size in SequenceMatcher(None, mine, theirs, autojunk=False).get_matching_blocks():
        matched[place : place + size] = [True] * size
    return list(zip(text.split(), matched, strict=True))


def _letters(word: str) -> str:
    """A word without case and punctuation."""
    return "".join(re.findall(r"\w+", word.lower()))
