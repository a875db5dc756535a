"""What a client may do to one connection of Serve's HTTP proxy before there is a request at all, and after its answer.

uvicorn takes the head of a request however large it grows and however slowly it comes, reads what follows an answer for
ever, and says in plain text what it does not understand.
"""

import asyncio
import json

from uvicorn.protocols.http import auto
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from clipsum.serving.assets import SECURITY_HEADERS
from clipsum.serving.refusals import RefusedError

HEAD_BYTES, HEAD_S = 64 * 2**10, 20.0
"""The most that the first line and the headers of a request may take."""
LINGER_S = 10.0
"""How long a client that is answered may go on sending: who is cut off in the middle of it may miss the answer."""


def bound() -> None:
    """Have every server that uvicorn starts in this process from now on take its connections so."""
    auto.AutoHTTPProtocol = Connection


class HeadTooLargeError(Exception):
    """Ends the parsing of a head; the parser turns it into an error of its own."""


class Connection(HttpToolsProtocol):
    """uvicorn's own connection within `HEAD_BYTES`, `HEAD_S` and `LINGER_S`. What is no request at all is refused."""

    _limit: asyncio.TimerHandle | None = None
    _head_bytes: int | None = 0
    """Of the head that is being read; None while there is none."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A client is there."""
        super().connection_made(transport)
        self._close_after(HEAD_S)

    def connection_lost(self, exc: Exception | None) -> None:
        """It is gone."""
        self._unlimited()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read, unless the head has grown too large."""
        if self.transport.is_closing():
            return
        if self._head_bytes is not None:
            self._head_bytes += len(data)
        super().data_received(data)
        if self._head_bytes is not None and self._head_bytes > HEAD_BYTES and not self.transport.is_closing():
            self.send_400_response("the head of the request is too large")

    def on_message_begin(self) -> None:
        """The first byte of a head."""
        super().on_message_begin()
        self._head_bytes = self._head_bytes or 0
        self._close_after(HEAD_S)

    def on_headers_complete(self) -> None:
        """The whole head. Raises: HeadTooLargeError, where it came in one piece."""
        self._head_bytes = None
        self._unlimited()
        if len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers) > HEAD_BYTES:
            raise HeadTooLargeError
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """The end of a body: another head may follow."""
        super().on_message_complete()
        if self.cycle is not None and self.cycle.response_complete:
            self._close_after(LINGER_S)

    def on_response_complete(self) -> None:
        """The end of an answer."""
        is_sending = self.cycle is not None and self.cycle.more_body
        super().on_response_complete()
        if is_sending:
            self._close_after(LINGER_S)

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no request, in the words of the contract, and hang up."""
        refused = RefusedError(400, "invalid_request", "this is no HTTP request that can be read")
        body = json.dumps(refused.body).encode()
        headers = {"content-type": "application/json", "content-length": str(len(body)), "connection": "close"}
        lines = [f"{name}: {value}" for name, value in (headers | SECURITY_HEADERS).items()]
        self.transport.write("\r\n".join(["HTTP/1.1 400 Bad Request", *lines, "", ""]).encode() + body)
        self.transport.close()

    def _close_after(self, seconds: float) -> None:
        self._unlimited()
        self._limit = self.loop.call_later(seconds, self._close)

    def _close(self) -> None:
        self.transport.close()

    def _unlimited(self) -> None:
        if self._limit is not None:
            self._limit.cancel()
            self._limit = None
