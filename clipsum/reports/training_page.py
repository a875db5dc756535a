"""The report of a training run: one HTML page of its curves, and of what it wrote as it learned.

It is made from the records of metrics.jsonl, and like the report of an archive it holds all that it shows and loads
nothing. Bound: `MAX_SAMPLES` videos, `MAX_STAGES` summaries of each, and the points of its charts.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from clipsum.reports import units
from clipsum.reports.figures import Figure
from clipsum.reports.page import environment
from clipsum.reports.training_charts import History, Record, charts_of, history_of, points

MAX_SAMPLES = 12
MAX_STAGES = 5
MAX_TEXT = 4000


@dataclass(frozen=True)
class Stage:
    """What the model wrote at one validation: words, each with whether the reference has it too."""

    label: str
    is_best: bool
    words: list[tuple[str, bool]]


@dataclass(frozen=True)
class Sample:
    """One video: its reference, and what was written about it, the latest last."""

    title: str
    reference: str
    stages: list[Stage]


def render_training(run: Record, records: Iterable[Record]) -> str:
    """The page, as text to be written in UTF-8.

    `run`: `name`, `metric` (that chooses the best), `total_steps`, `epochs`, `videos` {split: n}, `workers`, `wall_s`,
    `ending`, `settings` {name: value}, `changed` [names that differ from `recipe`]; any of them may be missing.
    `records`: those of metrics.jsonl.
    """
    history, template = history_of(records), environment().get_template("training.html.j2")
    settings, changed = dict(run.get("settings") or {}), run.get("changed") or ()
    return template.render(
        headline=_headline(run, history),
        lead=_lead(run, history),
        figures=_figures(run, history),
        charts=charts_of(history, units.number(run.get("total_steps")) or 0.0),
        samples=samples_of(history),
        settings=[(str(key), str(value)[:300], key in changed) for key, value in settings.items()],
        recipe=str(run.get("recipe") or ""),
        run_facts=_run_facts(run, history),
        restarts=len(history.starts) > 1,
    )


def samples_of(history: History) -> list[Sample]:
    """The videos of the last validation, each with what it was given at a few validations from first to last."""
    if not history.validations:
        return []
    chosen = _spread(history.validations)
    best, made = history.best(), []
    for sample in list(history.validations[-1].get("samples") or ())[:MAX_SAMPLES]:
        known = set(_words(str(sample["reference"])))
        stages = []
        for record in chosen:
            said = {each["video_id"]: str(each["summary"]) for each in record.get("samples") or ()}
            if sample["video_id"] in said:
                words = [
                    (word, bool(known.intersection(_words(word)))) for word in _cut(said[sample["video_id"]]).split()
                ]
                stages.append(Stage(f"step {units.count(record['step'])}", record is best, words))
        made.append(Sample(str(sample["video_id"]), _cut(str(sample["reference"])), stages))
    return made


def _spread(validations: Sequence[Record]) -> list[Record]:
    """The first, the last, the best, and some between."""
    last = len(validations) - 1
    places = {round(part * last / (MAX_STAGES - 1)) for part in range(MAX_STAGES)}
    best = max((place for place, record in enumerate(validations) if record.get("best")), default=last)
    if best not in places and len(places) > 2:
        places.discard(min(places - {0, last}, key=lambda place: abs(place - best)))
    return [validations[place] for place in sorted(places | {best})]


def _headline(run: Record, history: History) -> str:
    best, metric = history.best(), str(run.get("metric") or "rouge2")
    score = units.number(dict(best["metrics"]).get(metric)) if best else None
    if best and score is not None:
        told = units.frame_scores({metric: score}) or {units.ROUGE.get(metric, metric): f"{score:.1f}"}
        ((label, value),) = told.items()
        return f"{label[0].upper()}{label[1:]} {value}, at step {units.count(best['step'])}"
    return f"{units.counted(history.done, 'step')}, not validated yet" if history.done else "Nothing trained yet"


def _lead(run: Record, history: History) -> str:
    total, videos = units.number(run.get("total_steps")), dict(run.get("videos") or {})
    words = [f"{units.count(history.done)} of {units.count(total)} steps" if total else ""]
    words += [f"on {units.counted(videos['train'], 'video')}"] if videos.get("train") else []
    words += [f"in {units.span(run['wall_s'])}"] if units.number(run.get("wall_s")) else []
    endings = {
        "finished": "finished",
        "stopped_early": "stopped early, since it got no better",
        "diverged": "ended, for the loss was no longer finite",
        "interrupted": "interrupted: the same command goes on",
    }
    sentence = " ".join(word for word in words if word)
    return ", ".join(part for part in (sentence, endings.get(str(run.get("ending")), "")) if part)


def _figures(run: Record, history: History) -> list[Figure]:
    figures = []
    if losses := [value for _, value in points(history.steps, "loss")]:
        note, of_text = f"{units.decimal(losses[0])} at first", not history.steps[-1].get("losses")
        figures.append(Figure("Loss", units.decimal(losses[-1]), "nats a token" if of_text else "", note))
    last = dict(history.validations[-1]["metrics"]) if history.validations else {}
    scores = [units.number(last.get(name)) for name in units.ROUGE]
    if told := [f"{score:.1f}" for score in scores if score is not None]:
        figures.append(Figure("ROUGE-1 / 2 / L", " / ".join(told), "", "at the last validation"))
    for label, told_score in units.frame_scores(last).items():
        figures.append(Figure(label[0].upper() + label[1:], told_score, "", "at the last validation"))
    if speeds := sorted(value for _, value in points(history.steps, "examples_per_s")):
        workers = int(units.number(run.get("workers")) or 1)
        note = f"on {units.counted(workers, 'worker')}, the median step"
        figures.append(Figure("Speed", units.decimal(speeds[len(speeds) // 2]), "examples/s", note))
    if epochs := [record["epoch"] for record in history.steps if record.get("epoch") is not None]:
        note = units.counted(len(history.validations), "validation")
        figures.append(Figure("Epoch", units.count(int(epochs[-1]) + 1), "", note))
    return figures


def _run_facts(run: Record, history: History) -> list[tuple[str, str]]:
    starts = len(history.starts)
    facts = [("Run", run.get("name")), ("Base", run.get("base")), ("Starts", starts if starts > 1 else None)]
    facts.append(("Videos that failed", units.reasons(*(each.get("failures") or {} for each in history.validations))))
    return [(label, str(value)[:200]) for label, value in facts if value]


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())


def _cut(text: str) -> str:
    return text if len(text) <= MAX_TEXT else f"{text[:MAX_TEXT]} …"
