"""What the proxy of Serve says itself comes in the words of the contract; what an ingress says passes untouched."""

import asyncio
import json

import pytest

from ray_jobs.serving.proxy import Proxied
from tests.loops import run

POST = {"type": "http", "method": "POST", "path": "/v1/summaries"}


def proxied(*messages):
    """What goes out where the proxy below sends `messages`."""
    sent = []

    async def below(scope, receive, send):
        for message in messages:
            await send(message)

    async def send(message):
        sent.append(message)

    run(Proxied(below, 1000)({**POST, "headers": []}, None, send))
    return sent


def said(status, kind, body):
    start = {"type": "http.response.start", "status": status, "headers": [(b"content-type", kind.encode())]}
    return start, {"type": "http.response.body", "body": body}


@pytest.mark.parametrize(
    ("own", "status", "reason"),
    [
        (said(503, "text/plain", b"Request dropped due to backpressure"), 503, "overloaded"),
        (said(404, "text/plain", b"Path '*' not found: /opt/secret"), 404, "not_found"),
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


def test_nobody_is_told_which_applications_the_cluster_serves():
    sent = []

    async def below(scope, receive, send):
        raise AssertionError(scope)

    async def send(message):
        sent.append(message)

    run(Proxied(below, 1000)({**POST, "method": "GET", "path": "/-/routes", "headers": []}, None, send))
    assert (sent[0]["status"], json.loads(sent[1]["body"])["error"]["reason"]) == (404, "not_found")


UPLOAD = (b"content-type", b"multipart/form-data; boundary=x")


def uploaded(parts, *headers, answers=()):
    """What goes out, and how much came in, where an ingress reads all that it is given of a body of `parts`."""
    sent, read = [], []

    async def below(scope, receive, send):
        while (message := await receive())["type"] != "http.disconnect":
            read.append(message["body"])
            if not message["more_body"]:
                break
        for each in answers:
            await send(each)

    left = list(parts)

    async def receive():
        return {"type": "http.request", "body": left.pop(0), "more_body": bool(left)}

    async def send(message):
        sent.append(message)

    run(Proxied(below, 1000)({**POST, "headers": [UPLOAD, *headers]}, receive, send))
    return sent, len(b"".join(read))


@pytest.mark.parametrize("answers", [(), said(503, "text/plain", b"backpressure"), said(500, "text/plain", b"x")])
def test_a_body_beyond_the_bound_ends_the_request_whatever_serve_says_of_it(answers):
    (start, body), read = uploaded([bytes(400)] * 50, answers=answers)
    assert (start["status"], json.loads(body["body"])["error"]["reason"]) == (413, "too_large")
    assert read <= 1000


def test_a_body_that_says_it_is_too_large_is_not_read():
    (start, _), read = uploaded([bytes(10)], (b"content-length", b"1001"))
    assert (start["status"], read) == (413, 0)
    sent, read = uploaded([bytes(500), bytes(500)], answers=said(200, "text/plain", b"ok"))
    assert (sent[0]["status"], read) == (200, 1000)


def test_of_the_headers_only_those_that_an_ingress_reads_go_on():
    seen = {}

    async def below(scope, receive, send):
        seen.update(scope["headers"])

    async def send(message):
        pass

    names = (b"host", b"authorization", b"x-request-timeout-seconds", b"x-request-disconnect-disabled", b"x-request-id")
    scope = {**POST, "headers": [(name, b"1") for name in names]}
    run(Proxied(below, 1000)(scope, None, send))
    assert seen.keys() == {b"host", b"authorization"}


def test_bodies_that_come_at_once_are_held_up_to_a_bound_and_given_free_with_their_answers():
    proxy, sent = Proxied(reads_all, 1000), []
    proxy._held._most = 1500
    left = {"first": [bytes(500)] * 2, "second": [bytes(500)] * 2}
    done = []

    async def ask(name):
        async def receive():
            await asyncio.sleep(0)
            part = left[name].pop(0)
            return {"type": "http.request", "body": part, "more_body": bool(left[name])}

        async def send(message):
            sent.append(message.get("status"))

        await proxy({**POST, "headers": [UPLOAD]}, receive, send)
        done.append(name)

    async def both():
        await asyncio.gather(ask("first"), ask("second"))
        left["third"] = [bytes(500)] * 2
        await ask("third")

    run(both())
    assert sorted(filter(None, sent[:-2])) == [200, 503]
    assert (sent[-2], proxy._held.bytes) == (200, 0)


async def reads_all(scope, receive, send):
    while (message := await receive())["type"] != "http.disconnect":
        if not message["more_body"]:
            await asyncio.sleep(0.01)
            for each in said(200, "application/json", b"{}"):
                await send(each)
            return
