"""The service on a real Ray Serve: what is asked over HTTP, and what comes back."""

from pathlib import Path

import pyarrow.parquet as pq
import pytest
from rich.console import Console

from clipsum import rows
from clipsum.serving.schemas import SummaryRow
from ray_jobs.archive_run import run_archive
from ray_jobs.call import Call
from ray_jobs.config import SummarizeConfig
from ray_jobs.jobs import SUMMARIZE
from tests.ray_jobs.here import jobs_run_here
from tests.ray_jobs.serving.asking import Asking, refusal

LOOKED_AT = ("summary", "duration_s", "frame_times_s", "frame_exact", "frame_scores", "highlights", "chapters")


@pytest.fixture(scope="module")
def videos(kitchen: Path) -> list[Path]:
    return sorted(kitchen.glob("*.mp4"))


def test_a_video_has_the_same_summary_by_request_as_by_batch(service: Asking, videos: list[Path], tmp_path: Path):
    call = Call(SUMMARIZE, (str(videos[0]),), str(tmp_path), service.config.bundle, SummarizeConfig())
    with jobs_run_here():
        assert run_archive(call, Console(quiet=True)) == 0
    [batch] = pq.read_table(tmp_path / "summaries").to_pylist()
    answer = service.upload(videos[0], transcript=videos[0].with_suffix(".vtt"))
    assert answer.status_code == 200, answer.text
    row = SummaryRow.model_validate(answer.json()).model_dump()
    assert {name: row[name] for name in LOOKED_AT} == {name: batch[name] for name in LOOKED_AT}
    assert (row["uri"], row["evidence"], len(row["thumbnails"])) == ("upload", "both", 5)
    assert list(row) == rows.SCHEMA.names


def test_another_question_about_a_video_decodes_nothing(service: Asking, videos: list[Path]):
    first, second = (service.upload(videos[1], query=query).json() for query in ("who?", "where?"))
    assert first["decode_cpu_s"] > 0 < first["bytes_read"]
    assert (second["decode_cpu_s"], second["bytes_read"], second["encode_s"]) == (0, 0, 0)
    assert {name: second[name] for name in LOOKED_AT} == {name: first[name] for name in LOOKED_AT}


def test_what_one_caller_says_is_spoken_is_nothing_to_the_next(service: Asking, videos: list[Path]):
    own = service.upload(videos[2], transcript="we fry the onion").json()
    plain = service.upload(videos[2]).json()
    assert (own["transcript_source"], plain["transcript_source"]) == ("manifest", "embedded")
    assert (
        service.upload(videos[2], transcript="we fry the onion").json()["summary"] == own["summary"] != plain["summary"]
    )


def test_progress_comes_as_events_in_their_order_and_ends_with_the_row(service: Asking, videos: list[Path]):
    events = list(service.events(videos[0], transcript="stir the soup"))
    names = [name for name, _ in events]
    stages = [data["stage"] for name, data in events if name == "stage"]
    texts = [data["text"] for name, data in events if name == "text"]
    assert stages == ["queued", "decoded", "encoded", "summarized"]
    assert texts
    assert names.index("text") > names.index("stage")
    assert names[-1] == "row"
    assert events[-1][1]["summary"] == service.upload(videos[0], transcript="stir the soup").json()["summary"]


def test_a_failure_on_the_way_is_the_last_event(service: Asking, tmp_path: Path):
    (tmp_path / "no.mp4").write_bytes(b"nothing of a video" * 1000)
    events = list(service.events(tmp_path / "no.mp4"))
    assert [name for name, _ in events] == ["stage", "error"]
    assert events[-1][1]["error"]["reason"] == "not_a_video"
    assert refusal(service.upload(tmp_path / "no.mp4")) == (415, "not_a_video")


def test_nothing_that_was_uploaded_stays(service: Asking, videos: list[Path]):
    before = set(Path(service.config.uploads).iterdir())
    assert service.upload(videos[0]).status_code == 200
    assert set(Path(service.config.uploads).iterdir()) <= before


def test_health_goes_through_every_part_and_needs_no_key(service: Asking):
    assert service.get("/healthz", key=None).json() == {"status": "ok"}


def test_of_the_paths_of_serve_one_says_that_it_is_there_and_none_names_applications(service: Asking):
    assert service.get("/-/healthz", key=None).text == "success"
    assert refusal(service.get("/-/routes", key=None)) == (404, "not_found")


def test_the_card_the_page_and_the_documentation_are_there(service: Asking):
    card = service.get("/v1/bundle").json()
    assert card["card"].startswith("#")
    assert "<html" in service.get("/", key=None).text
    paths = service.get("/openapi.json", key=None).json()["paths"]
    assert set(paths) == {"/healthz", "/v1/bundle", "/v1/summaries", "/v1/jobs", "/v1/jobs/{job_id}"}
    contents = paths["/v1/summaries"]["post"]["requestBody"]["content"]
    assert contents["application/json"]["schema"]["examples"]
    assert "multipart/form-data" in contents
