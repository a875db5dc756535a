"""The client against a real HTTP server: what is sent, what is asked again and when, what is never sent twice."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from itertools import pairwise
from pathlib import Path

import pytest

import clipsum.client
from clipsum.client import Client, Progress, ServiceError
from clipsum.errors import UsageError
from clipsum.serving.refusals import RefusedError
from tests.serving.stand_in import STAGES, StandIn, row_of, served, whole

KEY = "cs_a-secret-of-the-test"
BUSY = RefusedError(503, "overloaded", "too many requests at once", 7)
ROW = row_of()


@pytest.fixture(scope="module")
def running():
    with served(StandIn()) as stand_in:
        yield stand_in


@pytest.fixture
def service(running: StandIn) -> StandIn:
    running.__init__(url=running.url, answers=[ROW])
    return running


@pytest.fixture
def waits() -> list[float]:
    return []


@pytest.fixture
def client(service: StandIn, waits: list[float]):
    with Client(service.url, KEY, timeout_s=60, sleep=waits.append) as client:
        yield client


@pytest.fixture
def video(tmp_path: Path) -> Path:
    path = tmp_path / "crêpe №1.mp4"
    path.write_bytes(bytes(range(256)) * 40)
    return path


def test_a_file_is_uploaded_whole_with_its_name_and_what_is_asked(client, service, video):
    assert client.summarize(video, query="when?", transcript="WEBVTT") == ROW
    [asked] = service.asked
    assert asked.file == (video.name, video.read_bytes())
    assert asked.fields == {"query": "when?", "transcript": "WEBVTT"}
    assert asked.headers["authorization"] == f"Bearer {KEY}"


def test_an_address_is_named_and_nothing_is_uploaded(client, service):
    assert client.summarize("s3://videos/a.mp4") == ROW
    assert (service.asked[0].file, service.asked[0].fields) == (None, {"uri": "s3://videos/a.mp4"})


def test_progress_tells_the_stages_and_the_summary_as_it_grows(client, video):
    told: list[Progress] = []
    client.summarize(video, on_progress=told.append)
    assert list(dict.fromkeys(each.stage for each in told)) == list(STAGES)
    texts = list(dict.fromkeys(each.text for each in told))
    assert texts[0] == ""
    assert texts[-1] == ROW.summary
    assert all(later.startswith(sooner) for sooner, later in pairwise(texts))


def test_a_busy_service_is_asked_again_not_before_it_says_and_with_the_whole_file(client, service, waits, video):
    service.answers = [BUSY, RefusedError(429, "rate_limited", "slower", 2), ROW]
    assert client.summarize(video) == ROW
    assert waits[0] >= 7
    assert waits[1] >= 2
    assert [asked.file for asked in service.asked] == [(video.name, video.read_bytes())] * 3


def test_what_cannot_be_waited_for_in_the_time_of_the_call_is_raised_at_once(service, waits):
    service.answers = [BUSY]
    with Client(service.url, timeout_s=5, sleep=waits.append) as client, pytest.raises(ServiceError) as refused:
        client.summarize("s3://videos/a.mp4")
    assert (waits, len(service.asked)) == ([], 1)
    said = refused.value
    assert (said.status, said.reason, said.detail, said.retry_after_s) == (503, "overloaded", BUSY.detail, 7)


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (400, "invalid_request"),
        (401, "unauthorized"),
        (403, "access_denied"),
        (404, "not_found"),
        (413, "too_large"),
        (422, "corrupt"),
        (504, "timeout"),
    ],
)
def test_what_will_not_pass_is_asked_once(client, service, waits, status, reason):
    service.answers = [RefusedError(status, reason, "no", 1)]
    with pytest.raises(ServiceError, match=f"{reason}: no"):
        client.summarize("s3://videos/a.mp4")
    assert (waits, len(service.asked)) == ([], 1)


def test_an_answer_that_breaks_off_is_asked_for_again(client, service, waits):
    service.answers = [whole(ROW)[:3], ROW]
    assert client.summarize("s3://videos/a.mp4") == ROW
    assert len(waits) == 1


def test_an_error_in_the_answer_is_asked_again_where_it_says_when_and_nowhere_else(client, service, waits):
    error = {"error": {"reason": "worker_died", "detail": "lost"}}
    service.answers = [[("error", {**error, "retry_after_s": 5})], ROW]
    assert client.summarize("s3://videos/a.mp4") == ROW
    assert waits[0] >= 5
    service.answers = [[("error", error)], ROW]
    with pytest.raises(ServiceError, match="worker_died: lost"):
        client.summarize("s3://videos/a.mp4")


def test_a_failed_row_is_an_error(client, service):
    service.answers = [row_of(status="failed", reason="corrupt", detail="damaged", summary=None)]
    with pytest.raises(ServiceError, match="corrupt: damaged"):
        client.summarize("s3://videos/a.mp4")


def test_a_service_that_is_not_there_is_looked_for_until_the_time_is_over(waits):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and does not listen
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        began = time.monotonic()

        def sleep(seconds: float) -> None:
            waits.append(seconds)
            time.sleep(min(seconds, 0.1))

        with Client(url, timeout_s=0.6, sleep=sleep) as client, pytest.raises(ServiceError) as failed:
            client.summarize("s3://videos/a.mp4")
    assert (failed.value.reason, failed.value.status) == ("unreachable", None)
    assert waits
    assert time.monotonic() - began < 5


def test_an_address_where_nobody_ever_answered_is_given_up_long_before_the_time_of_the_call(
    service, waits, monkeypatch
):
    monkeypatch.setattr("clipsum.client.NEVER_MET_S", 0.2)
    monkeypatch.setattr("clipsum.client.BACKOFF_S", 0.05)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        began = time.monotonic()
        with (
            Client(f"http://127.0.0.1:{taken.getsockname()[1]}") as client,
            pytest.raises(ServiceError, match="answer"),
        ):
            client.summarize("s3://videos/a.mp4")
        assert time.monotonic() - began < 10
    service.answers = [ROW]
    with Client(service.url, timeout_s=2.0) as client:
        client.summarize("s3://videos/a.mp4")  # from now on it may restart, and is waited for
        assert client._is_met


def test_the_time_of_the_call_ends_an_answer_that_goes_on_for_ever(service):
    service.answers = [[("text", {"text": "a"})] * 100_000]
    with Client(service.url, timeout_s=0.3) as client, pytest.raises(ServiceError, match="timeout"):
        client.summarize("s3://videos/a.mp4")
    assert service.left.wait(10)


def test_leaving_a_call_in_the_middle_ends_the_work_behind_it(client, service):
    service.answers = [[("stage", {"stage": "queued"}), threading.Event()]]

    def leave(_: Progress) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        client.summarize("s3://videos/a.mp4", on_progress=leave)
    assert service.left.wait(10)


def test_a_job_is_submitted_and_waited_for(client, service, waits):
    service.jobs = [
        {"state": "waiting"},
        {"state": "running", "stage": "decoded"},
        {"state": "running", "stage": "decoded"},
        {"state": "done", "finished_s": 2.0, "result": ROW.model_dump(mode="json")},
    ]
    told: list[Progress] = []
    job = client.submit("s3://videos/a.mp4", webhook="https://app.example/done")
    assert client.wait(job, poll_s=0.25, on_progress=told.append) == ROW
    assert service.asked[0].fields == {"uri": "s3://videos/a.mp4", "webhook": "https://app.example/done"}
    assert (waits, told) == ([0.25] * 3, [Progress("decoded", "")])


def test_a_job_that_failed_and_one_that_is_not_there_are_errors(client, service):
    service.jobs = [{"state": "failed", "error": {"reason": "corrupt", "detail": "damaged"}}]
    with pytest.raises(ServiceError, match="corrupt: damaged"):
        client.wait("0" * 32)
    with pytest.raises(ServiceError) as missing:
        client.wait("0" * 32)
    assert (missing.value.status, missing.value.reason) == (404, "not_found")


def test_a_job_is_not_sent_twice_where_the_first_may_have_arrived(waits):
    """Two jobs would be made of one."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        accepted = []

        def cut() -> None:
            connection, _ = server.accept()
            accepted.append(connection.recv(65536))
            connection.close()

        thread = threading.Thread(target=cut)
        thread.start()
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
        with Client(url, sleep=waits.append) as client, pytest.raises(ServiceError, match="connection_lost"):
            client.submit("s3://videos/a.mp4")
        thread.join()
    assert (len(accepted), waits) == (1, [])


def test_a_poll_that_times_out_is_asked_again_for_as_long_as_the_call_has(client, service, waits):
    late = {"refused": RefusedError(504, "timeout", "late")}
    service.jobs = [late, late, {"state": "done", "finished_s": 2.0, "result": ROW.model_dump(mode="json")}]
    assert client.wait("0" * 32) == ROW
    service.jobs = [late] * 100
    with Client(service.url, timeout_s=0.2, sleep=waits.append) as hasty, pytest.raises(ServiceError) as failed:
        hasty.wait("0" * 32)
    assert (failed.value.status, failed.value.reason) == (504, "timeout")


@pytest.mark.parametrize("call", ["wait", "summarize"])
def test_a_service_that_falls_silent_ends_a_call_in_its_time(monkeypatch, waits, call):
    monkeypatch.setattr(clipsum.client, "SHORTEST_S", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as server:  # it takes connections and says nothing
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
        began = time.monotonic()
        with Client(url, timeout_s=0.3, sleep=waits.append) as client, pytest.raises(ServiceError):
            client.wait("0" * 32) if call == "wait" else client.summarize("s3://videos/a.mp4")
    assert time.monotonic() - began < 10


@pytest.mark.parametrize("key", ["cs_secret\n", "cs secret", "cs_geheimÄ"])
def test_a_key_that_can_be_none_is_told_before_anything_is_sent(key):
    with pytest.raises(UsageError, match="key: it has letters that no key has"):
        Client("http://127.0.0.1:1", key)


PAGES = [("text/html", b"<html>sign in</html>"), ("application/json", b'{"login": true}'), ("text/plain", b"")]


@pytest.mark.parametrize(("kind", "page"), PAGES)
@pytest.mark.parametrize("call", ["summarize", "submit", "job", "wait"])
def test_a_page_of_somebody_else_is_one_clear_error_at_once(call, kind, page, waits):
    with answering(kind, page) as (url, count), Client(url, timeout_s=5, sleep=waits.append) as client:
        with pytest.raises(ServiceError, match="unknown: the answer is not the service's own") as failed:
            getattr(client, call)("s3://videos/a.mp4" if call in ("summarize", "submit") else "0" * 32)
        assert (failed.value.status, len(count), waits) == (200, 1, [])


@pytest.mark.parametrize("said", ["event: row\ndata: <html>\n\n", 'event: row\ndata: {"a": 1}\n\n'])
def test_events_that_are_no_answer_are_one_clear_error_too(said, waits):
    broken = pytest.raises(ServiceError, match="not the service's own")
    with answering("text/event-stream", said.encode()) as (url, _), Client(url, sleep=waits.append) as client, broken:
        client.summarize("s3://videos/a.mp4")
    assert waits == []


@contextmanager
def answering(kind: str, page: bytes) -> Iterator[tuple[str, list[str]]]:
    """A server that gives every request the same page; its address, and what was asked."""
    asked = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked.append(self.path)
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(page)))
            self.end_headers()
            self.wfile.write(page)

        def do_GET(self) -> None:
            self.do_POST()

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", asked
        server.shutdown()
        thread.join()


def test_a_wrong_call_is_told_before_anything_is_sent(client, service, tmp_path):
    with pytest.raises(UsageError, match=r"no file '.*none.mp4': give a file"):
        client.summarize(tmp_path / "none.mp4")
    with pytest.raises(UsageError, match=r"url '127\.0\.0\.1:8000'"):
        Client("127.0.0.1:8000")
    assert service.asked == []


def test_an_answer_that_is_not_of_the_service_is_told_with_its_status(monkeypatch, waits):
    from clipsum.serving.answers import error_of_answer

    error = error_of_answer(502, {}, b"<html>Bad Gateway</html>")
    assert (error.status, error.reason, error.may_pass) == (502, "unknown", True)
    assert not error_of_answer(500, {"Retry-After": "soon"}, b'{"error": []}').may_pass


def test_the_key_is_not_sent_where_a_redirect_leads(service, waits):
    with socket.create_server(("127.0.0.1", 0)) as server:

        def lead() -> None:
            connection, _ = server.accept()
            connection.recv(65536)
            place = f"{service.url}/v1/summaries".encode()
            connection.sendall(b"HTTP/1.1 307 Moved\r\nLocation: " + place + b"\r\nContent-Length: 0\r\n\r\n")
            connection.close()

        thread = threading.Thread(target=lead)
        thread.start()
        with Client(f"http://127.0.0.1:{server.getsockname()[1]}", KEY, sleep=waits.append) as client:
            with pytest.raises(ServiceError) as led:
                client.summarize("s3://videos/a.mp4")
            assert KEY not in repr(client)
        thread.join()
    assert (led.value.status, service.asked) == (307, [])
