"""S6: the whole batch job against the bound that its own stages' costs imply.

For each resource, the seconds that all stages need of it over how many there are; the largest is the bound. All of it
comes from one run: processor seconds measured in the stages, and the wall clock from the first decode, when the pools
are warm, until the last row lies in its part.
"""

import time
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from clipsum.bench.lines import Line, at_least
from clipsum.datasets.kitchen.corpus import write_split
from clipsum.datasets.manifest import list_sources
from ray_jobs import manifest, pipeline
from ray_jobs.call import Call, part_rows, stage_settings, with_pools
from ray_jobs.cluster import connected
from ray_jobs.config import SummarizeConfig
from ray_jobs.jobs import SUMMARIZE
from ray_jobs.ledger import Ledger
from ray_jobs.pools import Machine, plan

SMALL_CORES = 4
COSTS = ["status", "started_at", "decode_cpu_s", "encode_cpu_s", "generate_cpu_s", "encode_s", "generate_s"]


def batch_line(folder: Path, videos: int, bundle: str, address: str | None) -> Line:
    """S6 on `videos` kitchen videos, rendered into `folder` unless they stand there."""
    archive = folder / f"kitchen-{videos}"
    if not (archive / "manifest.jsonl").exists():
        write_split(archive, "test", videos, seed=1)
    config = SummarizeConfig(shared_files=True)
    with TemporaryDirectory(dir=folder) as fresh, connected(address) as machine:
        call = Call(SUMMARIZE, (str(archive / "manifest.jsonl"),), fresh, bundle, config)
        table, wall_s = _run(call, machine)
    return _line(table, wall_s, machine)


def _run(call: Call, machine: Machine) -> tuple[pa.Table, float]:
    """The accounting of every video, and the seconds from the first decode until all rows are written."""
    settings, listing = stage_settings(call), Path(call.output) / "listed"
    rows = part_rows(call, settings)
    listing.mkdir()
    listed = manifest.write(list_sources(call.sources), listing, manifest.file_rows(rows))
    ledger = Ledger(call.output, listed, call.job.settings_id(settings), rows, call.config.flush_s, call.job.layout)
    todo = np.ones(listed.videos, np.bool_)
    chosen = plan(call.config, settings.sampling, settings.preprocessing.size_px, machine, listed.videos)
    settings, steps = with_pools(settings, chosen), call.job.steps(chosen)
    tables, ended_at = [], 0.0
    with closing(pipeline.run(listed, todo, settings, steps, None, warm_first=True)) as results:
        for part in results:
            tables.append(part.select(COSTS))
            ledger.add(part)  # which writes the last part with its last row
            ended_at = time.time()  # not after the loop: taking the actors down is no part of it
    table = pa.concat_tables(tables)
    return table, ended_at - float(pc.min(table["started_at"]).as_py())


def _line(table: pa.Table, wall_s: float, machine: Machine) -> Line:
    def total(*names: str) -> float:
        return sum(float(pc.sum(table[name]).as_py() or 0) for name in names)

    bounds = {"cores": total("decode_cpu_s", "encode_cpu_s", "generate_cpu_s") / machine.cores}
    if machine.gpus:
        bounds["GPUs"] = total("encode_s", "generate_s") / machine.gpus
    resource, bound_s = max(bounds.items(), key=lambda item: item[1])
    done = int(pc.sum(pc.equal(table["status"], "ok")).as_py())
    return at_least(
        "S6",
        f"batch job, {done} of {table.num_rows} videos",
        f"{wall_s:.1f} s",
        f"bound by {resource} {bound_s:.1f} s",
        bound_s / wall_s,
        0.85 if machine.cores <= SMALL_CORES else 0.95,
    )
