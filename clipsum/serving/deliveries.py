"""Webhooks that are to be told of the end of their jobs: each at least once, by whichever process is there.

A delivery is one more entry of the job's log, so that one process at a time sends it; one that dies meanwhile is
followed by another after `HOLD_S`. The receiver knows what it was told before by the job's id.
"""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from clipsum.serving.job_log import Entry, JobLog

HOLD_S = 120.0
"""How long nobody else sends what one has begun to send; several times what sending may take."""
PAUSES_S = (2, 10, 60, 300, 1800, 7200, 21600)
"""Between one try and the next; after the last there is none."""
Told = Literal["told", "given_up"]


@dataclass(frozen=True)
class Delivery:
    """The right to tell the webhook at `url`. `number` is the entry of the log that gives it; `tries` counts this."""

    job_id: str
    url: str
    body: bytes
    tries: int
    number: int
    marked_s: float
    end: Entry


@dataclass(frozen=True)
class Deliveries:
    """Those of the jobs in `log`. Every method may raise ItemError where the store fails."""

    log: JobLog
    clock: Callable[[], float] = time.time

    def claim(self) -> Delivery | None:
        """The oldest that is due, or None; a record that cannot be read is passed over."""
        return self.log.first_due("hooks", self.clock, self._claim, lambda *_: None)

    def end(self, delivery: Delivery, how: Told) -> None:
        """It has been told, or nobody will try any more."""
        self.log.append(delivery.job_id, delivery.number + 1, delivery.end | {"webhook": how, "tries": delivery.tries})
        self.log.unmark("hooks", delivery.marked_s, delivery.job_id)

    def again(self, delivery: Delivery) -> None:
        """It was not heard: once more after a pause, or after the last one never."""
        if delivery.tries > len(PAUSES_S):
            self.end(delivery, "given_up")
            return
        pause_s = PAUSES_S[delivery.tries - 1]
        if self._hold(delivery.job_id, delivery.number + 1, delivery.end, delivery.tries, pause_s):
            self.log.mark("hooks", self.clock() + pause_s, delivery.job_id)
            self.log.unmark("hooks", delivery.marked_s, delivery.job_id)

    def _claim(self, marked_s: float, job_id: str) -> Delivery | None:
        now = self.clock()
        found = self.log.last(job_id)
        if found is None or found[1].get("webhook") != "pending":
            self.log.unmark("hooks", marked_s, job_id)
            return None
        number, job = found
        if now < job.get("not_before_s", 0):
            return None
        end = {name: job[name] for name in ("state", "attempt", "finished_s")} | {"end": job.get("end", number)}
        tries = job.get("tries", 0) + 1
        if not self._hold(job_id, number + 1, end, tries, HOLD_S):
            return None
        return Delivery(job_id, job["request"]["webhook"], _body(job), tries, number + 1, marked_s, end)

    def _hold(self, job_id: str, number: int, end: Entry, tries: int, seconds: float) -> bool:
        entry = end | {"webhook": "pending", "tries": tries, "not_before_s": self.clock() + seconds}
        return self.log.append(job_id, number, entry)


def _body(job: Entry) -> bytes:
    said: dict[str, Any] = {name: job[name] for name in ("id", "state", "result", "error") if name in job}
    return json.dumps(said).encode()
