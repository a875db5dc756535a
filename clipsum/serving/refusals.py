"""What a request may be answered instead of a summary: a status, a reason and fixed words.

The details of errors name paths, addresses and keys of this machine: they are for the log. What leaves is written here.
"""

from math import ceil
from typing import Literal, get_args

from clipsum.errors import ItemError, Reason

HttpReason = Literal[
    "invalid_request", "unauthorized", "forbidden", "unsupported_media", "rate_limited", "overloaded", "internal_error"
]
HTTP_REASONS: tuple[HttpReason, ...] = get_args(HttpReason)
RETRY_S = 5.0
"""When to ask again where a worker or a store failed, which is not known to pass at any time.

What would fail again is no 503: a model fails on the same video each time, and a decoder that dies of it twice, too.
"""

_OF_ITEMS: dict[Reason, tuple[int, str]] = {
    "not_found": (404, "there is no such video"),
    "access_denied": (403, "this video may not be read from here"),
    "not_a_video": (415, "the file is not a video"),
    "no_video_stream": (422, "the file has no pictures"),
    "corrupt": (422, "the video is damaged"),
    "unsupported_codec": (415, "the video's codec cannot be decoded"),
    "too_long": (413, "the video is longer than is allowed here"),
    "too_large": (413, "the file is larger than is allowed here"),
    "too_many_pixels": (413, "the video's pictures are larger than is allowed here"),
    "timeout": (504, "the work on this video took longer than it may"),
    "out_of_memory": (413, "the video needs more memory than it may have"),
    "worker_died": (503, "the process that worked on this video was lost: ask again"),
    "storage_error": (503, "the store that holds the video does not answer as it should: ask again"),
    "model_error": (422, "the model fails on this video"),
}


class RefusedError(Exception):
    """A request is answered with `status` and `{"error": {"reason", "detail"}}`; `retry_after_s` goes into a header."""

    def __init__(
        self, status: int, reason: HttpReason | Reason, detail: str, retry_after_s: float | None = None
    ) -> None:
        super().__init__(f"{status} {reason}: {detail}")
        self.status, self.reason, self.detail, self.retry_after_s = status, reason, detail, retry_after_s

    def __reduce__(self) -> tuple[type["RefusedError"], tuple[int, str, str, float | None]]:
        """Cross process borders whole."""
        return (type(self), (self.status, self.reason, self.detail, self.retry_after_s))

    @property
    def headers(self) -> dict[str, str]:
        """`Retry-After` in whole seconds, at least 1, where asking again is of use; how to bring a key with a 401."""
        wait = {} if self.retry_after_s is None else {"Retry-After": str(max(1, ceil(self.retry_after_s)))}
        return wait | ({"WWW-Authenticate": "Bearer"} if self.status == 401 else {})

    @property
    def body(self) -> dict[str, dict[str, str]]:
        """The JSON of the answer."""
        return {"error": {"reason": self.reason, "detail": self.detail}}


def refused_reason(reason: Reason) -> RefusedError:
    """The answer where work on a video ended with `reason`; every 503 says when to ask again."""
    status, detail = _OF_ITEMS[reason]
    return RefusedError(status, reason, detail, RETRY_S if status == 503 else None)


def refusal_of(error: Exception) -> RefusedError:
    """The answer for whatever was raised; one that nobody foresaw tells nothing but that it happened."""
    if isinstance(error, RefusedError):
        return error
    if isinstance(error, ItemError):
        return refused_reason(error.reason)
    if isinstance(error, TimeoutError):
        return refused_reason("timeout")
    return RefusedError(503, "internal_error", "something went wrong here; it is in the log", RETRY_S)
