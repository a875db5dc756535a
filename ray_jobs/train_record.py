"""What a training run was asked for (config.json), and what came of it over all of its starts (run.json)."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from clipsum import storage
from clipsum.errors import UsageError
from clipsum.models.bundle import MANIFEST
from clipsum.reports.units import scores
from clipsum.training.recorded import check_recorded
from ray_jobs.run_record import ASKED, RECORD
from ray_jobs.train_config import IDLE, TrainJob
from ray_jobs.train_worker import Outcome

SCHEMA_VERSION = 1
REMEDY = "give another --output, or say the same as before"


@dataclass
class RunRecord:
    """run.json of the run in `output`, with one entry of `attempts` for each start."""

    output: str
    values: dict[str, Any] = field(default_factory=dict)
    asked: Mapping[str, Any] | None = None
    """What config.json is to hold, where there is none yet."""

    @property
    def attempts(self) -> list[dict[str, Any]]:
        """Each start: when, on how many workers, for how long, and how it ended."""
        found: list[dict[str, Any]] = self.values.setdefault("attempts", [])
        return found

    @property
    def is_finished(self) -> bool:
        """Is there nothing left to do?"""
        return self.values.get("ending") in ("finished", "stopped_early")

    @property
    def wall_s(self) -> float:
        """Seconds of all starts that came to an end of their own."""
        return sum(attempt.get("wall_s") or 0.0 for attempt in self.attempts)

    def summary(self) -> str:
        """What it reached, in words."""
        best = self.values.get("best")
        steps = f"{self.values.get('step', 0):,} of {self.values.get('total_steps', 0):,} steps"
        if not best:
            return steps
        return f"{steps}, the best after {best['step']:,} with {scores(best['metrics'])} on validation"

    def settle(self) -> None:
        """Write down what is asked for, once the call is known to be right. Raises: ItemError."""
        if self.asked is not None:
            _write(storage.join(self.output, ASKED), self.asked)
            self.asked = None

    def begin(self, workers: str) -> None:
        """Note a start. Raises: ItemError."""
        self.settle()
        at = datetime.now(UTC).isoformat(timespec="seconds")
        self.attempts.append({"started_at": at, "workers": workers, "ending": "running", "wall_s": None})
        self._write(ending="running")

    def end(self, outcome: Outcome | None, wall_s: float) -> None:
        """Note how the start ended; None: by an error. Raises: ItemError."""
        ending = outcome.ending if outcome else "error"
        self.attempts[-1].update(ending=ending, wall_s=round(wall_s, 3))
        best = self.values.get("best")  # stays where this start cannot tell
        if outcome and outcome.best:
            best = {key: outcome.best[key] for key in ("step", "epoch", "metrics")}
        told = {"step": outcome.step, "total_steps": outcome.total_steps, "best": best} if outcome else {}
        self._write(ending=ending, **told)

    def _write(self, **changes: Any) -> None:
        self.values = {"schema_version": SCHEMA_VERSION, **self.values, **changes}
        _write(storage.join(self.output, RECORD), self.values)


def open_record(output: str, asked: Mapping[str, Any], job: TrainJob) -> RunRecord:
    """The record of the run in `output`, a new one where there is none. `asked`: `recipe`, `base` and `data`.

    Raises: UsageError, one line, where the run in `output` was asked for something else, or `output` is something else.
    """
    whole = {"schema_version": SCHEMA_VERSION, **asked, "config": job.model_dump(mode="json")}
    earlier = _read(storage.join(output, ASKED))
    if earlier is None:
        if storage.exists(storage.join(output, MANIFEST)):
            raise UsageError(f"'{output}' holds a bundle that no training run wrote: give another --output")
        return RunRecord(output, asked=whole)
    check_recorded(output, _deciding(earlier), _deciding(whole), TrainJob, REMEDY, free=IDLE)
    return RunRecord(output, _read(storage.join(output, RECORD)) or {})


def _deciding(asked: Mapping[str, Any]) -> dict[str, Any]:
    return {**asked["config"], "base": asked["base"]["bundle_id"], "data": asked["data"]["identity"]}


def _write(uri: str, values: Mapping[str, Any]) -> None:
    data = json.dumps(values, indent=2, ensure_ascii=False)
    storage.write_bytes(uri, f"{data}\n".encode())


def _read(uri: str) -> dict[str, Any] | None:
    data = storage.read_if_there(uri)
    return None if data is None else json.loads(data)
