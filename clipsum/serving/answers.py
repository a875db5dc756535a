"""What the service answers, read on the client's side: the row of a video, how far it is, and why there is none."""

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple, TypeVar

import httpx2
from pydantic import BaseModel, ValidationError

from clipsum.serving.limits import Deadline
from clipsum.serving.schemas import Stage, SummaryRow

Said = TypeVar("Said", bound=BaseModel)
PASSING = frozenset({429, 502, 503})
"""Statuses that say nothing of the request itself: it may be asked again."""


class ServiceError(Exception):
    """There is no answer but this: asking again is of no use, or there was no time for it.

    `reason` and `detail` are the service's own, or "unreachable", "connection_lost" and "timeout" of this side.
    `status` is that of the answer; None where there was none, or where it had begun already. `is_unsent`: the request
    has not reached the service. `may_pass`: the same request may be answered another time.
    """

    def __init__(
        self,
        status: int | None,
        reason: str,
        detail: str,
        *,
        retry_after_s: float | None = None,
        may_pass: bool = False,
        is_unsent: bool = False,
    ) -> None:
        super().__init__(f"{reason}: {detail}")
        self.status, self.reason, self.detail = status, reason, detail
        self.retry_after_s, self.may_pass, self.is_unsent = retry_after_s, may_pass, is_unsent


class Progress(NamedTuple):
    """How far the work is: the stage that it has reached, and the summary as far as it is written."""

    stage: Stage | None
    text: str


def error_of_answer(status: int, headers: Mapping[str, str], body: bytes) -> ServiceError:
    """The error that an answer tells, whoever wrote it: a proxy's own page has no reason in it."""
    try:
        said = json.loads(body)["error"]
        reason, detail = str(said["reason"]), str(said["detail"])
    except (ValueError, KeyError, TypeError):
        reason, detail = "unknown", f"the service answered {status}"
    return ServiceError(
        status,
        reason,
        detail,
        retry_after_s=_seconds(headers.get("Retry-After")),
        may_pass=status in PASSING,
        is_unsent=status == 429 or reason == "overloaded",  # of a gateway's 502 or 503 the request may have come
    )


def error_of_transport(error: httpx2.TransportError) -> ServiceError:
    """The error of a connection that was not made, or broke."""
    if isinstance(error, httpx2.ConnectError | httpx2.ConnectTimeout | httpx2.PoolTimeout):
        return ServiceError(None, "unreachable", "the service does not answer", may_pass=True, is_unsent=True)
    if isinstance(error, httpx2.UnsupportedProtocol | httpx2.ProxyError):
        return ServiceError(None, "unreachable", str(error))
    return ServiceError(None, "connection_lost", "the connection to the service broke", may_pass=True)


def read_answer(model: type[Said], status: int, body: bytes) -> Said:
    """What a good answer says. Raises: ServiceError for a page of somebody else's, such as a proxy's own."""
    try:
        return model.model_validate_json(body, extra="ignore")  # a newer service may say more
    except ValidationError as error:
        raise _foreign(status) from error


def check_events(status: int, headers: Mapping[str, str]) -> None:
    """Raises: ServiceError where an answer that is to be a stream of events is none."""
    if not headers.get("Content-Type", "").startswith("text/event-stream"):
        raise _foreign(status)


def _foreign(status: int | None) -> ServiceError:
    detail = "the answer is not the service's own: is a proxy or another program at this address?"
    return ServiceError(status, "unknown", detail)


def read_events(lines: Iterable[str], told: Callable[[Progress], None], deadline: Deadline) -> SummaryRow:
    """The row at the end of the events of a summary. Raises: ServiceError; whatever `told` raises."""
    progress = Progress(None, "")
    for name, data in _events(lines, deadline):
        if name == "row":
            return _row(data)
        if name == "error":
            wait_s = data.get("retry_after_s")
            error = data["error"]
            raise ServiceError(
                None, error["reason"], error["detail"], retry_after_s=wait_s, may_pass=wait_s is not None
            )
        if name in ("stage", "text"):
            progress = progress._replace(**{name: data[name]})
            told(progress)
    raise ServiceError(None, "connection_lost", "the answer broke off before its end", may_pass=True)


def _events(lines: Iterable[str], deadline: Deadline) -> Iterable[tuple[str, Any]]:
    """The events with their JSON. Whatever comes, a comment too, is the time to look at the deadline."""
    name, data = "", ""
    for line in lines:
        if not deadline.left_s:
            raise ServiceError(None, "timeout", "there was no summary in the time of this call")
        field, _, value = line.partition(":")
        if field == "event":
            name = value.strip()
        elif field == "data":
            data += value
        elif not line and data:
            try:
                yield name, json.loads(data)
            except ValueError as error:
                raise _foreign(None) from error
            name, data = "", ""


def _row(said: Any) -> SummaryRow:
    try:
        row = SummaryRow.model_validate(said, extra="ignore")
    except ValidationError as error:
        raise _foreign(None) from error
    if row.status == "failed":
        raise ServiceError(None, row.reason or "unknown", row.detail or "there is no summary")
    return row


def _seconds(value: str | None) -> float | None:
    return float(value) if value and value.isascii() and value.isdigit() else None
