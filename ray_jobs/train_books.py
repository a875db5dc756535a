"""The books of a training run: metrics.jsonl, TensorBoard's event files, and report.html; one worker keeps them.

`metrics.jsonl` holds one record a line: `{"kind": "start" | "step" | "validation", "step": …}`. `flush` comes before
each checkpoint is whole, so all steps up to a checkpoint are in the books; what the books have beyond the checkpoint
that a run goes on from is struck out, since those steps are done again.
Bound: the records of all steps in memory, some 200 bytes each, and the file as a whole when it is written.
"""

import json
import tempfile
import time
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tensorboardX import SummaryWriter

from clipsum import storage
from clipsum.reports.training_page import render_training
from clipsum.training.loop import StepReport
from clipsum.training.trainer import ValidationReport

METRICS = "metrics.jsonl"
TENSORBOARD = "tensorboard"
REPORT = "report.html"
Record = dict[str, Any]


def step_record(report: StepReport) -> Record:
    """A step as a line of metrics.jsonl."""
    return {"kind": "step", **asdict(report)}


def validation_record(report: ValidationReport) -> Record:
    """A validation as a line of metrics.jsonl."""
    keys = ("video_id", "reference", "summary")
    samples = [dict(zip(keys, sample, strict=True)) for sample in report.samples]
    return {"kind": "validation", **asdict(report), "samples": samples}


class Books:
    """Books of the run in `output` that goes on after `step` steps; `run` is what the page's head says of it.

    Of it, `wall_s` is what earlier starts took, and `began_at` when this one began, in seconds since the epoch: books
    are opened again within one start, where workers die.
    """

    def __init__(self, output: str, step: int, run: Record) -> None:
        self._output, self._run = output, run
        self._records = [record for record in read_records(output) if record["step"] <= step]
        self._earlier_s, self._began_at = float(run.get("wall_s") or 0.0), float(run.get("began_at") or time.time())
        # only where it is needed: a worker that is killed leaves it behind
        self._scratch = tempfile.TemporaryDirectory(prefix="clipsum-books-") if storage.is_s3(output) else None
        self._events = Path(self._scratch.name if self._scratch else storage.join(output, TENSORBOARD))
        self._writer = SummaryWriter(str(self._events), purge_step=step + 1)

    @property
    def best(self) -> Record | None:
        """The last validation that was better than all before it."""
        return next((record for record in reversed(self._records) if record.get("best")), None)

    def start(self, step: int, workers: int, device: str) -> Record:
        """Note that so many workers begin, or go on, after `step` steps."""
        at = datetime.now(UTC).isoformat(timespec="seconds")
        return self._add({"kind": "start", "step": step, "at": at, "workers": workers, "device": device})

    def step(self, report: StepReport) -> Record:
        """Note a step."""
        for name in ("loss", "learning_rate", "gradient_norm", "examples_per_s"):
            self._writer.add_scalar(f"train/{name}", getattr(report, name), report.step)
        for name, value in report.losses.items():
            self._writer.add_scalar(f"train/loss_{name}", value, report.step)
        return self._add(step_record(report))

    def validation(self, report: ValidationReport) -> Record:
        """Note a validation; one of the same step is struck out: it was made again."""
        for name, value in report.metrics.items():
            self._writer.add_scalar(f"validation/{name}", value, report.step)
        for video_id, reference, summary in report.samples:
            self._writer.add_text(f"samples/{video_id}", f"{summary}\n\n*Reference:* {reference}", report.step)
        same = {"kind": "validation", "step": report.step}.items()
        self._records = [record for record in self._records if not same <= record.items()]
        return self._add(validation_record(report))

    def flush(self, page: bool = False, **changes: Any) -> None:
        """Write what was noted; the `page` too, with `changes` of what its head says. Raises: ItemError."""
        lines = "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in self._records)
        storage.write_bytes(storage.join(self._output, METRICS), lines.encode())
        self._writer.flush()
        if self._scratch:
            for path in self._events.glob("events.*"):
                storage.upload(path, storage.join(self._output, TENSORBOARD, path.name))
        if page:
            wall_s = self._earlier_s + max(0.0, time.time() - self._began_at)  # not monotonic: of another machine
            made = render_training({**self._run, **changes, "wall_s": wall_s}, self._records)
            storage.write_bytes(storage.join(self._output, REPORT), made.encode())

    def close(self) -> None:
        """Let go of the files."""
        self._writer.close()
        if self._scratch:
            self._scratch.cleanup()

    def _add(self, record: Record) -> Record:
        self._records.append(record)
        return record


def read_records(output: str) -> list[Record]:
    """The records of metrics.jsonl in their order; none where there is no such file. Raises: ItemError."""
    data = storage.read_if_there(storage.join(output, METRICS)) or b""
    return [json.loads(line) for line in data.decode().splitlines() if line]
