"""The client against a real HTTP server: what is sent, what is asked again and when, what is never sent twice."""

import socket
import threading
import time
from itertools import pairwise
from pathlib import Path

import pytest

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
