"""What Serve's own HTTP proxy says where no ingress can answer, in the words of the contract.

The proxies find `middlewares` by `ENVIRONMENT`, which must be there when Ray starts.
"""

from collections.abc import MutableMapping
from typing import Any

from starlette.datastructures import Headers
from starlette.middleware import Middleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from clipsum.serving.refusals import RefusedError, refused_reason
from clipsum.serving.shield import Answer

ENVIRONMENT = {"RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH": f"{__name__}:middlewares"}
BACKSTOP_S = 30.0
"""Beyond the deadline of a request, that the proxy gives it."""
RETRY_S = 2.0
OVERLOADED, TIMED_OUT = (429, 503), (408, 504)


def start(host: str, port: int, deadline_s: float) -> None:
    """Start Serve's proxy on this machine, the one that Ray's head runs on."""
    from ray import serve

    timeout_s = deadline_s + BACKSTOP_S
    serve.start(proxy_location="HeadOnly", http_options={"host": host, "port": port, "request_timeout_s": timeout_s})


def middlewares() -> list[Middleware]:
    """What surrounds every request in a proxy."""
    return [Middleware(Proxied)]


class Proxied:
    """ASGI middleware: an error that no ingress gave is said again as a refusal. Serve's own are plain text."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        answer, is_begun, is_refused = Answer(send), False, False

        async def told(message: Message) -> None:
            nonlocal is_begun, is_refused
            if message["type"] == "http.response.start":
                refused = _refused(message)
                is_begun, is_refused = True, refused is not None
                if refused is not None:
                    await answer.refuse(refused)
            if not is_refused:
                await send(message)

        await self._app(scope, receive, told)
        if not is_begun:  # the ingress was lost: Serve says nothing, and its server would say 500
            await answer.refuse(refused_reason("worker_died"))


def _refused(message: MutableMapping[str, Any]) -> RefusedError | None:
    """The refusal that stands for the beginning of an answer of the proxy's own; None for any other."""
    status = message["status"]
    if status < 408 or not Headers(raw=message.get("headers", [])).get("content-type", "").startswith("text/plain"):
        return None
    if status in OVERLOADED:
        return RefusedError(503, "overloaded", "too many requests at once", RETRY_S)
    return refused_reason("timeout" if status in TIMED_OUT else "worker_died")
