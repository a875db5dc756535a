"""Hostile input over HTTP, one by one: each is refused with its status, says nothing, and leaves nothing behind."""

import gzip
import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from clipsum.serving.jobs import JobStore
from clipsum.serving.keys import KeyRing, new_key
from clipsum.serving.sources import Sources
from clipsum.storage import guard, https
from tests.serving.hostile_app import DEADLINE_S, UPLOAD_BYTES, Nothing, Target, attacked, read_answer
from tests.storage.test_guard import INTERNAL, SPELLINGS
from tests.storage.test_https import certificate, server  # noqa: F401

SECRET, KEY = new_key("user")
OTHER_SECRET, OTHER = new_key("other")
SLOW_SECRET, SLOW = new_key("slow")


class Trap:
    """Listens on every address of this machine and counts who comes."""

    def __init__(self) -> None:
        self.listener = socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True)
        self.port = self.listener.getsockname()[1]
        self.heard = 0
        threading.Thread(target=self.listen, daemon=True).start()

    def listen(self) -> None:
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.heard += 1
            connection.close()


@pytest.fixture(scope="module")
def trap() -> Iterator[Trap]:
    trap = Trap()
    yield trap
    trap.listener.shutdown(socket.SHUT_RDWR)
    trap.listener.close()


@pytest.fixture(scope="module")
def target(trap: Trap, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    folder = tmp_path_factory.mktemp("target")
    (folder / "uploads").mkdir()
    slow = SLOW.model_copy(update={"per_minute": 1.0, "burst": 1})
    keys = KeyRing([KEY.model_copy(update={"per_minute": 1e6, "burst": 10_000}), OTHER, slow])
    sources = Sources(s3=("s3://allowed/videos",), https=("videos.example", f"*:{trap.port}"))
    service = Nothing(keys, sources, folder / "uploads", JobStore(str(folder / "jobs")))
    sources.confine()
    with attacked(service, SECRET, KEY.sha256, str(folder)) as target:
        yield target
    os.environ.pop(guard.VARIABLE, None)
    https._pool_of.cache_clear()


def in_address(host: str) -> str:
    return f"[{host}]" if ":" in host and not host.startswith("[") else host


HOSTS = list(dict.fromkeys(in_address(host) for host in (*INTERNAL, *SPELLINGS)))


@pytest.mark.parametrize("host", HOSTS)
def test_an_internal_address_is_refused_however_it_is_spelled(target: Target, trap: Trap, host: str) -> None:
    before = trap.heard
    target.refuses(target.name(f"https://{host}:{trap.port}/video.mp4"), 403, "access_denied")
    assert trap.heard == before


def test_a_name_that_leads_inside_is_refused(target: Target, trap: Trap, monkeypatch: pytest.MonkeyPatch) -> None:
    real, before = socket.getaddrinfo, trap.heard

    def inside(host: str, *rest: object, **named: object) -> object:
        return real("127.0.0.1" if host == "rebind.example" else host, *rest, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(guard.socket, "getaddrinfo", inside)
    target.refuses(target.name(f"https://rebind.example:{trap.port}/video.mp4"), 403, "access_denied")
    assert trap.heard == before


def test_a_redirect_leads_to_no_internal_address_and_to_no_host_beside_the_list(
    target: Target,
    trap: Trap,
    server,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(guard, "is_public", lambda address: address == "127.0.0.1")  # the test's server plays internet
    hosts = (f"127.0.0.1:{server.server_port}", f"*:{trap.port}")
    monkeypatch.setenv(guard.VARIABLE, ",".join(hosts))
    monkeypatch.setattr(target.service, "sources", target.service.sources.model_copy(update={"https": hosts}))
    before = trap.heard
    server.redirects = {
        "/inside": f"https://127.0.0.2:{trap.port}/video.mp4",
        "/metadata": "http://169.254.169.254/latest/meta-data/",
        "/file": "file:///etc/passwd",
        "/elsewhere": "https://elsewhere.example/video.mp4",
        "/user": f"https://127.0.0.1:{server.server_port}@127.0.0.2:{trap.port}/video.mp4",
    }
    assert target.name(f"{server.url}/video.mp4").status_code == 200  # what is no attack gets through
    for path in server.redirects:
        target.refuses(target.name(server.url + path), 403, "access_denied")
    assert trap.heard == before


NOT_TO_BE_NAMED = [
    "/etc/passwd",
    "../../etc/passwd",
    "file:///etc/passwd",
    "FILE:///etc/passwd",
    "file://localhost/etc/passwd",
    "s3://allowed/videos/../secret.mp4",
    "s3://allowed/videos/./a.mp4",
    "s3://allowed/videos//a.mp4",
    "s3://allowed/videos-private/a.mp4",
    "s3://allowed/videos",
    "s3://allowed/a.mp4",
    "s3://other/videos/a.mp4",
    "s3://allowed@other/videos/a.mp4",
    "s3://ALLOWED/videos/a.mp4",
    "S3://allowed/videos/a.mp4",
    "s3a://allowed/videos/a.mp4",
    "s3://allowed/videos/a\0.mp4",
    "s3://allowed/videos/a\r\nHost: evil.mp4",
    "http://videos.example/a.mp4",
    "https:/videos.example/a.mp4",
    "https://videos.example:8443/a.mp4",
    "https://",
    "https:///etc/passwd",
    "https://?@#",
    "https://evil.example/a.mp4",
    "https://videos.example.evil.example/a.mp4",
    "https://videos.example@evil.example/a.mp4",
    "https://user:password@videos.example/a.mp4",
    "https://evil.example\\@videos.example/a.mp4",
    "https://evil.example#@videos.example/a.mp4",
    "https://videos.example\t.evil.example/a.mp4",
    "https://ｖideos.example@evil.example/a.mp4",
    "ftp://videos.example/a.mp4",
    "gopher://127.0.0.1:6379/_FLUSHALL",
    "concat:/etc/passwd|/etc/hosts",
    "subfile,,start,0,end,9,,:/etc/passwd",
    "pipe:0",
    "fd:0",
    "data:video/mp4;base64,AAAA",
    "javascript:alert(1)",
    "upload",
]


@pytest.mark.parametrize("uri", NOT_TO_BE_NAMED)
@pytest.mark.parametrize("path", ["/v1/summaries", "/v1/jobs"])
def test_what_is_not_on_the_list_may_not_be_named(target: Target, uri: str, path: str) -> None:
    target.refuses(target.http.post(path, json={"uri": uri}), 403, "access_denied")


FILE_NAMES = [
    "../../evil.mp4",
    "/etc/cron.d/evil",
    "..",
    ".",
    "",
    "a/b\\c.mp4",
    "C:\\evil.mp4",
    "x" * 4000,
    "ａ.ｍｐ４",
    "a;b.mp4",
    "https://[x.mp4",
    "\x7f.mp4\x01",
]


@pytest.mark.parametrize("name", FILE_NAMES)
def test_no_name_of_a_file_leads_out_of_the_folder(target: Target, name: str) -> None:
    answer = target.http.post("/v1/summaries", files={"file": (name or " ", b"video")})
    if answer.status_code != 200:
        target.refuses(answer, 422, "invalid_request")
        return
    path, was_there = target.service.seen[-1]
    assert was_there
    assert Path(path).parent == target.service.uploads
    assert not Path(path).exists()
    assert name not in answer.text or len(name) < 3


TOO_MUCH = UPLOAD_BYTES + 2**16


def test_a_body_that_says_it_is_too_large_is_refused_before_it_is_sent(target: Target) -> None:
    for kind, length in (("multipart/form-data; boundary=x", TOO_MUCH), ("application/json", 10**9)):
        head = f"POST /v1/summaries HTTP/1.1\r\nContent-Type: {kind}\r\nContent-Length: {length}"
        target.refuses(target.raw(head), 413, "too_large")


def test_a_body_that_grows_too_large_without_saying_so_is_refused(target: Target) -> None:
    head = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.mp4"\r\n\r\n'

    def endless(first: bytes) -> Iterator[bytes]:
        yield first
        for _ in range(200):
            yield bytes(2**16)

    for kind, first in (("multipart/form-data; boundary=x", head), ("application/json", b'{"uri": "')):
        answer = target.http.post("/v1/summaries", content=endless(first), headers={"Content-Type": kind})
        target.refuses(answer, 413, "too_large")


BOMBS = {
    "nested arrays": (b"[" * 200_000, {}, 400),
    "nested objects": (b'{"uri":' * 100_000, {}, 400),
    "a number of a million digits": (b'{"uri": ' + b"9" * 1_000_000 + b"}", {}, 400),
    "compressed": (gzip.compress(b'{"uri": "' + bytes(10**8) + b'"}'), {"Content-Encoding": "gzip"}, 400),
    "no JSON": (b"\xff\xfe\0", {}, 400),
    "not a number": (b'{"uri": NaN}', {}, 422),
    "a list": (b'["s3://allowed/videos/a.mp4"]', {}, 422),
    "a long address": (json.dumps({"uri": "s3://allowed/videos/" + "a" * 5000}).encode(), {}, 422),
    "a long question": (json.dumps({"uri": "s3://allowed/videos/a", "query": "a" * 1001}).encode(), {}, 422),
    "an unknown field": (b'{"uri": "s3://allowed/videos/a", "__proto__": {"admin": true}}', {}, 422),
    "the wrong type": (b'{"uri": "s3://allowed/videos/a"}', {"Content-Type": "text/plain"}, 415),
}


@pytest.mark.parametrize("kind", BOMBS)
def test_a_body_that_is_a_bomb_or_none_of_ours_is_refused_at_once(target: Target, kind: str) -> None:
    body, headers, status = BOMBS[kind]
    began = time.monotonic()
    answer = target.http.post("/v1/summaries", content=body, headers={"Content-Type": "application/json", **headers})
    target.refuses(answer, status, "unsupported_media" if status == 415 else "invalid_request")
    assert time.monotonic() - began < 2
    assert "admin" not in answer.text.replace("/admin", "")


def part(name: str, value: bytes, extra: str = "") -> bytes:
    return f'--x\r\nContent-Disposition: form-data; name="{name}"{extra}\r\n\r\n'.encode() + value + b"\r\n"


FORMS = {
    "thousands of fields": b"".join(part(f"f{n}", b"") for n in range(5000)) + b"--x--",
    "thousands of files": b"".join(part("file", b"", f'; filename="{n}"') for n in range(5000)) + b"--x--",
    "headers without an end": b"--x\r\n" + b"A: " + b"a" * 500_000,
    "no part": b"",
    "cut off": part("file", b"video", '; filename="a.mp4"')[:40],
    "no file": part("query", b"when?") + b"--x--",
    "a file that is a field": part("file", b"/etc/passwd") + b"--x--",
    "an address beside the file": part("uri", b"file:///etc/passwd") + part("file", b"v", '; filename="a"') + b"--x--",
    "an empty file": part("file", b"", '; filename="a.mp4"') + b"--x--",
    "two videos": 2 * part("file", b"v", '; filename="a.mp4"') + b"--x--",
    "two questions": 2 * part("query", b"when?") + part("file", b"v", '; filename="a.mp4"') + b"--x--",
    "subtitles without a cue": part("transcript", b"WEBVTT\n\n00:00:99.000 --> aa\nx")
    + part("file", b"v", '; filename="a"')
    + b"--x--",
    "binary words": part("transcript", bytes(range(256)) * 40, '; filename="a.vtt"')
    + part("file", b"v", '; filename="a"')
    + b"--x--",
}


@pytest.mark.parametrize("kind", FORMS)
def test_a_form_that_is_a_bomb_or_none_of_ours_is_refused_at_once(target: Target, kind: str) -> None:
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    began = time.monotonic()
    answer = target.http.post("/v1/summaries", content=FORMS[kind], headers=headers)
    assert answer.status_code in (400, 422)
    target.refuses(answer, answer.status_code, "invalid_request")
    assert time.monotonic() - began < 2


def test_a_video_in_another_field_or_in_none_is_told_where_it_belongs(target: Target) -> None:
    video = bytes(range(256)) * 40
    answer = target.http.post("/v1/summaries", files={"video": ("a.mp4", video)})
    target.refuses(answer, 422, "invalid_request")
    assert "file: send one video in this field" in answer.text
    answer = target.http.post("/v1/summaries", content=video, headers={"Content-Type": "video/mp4"})
    target.refuses(answer, 415, "unsupported_media")
    assert "multipart/form-data" in answer.text


def test_who_says_what_is_not_known_is_told_what_is(target: Target) -> None:
    answer = target.http.post("/v1/summaries", json={"uri": "s3://allowed/videos/a.mp4", "s3cret": 1})
    target.refuses(answer, 422, "invalid_request")
    assert "there is a field that is none of uri, query, transcript" in answer.text
    assert "s3cret" not in answer.text


def test_a_form_without_a_boundary_is_refused(target: Target) -> None:
    answer = target.http.post("/v1/summaries", content=b"x", headers={"Content-Type": "multipart/form-data"})
    target.refuses(answer, 400, "invalid_request")
    assert "form" in answer.text  # it is said what is wrong, and not that there is no such path


BAD_KEYS = [
    None,
    "",
    "Bearer",
    f"Basic {SECRET}",
    SECRET,
    f"Bearer {SECRET[:-1]}",
    f"Bearer {SECRET}x",
    f"Bearer {SECRET.upper()}",
    f"Bearer {KEY.sha256}",
    f"Bearer sha256:{KEY.sha256}",
    "Bearer user",
    "Bearer ' OR 1=1 --",
    "Bearer " + "a" * 30_000,
    "Bearer null",
    f"Bearer {SECRET}, Bearer {SECRET}",
]


@pytest.mark.parametrize("given", BAD_KEYS, ids=range(len(BAD_KEYS)))
def test_a_bad_key_is_refused_on_every_path_that_needs_one(target: Target, given: str | None) -> None:
    for method, path in (("POST", "/v1/summaries"), ("POST", "/v1/jobs"), ("GET", "/v1/jobs/1"), ("PUT", "/v1/bundle")):
        headers = {} if given is None else {"Authorization": given}
        target.refuses(target.stranger.request(method, path, headers=headers, json={}), 401, "unauthorized")


def test_a_key_is_taken_from_its_header_alone(target: Target) -> None:
    path = f"/v1/summaries?key={SECRET}&api_key={SECRET}&access_token={SECRET}"
    answer = target.stranger.post(path, json={"key": SECRET}, headers={"Cookie": f"Authorization=Bearer {SECRET}"})
    target.refuses(answer, 401, "unauthorized")


def test_a_key_without_the_right_cannot_change_what_is_served(target: Target) -> None:
    target.refuses(target.http.put("/v1/bundle", json={"bundle": "s3://evil/bundle"}), 403, "forbidden")


def test_a_key_beyond_its_rate_is_told_when_to_come_again(target: Target) -> None:
    headers = {"Authorization": f"Bearer {SLOW_SECRET}"}
    first, second = (target.http.post("/v1/summaries", json={}, headers=headers) for _ in range(2))
    assert first.status_code == 422
    target.refuses(second, 429, "rate_limited")


def test_another_keys_job_is_not_there(target: Target) -> None:
    job = target.http.post("/v1/jobs", json={"uri": "s3://allowed/videos/a.mp4"}).json()["id"]
    other = {"Authorization": f"Bearer {OTHER_SECRET}"}
    assert target.http.get(f"/v1/jobs/{job}").json()["state"] == "waiting"
    target.refuses(target.http.get(f"/v1/jobs/{job}", headers=other), 404, "not_found")
    for odd in ("..", "%2e%2e%2fkeys", "0" * 31, "0" * 33, "A" * 32, "%00" * 32, "*"):
        target.refuses(target.http.get(f"/v1/jobs/{odd}"), 404, "not_found")


def test_a_store_of_jobs_that_falls_silent_holds_no_caller(target: Target, monkeypatch: pytest.MonkeyPatch) -> None:
    silent = threading.Event()
    for name in ("submit", "read"):
        monkeypatch.setattr(JobStore, name, lambda *_: silent.wait(20))
    try:
        target.refuses(target.http.post("/v1/jobs", json={"uri": "s3://allowed/videos/a.mp4"}), 504, "timeout")
        target.refuses(target.http.get(f"/v1/jobs/{'0' * 32}"), 504, "timeout")
    finally:
        silent.set()


@pytest.mark.logs_errors
def test_what_nobody_foresaw_tells_nothing(target: Target) -> None:
    for path in ("/healthz", "/v1/bundle"):
        target.refuses(target.http.get(path), 503, "internal_error")


def test_paths_and_methods_that_there_are_not_are_refused_in_the_same_shape(target: Target) -> None:
    for path in ("/page/../../keys.py", "/page/%2e%2e/assets.py", "/page/x", "/docs/x", "/.env", "//etc/passwd"):
        answer = target.raw(f"GET {path} HTTP/1.1")
        target.refuses(answer, 404, "not_found")
    target.refuses(target.http.request("DELETE", "/v1/summaries"), 405, "invalid_request")


def test_the_pages_can_be_asked_for_their_heads(target: Target) -> None:
    for path in ("/", "/docs", "/page/page.js"):
        head, whole = target.stranger.head(path), target.stranger.get(path)
        assert (head.status_code, head.content) == (200, b"")
        assert head.headers["content-length"] == whole.headers["content-length"] == str(len(whole.content))


def test_slow_clients_are_cut_off_at_the_deadline_and_hold_nobody_up(target: Target) -> None:
    port = target.http.base_url.port or 0
    head = f"POST /v1/summaries HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {SECRET}\r\nConnection: close\r\n"
    form = "Content-Type: multipart/form-data; boundary=x\r\nContent-Length: 100000\r\n\r\n"
    began = time.monotonic()
    slow = [socket.create_connection(("127.0.0.1", port), timeout=20) for _ in range(30)]
    for number, connection in enumerate(slow):
        connection.sendall((head + form).encode() + part("file", b"v", '; filename="a"')[: 10 + number])
    quick = target.http.post("/v1/summaries", files={"file": ("a.mp4", b"video")})
    assert quick.status_code == 200
    assert time.monotonic() - began < DEADLINE_S
    for connection in slow:
        with connection:
            target.refuses(read_answer(connection), 504, "timeout")
    assert DEADLINE_S <= time.monotonic() - began < 10
    assert target.service.admission.inside == 0


def test_without_keys_no_page_and_no_name_of_elsewhere_gets_an_answer(target: Target, tmp_path: Path) -> None:
    open_to_all = replace(target.service, keys=KeyRing(), uploads=tmp_path / "uploads")
    with attacked(open_to_all, "") as target:
        own = f"http://127.0.0.1:{target.http.base_url.port}"
        assert target.http.post("/v1/summaries", files={"file": b"v"}, headers={"Origin": own}).status_code == 200
        for foreign in (
            {"Host": "evil.example"},
            {"Host": f"rebind.example:{target.http.base_url.port}"},
            {"Host": "169.254.169.254"},
            {"Origin": "https://evil.example"},
            {"Origin": "null"},
            {"Origin": "http://127.0.0.1:1"},
        ):
            target.refuses(target.http.post("/v1/summaries", files={"file": b"v"}, headers=foreign), 403, "forbidden")
