"""The records of a training run in order, and the charts that are drawn of them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from clipsum.reports import units
from clipsum.reports.chart import Chart, Points, chart

Record = Mapping[str, Any]


@dataclass(frozen=True)
class History:
    """The records of a run, by kind and in order."""

    starts: list[Record]
    steps: list[Record]
    validations: list[Record]

    @property
    def done(self) -> int:
        """Steps that are done."""
        return max((int(record["step"]) for record in [*self.steps, *self.validations]), default=0)

    def best(self) -> Record | None:
        """The last validation that was better than all before it."""
        return next((record for record in reversed(self.validations) if record.get("best")), None)


def history_of(records: Iterable[Record]) -> History:
    """Sort records out by their `kind`; other kinds are left alone."""
    found: dict[str, list[Record]] = {"start": [], "step": [], "validation": []}
    for record in records:
        found.get(str(record.get("kind")), []).append(record)
    return History(found["start"], found["step"], found["validation"])


def charts_of(history: History, end: float) -> list[Chart]:
    """Losses, scores on validation, learning rate and speed over steps; those that there is something of.

    Where a scorer learns, the losses of the two heads have a chart each, and what all is made of has another.
    """
    end = max(end, history.done)
    starts = [float(record["step"]) for record in history.starts[1:]]
    frames = {units.FRAMES[name]: points(history.validations, "metrics", name) for name in ("tau", "query_f1")}
    metrics = {label: points(history.validations, "metrics", name) for name, label in units.ROUGE.items()}
    made = [
        *_loss_charts(history, end, starts),
        chart("ROUGE on validation", "F1 × 100, stemmed", metrics, end, starts, floor=True),
        chart("Frame scores on validation", "× 100", frames, end, starts, floor=True),
        chart("Learning rate", "", {"": points(history.steps, "learning_rate")}, end, starts, floor=True),
        chart("Speed", "examples/s", {"": points(history.steps, "examples_per_s")}, end, starts, floor=True),
    ]
    return [each for each in made if each]


def _loss_charts(history: History, end: float, starts: Sequence[float]) -> list[Chart | None]:
    """Of a summarizer alone one chart; where a scorer learns, one of the whole and one of each head that learns."""
    steps, validations = history.steps, history.validations
    text = {"training": points(steps, "loss"), "validation": points(validations, "metrics", "loss")}
    names = list(dict.fromkeys(name for record in steps for name in record.get("losses") or ()))
    if not names:
        return [chart("Loss", "nats a token", text, end, starts)]
    of = {name: points(steps, "losses", name) for name in names}
    heads = {name: of.pop(name, []) for name in ("text", "video")}
    text["training"] = heads["text"]
    video = {"training": heads["video"], "validation": points(validations, "metrics", "frame_loss")}
    return [
        chart("Loss", "of both heads, weighted", {"training": points(steps, "loss")}, end, starts),
        chart("Loss of summaries", "nats a token", text, end, starts) if heads["text"] else None,
        chart("Loss of frame scores", "weighted sum", video, end, starts),
        chart("What the loss of frame scores is made of", "before weights", of, end, starts),
    ]


def points(records: Sequence[Record], *keys: str) -> Points:
    """(step, value) of each record that has a number under these keys, one within the other."""
    found = []
    for record in records:
        value: Any = record
        for key in keys:
            value = value.get(key) if isinstance(value, Mapping) else None
        if (number := units.number(value)) is not None:
            found.append((float(record["step"]), number))
    return found
