"""A client of the service: `Client("http://127.0.0.1:8000").summarize("pancakes.mp4", query="when is it flipped?")`.

What may pass is asked again, not before the service says and not beyond the call's own time. A summary can be asked for
any number of times; a job is sent again only where it is sure that none was made of the first sending.
"""

import random
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self, TypeVar

import httpx2

from clipsum.errors import UsageError
from clipsum.serving.answers import (
    Progress,
    Said,
    ServiceError,
    check_events,
    error_of_answer,
    error_of_transport,
    read_answer,
    read_events,
)
from clipsum.serving.limits import Deadline
from clipsum.serving.schemas import JobAccepted, JobStatus, SummaryRow

__all__ = ["Client", "Progress", "ServiceError"]

TIMEOUT_S, POLL_S = 600.0, 1.0
CONNECT_S, SILENT_S = 10.0, 60.0
"""How long a connection may take, and how long it may be silent: the service says something every ten seconds."""
SHORTEST_S, TIMED_OUT = 1.0, 504
BACKOFF_S, MOST_BACKOFF_S = 0.5, 15.0
NEVER_MET_S = 20.0
"""How long a service is looked for that has not answered this client yet: its address may be wrong."""
Told = Callable[[Progress], None]
Result = TypeVar("Result")


class Client:
    """Speaks to the service at `url`. `timeout_s` is for a whole call, all its attempts and waits together.

    Every method raises ServiceError. Use it in a `with`, or close it. One thread at a time.
    """

    def __init__(
        self,
        url: str,
        key: str | None = None,
        *,
        timeout_s: float = TIMEOUT_S,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        if not url.startswith(("http://", "https://")):
            raise UsageError(f"url '{url}': give the address of the service, as http://127.0.0.1:8000")
        if key and not (key.isascii() and key.isprintable() and " " not in key):
            raise UsageError("key: it has letters that no key has, a space or the end of a line: give the key alone")
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        timeout = httpx2.Timeout(SILENT_S, connect=CONNECT_S)
        # redirects are not followed: the key is for this address alone
        hooks = {"response": [self._meet]}
        self._http = httpx2.Client(base_url=url, headers=headers, timeout=timeout, event_hooks=hooks)
        self._is_met = False
        self._timeout_s, self._sleep = timeout_s, sleep

    def _meet(self, _: httpx2.Response) -> None:
        self._is_met = True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close its connections."""
        self._http.close()

    def summarize(
        self,
        video: str | Path,
        *,
        query: str | None = None,
        transcript: str | None = None,
        on_progress: Told | None = None,
    ) -> SummaryRow:
        """The row of a video: a file of this machine, which is uploaded, or an `s3://` or `https://` address.

        `on_progress` is told of every step, and from the beginning where the request has to be sent again; what it
        raises ends the call, and the work of the service with it. Raises: UsageError where there is no such file.
        """
        if not _is_address(video) and not Path(video).is_file():
            raise UsageError(f"no file '{video}': give a file of this machine, or an s3:// or https:// address")
        fields, told, deadline = _said(query=query, transcript=transcript), on_progress or _unheard, self._deadline()
        return self._insist(
            lambda: self._summary(video, fields, told, deadline), deadline, again=lambda error: error.may_pass
        )

    def submit(
        self, uri: str, *, query: str | None = None, transcript: str | None = None, webhook: str | None = None
    ) -> str:
        """The id of a new job, which is done when there is room; `webhook` is an https address told of its end."""
        body = _said(uri=uri, query=query, transcript=transcript, webhook=webhook)
        deadline = self._deadline()
        return self._insist(
            lambda: self._asked(JobAccepted, "POST", "v1/jobs", deadline, body),
            deadline,
            again=lambda error: error.may_pass and error.is_unsent,  # of a connection that broke a job may have come
        ).id

    def job(self, job_id: str) -> JobStatus:
        """How far a job is."""
        return self._job(job_id, self._deadline())

    def _job(self, job_id: str, deadline: Deadline) -> JobStatus:
        return self._insist(
            lambda: self._asked(JobStatus, "GET", f"v1/jobs/{job_id}", deadline),
            deadline,
            again=lambda error: error.may_pass or error.status == TIMED_OUT,  # what is asked costs next to nothing
        )

    def wait(self, job_id: str, *, poll_s: float = POLL_S, on_progress: Told | None = None) -> SummaryRow:
        """The result of a job, once it is there. Raises: ServiceError too where it failed, or `timeout_s` is over."""
        deadline, seen = self._deadline(), None
        while True:
            job = self._job(job_id, deadline)
            if on_progress and job.stage not in (None, seen):
                seen = job.stage
                on_progress(Progress(seen, ""))
            if job.error:
                raise ServiceError(None, job.error.reason, job.error.detail)
            if job.result:
                return job.result
            if deadline.left_s <= poll_s:
                raise ServiceError(None, "timeout", f"job {job_id} is not done in the time of this call: {job.state}")
            self._sleep(poll_s)

    def _summary(self, video: str | Path, fields: dict[str, str], told: Told, deadline: Deadline) -> SummaryRow:
        with ExitStack() as held:
            if _is_address(video):
                body: dict[str, Any] = {"json": {"uri": str(video), **fields}}
            else:
                file = held.enter_context(Path(video).open("rb"))
                body = {"data": fields, "files": {"file": (Path(video).name, file, "application/octet-stream")}}
            headers = {"Accept": "text/event-stream"}
            sent = self._http.stream("POST", "v1/summaries", headers=headers, timeout=_timeout(deadline), **body)
            answer = held.enter_context(sent)
            if answer.status_code != httpx2.codes.OK:
                raise error_of_answer(answer.status_code, answer.headers, answer.read())
            check_events(answer.status_code, answer.headers)
            return read_events(answer.iter_lines(), told, deadline)

    def _asked(
        self, model: type[Said], method: str, path: str, deadline: Deadline, body: dict[str, str] | None = None
    ) -> Said:
        answer = self._http.request(method, path, json=body, timeout=_timeout(deadline))
        if not answer.is_success:
            raise error_of_answer(answer.status_code, answer.headers, answer.content)
        return read_answer(model, answer.status_code, answer.content)

    def _insist(self, once: Callable[[], Result], deadline: Deadline, again: Callable[[ServiceError], bool]) -> Result:
        """Do it until it is done, or asking `again` is of no use, or the next time would be after the deadline."""
        backoff_s, first = BACKOFF_S, Deadline(NEVER_MET_S)
        while True:
            try:
                return once()
            except httpx2.TransportError as error:
                failed = error_of_transport(error)
            except ServiceError as error:
                failed = error
            wait_s = max(failed.retry_after_s or 0.0, backoff_s * random.uniform(0.5, 1))
            left_s = deadline.left_s if self._is_met or failed.reason != "unreachable" else first.left_s
            if not again(failed) or wait_s >= min(left_s, deadline.left_s):
                raise failed
            self._sleep(wait_s)
            backoff_s = min(2 * backoff_s, MOST_BACKOFF_S)

    def _deadline(self) -> Deadline:
        return Deadline(self._timeout_s)


def _is_address(video: str | Path) -> bool:
    return isinstance(video, str) and "://" in video


def _said(**fields: str | None) -> dict[str, str]:
    return {name: value for name, value in fields.items() if value is not None}


def _unheard(_: Progress) -> None:
    pass


def _timeout(deadline: Deadline) -> httpx2.Timeout:
    return httpx2.Timeout(min(SILENT_S, max(deadline.left_s, SHORTEST_S)), connect=CONNECT_S)
