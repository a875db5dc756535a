import datetime
import ipaddress
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import urllib3
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from clipsum import storage
from clipsum.errors import ItemError, UsageError
from clipsum.storage import https
from clipsum.storage.s3_client import patience

DATA = bytes(range(256)) * 2000


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        first, _, last = self.headers["Range"].removeprefix("bytes=").partition("-")
        path = self.path.partition("?")[0]
        if path == "/video.mp4" and self.server.cuts:
            self.server.cuts -= 1
            self.answer(206, b"cut", {"Content-Range": f"bytes {first}-{last}/{len(DATA)}", "Content-Length": "1000"})
            self.close_connection = True
        elif path == "/slow.mp4" and self.server.ended.wait(5):
            self.close_connection = True
        elif path in ("/video.mp4", "/slow.mp4"):
            body = DATA[int(first) : int(last) + 1]
            self.answer(206, body, {"Content-Range": f"bytes {first}-{last}/{len(DATA)}", "ETag": self.server.etag})
        elif path == "/empty.mp4":
            self.answer(416, b"", {"Content-Range": "bytes */0"})
        elif path == "/plain.mp4":
            self.answer(200, DATA, {})
        elif path == "/busy.mp4" and self.server.busy:
            self.server.busy -= 1
            self.answer(503, b"", {})
        elif path in self.server.redirects:
            self.answer(302, b"elsewhere", {"Location": self.server.redirects[path]})
        else:
            self.answer(403 if path == "/secret.mp4" else 404, b"", {})

    def answer(self, status, body, headers):
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_arguments):
        pass


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """Paths of a certificate for 127.0.0.1 and its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "clipsum tests")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    return path


@pytest.fixture
def server(certificate, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    https._pool_of.cache_clear()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    serving = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    serving.socket = context.wrap_socket(serving.socket, server_side=True)
    serving.url = f"https://127.0.0.1:{serving.server_port}"
    serving.ended = threading.Event()
    serving.etag, serving.busy, serving.cuts, serving.redirects = '"one"', 0, 0, {}
    thread = threading.Thread(target=serving.serve_forever)
    thread.start()
    yield serving
    serving.ended.set()
    serving.shutdown()
    thread.join()
    serving.server_close()
    https._pool_of.cache_clear()


def fails(reason, uri):
    with pytest.raises(ItemError) as caught:
        storage.open_reader(uri)
    assert caught.value.reason == reason, caught.value
    return caught.value.detail


def test_ranges_of_a_file_behind_https_are_read_and_counted(server):
    with storage.open_reader(f"{server.url}/video.mp4?key=1") as reader:
        assert (reader.size_bytes, reader.version) == (len(DATA), "one")
        assert reader.read_ranges([(400_000, 400_010), (5, 10)]) == [DATA[400_000:400_010], DATA[5:10]]
        assert reader.bytes_read == 2**16 + 10
    assert storage.read_bytes(f"{server.url}/video.mp4") == DATA
    assert storage.stat(f"{server.url}/video.mp4").version == "one"


def test_what_cannot_be_had_says_why(server):
    fails("not_found", f"{server.url}/nothing.mp4")
    assert "signed" not in fails("access_denied", f"{server.url}/secret.mp4?X-Amz-Signature=signed")
    assert "byte ranges" in fails("storage_error", f"{server.url}/plain.mp4")
    assert not storage.exists(f"{server.url}/nothing.mp4")


def test_an_empty_file_reads_nothing(server):
    assert storage.read_bytes(f"{server.url}/empty.mp4") == b""


def test_a_busy_server_is_asked_again(server):
    server.busy = 2
    fails("not_found", f"{server.url}/busy.mp4")
    assert server.busy == 0


def test_who_has_little_patience_asks_once_more_and_waits_for_seconds(server, monkeypatch):
    server.busy = 2
    with patience(1):
        fails("storage_error", f"{server.url}/busy.mp4")
        assert server.busy == 0
        monkeypatch.setattr(https, "HASTY_S", urllib3.Timeout(connect=5, read=0.02))
        fails("storage_error", f"{server.url}/slow.mp4")
    assert storage.read_bytes(f"{server.url}/video.mp4") == DATA


def test_a_body_that_breaks_off_is_read_again(server):
    server.cuts = 2
    assert storage.read_bytes(f"{server.url}/video.mp4") == DATA
    server.cuts = 10
    fails("storage_error", f"{server.url}/video.mp4")


def test_a_redirect_is_followed_on_https_and_refused_elsewhere(server):
    server.redirects = {"/a.mp4": "/b.mp4", "/b.mp4": f"{server.url}/video.mp4", "/round.mp4": "/round.mp4"}
    server.redirects["/down.mp4"] = "http://127.0.0.1/video.mp4"
    assert storage.read_bytes(f"{server.url}/a.mp4") == DATA
    assert "not https" in fails("access_denied", f"{server.url}/down.mp4")
    assert "redirects" in fails("storage_error", f"{server.url}/round.mp4")


def test_a_file_that_changes_while_it_is_read_is_not_mixed(server):
    with storage.open_reader(f"{server.url}/video.mp4") as reader:
        server.etag = '"two"'
        with pytest.raises(ItemError, match="changed while"):
            reader.read_ranges([(100_000, 100_010)])


def test_an_unknown_certificate_is_refused(server, monkeypatch):
    monkeypatch.delenv("SSL_CERT_FILE")
    https._pool_of.cache_clear()
    assert "certificate" in fails("storage_error", f"{server.url}/video.mp4").lower()


def test_nothing_is_written_behind_https(server):
    with pytest.raises(UsageError, match="only be read"):
        storage.write_bytes(f"{server.url}/out.bin", b"")
