"""Jobs behind requests: each ingress works through those that wait, and tells their webhooks of the end.

What is acknowledged is done by whichever ingress is there: a lease that is not renewed is free for others to take.
"""

import asyncio
import json
import logging
import secrets
import time
from collections.abc import Awaitable, Callable
from typing import Any

from clipsum.errors import ItemError
from clipsum.serving.jobs import MAX_ATTEMPTS, JobStore, Lease, LeaseLostError
from clipsum.serving.refusals import refusal_of
from clipsum.serving.schemas import answer_of
from clipsum.serving.webhooks import HEADER, signature

RENEW_PART = 3
"""A lease is renewed so often in its time."""
AGAIN = 503
SWEEP_S = 600.0
WEBHOOK_TRIES, WEBHOOK_S = 4, 10.0
Work = Callable[[dict[str, Any], Callable[[str], None]], Awaitable[dict[str, Any]]]
Post = Callable[[str, bytes, dict[str, str]], int]
log = logging.getLogger(__name__)


class Worker:
    """Takes one job after another, for as long as `run` is not cancelled. `work` gives the row of a request."""

    def __init__(self, jobs: JobStore, work: Work, post: Post, secret: str, idle_s: float) -> None:
        self._jobs, self._work, self._post, self._secret, self._idle_s = jobs, work, post, secret, idle_s
        self._name, self._swept_at = secrets.token_hex(4), 0.0

    async def run(self) -> None:
        """Work; a store that fails is asked again."""
        while True:
            try:
                lease = await asyncio.to_thread(self._jobs.claim, self._name)
                await self._sweep()
            except ItemError as error:
                log.warning("the store of jobs fails: %s", error.reason)
                lease = None
            except Exception as error:  # a record that cannot be read ends no worker
                log.error("a job could not be taken", exc_info=error)
                lease = None
            if lease is None:
                await asyncio.sleep(self._idle_s)
            else:
                await self._do(lease)

    async def _do(self, lease: Lease) -> None:
        """Do one job, with its lease renewed; who loses it stops."""
        held = Held(self._jobs, lease)
        task = asyncio.ensure_future(self._work(dict(lease.request), held.reach))
        renewing = asyncio.ensure_future(held.renew(task))
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError:  # this ingress goes: another may begin at once
            task.cancel()
            renewing.cancel()
            self._jobs.release(held.lease)
            raise
        held.end()
        await renewing
        if not held.is_lost:
            await self._end(held.lease, task)

    async def _end(self, lease: Lease, task: "asyncio.Future[dict[str, Any]]") -> None:
        """Write what came of it, and tell."""
        error = asyncio.CancelledError() if task.cancelled() else task.exception()
        try:
            if error is None:
                end: dict[str, Any] = {"result": answer_of(task.result()).model_dump()}
                await asyncio.to_thread(self._jobs.finish, lease, end["result"])
            else:
                refused = refusal_of(error if isinstance(error, Exception) else RuntimeError())
                if refused.status == AGAIN and lease.attempt < MAX_ATTEMPTS:
                    return  # it may pass: the lease runs out, and the job is begun once more
                end = refused.body
                await asyncio.to_thread(self._jobs.fail, lease, refused)
        except (LeaseLostError, ItemError):
            log.warning("the end of a job could not be written; it will be done again")
            return
        except Exception as fault:
            log.error("a job has a result that cannot be told", exc_info=fault)
            return
        self._telling = asyncio.ensure_future(self._tell(lease, end))  # the next job does not wait for it

    async def _tell(self, lease: Lease, end: dict[str, Any]) -> None:
        """Tell the webhook, a few times with growing pauses; who does not listen can still ask for the job."""
        url = lease.request.get("webhook")
        if not url:
            return
        body = json.dumps({"id": lease.job_id, "state": "done" if "result" in end else "failed", **end}).encode()
        for attempt in range(WEBHOOK_TRIES):
            headers = {"Content-Type": "application/json", HEADER: signature(self._secret, body, time.time())}
            try:
                if await asyncio.to_thread(self._post, url, body, headers) < 300:
                    return
            except Exception:
                log.warning("a webhook does not answer")
            await asyncio.sleep(2.0**attempt)

    async def _sweep(self) -> None:
        if time.monotonic() - self._swept_at > SWEEP_S:
            self._swept_at = time.monotonic()
            await asyncio.to_thread(self._jobs.sweep)


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
                self.lease = await asyncio.to_thread(self._jobs.renew, self.lease, self._stage)
            except LeaseLostError:
                self.is_lost = True
                task.cancel()
                return
            except ItemError:
                log.warning("a lease could not be renewed")

    async def _ends_within(self, seconds: float) -> bool:
        try:
            await asyncio.wait_for(self._ended.wait(), seconds)
        except TimeoutError:
            return False
        return True

    def end(self) -> None:
        """Renew no more. Wait for `renew` to return: the end of a job stands on the last entry of its log."""
        self._ended.set()
