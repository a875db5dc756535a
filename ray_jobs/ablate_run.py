"""One start of `clipsum ablate`: look at all data, do the cells that are not done, and write the table.

OUTPUT/cells/NAME/       one folder for each configuration and seed (`ablate_cell`)
OUTPUT/ablation.json     the table as plain values, and how it was measured
OUTPUT/table.md, table.csv, report.html   the same for people
"""

import json
import os
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import ray
from ray.exceptions import RayError
from rich.console import Console

from clipsum import storage
from clipsum.ablation.grid import Grid
from clipsum.ablation.layout import csv_table, markdown
from clipsum.ablation.page import render_ablation
from clipsum.ablation.rows import Row, rows_of
from clipsum.ablation.table import compose
from clipsum.errors import UsageError
from ray_jobs.ablate_cell import CELLS, CellTask, read_cell, read_result, reason_of, run_task, write_failure
from ray_jobs.ablate_look import Looked, job_of, look
from ray_jobs.ablate_progress import CellLine, print_failed, print_table
from ray_jobs.call import check_fraction
from ray_jobs.cluster import connected, local_of
from ray_jobs.owner import Owner, owned
from ray_jobs.places import ABLATION, check_place
from ray_jobs.pools import Machine
from ray_jobs.train_record import RunRecord, open_record

NICENESS = 8
LOOK_EVERY_S = 0.5
GRACE_S = 5.0
"""How long cells that are cut short may take to end."""


@dataclass(frozen=True)
class AblateCall:
    """What `clipsum ablate` was asked for. Raises: UsageError for a fraction that cannot be."""

    grid: Grid
    output: str
    address: str | None = None
    max_failed_fraction: float = 1.0

    def __post_init__(self) -> None:
        check_fraction(self.max_failed_fraction)


def ablate(call: AblateCall, console: Console) -> int:
    """Do what is missing and write the table; 0, or 1 where no cell, or too few of them, succeeded.

    Raises: UsageError, one line, before anything is trained, where grid, data and bundles do not fit.
    """
    rows = rows_of(call.grid)
    parted = [(encoder, [row for row in rows if row.encoder is encoder]) for encoder in call.grid.encoders]
    looked = {encoder.label: look(encoder, some, call.grid) for encoder, some in parted if some}
    storage.check_writable(call.output)
    check_place(call.output, "an ablation")
    with owned(call.output, partial(console.print, highlight=False, soft_wrap=True)) as owner:
        return _ablate(call, rows, looked, owner, console)


def _ablate(call: AblateCall, rows: Sequence[Row], looked: Mapping[str, Looked], owner: Owner, console: Console) -> int:
    tasks = [_task(call, row, seed, looked[row.encoder.label]) for seed in call.grid.seeds for row in rows]
    asked = [(task, _record(task, looked)) for task in tasks]
    missing = [each for each in asked if not _is_done(each[0])]
    with _cluster(call, looked) if missing else nullcontext() as machine:
        gpus = _gpus(call.grid, machine) if machine else 0.0
        try:
            if missing:
                _run(missing, len(tasks), gpus, owner, console)
        finally:
            if not owner.is_lost:
                record = _write_table(call, rows, looked)
    owner.check()
    print_table(console, record, call.output)
    failed = sum(len(row["failed"]) for row in record["rows"])
    if failed:
        print_failed(console, failed, len(tasks), call.output)
    return 1 if failed == len(tasks) or failed > call.max_failed_fraction * len(tasks) else 0


def _task(call: AblateCall, row: Row, seed: int, looked: Looked) -> CellTask:
    return CellTask(
        label=row.label,
        seed=seed,
        place=storage.join(call.output, CELLS, row.cell(seed)),
        data=looked.data,
        bundle=looked.bundle,
        job=job_of(call.grid, row, seed),
        splits=call.grid.splits,
        keep_bundle=call.grid.keep_bundles,
    )


def _record(task: CellTask, looked: Mapping[str, Looked]) -> RunRecord:
    """What was asked of the cell. Raises: UsageError where it was asked for something else."""
    found = next(each for each in looked.values() if (each.data, each.bundle) == (task.data, task.bundle))
    asked = {
        "recipe": "",
        "base": {"name": found.bundle, "bundle_id": found.bundle_id},
        "data": {"place": found.data, "identity": found.identity},
    }
    return open_record(task.place, asked, task.job)


def _is_done(task: CellTask) -> bool:
    """Is its result there? One that failed is tried again."""
    result = read_result(task.place)
    return result is not None and result["status"] == "ok"


def _cluster(call: AblateCall, looked: Mapping[str, Looked]) -> AbstractContextManager[Machine]:
    places = [call.output, *(place for each in looked.values() for place in (each.data, each.bundle))]
    return connected(call.address, None if call.grid.shared_files else local_of(places))


def _run(
    missing: Sequence[tuple[CellTask, RunRecord]], total: int, gpus: float, owner: Owner, console: Console
) -> None:
    """Do the cells on the cluster, as many at once as fit."""
    for _, record in missing:
        record.settle()
    remote = ray.remote(_in_worker).options(num_cpus=1, num_gpus=gpus, max_retries=1)
    device = "cuda" if gpus else "cpu"
    running = {remote.remote(replace(task, device=device)): task for task, _ in missing}
    with CellLine(console, total, total - len(missing)) as line:
        try:
            while running:
                owner.check()
                for done in ray.wait(list(running), timeout=LOOK_EVERY_S)[0]:
                    task = running.pop(done)
                    line.show(_outcome(done, task))
        finally:
            for reference in running:  # none, unless it was cut short
                ray.cancel(reference)
            if running:  # they clear up behind them, for which a Ray that ends at once would leave no time
                ray.wait(list(running), num_returns=len(running), timeout=GRACE_S)


def _in_worker(task: CellTask) -> dict[str, Any]:
    """The cell, in a process of Ray's that yields to whatever else its machine does."""
    os.nice(max(0, NICENESS - os.nice(0)))
    return run_task(task)


def _outcome(reference: Any, task: CellTask) -> dict[str, Any]:
    """A cell's result; one whose process died failed, as others do."""
    try:
        result: dict[str, Any] = ray.get(reference)
    except RayError as error:
        return write_failure(task, f"its process died: {reason_of(error)[:300]}")
    return result


def _gpus(grid: Grid, machine: Machine) -> float:
    """How many GPUs each cell takes. Raises: UsageError for more than there are."""
    wanted = float(machine.gpus >= 1) if grid.gpus_per_cell is None else grid.gpus_per_cell
    if wanted > machine.gpus:
        raise UsageError(f"gpus_per_cell={wanted:g}, and the cluster has {machine.gpus:g}: take fewer, or 0")
    return wanted


def _write_table(call: AblateCall, rows: Sequence[Row], looked: Mapping[str, Looked]) -> dict[str, Any]:
    """The table of what is done so far, in all layouts; ablation.json comes last. Raises: ItemError."""
    cells = {
        row.label: [read_cell(storage.join(call.output, CELLS, row.cell(seed)), seed) for seed in call.grid.seeds]
        for row in rows
    }
    facts = {
        "grid": call.grid.model_dump(mode="json"),
        "data": {label: str(found) for label, found in looked.items()},
        "left_out": {label: list(found.left_out) for label, found in looked.items()},
    }
    record = compose(rows, cells, call.grid.splits, call.grid.reference, facts)
    written = {
        "table.md": markdown(record),
        "table.csv": csv_table(record),
        "report.html": render_ablation(record),
        ABLATION: json.dumps(record, indent=2, ensure_ascii=False) + "\n",
    }
    for name, text in written.items():
        storage.write_bytes(storage.join(call.output, name), text.encode())
    return record
