"""Leases on jobs, and what may be written under one."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from clipsum.serving.job_log import Entry, JobLog


class LeaseLostError(Exception):
    """Somebody else has the job by now, or its end is written: stop the work."""


@dataclass(frozen=True)
class Lease:
    """The right to work on a job until `expires_s`. `number` is the entry of the log that gives it.

    `marked_s` is the time of the marker by which the job was found.
    """

    job_id: str
    request: Mapping[str, Any]
    worker: str
    attempt: int
    pauses: int
    created_s: float
    marked_s: float
    number: int
    expires_s: float


def running(lease: Lease) -> Entry:
    """The entry of a claim or a renewal."""
    return {
        "state": "running",
        "worker": lease.worker,
        "attempt": lease.attempt,
        "pauses": lease.pauses,
        "expires_s": lease.expires_s,
    }


def append(log: JobLog, lease: Lease, entry: Entry) -> int | None:
    """Write the entry that follows on the lease's; its number, or None where the lease is no longer the last word.

    A renewal of the lease itself, which was written though the store's answer was lost, is followed on too. Raises:
    ItemError where the store fails.
    """
    number, own = lease.number + 1, ("running", lease.worker, lease.attempt)
    while not log.append(lease.job_id, number, entry):
        last, job = log.last(lease.job_id) or (0, {})
        if last < number or (job["state"], job.get("worker"), job["attempt"]) != own:
            return None
        number = last + 1
    return number
