"""Requests that no client would send, byte by byte, to the real service: each is refused, and none leaves a trace."""

import contextlib
import json
import socket
from pathlib import Path

import pytest

from clipsum.serving.assets import SECURITY_HEADERS
from tests.ray_jobs.serving.asking import Asking

HOST = b"Host: 127.0.0.1\r\n"
GET = b"GET / HTTP/1.1\r\n" + HOST
POST = b"POST /v1/summaries HTTP/1.1\r\n" + HOST
JSON = POST + b"Content-Type: application/json\r\n"
FORM = POST + b"Content-Type: multipart/form-data; boundary="
TWO = b"Content-Length: 2\r\n\r\n{}"
CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"

MALFORMED = {
    "no host": b"GET / HTTP/1.1\r\n\r\n",
    "an empty host": b"GET / HTTP/1.1\r\nHost:\r\n\r\n",
    "a bracket for a host": b"GET / HTTP/1.1\r\nHost: [\r\n\r\n",
    "half an address": b"GET / HTTP/1.1\r\nHost: [::1\r\n\r\n",
    "no address in brackets": b"GET / HTTP/1.1\r\nHost: [x]\r\n\r\n",
    "a port that is none": b"GET / HTTP/1.1\r\nHost: 127.0.0.1:port\r\n\r\n",
    "a port beyond all": b"GET / HTTP/1.1\r\nHost: 127.0.0.1:999999\r\n\r\n",
    "a path for a host": b"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n",
    "a user in the host": b"GET / HTTP/1.1\r\nHost: a@b\r\n\r\n",
    "a host that becomes another": "GET / HTTP/1.1\r\nHost: 127.0.0.1\u2100\r\n\r\n".encode(),
    "two hosts": GET + b"Host: evil.example\r\n\r\n",
    "a zero in the host": b"GET / HTTP/1.1\r\nHost: a\0b\r\n\r\n",
    "no version": b"GET /\r\n\r\n",
    "a version to come": b"GET / HTTP/9.9\r\n" + HOST + b"\r\n",
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    "all bytes": bytes(range(256)) + b"\r\n\r\n",
    "a method of no letters": b"G\xffT / HTTP/1.1\r\n" + HOST + b"\r\n",
    "a method that is none": b"FROB / HTTP/1.1\r\n" + HOST + b"\r\n",
    "a method of no path": b"TRACE / HTTP/1.1\r\n" + HOST + b"\r\n",
    "a tunnel": b"CONNECT evil.example:443 HTTP/1.1\r\n" + HOST + b"\r\n",
    "the whole server": b"OPTIONS * HTTP/1.1\r\n" + HOST + b"\r\n",
    "an address that is none": b"GET http://[/ HTTP/1.1\r\n" + HOST + b"\r\n",
    "a path without a slash": b"GET x HTTP/1.1\r\n" + HOST + b"\r\n",
    "a path that cannot be read": b"GET /%zz%ff%00 HTTP/1.1\r\n" + HOST + b"\r\n",
    "a path of no letters": b"GET /\xff\xfe HTTP/1.1\r\n" + HOST + b"\r\n",
    "a path without an end": b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\n" + HOST + b"\r\n",
    "a job that cannot be read": b"GET /v1/jobs/%ff%00 HTTP/1.1\r\n" + HOST + b"\r\n",
    "a header without a colon": GET + b"nonsense\r\n\r\n",
    "a header with a space": GET + b"a b: c\r\n\r\n",
    "a header on two lines": GET + b"a: b\r\n c\r\n\r\n",
    "a zero in a header": GET + b"a: \0\r\n\r\n",
    "a header too large": GET + b"a: " + b"x" * 200_000 + b"\r\n\r\n",
    "too many headers": GET + b"".join(b"a%d: b\r\n" % n for n in range(9000)) + b"\r\n",
    "lines that end early": b"GET / HTTP/1.1\r" + HOST + b"\r\n\r\n",
    "a length below zero": JSON + b"Content-Length: -1\r\n\r\n{}",
    "a length in letters": JSON + b"Content-Length: ten\r\n\r\n{}",
    "two lengths": JSON + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
    "a length beyond all": JSON + b"Content-Length: 99999999999999999999999\r\n\r\n{}",
    "a length and chunks": JSON + b"Content-Length: 2\r\n" + CHUNKED + b"0\r\n\r\n",
    "an unknown encoding": JSON + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "a chunk of no size": JSON + CHUNKED + b"zz\r\n{}\r\n0\r\n\r\n",
    "a chunk below zero": JSON + CHUNKED + b"-2\r\n{}\r\n0\r\n\r\n",
    "a chunk beyond all": JSON + CHUNKED + b"ffffffffffffffffff\r\n{}\r\n0\r\n\r\n",
    "no type": POST + TWO,
    "a type of no letters": POST + b"Content-Type: \xff\xff;;;=\r\n" + TWO,
    "a key of no letters": JSON + b"Authorization: Bearer \xff\xff\r\n" + TWO,
    "no boundary": FORM + b"\r\n" + TWO,
    "a boundary of no letters": FORM + b'"\xff"\r\n' + TWO,
    "a boundary too long": FORM + b"x" * 5000 + b"\r\n" + TWO,
    "a part of no name": FORM + b"x\r\nContent-Length: 16\r\n\r\n--x\r\n\r\nab\r\n--x--",
    "a socket that cannot be": GET + b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: x\r\n"
    b"Sec-WebSocket-Version: 13\r\n\r\n",
    "a socket": GET + b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    b"Sec-WebSocket-Version: 13\r\n\r\n",
}  # fmt: skip
STEERING = [
    b"X-Request-Timeout-Seconds: \xff",
    b"X-Request-Timeout-Seconds: 0.0000001",
    b"X-Request-Disconnect-Disabled: \xff",
    b"X-Request-Id: \xff\xfe",
    b"serve_multiplexed_model_id: \xff",
    b"Serve-Multiplexed-Model-Id: \xff",
    b"X-Session-Id: \xff",
    b"traceparent: \xff",
]
"""Headers that Serve's proxy would heed, or fail at."""
MOST_BYTES = 32 * 2**20
"""More than lies in the buffers of a connection."""


def answer_to(service: Asking, request: bytes) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body of the first answer; status 0 where the connection was closed without one."""
    host, _, port = service.url.removeprefix("http://").partition(":")
    data = b""
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(request)
        while b"\r\n\r\n" not in data or len(data) < stated(data):
            piece = connection.recv(65536)
            if not piece:
                break
            data += piece
    head, _, body = data.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = {name.title(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    return int(first.split()[1]) if first else 0, headers, body


def stated(data: bytes) -> int:
    head = data.partition(b"\r\n\r\n")[0]
    lengths = [line.partition(b":")[2] for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    return len(head) + 4 + int(lengths[0]) if lengths else 0


def complaints(logs: Path) -> list[str]:
    """Errors and tracebacks in what the service has written so far; Ray's own dashboard is not asked."""
    files = [*logs.glob("serve/*.log"), *logs.glob("worker-*")]
    lines = [line for file in files for line in file.read_text(errors="replace").splitlines()]
    return [line for line in lines if line.startswith(("ERROR", "Traceback"))]


def test_each_is_refused_in_the_words_of_the_contract_and_leaves_no_error_in_the_log(service, logs) -> None:
    before, wrong = complaints(logs), {}
    for kind, request in MALFORMED.items():
        status, headers, body = answer_to(service, request)
        is_socket = kind.startswith("a socket")  # the library of sockets says no itself
        if not 400 <= status < 500 or (not is_socket and not is_refusal(headers, body)):
            wrong[kind] = (status, body[:80])
    assert wrong == {}
    assert complaints(logs) == before
    assert service.get("/healthz", key=None).status_code == 200


def is_refusal(headers: dict[str, str], body: bytes) -> bool:
    named = SECURITY_HEADERS.keys() <= headers.keys()
    return named and (not body or set(json.loads(body)["error"]) == {"reason", "detail"})


@pytest.mark.parametrize("header", STEERING)
def test_nothing_that_a_caller_says_steers_serve_itself(service: Asking, logs: Path, header: bytes) -> None:
    before = complaints(logs)
    status, headers, _ = answer_to(service, b"GET /healthz HTTP/1.1\r\n" + HOST + header + b"\r\n\r\n")
    assert status == 200
    assert "ÿ" not in str(headers)
    assert complaints(logs) == before


def test_a_head_without_an_end_is_cut_off_where_it_is_too_large(service: Asking) -> None:
    host, _, port = service.url.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(GET + b"a: ")
        taken = 0
        with contextlib.suppress(ConnectionError):
            while taken < MOST_BYTES:
                taken += connection.send(b"x" * 4096)
        assert taken < MOST_BYTES
