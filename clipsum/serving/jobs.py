"""Jobs as objects in a folder or on `s3://`, with leases; no broker. What is acknowledged survives every restart.

The last entry of a job's log is its state (see `job_log`): a claim, a renewal and an end that meet each other have one
winner, and a worker that lost its lease cannot finish. `open/` names what is not finished and when it may be begun,
`done/` when each was finished, and `hooks/` whose webhook is to be told (see `deliveries`).
"""

import logging
import secrets
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from clipsum.errors import ItemError
from clipsum.serving.job_log import ID_LETTERS, Entry, JobLog
from clipsum.serving.leases import Lease, LeaseLostError, append, running
from clipsum.serving.refusals import RefusedError, refused_reason

LEASE_S, SKEW_S, KEEP_S = 60.0, 5.0, 7 * 24 * 3600.0
"""How long a claim holds; by how much clocks may differ; how long results are kept."""
MAX_OPEN, MAX_ATTEMPTS = 1000, 3
FULL_RETRY_S = 30.0
ORPHAN_S = 600.0
"""The age of a marker without a record at which nobody is writing that record any more."""
PAUSE_S, LONGEST_PAUSE_S, PATIENCE_S = 5.0, 300.0, 24 * 3600.0
"""What passes is tried again after a pause that doubles, until the job is so old."""
NOT_ITS_OWN = frozenset({"overloaded", "storage_error"})
"""Reasons for which no job can be blamed: they cost it no attempt."""
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class JobStore:
    """The jobs below `place`. Every method may raise ItemError where the store fails. `clock` is seconds since 1970."""

    place: str
    lease_s: float = LEASE_S
    keep_s: float = KEEP_S
    max_open: int = MAX_OPEN
    clock: Callable[[], float] = time.time
    _told: set[str] = field(default_factory=set, repr=False, compare=False)

    @property
    def log(self) -> JobLog:
        """What lies there."""
        return JobLog(self.place)

    def submit(self, request: Mapping[str, Any], owner: str = "") -> str:
        """The id of a new job of the key `owner`, once it is stored. Raises: RefusedError, 503 where too many wait."""
        if sum(1 for _ in self.log.marked("open")) >= self.max_open:
            raise RefusedError(503, "overloaded", "too many jobs are waiting", FULL_RETRY_S)
        job_id, created_s = secrets.token_hex(ID_LETTERS // 2), self.clock()
        first = {"state": "waiting", "owner": owner, "request": dict(request), "created_s": created_s, "attempt": 0}
        self.log.mark("open", created_s, job_id)  # first: a job that nobody finds is never done
        self.log.append(job_id, 0, first)
        if self.clock() - created_s > ORPHAN_S / 2:  # a store so slow that somebody may have taken it for an orphan
            self.log.mark("open", created_s, job_id)
        return job_id

    def read(self, job_id: str, owner: str = "") -> Entry | None:
        """What is known of a job; None where `owner` has no such job."""
        if len(job_id) != ID_LETTERS or not set(job_id) <= set("0123456789abcdef"):
            return None
        found = self.log.last(job_id)
        return found[1] if found and found[1].get("owner") == owner else None

    def claim(self, worker: str) -> Lease | None:
        """A lease on the oldest job that is free, or None. One tried too often without an end fails here.

        A record that cannot be read is passed over; it goes when it is older than results are kept.
        """
        return self.log.first_due("open", self.clock, partial(self._claim, worker), self._pass_over)

    def _claim(self, worker: str, marked_s: float, job_id: str) -> Lease | None:
        now = self.clock()  # before the look: what is read later is newer
        found = self.log.last(job_id)
        if found is None:
            if now - marked_s > ORPHAN_S:
                self.log.unmark("open", marked_s, job_id)
            return None
        number, job = found
        if job["state"] in ("done", "failed"):
            self._close(marked_s, job_id, job)
            return None
        if now < (job["expires_s"] + SKEW_S if job["state"] == "running" else job.get("not_before_s", 0)):
            return None
        pauses, created_s, until_s = job.get("pauses", 0), job["created_s"], now + self.lease_s
        lease = Lease(job_id, job["request"], worker, job["attempt"], pauses, created_s, marked_s, number, until_s)
        if lease.attempt >= MAX_ATTEMPTS:
            self._end(lease, {"state": "failed", "error": refused_reason("worker_died").body["error"]})
            return None
        lease = replace(lease, attempt=lease.attempt + 1, number=number + 1)
        return lease if self.log.append(job_id, lease.number, running(lease)) else None

    def renew(self, lease: Lease, stage: str | None = None) -> Lease:
        """The lease for longer, with the stage that the work has reached. Raises: LeaseLostError."""
        longer = replace(lease, expires_s=self.clock() + self.lease_s)
        number = append(self.log, lease, running(longer) | {"stage": stage})
        if number is None:
            raise LeaseLostError(lease.job_id)
        return replace(longer, number=number)

    def release(self, lease: Lease) -> None:
        """Give the job back undone, for others to take at once; the attempt does not count."""
        self._give_back(lease, lease.attempt - 1, lease.pauses, self.clock())

    def put_back(self, lease: Lease, error: RefusedError) -> None:
        """Give the job back for a later time, since `error` may pass; where it was tried enough it fails with that.

        Raises: LeaseLostError, and nothing is written.
        """
        attempt = lease.attempt - (error.reason in NOT_ITS_OWN)
        pause_s = min(PAUSE_S * 2.0 ** min(lease.pauses, 16), LONGEST_PAUSE_S)
        begin_s = self.clock() + max(pause_s, error.retry_after_s or 0)
        if attempt >= MAX_ATTEMPTS or begin_s - lease.created_s > PATIENCE_S:
            self.fail(lease, error)
        elif self._give_back(lease, attempt, lease.pauses + 1, begin_s) is None:
            raise LeaseLostError(lease.job_id)
        else:
            with suppress(ItemError):  # it is found by the marker that it has, too, if at a greater cost
                self.log.mark("open", begin_s, lease.job_id)
                self.log.unmark("open", lease.marked_s, lease.job_id)

    def finish(self, lease: Lease, result: Mapping[str, Any]) -> None:
        """Write the result, the commit point. Raises: LeaseLostError, and nothing is written."""
        if not self._end(lease, {"state": "done", "result": dict(result)}):
            raise LeaseLostError(lease.job_id)

    def fail(self, lease: Lease, error: RefusedError) -> None:
        """Write why there is no result. Raises: LeaseLostError, and nothing is written."""
        if not self._end(lease, {"state": "failed", "error": error.body["error"]}):
            raise LeaseLostError(lease.job_id)

    def sweep(self) -> int:
        """Remove what was finished more than `keep_s` ago; the number of jobs."""
        removed = 0
        for finished_s, job_id in self.log.marked("done"):
            if finished_s > self.clock() - self.keep_s:
                break
            self.log.remove(job_id)
            self.log.unmark("hooks", finished_s, job_id)
            self.log.unmark("done", finished_s, job_id)
            removed += 1
        return removed

    def _give_back(self, lease: Lease, attempt: int, pauses: int, begin_s: float) -> int | None:
        entry = {"state": "waiting", "attempt": attempt, "pauses": pauses, "not_before_s": begin_s}
        return append(self.log, lease, entry)

    def _end(self, lease: Lease, entry: Entry) -> bool:
        hook = {"webhook": "pending"} if lease.request.get("webhook") else {}
        entry = {"attempt": lease.attempt, "finished_s": self.clock(), **hook, **entry}
        if append(self.log, lease, entry) is None:
            return False
        with suppress(ItemError):  # the end is written: whoever meets it closes it
            self._close(lease.marked_s, lease.job_id, entry)
        return True

    def _close(self, marked_s: float, job_id: str, job: Entry) -> None:
        """Move a finished job from `open/` to where it belongs; whoever meets one that was not moved does it again."""
        if job.get("webhook") == "pending":
            self.log.mark("hooks", job["finished_s"], job_id)
        self.log.mark("done", job["finished_s"], job_id)
        self.log.unmark("open", marked_s, job_id)

    def _pass_over(self, marked_s: float, job_id: str, error: Exception) -> None:
        if job_id not in self._told:
            self._told.add(job_id)
            log.warning("the record of job %s cannot be read: %r", job_id, error)
        if self.clock() - marked_s > self.keep_s:
            self.log.mark("done", marked_s, job_id)
            self.log.unmark("open", marked_s, job_id)
