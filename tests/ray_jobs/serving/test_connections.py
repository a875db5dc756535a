"""One connection on a real uvicorn: what a client may send before there is a request, and after its answer."""

import contextlib
import socket
import threading
import time
from collections.abc import Iterator

import pytest
import uvicorn

from ray_jobs.serving import connections as serve_connections
from ray_jobs.serving.connections import HEAD_BYTES, Connection

SHORT_S, WITHIN_S = 0.3, 5.0
GET = b"GET / HTTP/1.1\r\nHost: a\r\n"
POST = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
PIECE = b"10\r\n" + bytes(16) + b"\r\n"


async def answered_at_once(scope, receive, send) -> None:
    """It reads no body."""
    if scope["type"] != "http":
        return
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(answered_at_once, http=Connection, lifespan="off", log_level="critical")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    yield listener.getsockname()[1]
    server.should_exit = True
    thread.join(10)


@pytest.fixture
def connection(port: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    monkeypatch.setattr(serve_connections, "HEAD_S", SHORT_S)
    monkeypatch.setattr(serve_connections, "LINGER_S", SHORT_S)
    with socket.create_connection(("127.0.0.1", port), timeout=WITHIN_S) as connection:
        yield connection


def is_ended(connection: socket.socket) -> bool:
    with contextlib.suppress(ConnectionError):
        while connection.recv(65536):
            pass
    return True


@pytest.mark.parametrize("sent", [b"", b"G", GET, GET + b"\r\n" + GET])
def test_a_head_that_does_not_end_in_time_ends_the_connection(connection: socket.socket, sent: bytes) -> None:
    began = time.monotonic()
    connection.sendall(sent)
    assert is_ended(connection)
    assert SHORT_S * 0.9 < time.monotonic() - began < WITHIN_S


@pytest.mark.parametrize("size", [HEAD_BYTES, 4 * HEAD_BYTES])
@pytest.mark.parametrize("end", [b"", b"\r\n\r\n"])
def test_a_head_too_large_is_refused_in_one_piece_and_in_many(connection: socket.socket, size: int, end: bytes) -> None:
    with contextlib.suppress(ConnectionError):
        connection.sendall(GET + b"a: " + b"x" * size + end)
    assert connection.recv(65536).startswith(b"HTTP/1.1 400 ")


def test_requests_in_turn_on_one_connection_are_all_answered_however_long_it_lives(connection: socket.socket) -> None:
    large = GET + b"a: " + b"x" * (HEAD_BYTES // 2) + b"\r\n\r\n"
    began = time.monotonic()
    while time.monotonic() - began < 1.5 * SHORT_S:
        connection.sendall(large)
        assert connection.recv(65536).endswith(b"ok")


def test_who_sends_on_after_its_answer_may_do_so_for_a_while_and_then_no_more(connection: socket.socket) -> None:
    began = time.monotonic()
    connection.sendall(POST + PIECE)
    assert connection.recv(65536).endswith(b"ok")
    with contextlib.suppress(ConnectionError):
        while time.monotonic() - began < WITHIN_S:
            connection.sendall(PIECE)
    assert SHORT_S * 0.9 < time.monotonic() - began < WITHIN_S


def test_who_ends_its_body_after_the_answer_can_ask_again(connection: socket.socket) -> None:
    connection.sendall(POST + PIECE)
    assert connection.recv(65536).endswith(b"ok")
    connection.sendall(PIECE + b"0\r\n\r\n" + GET + b"\r\n")
    assert connection.recv(65536).endswith(b"ok")
