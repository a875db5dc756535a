"""run.json: what a run did and what it cost, over all of its starts."""

import json
import secrets
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Literal

import pyarrow as pa
import pyarrow.compute as pc

from clipsum import storage
from ray_jobs.manifest import Listed
from ray_jobs.pools import ActorPool, Machine
from ray_jobs.tally import Tally

SCHEMA_VERSION = 1
RECORD, ASKED = "run.json", "config.json"
"""The record of a run over an archive or of a training run, and what the latter alone leaves beside it."""
Ending = Literal["starting", "running", "finished", "interrupted", "too_many_failed", "error"]


@dataclass
class Attempt:
    """One start of the run. `cpu_s` is processor time of each stage; times are in seconds.

    `work_s` runs from when the first video was taken up, all pools being warm, to the last result. `peak_bytes` is the
    most memory that any one actor of a stage held, its decoding process included.
    """

    started_at: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))
    ending: Ending = "starting"
    videos: int = 0
    failed: int = 0
    video_s: float = 0.0
    wall_s: float = 0.0
    work_s: float = 0.0
    cpu_s: dict[str, float] = field(default_factory=dict)
    peak_bytes: dict[str, int] = field(default_factory=dict)
    bytes_read: int = 0
    cores: float = 0.0
    gpus: float = 0.0
    pools: dict[str, Any] = field(default_factory=dict)


class Clock:
    """Keeps an attempt's account while results come in; `stages` are those whose processor time counts."""

    def __init__(self, stages: Sequence[str]) -> None:
        self.attempt = Attempt(cpu_s=dict.fromkeys(stages, 0.0))
        self._started, self._first_work_at = time.monotonic(), float("inf")

    def add(self, results: pa.Table, come: Tally) -> None:
        """Account for rows that were just done and what they come to, with the columns that the stages add."""
        attempt = self.attempt
        attempt.videos += results.num_rows
        attempt.failed += come.failed
        attempt.video_s += come.video_s
        attempt.bytes_read += pc.sum(results["bytes_read"]).as_py() or 0
        for stage in attempt.cpu_s:
            attempt.cpu_s[stage] += pc.sum(results[f"{stage}_cpu_s"]).as_py() or 0.0
            held = pc.max(results[f"{stage}_peak_bytes"]).as_py() or 0
            attempt.peak_bytes[stage] = max(held, attempt.peak_bytes.get(stage, 0))
        self._first_work_at = min(self._first_work_at, pc.min(results["started_at"]).as_py())
        attempt.work_s = round(time.time() - self._first_work_at, 3)

    def begin(self) -> None:
        """From here on the output is written to, and an error closes its books."""
        self.attempt.ending = "running"

    def note(self, machine: Machine, pools: Mapping[str, ActorPool]) -> None:
        """Note what the attempt runs on."""
        self.attempt.cores, self.attempt.gpus = machine.cores, machine.gpus
        self.attempt.pools = {name: asdict(pool) for name, pool in pools.items()}

    def so_far(self) -> Attempt:
        """The attempt as it stands."""
        wall_s = round(time.monotonic() - self._started, 3)
        cpu_s = {stage: round(seconds, 3) for stage, seconds in self.attempt.cpu_s.items()}
        return replace(self.attempt, wall_s=wall_s, cpu_s=cpu_s)

    def stop(self, ending: Ending) -> Attempt:
        """The attempt as it ended."""
        self.attempt.ending = ending
        return self.so_far()


@dataclass(frozen=True)
class Prices:
    """What an hour of a core and of a GPU costs; None where nobody said."""

    core_hour: float | None
    gpu_hour: float | None


def read(output: str) -> dict[str, Any] | None:
    """The run.json of an output folder; None where there is none, or a broken one. Raises: ItemError, as the store."""
    try:
        found = json.loads(storage.read_if_there(_uri(output)) or b"")
    except ValueError:
        return None
    return found if isinstance(found, dict) and found.get("schema_version") == SCHEMA_VERSION else None


def write(output: str, run: Mapping[str, Any]) -> None:
    """Put run.json in place."""
    storage.write_bytes(_uri(output), (json.dumps(run, indent=2) + "\n").encode())


def compose(
    earlier: Mapping[str, Any] | None,
    attempt: Attempt,
    listed: Listed,
    tally: Tally,
    facts: Mapping[str, Any],
    prices: Prices,
) -> dict[str, Any]:
    """The whole run: counts of the rows that are there, costs summed over every start, and `facts` of the job."""
    starts = [*(earlier or {}).get("attempts", []), asdict(attempt)]
    wall_s = sum(start["wall_s"] for start in starts)
    summarised_s = sum(start["video_s"] for start in starts)
    costs: Counter[str] = Counter(dict.fromkeys(attempt.cpu_s, 0.0))
    for start in starts:
        costs.update(start["cpu_s"])
    return {
        "schema_version": SCHEMA_VERSION,
        "run_id": (earlier or {}).get("run_id") or _new_id(),
        **facts,
        "counts": {
            "listed": listed.videos,
            "ok": tally.ok,
            "failed": tally.failed,
            "pending": listed.videos - tally.ok - tally.failed,
        },
        "failures": dict(tally.failures.most_common()),
        "attempts": starts,
        "video_hours": round(tally.video_s / 3600, 6),
        "wall_s": round(wall_s, 3),
        "cpu_s": {stage: round(seconds, 3) for stage, seconds in costs.items()},
        "bytes_read": sum(start["bytes_read"] for start in starts),
        "bytes_listed": listed.total_bytes,
        "realtime_factor": round(summarised_s / wall_s, 3) if wall_s else None,
        "cost": _cost(starts, summarised_s / 3600, prices),
    }


def _cost(starts: list[dict[str, Any]], video_hours: float, prices: Prices) -> dict[str, float | None]:
    """Hours of cores and GPUs that were held, used or not; a price where the configuration names prices."""
    cores, gpus = (sum(start["wall_s"] * start[kind] for start in starts) / 3600 for kind in ("cores", "gpus"))
    price = None
    if prices.core_hour is not None or prices.gpu_hour is not None:
        price = cores * (prices.core_hour or 0.0) + gpus * (prices.gpu_hour or 0.0)
    return {
        "core_hours": round(cores, 6),
        "gpu_hours": round(gpus, 6) if gpus else None,
        "core_hours_per_video_hour": round(cores / video_hours, 6) if video_hours else None,
        "price": None if price is None else round(price, 6),
        "price_per_video_hour": None if price is None or not video_hours else round(price / video_hours, 6),
    }


def _new_id() -> str:
    return f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(3)}"


def _uri(output: str) -> str:
    return storage.join(output, RECORD)
