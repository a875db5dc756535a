"""Videos that are named and not sent, jobs, and another bundle in the middle of it all."""

import json
import threading
from pathlib import Path

import pytest

from clipsum.config import Sampling
from tests.models.tiny import write_bundle
from tests.ray_jobs.serving.asking import Asking, eventually, refusal

NAMED = "test-5-00000.mp4"


def test_a_video_in_the_store_has_the_summary_of_the_same_file_sent(service: Asking, bucket: str, kitchen: Path):
    named = service.post(json={"uri": f"{bucket}/open/{NAMED}"})
    assert named.status_code == 200, named.text
    sent = service.upload(kitchen / NAMED).json()
    assert named.json()["summary"] == sent["summary"]
    assert named.json()["uri"] == f"{bucket}/open/{NAMED}"
    again = service.post(json={"uri": f"{bucket}/open/{NAMED}", "query": "when?"}).json()
    assert (again["decode_cpu_s"], again["bytes_read"]) == (0, 0)


def test_what_is_not_on_the_list_may_not_be_named_and_what_is_missing_is_not_found(service: Asking, bucket: str):
    closed = service.post(json={"uri": f"{bucket}/closed/{NAMED}"})
    assert refusal(closed) == (403, "access_denied")
    assert bucket not in closed.text
    assert refusal(service.post(json={"uri": f"{bucket}/open/no.mp4"})) == (404, "not_found")


def test_a_job_is_done_behind_the_request_and_its_result_is_the_row(service: Asking, bucket: str):
    asked = {"uri": f"{bucket}/open/{NAMED}", "transcript": "stir it"}
    accepted = service.post("/v1/jobs", json=asked)
    assert accepted.status_code == 202
    path = f"/v1/jobs/{accepted.json()['id']}"
    eventually(lambda: service.get(path).json()["state"] in ("done", "failed"), 20, "the end of a job")
    job = service.get(path).json()
    assert job["result"]["summary"] == service.post(json=asked).json()["summary"]
    assert service.get(path, key="admin").status_code == 404  # somebody else's


def test_a_job_that_cannot_be_done_says_why(service: Asking, bucket: str):
    accepted = service.post("/v1/jobs", json={"uri": f"{bucket}/open/no.mp4"}).json()
    path = f"/v1/jobs/{accepted['id']}"
    eventually(lambda: service.get(path).json()["state"] == "failed", 20, "the end of a job")
    assert service.get(path).json()["error"]["reason"] == "not_found"


def test_a_job_of_a_host_that_is_not_on_the_list_is_none(service: Asking):
    answer = service.post("/v1/jobs", json={"uri": "https://169.254.169.254/a.mp4"})
    assert refusal(answer) == (403, "access_denied")


def test_a_webhook_may_be_told_only_where_the_service_has_a_secret_and_a_list(service: Asking, bucket: str):
    asked = {"uri": f"{bucket}/open/{NAMED}", "webhook": "https://127.0.0.1/done"}
    answer = service.post("/v1/jobs", json=asked)
    assert refusal(answer) == (403, "access_denied")
    assert "webhook: " in answer.json()["error"]["detail"]  # the video may be read


@pytest.fixture(scope="module")
def other_bundle(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("other")
    write_bundle(str(folder / "bundle"), folder / "clip", sampling=Sampling(frames=5))
    return str(folder / "bundle")


def test_an_admin_moves_the_service_to_another_bundle_and_no_request_notices(service, kitchen, other_bundle):
    seen, is_over = [], threading.Event()

    def ask() -> None:
        while not is_over.is_set():
            seen.append(service.upload(kitchen / NAMED))

    asking = threading.Thread(target=ask)
    asking.start()
    before = service.get("/v1/bundle").json()["bundle_id"]
    moved = service.ask("PUT", "/v1/bundle", key="admin", json={"bundle": other_bundle})
    assert moved.status_code == 200, moved.text
    row = service.upload(kitchen / NAMED).json()
    is_over.set()
    asking.join()
    assert {answer.status_code for answer in seen} == {200}
    assert (row["bundle_id"], len(row["frame_times_s"])) == (moved.json()["bundle_id"], 5)
    assert moved.json()["bundle_id"] != before
    back = service.ask("PUT", "/v1/bundle", key="admin", json={"bundle": service.config.bundle}).json()
    assert back["bundle_id"] == before
    pointer = json.loads((Path(service.config.state) / "bundle.json").read_text())
    assert pointer == {"bundle": service.config.bundle, "bundle_id": before, "configured": service.config.bundle}


def test_only_an_admin_changes_the_bundle_and_only_to_one_that_is_there(service: Asking):
    assert refusal(service.ask("PUT", "/v1/bundle", json={"bundle": "x"})) == (403, "forbidden")
    nowhere = service.ask("PUT", "/v1/bundle", key="admin", json={"bundle": "/nowhere/at-all"})
    assert refusal(nowhere) == (422, "invalid_request")
    assert "nowhere" not in nowhere.text
    assert service.get("/healthz").status_code == 200
