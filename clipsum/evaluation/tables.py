"""An evaluation as a table: splits side by side for the terminal, and the layout of the paper in Markdown.

Both read what `evaluation.json` holds, so that they are made again from it as well.
"""

from collections.abc import Mapping
from typing import Any

from clipsum.evaluation import kitchen, moments
from clipsum.metrics import score

Record = Mapping[str, Any]
OUT_OF_DISTRIBUTION = ("ood", "long_ood")
TRAINED_ON = "some of these videos were trained on: no split tells which, so embed them with a column 'split'"
_PAPER = {
    **{"rouge1": "R-1", "rouge2": "R-2", "rougeL": "R-L"},
    **{f"bleu{order}": f"BLEU-{order}" for order in range(1, 5)},
}


def split_title(split: str) -> str:
    """The name of a split, with what it is where that does not say itself."""
    if split in OUT_OF_DISTRIBUTION:
        return f"{split} (out of distribution)"
    return split or "all videos"


def figure_rows(record: Record) -> list[tuple[str, list[Mapping[str, float] | None]]]:
    """Label -> the figure (value, and low, high where it has an interval) of each split, None where it has none."""
    told = [figures_of(split) for split in record["splits"].values()]
    rows = [(label, [figures.get(name) for figures in told]) for name, label in figure_labels().items()]
    return [(label, figures) for label, figures in rows if any(figures)]


def figures_of(split: Record) -> dict[str, Mapping[str, float]]:
    """Name -> figure of one split of a record."""
    return {**split["figures"], **split.get("kitchen", {}), **moments.rows_of(split)}


def figure_labels() -> dict[str, str]:
    """What each of them is called, in the order of tables."""
    return {**score.LABELS, **kitchen.LABELS, **moments.labels()}


def paper_table(record: Record) -> str:
    """The paper's columns in Markdown, a line for each split, then ROUGE without stemming; how, below it."""
    names = {name for split in record["splits"].values() for name in split["figures"]}
    meteor = "meteor15" if "meteor15" in names else "meteor_exact_stem"
    columns = {**_PAPER, meteor: score.LABELS[meteor], "cider": "CIDEr"}
    lines = [("", "videos", *columns.values()), ("---",) * (len(columns) + 2)]
    for name, split in record["splits"].items():
        figures = split["figures"]
        unstemmed = [figures.get(column + score.UNSTEMMED) for column in columns]
        title = split_title(name)
        lines.append((title, f"{split['videos']:,}", *(_points(figures.get(column)) for column in columns)))
        lines.append((f"{title}, unstemmed", "", *(_points(figure) for figure in unstemmed)))
    table = "\n".join("| " + " | ".join(line) + " |" for line in lines)
    return "\n".join([table, "", *(f"- {line}" for line in protocol_lines(record))]) + "\n"


def protocol_lines(record: Record) -> list[str]:
    """What each figure means, and with which settings the summaries were written."""
    settings = [f"{name} {value}" for name, value in record["generation"].items() if value is not None]
    return [
        *(f"{family}: {text}" for family, text in record["protocol"].items()),
        f"generation: {', '.join(settings)}",
    ]


def _points(figure: Mapping[str, float] | None) -> str:
    return f"{figure['value']:.2f}" if figure else "–"
