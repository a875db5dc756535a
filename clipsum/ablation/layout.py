"""The table of an ablation as Markdown and as CSV, in the columns of the paper."""

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from clipsum.ablation.table import COMPARED
from clipsum.evaluation.tables import split_title
from clipsum.metrics.score import LABELS
from clipsum.reports import units

Record = Mapping[str, Any]
_METEOR = "meteor_exact_stem"
FIGURES = {
    **{"rouge1": "R-1", "rouge2": "R-2", "rougeL": "R-L"},
    **{"bleu4": "BLEU-4", _METEOR: LABELS[_METEOR], "cider": "CIDEr"},
    **{"hidden_slots": "hidden slots, %", "tau_shuffled": "order τ", "unsupported_words": "unsupported words"},
}
SEES = {"text": "text", "frames": "frames", "both": "text + frames"}
SHOWN = "rougeL"
"""The figure whose difference to the reference is in the table."""


class Column(NamedTuple):
    """A column: its title, and what stands in it for a row on a split."""

    title: str
    cell: Callable[[Record, Record], str]


def columns_of(record: Record, split: str) -> list[Column]:
    """Those that some row has something for."""
    rows = record["rows"]
    found = [Column("row", lambda row, _: str(row["label"]) if row["is_explicit"] else "")]
    found = found if any(row["is_explicit"] for row in rows) else []
    found += [
        Column("encoder", lambda row, _: row["encoder"] or units.DASH),
        Column("weights", _weights),
        Column("temporal", lambda row, _: row["temporal"] or units.DASH),
        Column("fusion", lambda row, _: row["fusion"] or units.DASH if row["encoder"] else units.DASH),
        Column("sees", lambda row, _: SEES[row["sees"]]),
    ]
    known = {name for row in rows for name in row["splits"][split]["figures"]}
    found += [Column(title, _figure(name)) for name, title in FIGURES.items() if name in known]
    found += [
        Column("trained", lambda row, _: units.short(row["parameters"]["trained"])),
        Column("encoder's", lambda row, _: units.short(row["parameters"]["encoder"])),
        Column("s / video", lambda _, told: _seconds(told)),
    ]
    if record["reference"]:
        found.append(Column("Δ R-L", lambda row, told: difference_words(record, row, told)))
    return found


def markdown(record: Record) -> str:
    """How it was measured, a table for each split, and what failed."""
    parts = ["\n".join(f"- {line}" for line in protocol_lines(record))]
    for split in record["splits"]:
        columns = columns_of(record, split)
        lines = [[column.title for column in columns], ["---"] * len(columns)]
        lines += [[column.cell(row, row["splits"][split]) for column in columns] for row in record["rows"]]
        title = f"**{split_title(split)}**, {videos_words(record, split)}"
        cells = (" | ".join(cell.replace("|", "\\|") for cell in line) for line in lines)
        parts += [title, "\n".join(f"| {line} |" for line in cells)]
    if notes := note_lines(record):
        parts.append("\n".join(f"- {line}" for line in notes))
    return "\n\n".join(parts) + "\n"


def csv_table(record: Record) -> str:
    """A line for each row on each split, with all figures in full."""
    names = dict.fromkeys(n for row in record["rows"] for told in row["splits"].values() for n in told["figures"])
    lines = [_csv_line(row, split, list(names)) for split in record["splits"] for row in record["rows"]]
    text = io.StringIO()
    writer = csv.DictWriter(text, list(lines[0]) if lines else [], lineterminator="\n")
    writer.writeheader()
    writer.writerows(lines)
    return text.getvalue()


def _csv_line(row: Record, split: str, names: Sequence[str]) -> dict[str, Any]:
    told = row["splits"][split]
    line = {name: row[name] for name in ("label", "encoder", "is_finetuned", "temporal", "fusion", "sees")}
    line |= {"split": split, "videos": told["videos"], "seeds": " ".join(map(str, row["seeds"]))}
    line["failed"] = "; ".join(f"seed {seed}: {reason}" for seed, reason in row["failed"].items())
    for name in names:
        figure = told["figures"].get(name) or {}
        line |= {f"{name}_mean": figure.get("mean"), f"{name}_sd": figure.get("sd")}
    line |= {f"{name}_parameters": count for name, count in row["parameters"].items()}
    line |= {f"{stage}_s": told["seconds_per_video"].get(stage) for stage in ("decode", "encode", "generate")}
    for name in COMPARED:
        found = (told["difference"] or {}).get(name) or {}
        line |= {f"{name}_difference_{key}": found.get(key) for key in ("mean", "low", "high", "p")}
    return line


def protocol_lines(record: Record) -> list[str]:
    """How the figures came about, above all seeds, steps, what chose the model, scorer, beam and machine."""
    base, seeds = record["grid"]["base"], ", ".join(map(str, record["grid"]["seeds"]))
    batch, chosen = base["batch_size"], base["validation"]["metric"]
    generation = [f"{name} {value}" for name, value in record["generation"].items() if value is not None]
    lines = [
        f"seeds {seeds}: mean ± standard deviation over them (n − 1)"
        if len(record["grid"]["seeds"]) > 1
        else f"seed {seeds}",
        f"training: recipe {base['recipe']}, {steps_words(record)} of {batch} videos, initial weights: {base['init']}; "
        f"the step with the highest {chosen} on split '{base['validation_split']}' is scored: no other split chooses",
        *(_finetuned(encoder) for encoder in record["grid"]["encoders"] if encoder["finetune"]["layers"]),
        f"data: {'; '.join(f'{name}: {data}' for name, data in record['data'].items())}",
        *(f"{family}: {text}" for family, text in record["protocol"].items() if family != "intervals"),
        f"generation: {', '.join(generation) or units.DASH}",
        "s / video: decode (CPU) and encode as clipsum embed measured them, generate (wall) in the cell, while as many "
        f"others ran as fit; on {'; '.join(record['machines']) or units.DASH}",
    ]
    if record["reference"]:
        lines.append(
            f"Δ R-L: mean over seeds less that of '{record['reference']}' on the same videos, with the interval that "
            "holds 95 % of 10,000 resamplings of the videos (paired; other seeds are not in it)"
        )
    return lines


def _finetuned(encoder: Mapping[str, Any]) -> str:
    """The protocol of an encoder that learns, after `EncoderFinetune`."""
    given = encoder["finetune"]
    frames = "all" if given["frames"] is None else given["frames"]
    return (
        f"{encoder['name']} fine-tuned: its last {given['layers']} blocks, final norm and projection learn by the "
        f"summary's cross-entropy; rate {given['learning_rate']:g} on the run's schedule, 0 for "
        f"{given['frozen_steps']} steps, then rising over {given['warmup_steps']}; weight decay "
        f"{given['weight_decay']:g}; {frames} frames a video in training, all at validation"
    )


def note_lines(record: Record) -> list[str]:
    """What is missing in the table, and in the data."""
    left_out: dict[str, list[str]] = record.get("left_out", {})
    lines = [f"{name}: {line}" for name, told in left_out.items() for line in told]
    for row in record["rows"]:
        lines += [f"{row['label']}, seed {seed}, failed: {reason}" for seed, reason in row["failed"].items()]
        if row["pending"]:
            lines.append(f"{row['label']}: not done yet from seed {', '.join(map(str, row['pending']))}")
    return lines


def steps_words(record: Record) -> str:
    """How many steps the cells took: `1,500 steps`, or from the fewest to the most."""
    steps = sorted({step for row in record["rows"] for step in row["steps"]})
    if not steps:
        return "no step yet"
    return f"{steps[0]:,} steps" if len(steps) == 1 else f"{steps[0]:,} to {steps[-1]:,} steps"


def videos_words(record: Record, split: str) -> str:
    """On how many videos a split is scored."""
    counts = sorted({row["splits"][split]["videos"] for row in record["rows"]} - {0})
    return f"{' or '.join(f'{count:,}' for count in counts) or 'no'} videos"


def _figure(name: str) -> Callable[[Record, Record], str]:
    def cell(_: Record, told: Record) -> str:
        figure = told["figures"].get(name)
        if figure is None:
            return units.DASH
        return f"{figure['mean']:.2f}" + ("" if figure["sd"] is None else f" ± {figure['sd']:.2f}")

    return cell


def _weights(row: Record, _: Record) -> str:
    if not row["encoder"]:
        return units.DASH
    return "fine-tuned" if row["is_finetuned"] else "frozen"


def _seconds(told: Record) -> str:
    taken = told["seconds_per_video"].values()
    return units.decimal(sum(taken)) if taken else units.DASH


def difference_words(record: Record, row: Record, told: Record) -> str:
    """The difference to the reference with its interval."""
    if row["label"] == record["reference"]:
        return "reference"
    found = (told["difference"] or {}).get(SHOWN)
    return f"{found['mean']:+.2f} [{found['low']:+.2f}, {found['high']:+.2f}]" if found else units.DASH
