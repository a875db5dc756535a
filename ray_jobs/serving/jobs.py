"""Jobs behind requests: each ingress works through those that wait.

What is acknowledged is done by whichever ingress is there: a lease that is not renewed is free for others to take.
"""

import asyncio
import logging
import secrets
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from clipsum.errors import ItemError
from clipsum.serving.jobs import JobStore
from clipsum.serving.leases import Lease, LeaseLostError
from clipsum.serving.refusals import RefusedError, refusal_of
from clipsum.serving.schemas import answer_of
from clipsum.serving.waiting import in_background, to_its_end

RENEW_PART = 3
"""A lease is renewed so often in its time."""
AGAIN = 503
SWEEP_S = 600.0
Work = Callable[[dict[str, Any], Callable[[str], None]], Awaitable[dict[str, Any]]]
log = logging.getLogger(__name__)


class Worker:
    """Takes one job after another, for as long as `run` is not cancelled. `work` gives the row of a request.

    `ended` is told after every end.
    """

    def __init__(self, jobs: JobStore, work: Work, ended: Callable[[], None], idle_s: float) -> None:
        self._jobs, self._work, self._ended, self._idle_s = jobs, work, ended, idle_s
        self._name, self._swept_at = secrets.token_hex(4), -SWEEP_S

    async def run(self) -> None:
        """Work; a store that fails is asked again."""
        while True:
            rest_s = self._idle_s
            try:
                await self._sweep()
                lease = await self._claimed()
                if lease is not None:
                    rest_s = await self._do(lease)
            except ItemError as error:
                log.warning("the store of jobs fails: %s", error.reason)
            except Exception as error:  # no job ends a worker
                log.error("a job could not be worked on", exc_info=error)
            await asyncio.sleep(rest_s)

    async def _claimed(self) -> Lease | None:
        """A claim; one that comes when this is cancelled is given back."""
        claiming = asyncio.ensure_future(in_background(partial(self._jobs.claim, self._name)))
        try:
            return await asyncio.shield(claiming)
        except asyncio.CancelledError:
            await asyncio.wait([claiming])
            lease = None if claiming.cancelled() or claiming.exception() else claiming.result()
            if lease is not None:
                await self._release(lease)
            raise

    async def _do(self, lease: Lease) -> float:
        """Do one job, with its lease renewed; who loses it stops. Seconds to wait before the next."""
        held = Held(self._jobs, lease)
        task = asyncio.ensure_future(self._work(dict(lease.request), held.reach))
        renewing = asyncio.ensure_future(held.renew(task))
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError:  # this ingress goes: another may begin at once
            task.cancel()
            held.end()
            await asyncio.wait([task, renewing])
            await self._release(held.lease)
            raise
        held.end()
        return await to_its_end(self._told(held, renewing, task))

    async def _told(
        self, held: "Held", renewing: "asyncio.Future[None]", task: "asyncio.Future[dict[str, Any]]"
    ) -> float:
        """Once the lease is renewed no more, write what came of the job, unless it is another's by now."""
        await renewing
        return 0.0 if held.is_lost else await self._end(held.lease, task)

    async def _release(self, lease: Lease) -> None:
        try:
            await in_background(partial(self._jobs.release, lease))
        except ItemError:
            log.warning("a job could not be given back; its lease runs out")

    async def _end(self, lease: Lease, task: "asyncio.Future[dict[str, Any]]") -> float:
        """Write what came of it. Seconds to wait before the next: where the service is busy, all jobs would meet it."""
        try:
            result, refused = answer_of(_result_of(task)).model_dump(), None
        except Exception as error:
            result, refused = None, refusal_of(error)
            if refused.reason == "internal_error":
                log.error("a job failed", exc_info=error)
        try:
            await in_background(partial(self._write, lease, result, refused))
        except LeaseLostError:
            log.warning("somebody else has a job whose end was to be written")
        except ItemError:
            log.warning("the end of a job could not be written; it will be done again")
        self._ended()
        is_busy = refused is not None and refused.reason == "overloaded"
        return (refused.retry_after_s or self._idle_s) if refused is not None and is_busy else 0.0

    def _write(self, lease: Lease, result: dict[str, Any] | None, refused: RefusedError | None) -> None:
        if refused is None:
            self._jobs.finish(lease, result or {})
        elif refused.status == AGAIN:
            self._jobs.put_back(lease, refused)
        else:
            self._jobs.fail(lease, refused)

    async def _sweep(self) -> None:
        if time.monotonic() - self._swept_at > SWEEP_S:
            self._swept_at = time.monotonic()
            await in_background(self._jobs.sweep)


def _result_of(task: "asyncio.Future[dict[str, Any]]") -> dict[str, Any]:
    if task.cancelled():
        raise RuntimeError("the work was cancelled by nobody here")
    return task.result()


class Held:
    """A lease on the way to the end of its job."""

    def __init__(self, jobs: JobStore, lease: Lease) -> None:
        self._jobs, self.lease, self._stage, self.is_lost = jobs, lease, "queued", False
        self._ended = asyncio.Event()

    def reach(self, stage: str) -> None:
        """Note how far the work is; the next renewal tells of it."""
        self._stage = stage

    async def renew(self, task: "asyncio.Future[Any]") -> None:
        """Renew, again and again, until `end`; where the lease is lost, stop the work."""
        while not await self._ends_within(self._jobs.lease_s / RENEW_PART):
            try:
                self.lease = await in_background(partial(self._jobs.renew, self.lease, self._stage))
            except LeaseLostError:
                self.is_lost = True
                task.cancel()
                return
            except ItemError:
                log.warning("a lease could not be renewed")  # it may be before it runs out

    async def _ends_within(self, seconds: float) -> bool:
        try:
            await asyncio.wait_for(self._ended.wait(), seconds)
        except TimeoutError:
            return False
        return True

    def end(self) -> None:
        """Renew no more. Wait for `renew` to return: the end of a job stands on the last entry of its log."""
        self._ended.set()
