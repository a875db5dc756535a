"""What surrounds every request: whom the page's origin may be, how much is read of it, and what leaves of an error."""

import json
import logging
import re
import time
from collections.abc import Callable
from typing import NamedTuple
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from clipsum.serving.assets import SECURITY_HEADERS
from clipsum.serving.keys import is_loopback
from clipsum.serving.refusals import RefusedError, refusal_of, refused_reason

JSON_BYTES, OTHER_BYTES = 8 * 2**20, 64 * 2**10
"""The most of a body that is no upload, a transcript of the most letters fits; and of one that no route reads."""
READING, UPLOADING = ("/v1/summaries", "/v1/jobs", "/v1/bundle"), "/v1/summaries"
HOST = re.compile(r"([A-Za-z0-9._~-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?")
log = logging.getLogger(__name__)
Answered = Callable[[str, int, float], None]


class Rules(NamedTuple):
    """`loopback_only`: there are no keys, so that what a web page elsewhere sends through a browser is refused.

    `answered` is told the route, the status and the seconds of each answer.
    """

    upload_bytes: int
    loopback_only: bool
    answered: Answered


class Shield:
    """ASGI middleware. Nothing that is raised below it leaves but as a refusal."""

    def __init__(self, app: ASGIApp, rules: Rules) -> None:
        self._app, self._rules = app, rules

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        answer = Answer(send)
        started = time.perf_counter()
        try:
            headers = Headers(scope=scope)
            _refuse_malformed(headers, scope)
            if self._rules.loopback_only:
                _refuse_foreign(headers)
            await self._app(scope, Body(receive, scope, self._rules.upload_bytes), answer)
        except ClientDisconnect:
            pass  # in the middle of its body: there is nobody to answer
        except Exception as error:
            await answer.refuse(_told(error))
        finally:
            route = getattr(scope.get("route"), "path", "")
            self._rules.answered(route, answer.status, time.perf_counter() - started)


class Answer:
    """Sends, with the security headers; `status` is 499 until something is sent: then the client has gone."""

    def __init__(self, send: Send) -> None:
        self._send, self.status = send, 499

    async def __call__(self, message: Message) -> None:
        """Send a part."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = MutableHeaders(scope=message)
            for name, value in SECURITY_HEADERS.items():
                headers.setdefault(name, value)
        await self._send(message)

    async def refuse(self, refused: RefusedError) -> None:
        """Answer so, unless an answer is on its way, which is then broken off."""
        if self.status != 499:
            raise refused
        body = json.dumps(refused.body).encode()
        headers = {"content-type": "application/json", "content-length": str(len(body)), **refused.headers}
        raw = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
        await self({"type": "http.response.start", "status": refused.status, "headers": raw})
        await self({"type": "http.response.body", "body": body})


class Body:
    """Receives, up to a bound. Raises: RefusedError, 413, beyond it, at once where the length is stated."""

    def __init__(self, receive: Receive, scope: Scope, upload_bytes: int) -> None:
        headers = Headers(scope=scope)
        self._receive, self._left = receive, _most(scope, headers, upload_bytes)
        stated = headers.get("content-length", "0")
        if stated.isascii() and stated.isdigit() and int(stated[:20]) > self._left:
            raise refused_reason("too_large")

    async def __call__(self) -> Message:
        """The next part."""
        message = await self._receive()
        self._left -= len(message.get("body", b""))
        if self._left < 0:
            raise refused_reason("too_large")
        return message


def _most(scope: Scope, headers: Headers, upload_bytes: int) -> int:
    """What a body may be: large only where one is awaited, for who reads none of it may yet have to hold it."""
    path = scope["path"]
    if scope["method"] not in ("POST", "PUT") or not path.endswith(READING):
        return OTHER_BYTES
    is_upload = headers.get("content-type", "").lower().startswith("multipart/form-data")
    return upload_bytes if is_upload and path.endswith(UPLOADING) else JSON_BYTES


def _refuse_malformed(headers: Headers, scope: Scope) -> None:
    """Raises: RefusedError, 400, unless there is one header Host that names a host, as HTTP/1.1 demands."""
    hosts = headers.getlist("host")
    if not hosts and scope.get("http_version") == "1.0":
        return
    try:
        is_host = len(hosts) == 1 and bool(HOST.fullmatch(hosts[0]) and urlsplit(f"//{hosts[0]}").port != 0)
    except ValueError:  # a port beyond all, brackets around no address
        is_host = False
    if not is_host:
        raise RefusedError(400, "invalid_request", "Host: name the one host that is asked")


def _refuse_foreign(headers: Headers) -> None:
    """Raises: RefusedError, 403, where a name of elsewhere leads here, or a page of elsewhere sends."""
    host, origin = headers.get("host", ""), headers.get("origin")
    is_ours = is_loopback(urlsplit(f"//{host}").hostname or "") and origin in (
        None,
        f"http://{host}",
        f"https://{host}",
    )
    if not is_ours:
        raise RefusedError(403, "forbidden", "without keys this service answers to its own machine alone")


def _told(error: Exception) -> RefusedError:
    """The refusal; what nobody foresaw goes into the log, and only there."""
    refused = refusal_of(error)
    if refused.reason == "internal_error":
        log.error("a request failed", exc_info=error)
    return refused
