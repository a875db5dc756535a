"""One cell of an ablation: a configuration from one seed, trained, and scored as `clipsum evaluate` scores.

Validation chooses which step is kept; the scored splits choose nothing.
"""

import os
import platform
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from clipsum.datasets.embedded import Embedded
from clipsum.evaluation import record
from clipsum.evaluation.cases import AT_ONCE, Case, write_cases
from clipsum.evaluation.costs import count_parameters
from clipsum.evaluation.evaluate import evaluate
from clipsum.evaluation.reencode import Costs, Reencoded
from clipsum.models.bundle import Bundle, load_bundle
from clipsum.models.summarize import Summarizer
from clipsum.records import Transcript
from clipsum.reports.units import counted
from clipsum.training.config import Sees, TrainConfig
from clipsum.training.sources import TrainData
from clipsum.training.trainer import Trainer, ValidationReport


@dataclass(frozen=True, repr=False)
class CellData:
    """What a cell trains on, what is scored (split -> videos), and what decoding and encoding each of those took."""

    train: TrainData
    scored: Mapping[str, Sequence[Embedded]]
    costs: Costs


@dataclass(frozen=True, repr=False)
class CellResult:
    """`record`: all that was found, as plain values; `lines`: the scored summaries, one JSON object each."""

    record: dict[str, Any]
    lines: list[str]


def run_cell(config: TrainConfig, base: Bundle, data: CellData, folder: Path, device: str = "cpu") -> CellResult:
    """Train, leave the best bundle in `folder`, and score it on every split: to the bit on one CPU thread.

    Raises: UsageError where something does not fit; TrainingDivergedError.
    """
    started = time.monotonic()
    training = _train(config, base, data.train, folder, device)
    trained_s = time.monotonic() - started
    bundle = load_bundle(str(folder))
    summarizer = Summarizer(bundle, device)
    written = (
        seen_cases(videos, config.sees, summarizer, costs) for videos, costs in _scored(config, bundle, data, device)
    )
    results = evaluate([case for cases in written for case in cases])
    facts = {
        "training": {**training, "wall_s": round(trained_s, 3)},
        "model": bundle.manifest.model.model_dump(mode="json"),
        "sees": config.sees,
        "parameters": count_parameters(bundle),
        "generation": record.generation_facts(bundle),
        "machine": machine(device),
        "wall_s": round(time.monotonic() - started, 3),
    }
    return CellResult(record.compose(results, facts), list(record.summary_lines(results)))


def seen_cases(videos: Sequence[Embedded], sees: Sees, summarizer: Summarizer, costs: Costs) -> Iterator[Case]:
    """The case of each video, of which the model is shown what it was trained to see, and no more.

    Where that is text alone, no video is decoded or encoded, and neither costs anything.
    """
    paid = {} if sees == "text" else costs
    for start in range(0, len(videos), AT_ONCE):
        chunk = [hidden(video, sees) for video in videos[start : start + AT_ONCE]]
        yield from write_cases(chunk, summarizer, paid)


def hidden(video: Embedded, sees: Sees) -> Embedded:
    """The video without what is not to be seen of it."""
    if sees == "frames":
        return replace(video, transcript=Transcript())
    if sees == "text":
        frames = video.embeddings
        none = replace(frames, times_s=frames.times_s[:0], vectors=frames.vectors[:0])
        return replace(video, embeddings=none, frames=None)
    return video


def _scored(
    config: TrainConfig, bundle: Bundle, data: CellData, device: str
) -> Iterator[tuple[Sequence[Embedded], Costs]]:
    """The videos of each split and their costs; an encoder that has learned sees the stored pixels anew."""
    for videos in data.scored.values():
        if config.encoder_finetune.layers:
            anew = Reencoded(videos, bundle.encoder(device), data.costs)
            yield anew, anew.costs
        else:
            yield videos, data.costs


def machine(device: str) -> str:
    """Where a cell ran, in words."""
    if device.startswith("cuda"):
        return str(torch.cuda.get_device_name(device))
    return f"{_processor()}, {os.cpu_count()} cores, {counted(torch.get_num_threads(), 'thread')} a cell"


def _processor() -> str:
    """Its name where the system tells it, else its architecture."""
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _train(config: TrainConfig, base: Bundle, data: TrainData, folder: Path, device: str) -> dict[str, Any]:
    """Leaves the best bundle in `folder`; what is to be told of the training."""
    trainer = Trainer(config, base, data, device=device)
    best: ValidationReport | None = None
    for report in trainer.run():
        if isinstance(report, ValidationReport) and report.best:
            best = report
            trainer.write_bundle(str(folder))
    if best is None:
        raise RuntimeError("training ended without a validation")
    return {
        "steps": trainer.progress.step,
        "best_step": best.step,
        "validation": best.metrics,
        "trained_parameters": trainer.trained_parameters,
        "notes": list(trainer.notes),
    }
