"""What `clipsum evaluate` does: summaries, scores, and the three files that it leaves.

Bound: references, summaries and scores of all videos, and what `EmbeddedSet` holds; thumbnails of the shown cases.
"""

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from rich.console import Console

from clipsum import storage
from clipsum.datasets.marks import read_marks
from clipsum.datasets.tables import SUFFIXES
from clipsum.errors import UsageError
from clipsum.evaluation import pictured, record
from clipsum.evaluation.costs import count_parameters
from clipsum.evaluation.evaluate import SplitResult, evaluate, without_reference
from clipsum.evaluation.page import render_evaluation
from clipsum.evaluation.tables import paper_table
from clipsum.models.bundle import Bundle, load_bundle
from ray_jobs.config import SummarizeConfig
from ray_jobs.evaluate_sources import Found, from_embeddings, from_videos
from ray_jobs.evaluate_table import print_evaluation
from ray_jobs.places import EVALUATION, check_place
from ray_jobs.train_data import STREAMED


@dataclass(frozen=True)
class EvaluateCall:
    """What `clipsum evaluate` was asked for; no `splits`: all but the training split; `config`: of a run on videos.

    `marks`: a manifest with what people marked; a manifest of videos may hold that itself.
    """

    data: str
    output: str
    bundle: str
    splits: tuple[str, ...] = ()
    paper_table: bool = False
    java: bool = False
    config: SummarizeConfig = field(default_factory=SummarizeConfig)
    address: str | None = None
    marks: str | None = None


def evaluate_bundle(call: EvaluateCall, console: Console) -> int:
    """Write figures, summaries and page to `call.output`; returns 0, or what a run over videos ended with early.

    Raises: UsageError for data, splits or a bundle that do not fit.
    """
    started = time.monotonic()
    bundle = load_bundle(call.bundle)
    storage.check_writable(call.output)
    check_place(call.output, "an evaluation")
    found = _find(call, bundle, console)
    if found.exit_code:
        return found.exit_code
    results = evaluate(found.cases, call.java)
    facts = {
        "bundle": _bundle_facts(call.bundle, bundle),
        "data": {"place": call.data, **found.facts, "holds_training": _holds_training(call.data, bundle, found)},
        "without_reference": without_reference(found.cases),
        "generation": record.generation_facts(bundle),
        "parameters": count_parameters(bundle),
        "peak_memory_bytes": dict(found.peak_memory),
        "wall_s": round(time.monotonic() - started, 3),
    }
    made = record.compose(results, facts)
    page = _write(call.output, made, results, found)
    print_evaluation(console, made, page)
    if call.paper_table:
        print(paper_table(made))
    return 0


def _holds_training(data: str, bundle: Bundle, found: Found) -> bool:
    """Was the bundle trained on some of these videos, which no split tells from the others?"""
    place = bundle.manifest.trained_on.removesuffix(STREAMED)
    return place.endswith(f" of {data}") and any(not case.split for case in found.cases)


def _find(call: EvaluateCall, bundle: Bundle, console: Console) -> Found:
    own = call.data if storage.suffix(call.data) == ".jsonl" else None
    place = call.marks or own
    marks = read_marks(place, may_be_none=call.marks is None) if place and bundle.manifest.model.scorer else {}
    if storage.suffix(call.data) in SUFFIXES:
        found = from_videos(
            source=call.data,
            output=call.output,
            bundle=call.bundle,
            splits=call.splits,
            config=call.config,
            address=call.address,
            console=console,
            may_lack_references=bool(marks),
        )
        return replace(found, cases=[replace(case, marks=marks.get(case.video_id)) for case in found.cases])
    highlights = call.config.highlights
    if call.config != SummarizeConfig(highlights=highlights):
        raise UsageError(
            f"'{call.data}' holds embeddings, made already: --set and --config are for a manifest of videos, "
            "but for the keys of highlights"
        )
    return from_embeddings(call.data, bundle, call.splits, console, marks, highlights)


def _write(output: str, made: dict[str, Any], results: Sequence[SplitResult], found: Found) -> str:
    """The three files; evaluation.json comes last. Returns the page's address.

    The page is of summaries, and of the splits that have any; where none has, the address is that of the figures.
    """
    figures, page = storage.join(output, EVALUATION), storage.join(output, "report.html")
    told = [result for result in results if result.cases]
    if told:
        cases = pictured.page_cases(told, found.thumbnails(pictured.shown_ids(told)))
        splits = {result.split: made["splits"][result.split] for result in told}
        storage.write_bytes(page, render_evaluation({**made, "splits": splits}, cases).encode())
    storage.write_bytes(storage.join(output, "summaries.jsonl"), "".join(record.summary_lines(results)).encode())
    storage.write_bytes(figures, (json.dumps(made, indent=2) + "\n").encode())
    return page if told else figures


def _bundle_facts(name: str, bundle: Bundle) -> dict[str, Any]:
    manifest = bundle.manifest
    encoder = f"{manifest.encoder.name}/{manifest.encoder.pretrained or 'its own weights'}"
    return {
        "place": name,
        "bundle_id": bundle.bundle_id,
        "encoder": encoder,
        "fingerprint": manifest.fingerprint,
        "sampling": str(manifest.sampling),
        "seek": manifest.seek,
        "trained_on": manifest.trained_on,
    }
