"""A cell of an ablation as a task: what it is asked, what it leaves, and that it fails alone. It knows no Ray.

OUTPUT/cells/NAME/config.json       what was asked for; another call on the same OUTPUT must ask for the same
OUTPUT/cells/NAME/summaries.jsonl   each scored summary with its reference and its scores
OUTPUT/cells/NAME/bundle/           the model, where bundles are kept
OUTPUT/cells/NAME/result.json       what came of it; written last, so it says that the cell is done
"""

import json
import tempfile
import traceback
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from clipsum import storage
from clipsum.ablation.cell import CellData, CellResult, run_cell
from clipsum.ablation.table import COMPARED, Cell
from clipsum.datasets.embedded import open_embedded
from clipsum.errors import ItemError, UsageError
from clipsum.models.bundle import load_bundle
from clipsum.training.loop import TrainingDivergedError
from clipsum.training.sources import TrainData
from ray_jobs.evaluate_sources import stored_costs
from ray_jobs.train_config import TrainJob
from ray_jobs.train_data import splits_of

CELLS, RESULT, SUMMARIES, BUNDLE = "cells", "result.json", "summaries.jsonl", "bundle"
EXPECTED = (UsageError, ItemError, TrainingDivergedError)
"""What says in its own line what is wrong; of anything else the traceback is kept."""


@dataclass(frozen=True)
class CellTask:
    """A cell to be done at `place`; `splits`: what is scored."""

    label: str
    seed: int
    place: str
    data: str
    bundle: str
    job: TrainJob
    splits: tuple[str, ...]
    keep_bundle: bool
    device: str = "cpu"


def run_task(task: CellTask) -> dict[str, Any]:
    """Do the cell and return its result, which is stored too; it fails alone, with a `reason`.

    Raises: ItemError where the result cannot be stored.
    """
    torch.set_num_threads(1)  # several cells share a machine, and the sums of several threads differ
    try:
        with tempfile.TemporaryDirectory(prefix="clipsum-cell-") as scratch:
            found = _run(task, Path(scratch))
            if task.keep_bundle:
                for path in sorted(path for path in Path(scratch).rglob("*") if path.is_file()):
                    storage.upload(path, storage.join(task.place, BUNDLE, path.relative_to(scratch).as_posix()))
    except Exception as error:  # the one place where a cell fails: the others go on
        return write_failure(task, reason_of(error), "" if isinstance(error, EXPECTED) else traceback.format_exc())
    storage.write_bytes(storage.join(task.place, SUMMARIES), "".join(found.lines).encode())
    return _write(task, {"status": "ok", **found.record})


def write_failure(task: CellTask, reason: str, detail: str = "") -> dict[str, Any]:
    """Store that the cell failed, and return that. Raises: ItemError."""
    return _write(task, {"status": "failed", "reason": reason, "detail": detail})


def reason_of(error: BaseException) -> str:
    """Why, in one line."""
    said = " ".join(str(error).split())
    return said if isinstance(error, EXPECTED) else f"{type(error).__name__}: {said}".removesuffix(": ")


def read_result(place: str) -> dict[str, Any] | None:
    """What came of the cell at `place`; None where it was not done. Raises: ItemError."""
    data = storage.read_if_there(storage.join(place, RESULT))
    return None if data is None else json.loads(data)


def read_cell(place: str, seed: int) -> Cell:
    """The cell at `place` as the table takes it. Raises: ItemError."""
    result = read_result(place)
    if result is None or result["status"] != "ok":
        return Cell(seed, result)
    scores: Mapping[str, dict[str, dict[str, float]]] = defaultdict(dict)
    for line in (storage.read_if_there(storage.join(place, SUMMARIES)) or b"").decode().splitlines():
        row = json.loads(line)
        scores[row["split"]][row["video_id"]] = {name: row["scores"][name] for name in COMPARED}
    return Cell(seed, result, scores)


def _run(task: CellTask, folder: Path) -> CellResult:
    data = open_embedded(task.data, thumbnails=False)
    if not task.job.encoder_finetune.layers:
        data = data.bare()
    train, validation = splits_of(data, task.job)
    trained_on = f"{len(train):,} videos of split '{task.job.train_split}' of {task.data}"
    scored = {split: data.of_split(split) for split in task.splits}
    given = CellData(TrainData(train, validation, trained_on), scored, stored_costs(task.data))
    return run_cell(task.job.training, load_bundle(task.bundle), given, folder, task.device)


def _write(task: CellTask, result: dict[str, Any]) -> dict[str, Any]:
    whole = {"label": task.label, "seed": task.seed, **result}
    data = json.dumps(whole, indent=2, ensure_ascii=False)
    storage.write_bytes(storage.join(task.place, RESULT), f"{data}\n".encode())
    return whole
