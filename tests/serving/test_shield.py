"""What surrounds every request: whose it may be, how much is read of it, what is said of an error."""

import json

import pytest
from starlette.requests import ClientDisconnect

from clipsum.errors import ItemError
from clipsum.serving.refusals import RefusedError
from clipsum.serving.shield import JSON_BYTES, OTHER_BYTES, Body, Rules, Shield
from tests.loops import run

SECRET = "/srv/keys/cs_abcdef"
PATH = "/v1/summaries"
UPLOAD = "multipart/form-data; boundary=x"


class Seen:
    """One request through a shield: what was answered, told and read."""

    def __init__(self, below=None, headers=(), body=(b"",), loopback_only=False, method="POST", path=PATH):
        self.sent, self.told, self.read = [], [], 0
        self._left = list(body)
        self._below = below or self._answer
        rules = Rules(1000, loopback_only, lambda *answer: self.told.append(answer))
        named = headers if "host" in dict(headers) else [("host", "127.0.0.1"), *headers]
        scope = {
            "type": "http",
            "method": method,
            "path": path,
            "headers": [(name.encode(), value.encode()) for name, value in named],
        }
        run(Shield(self._read_and_go, rules)(scope, self._receive, self._send))
        self.status = self.sent[0]["status"] if self.sent else None
        headers = self.sent[0]["headers"] if self.sent else []
        self.headers = {name.decode(): value.decode() for name, value in headers}

    @property
    def reason(self):
        return json.loads(self.sent[1]["body"])["error"]["reason"]

    async def _read_and_go(self, scope, receive, send):
        while (message := await receive()).get("more_body"):
            self.read += len(message["body"])
        await self._below(scope, receive, send)

    async def _answer(self, scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"{}"})

    async def _receive(self):
        part = self._left.pop(0)
        return {"type": "http.request", "body": part, "more_body": bool(self._left)}

    async def _send(self, message):
        self.sent.append(message)


def raising(error):
    async def below(*_):
        raise error

    return below


@pytest.mark.parametrize(
    ("error", "status", "reason"),
    [
        (RefusedError(429, "rate_limited", "x", 3.0), 429, "rate_limited"),
        (ItemError("not_found", "open", SECRET), 404, "not_found"),
        (TimeoutError(SECRET), 504, "timeout"),
    ],
)
def test_what_is_raised_leaves_as_a_refusal_that_tells_nothing(error, status, reason):
    seen = Seen(raising(error))
    assert (seen.status, seen.reason) == (status, reason)
    assert SECRET.encode() not in seen.sent[1]["body"]
    assert seen.headers["x-content-type-options"] == "nosniff"
    assert seen.told[0][1] == status


@pytest.mark.logs_errors
def test_what_nobody_foresaw_is_a_refusal_too():
    seen = Seen(raising(KeyError(SECRET)))
    assert (seen.status, seen.reason) == (503, "internal_error")
    assert SECRET.encode() not in seen.sent[1]["body"]


@pytest.mark.parametrize(
    ("kind", "parts", "stated", "status"),
    [
        (UPLOAD, [b"x" * 400] * 2, None, 200),
        (UPLOAD, [b"x" * 400] * 50, None, 413),
        (UPLOAD, [b"x"], "1001", 413),
        (UPLOAD, [b"x"], "9" * 30, 413),
        (UPLOAD, [b"x"], "-1", 200),
        ("application/json", [b"x" * JSON_BYTES, b"x"], None, 413),
        ("application/json", [b"x" * 5000], None, 200),
    ],
)
def test_a_body_is_read_up_to_its_bound_and_no_further(kind, parts, stated, status):
    length = [("content-length", stated)] if stated else []
    seen = Seen(headers=[("content-type", kind), *length], body=[*parts, b""])
    assert seen.status == status
    assert seen.read <= (1000 if kind == UPLOAD else JSON_BYTES)
    assert not stated or status == 200 or seen.read == 0


@pytest.mark.parametrize(
    ("host", "origin", "status"),
    [
        ("127.0.0.1:8000", None, 200),
        ("localhost:8000", "http://localhost:8000", 200),
        ("[::1]:8000", None, 200),
        ("evil.example", None, 403),  # a name of elsewhere that was made to lead here
        ("127.0.0.1:8000", "https://evil.example", 403),  # a page of elsewhere that sends through a browser
        ("127.0.0.1:8000", "null", 403),
    ],
)
def test_without_keys_only_this_machine_is_answered_and_no_page_of_elsewhere(host, origin, status):
    headers = [("host", host), *([("origin", origin)] if origin else [])]
    assert Seen(headers=headers, loopback_only=True).status == status
    assert Seen(headers=headers, loopback_only=False).status == 200


@pytest.mark.parametrize("host", ["", "[", "[::1", "[x]", "a:b", "a:99999", "a/b", "user@a", "a?b", "a b", "ａ"])
@pytest.mark.parametrize("loopback_only", [True, False])
def test_a_host_that_is_none_is_no_request(host, loopback_only):
    seen = Seen(headers=[("host", host)], loopback_only=loopback_only)
    assert (seen.status, seen.reason) == (400, "invalid_request")


def test_a_second_host_is_no_request():
    assert Seen(headers=[("host", "127.0.0.1"), ("host", "evil.example")], loopback_only=True).status == 400


@pytest.mark.parametrize(
    ("method", "path", "kind", "most"),
    [
        ("GET", "/healthz", UPLOAD, OTHER_BYTES),
        ("GET", "/v1/summaries", UPLOAD, OTHER_BYTES),
        ("POST", "/nothing", UPLOAD, OTHER_BYTES),
        ("POST", "/v1/jobs", UPLOAD, JSON_BYTES),
        ("PUT", "/v1/bundle", "application/json", JSON_BYTES),
        ("POST", "/below/v1/summaries", "Multipart/Form-Data; boundary=x", 2**30),
    ],
)
def test_a_body_is_large_only_where_one_is_awaited(method, path, kind, most):
    def body(stated):
        scope = {
            "method": method,
            "path": path,
            "headers": [(b"content-type", kind.encode()), (b"content-length", stated)],
        }
        return Body(None, scope, 2**30)

    body(str(most).encode())
    with pytest.raises(RefusedError, match="413"):
        body(str(most + 1).encode())


def test_who_leaves_in_the_middle_of_its_body_is_no_error_of_ours():
    seen = Seen(raising(ClientDisconnect()))
    assert seen.sent == []
    assert seen.told[0][1] == 499
