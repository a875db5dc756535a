"""What the proxy of Serve says itself comes in the words of the contract; what an ingress says passes untouched."""

import json

import pytest

from ray_jobs.serve_proxy import Proxied
from tests.loops import run


def proxied(*messages):
    """What goes out where the proxy below sends `messages`."""
    sent = []

    async def below(scope, receive, send):
        for message in messages:
            await send(message)

    async def send(message):
        sent.append(message)

    run(Proxied(below)({"type": "http", "headers": []}, None, send))
    return sent


def said(status, kind, body):
    start = {"type": "http.response.start", "status": status, "headers": [(b"content-type", kind.encode())]}
    return start, {"type": "http.response.body", "body": body}


@pytest.mark.parametrize(
    ("own", "status", "reason"),
    [
        (said(503, "text/plain", b"Request dropped due to backpressure"), 503, "overloaded"),
        (said(408, "text/plain", b"Request timed out"), 504, "timeout"),
        (said(500, "text/plain", b"Traceback in /opt/secret"), 503, "worker_died"),
        ((), 503, "worker_died"),
    ],
)
def test_an_error_of_the_proxy_is_a_refusal(own, status, reason):
    start, body = proxied(*own)
    assert start["status"] == status
    assert json.loads(body["body"])["error"]["reason"] == reason
    assert (b"retry-after" in dict(start["headers"])) == (status == 503)
    assert b"secret" not in body["body"]


@pytest.mark.parametrize("own", [said(503, "application/json", b"{}"), said(200, "text/plain", b"ok")])
def test_what_an_ingress_says_passes(own):
    assert proxied(*own) == list(own)
