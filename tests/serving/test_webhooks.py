"""A webhook goes to whom it may, once, and its receiver can tell that it is ours, whole and fresh."""

import ssl
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import urllib3

from clipsum.errors import ItemError
from clipsum.serving import webhooks
from clipsum.serving.webhooks import SIGNATURE, is_signed, send, signature
from clipsum.storage import guard
from clipsum.storage.guard import NotAllowedError
from tests.storage.test_https import certificate  # noqa: F401

BODY, NOW = b'{"id": "1"}', 1_700_000_000.5


def test_a_signature_is_that_of_an_independent_tool():
    # printf '1700000000.{"id": "1"}' | openssl dgst -sha256 -hmac secret
    assert is_signed("secret", BODY, signature("secret", BODY, NOW), NOW + 10)
    assert signature("secret", BODY, NOW) == (
        "t=1700000000,v1=a92add956e204b7a20dd24cb0d034d48cc54d8ee5f42fcae04e39a5f66b57684"
    )


@pytest.mark.parametrize(
    ("secret", "body", "later_s"), [("other", BODY, 0), ("secret", BODY + b" ", 0), ("secret", BODY, 302)]
)
def test_another_secret_body_or_time_is_not_signed(secret, body, later_s):
    assert not is_signed(secret, body, signature("secret", BODY, NOW), NOW + later_s)


@pytest.mark.parametrize("header", ["", "t=,v1=", "t=1700000000", "t=²,v1=a", "t=1700000001,v1=é"])
def test_a_broken_header_is_not_signed(header):
    assert not is_signed("secret", BODY, header, NOW)


class Receiver(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        self.server.heard.append((self.path, self.rfile.read(int(self.headers["Content-Length"])), dict(self.headers)))
        if self.path == "/slow":
            while not self.server.is_over.wait(0.02):
                self.wfile.write(b".")
            return
        self.send_response(302 if self.path == "/moved" else 204)
        self.send_header("Location", "/done")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture
def receiver(certificate, monkeypatch):  # noqa: F811
    """A receiver behind https, which is taken for one of the internet."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    monkeypatch.setattr(guard, "is_public", lambda address: address == "127.0.0.1")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with ThreadingHTTPServer(("127.0.0.1", 0), Receiver) as serving:
        serving.handle_error = lambda *_: None  # who is cut off need not say so
        serving.socket = context.wrap_socket(serving.socket, server_side=True)
        serving.heard, serving.is_over = [], threading.Event()
        serving.host = f"127.0.0.1:{serving.server_port}"
        thread = threading.Thread(target=serving.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield serving
        serving.is_over.set()
        serving.shutdown()
        thread.join()


def test_a_webhook_arrives_whole_with_its_signature(receiver):
    headers = {SIGNATURE: signature("secret", BODY, time.time())}
    assert send(f"https://{receiver.host}/done", BODY, headers, [receiver.host]) == 204
    [(path, body, heard)] = receiver.heard
    assert (path, body) == ("/done", BODY)
    assert is_signed("secret", body, heard[SIGNATURE], time.time())


def test_a_redirect_is_not_followed(receiver):
    assert send(f"https://{receiver.host}/moved", BODY, {}, [receiver.host]) == 302
    assert [path for path, *_ in receiver.heard] == ["/moved"]


def test_no_other_host_no_internal_address_and_no_unknown_certificate_is_told(receiver, monkeypatch):
    with pytest.raises(ItemError, match="on the list"):
        send(f"https://{receiver.host}/done", BODY, {}, ["app.example"])
    monkeypatch.setattr(guard, "is_public", lambda _: False)
    with pytest.raises(NotAllowedError):
        send(f"https://{receiver.host}/done", BODY, {}, [receiver.host])
    monkeypatch.setattr(guard, "is_public", lambda _: True)
    monkeypatch.delenv("SSL_CERT_FILE")
    with pytest.raises(urllib3.exceptions.SSLError):
        send(f"https://{receiver.host}/done", BODY, {}, [receiver.host])
    assert receiver.heard == []


def test_who_answers_for_ever_a_little_at_a_time_is_cut_off(receiver, monkeypatch):
    monkeypatch.setattr(webhooks, "TOTAL_S", 0.2)
    began = time.monotonic()
    with pytest.raises(urllib3.exceptions.HTTPError):
        send(f"https://{receiver.host}/slow", BODY, {}, [receiver.host])
    assert time.monotonic() - began < 5
