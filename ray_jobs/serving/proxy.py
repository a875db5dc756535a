"""What surrounds every request in Serve's own HTTP proxies: how much of it they take, and what they say themselves.

The proxies find `middlewares` by `environment`, which must be there when Ray starts.
"""

import logging
import os
from collections.abc import MutableMapping
from typing import Any

from starlette.datastructures import Headers
from starlette.middleware import Middleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from clipsum.errors import UsageError
from clipsum.serving.refusals import RefusedError, refused_reason
from clipsum.serving.shield import Answer, Body
from ray_jobs.serving.config import ServeConfig

CALLBACK, MOST_BYTES = "RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH", "CLIPSUM_UPLOAD_BYTES"
INLINE, INLINE_BYTES = "RAY_max_direct_call_object_size", 2**20
"""What Ray carries within a call. The way through its object store takes some ms more: much for a short video."""
PASSED = frozenset({"host", "origin", "authorization", "content-type", "content-length", "accept"})
"""Headers that go on to an ingress. Serve takes timeouts, names in its log and where to lead a request from others."""
BACKSTOP_S = 30.0
"""Beyond the deadline of a request, that the proxy gives it."""
RETRY_S = 2.0
LEAST_HELD_BYTES = 2**30
OVERLOADED, TIMED_OUT, NOT_FOUND = (429, 503), (408, 504), (404,)
ROUTES = "/-/routes"
"""Serve names all applications of the cluster there, to anybody. `/-/healthz` says that a proxy is there, no more."""
NOTHING = RefusedError(404, "not_found", "there is nothing at this path: see /docs")


def environment(upload_bytes: int = ServeConfig.model_fields["upload_bytes"].default) -> dict[str, str]:
    """What must be there when Ray starts: what its proxies look for, and what of calls it carries itself."""
    inline = os.environ.get(INLINE, str(INLINE_BYTES))
    return {CALLBACK: f"{__name__}:middlewares", MOST_BYTES: str(upload_bytes), INLINE: inline}


def refuse_unguarded() -> None:
    """Raises: UsageError where this Ray was started without what its proxies look for: nothing would guard them."""
    import ray

    on_head = ray.remote(num_cpus=0, resources={"node:__internal_head__": 0.001})
    there = ray.get(on_head(os.getenv).remote(CALLBACK))
    if there != environment()[CALLBACK]:
        raise UsageError(
            f"this Ray was started without {CALLBACK}={environment()[CALLBACK]}, so that nothing would guard its "
            "proxies: set it where `ray start` is called, as cluster/serve.yaml says"
        )


def start(host: str, port: int, deadline_s: float) -> None:
    """Start Serve's proxy on this machine, the one that Ray's head runs on; here it tells of nothing but trouble."""
    from ray import serve

    logging.getLogger("ray.serve").setLevel(logging.WARNING)
    timeout_s = deadline_s + BACKSTOP_S
    serve.start(proxy_location="HeadOnly", http_options={"host": host, "port": port, "request_timeout_s": timeout_s})


def middlewares() -> list[Middleware]:
    """What surrounds every request in a proxy, which calls this before it listens."""
    from ray_jobs.serving.connections import bound

    bound()
    return [Middleware(Proxied, upload_bytes=int(os.environ.get(MOST_BYTES) or environment()[MOST_BYTES]))]


class Proxied:
    """ASGI middleware: a body is taken up to its bound, though no ingress may read it, for the proxy holds what it has.

    An error that no ingress gave is said again as a refusal: Serve's own are plain text.
    """

    def __init__(self, app: ASGIApp, upload_bytes: int) -> None:
        self._app, self._upload_bytes = app, upload_bytes
        self._held = Held(max(2 * upload_bytes, LEAST_HELD_BYTES))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] == "websocket":  # there are none; uvicorn makes it 403
            await send({"type": "websocket.close"})
            return
        if scope["path"] == ROUTES:
            await Answer(send).refuse(NOTHING)
            return
        headers = [each for each in scope["headers"] if each[0].decode("latin-1").lower() in PASSED]
        try:
            exchange = Exchange(Body(receive, scope, self._upload_bytes), send, self._held)
        except RefusedError as error:  # the body is too large by its own account
            await Answer(send).refuse(error)
            return
        try:
            await self._app({**scope, "headers": headers}, exchange.receive, exchange.send)
            await exchange.end()
        finally:
            exchange.release()


class Held:
    """Bytes of bodies that came and whose requests have no answer yet: at the worst all of them lie in memory."""

    def __init__(self, most: int) -> None:
        self._most, self.bytes = most, 0

    def take(self, count: int) -> None:
        """Hold more. Raises: RefusedError, 503, where that is too much."""
        self.bytes += count
        if count and self.bytes > self._most:
            raise RefusedError(503, "overloaded", "too many bytes are being sent at once", RETRY_S)


class Exchange:
    """One request and its answer."""

    def __init__(self, body: Body, send: Send, held: Held) -> None:
        self._body, self._send, self._answer, self._held = body, send, Answer(send), held
        self._own_bytes = 0
        self._excess: RefusedError | None = None
        self._is_begun = self._is_refused = False

    async def receive(self) -> Message:
        """The next part of the body; beyond its bound the client counts as gone, which ends the work on it."""
        try:
            message = await self._body()
            count = len(message.get("body", b""))
            self._own_bytes += count
            self._held.take(count)
            return message
        except RefusedError as error:
            self._excess = error
            return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        """A part of the answer, or of the refusal in its place."""
        if message["type"] == "http.response.start":
            refused = self._excess or _refused(message)
            self._is_begun, self._is_refused = True, refused is not None
            self.release()  # who answers has read the body, or will not
            if refused is not None:
                await self._answer.refuse(refused)
        if not self._is_refused:
            await self._send(message)

    def release(self) -> None:
        """What came of this body is held no more."""
        self._held.bytes -= self._own_bytes
        self._own_bytes = 0

    async def end(self) -> None:
        """Answer where nobody has: the ingress was lost, of which Serve says nothing, and its server would say 500."""
        if not self._is_begun:
            await self._answer.refuse(self._excess or refused_reason("worker_died"))


def _refused(message: MutableMapping[str, Any]) -> RefusedError | None:
    """The refusal that stands for the beginning of an answer of the proxy's own; None for any other."""
    status = message["status"]
    is_plain = Headers(raw=message.get("headers", [])).get("content-type", "").startswith("text/plain")
    if status < 400 or not is_plain:
        return None
    if status in NOT_FOUND:
        return NOTHING
    if status in OVERLOADED:
        return RefusedError(503, "overloaded", "too many requests at once", RETRY_S)
    return refused_reason("timeout" if status in TIMED_OUT else "worker_died")
