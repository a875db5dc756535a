"""One start of `clipsum train`: look at data, base and earlier starts, train, and close the record of the run.

OUTPUT/bundle.json …   the best model so far, as a bundle
OUTPUT/config.json     what was asked for; another call on the same OUTPUT must ask for the same
OUTPUT/run.json        what came of it: how it ended, the best scores, each start
OUTPUT/owner/          the start that works on it now (`owner`)
OUTPUT/checkpoints/    the last and the best (`train_checkpoints`)
OUTPUT/metrics.jsonl, tensorboard/, report.html (`train_books`)
"""

import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from ray.train import TrainingFailedError
from rich.console import Console

from clipsum import storage
from clipsum.errors import RunError, UsageError
from clipsum.models.bundle import load_bundle
from ray_jobs.cluster import connected, local_of
from ray_jobs.owner import Owner, owned
from ray_jobs.places import check_place
from ray_jobs.train_config import TrainJob, Workers, changes
from ray_jobs.train_data import StoredSource
from ray_jobs.train_place import Placed, device_here, place_workers
from ray_jobs.train_progress import print_outcome
from ray_jobs.train_ray import Running, train_here, train_on_ray
from ray_jobs.train_record import RunRecord, open_record
from ray_jobs.train_stream import StreamSource, is_manifest, open_manifest
from ray_jobs.train_watch import Watch
from ray_jobs.train_worker import Outcome, Work

EXIT_CODES = {"finished": 0, "stopped_early": 0, "interrupted": 130}


@dataclass(frozen=True)
class TrainCall:
    """What `clipsum train` was asked for."""

    data: str
    output: str
    bundle: str
    recipe: str
    job: TrainJob
    workers: Workers
    address: str | None = None


def train(call: TrainCall, console: Console) -> int:
    """Do the run, or go on with it, and return its exit code: 0, or 130 where it was stopped.

    Raises: UsageError where the call is wrong; RunError where training failed.
    """
    if call.job.batch_size < call.workers.most:
        raise UsageError(
            f"--workers {call.workers} is more than batch_size={call.job.batch_size}: each needs an example a step, "
            "take fewer or --set batch_size=…"
        )
    bundle = load_bundle(call.bundle)
    name = bundle.name_elsewhere(call.bundle)  # workers have another working folder too
    source: StoredSource | StreamSource
    if is_manifest(call.data):
        source = open_manifest(call.data, name, call.job, call.output)
    else:
        source = StoredSource(call.data, name, call.job)
    data = source.look(bundle)
    storage.check_writable(call.output)
    check_place(call.output, "a training run")
    asked = {
        "recipe": call.recipe,
        "base": {"name": name, "bundle_id": bundle.bundle_id},
        "data": {"place": call.data, "videos": data.videos, "identity": data.identity},
    }
    record = open_record(call.output, asked, call.job)
    if record.is_finished:
        console.print(f"'{call.output}' is finished: {record.summary()}", highlight=False, soft_wrap=True)
        return 0
    with owned(call.output, partial(console.print, highlight=False, soft_wrap=True)) as owner:
        record = open_record(call.output, asked, call.job)  # again: nobody else writes it from here on
        return TrainRun(call, source, record, asked, owner, console).go()


class TrainRun:
    """A start of a run whose call was found to be right."""

    def __init__(
        self,
        call: TrainCall,
        source: StoredSource | StreamSource,
        record: RunRecord,
        asked: dict[str, Any],
        owner: Owner,
        console: Console,
    ) -> None:
        self._call, self._source, self._record, self._owner, self._console = call, source, record, owner, console
        self._device = "" if call.workers.most else device_here(call.job)
        self._head = {
            "name": call.output.rstrip("/").rpartition("/")[2],
            "base": f"{Path(source.bundle).name} {asked['base']['bundle_id']}",
            "metric": call.job.validation.metric,
            "videos": asked["data"]["videos"],
            "recipe": call.recipe,
            "settings": call.job.deciding(),
            "changed": changes(call.job, call.recipe),
            "wall_s": record.wall_s,
            "began_at": time.time(),
        }
        # what a start that is cut off can say of itself: where the next one goes on
        self._saved = {name: record.values.get(name, 0) for name in ("step", "total_steps")}

    def go(self) -> int:
        """Train, close the record, and return the exit code; what the cluster refuses leaves nothing behind."""
        began = time.monotonic()
        with ExitStack() as stack:
            return self._train(self._place(stack), stack, began)

    def _train(self, placed: Placed | None, stack: ExitStack, began: float) -> int:
        outcome = None
        self._record.begin(str(self._call.workers))
        try:
            watch = Watch(self._call.workers, self._saved, lambda: self._owner.is_lost)
            outcome = watch.until_the_end(self._start(placed, stack), self._console)
        except KeyboardInterrupt:
            outcome = Outcome("interrupted", **self._saved)
        except TrainingFailedError as error:
            raise RunError(f"training failed, and the same command goes on: {_last_line(error)}") from error
        finally:
            wall_s = time.monotonic() - began
            if not self._owner.is_lost:
                self._record.end(outcome, wall_s)
        return self._close(outcome, wall_s)

    def _close(self, outcome: Outcome, wall_s: float) -> int:
        if outcome.ending == "refused":
            raise UsageError(outcome.message)
        if outcome.ending == "failed" and "\n" in outcome.message:
            raise RuntimeError(f"a training worker failed:\n{outcome.message}")
        if outcome.ending in ("failed", "diverged"):
            raise RunError(outcome.message)
        print_outcome(self._console, outcome, wall_s, self._call.output)
        return EXIT_CODES[outcome.ending]

    def _place(self, stack: ExitStack) -> Placed | None:
        """The cluster and what each worker takes of it; None where this process trains from stored embeddings."""
        call, streams = self._call, isinstance(self._source, StreamSource)
        if not call.workers.most and not streams:
            return None
        machine = stack.enter_context(connected(call.address, self._local_path()))
        return Placed(machine, place_workers(machine, call.workers, call.job, streams))

    def _start(self, placed: Placed | None, stack: ExitStack) -> Running:
        call, source = self._call, self._source
        if placed is None:
            return train_here(self._work(source), self._device)
        machine, placement = placed
        if isinstance(source, StreamSource):
            source.embed_validation(self._console)
            source = replace(source, machine=machine, cpus=placement.cpus, gpus=float(placement.use_gpu))
        if not call.workers.most:
            return train_here(self._work(source), self._device)
        scratch = stack.enter_context(tempfile.TemporaryDirectory(prefix="clipsum-train-"))
        return train_on_ray(self._work(source), call.workers, placement, call.job, scratch)

    def _work(self, source: StoredSource | StreamSource) -> Work:
        job = self._call.job
        return Work(
            output=self._call.output,
            trainer=source.trainer,
            checkpoint_every_s=job.checkpoint_every_s,
            checkpoint_every_steps=job.checkpoint_every_steps,
            threads=job.threads,
            run=self._head,
        )

    def _local_path(self) -> str | None:
        """A path that other machines may not have, of the output or of what workers read."""
        given = (self._call.output, *self._source.places())
        return None if self._call.job.shared_files else local_of(given)


def _last_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
