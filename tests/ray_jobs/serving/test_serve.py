"""The service on a real Ray Serve: what is asked over HTTP, and what comes back."""

from pathlib import Path

import pytest
from rich.console import Console

from clipsum import rows
from clipsum.serving.schemas import SummaryRow
from ray_jobs.archive_run import run_archive
from ray_jobs.call import Call
from ray_jobs.config import SummarizeConfig
from ray_jobs.jobs import SUMMARIZE
from tests.ray_jobs.here import jobs_run_here
from tests.ray_jobs.serving.asking import Asking

LOOKED_AT = ("summary", "duration_s", "frame_times_s", "frame_exact", "frame_scores", "highlights", "chapters")


@pytest.fixture(scope="module")
def video(kitchen: Path) -> Path:
    return sorted(kitchen.glob("*.mp4"))[0]


def test_a_video_has_the_same_summary_by_request_as_by_batch(service: Asking, video: Path, tmp_path: Path):
    import pyarrow.parquet as pq

    call = Call(SUMMARIZE, (str(video),), str(tmp_path), service.config.bundle, SummarizeConfig())
    with jobs_run_here():
        assert run_archive(call, Console(quiet=True)) == 0
    [batch] = pq.read_table(tmp_path / "summaries").to_pylist()
    answer = service.upload(video, transcript=video.with_suffix(".vtt"))
    assert answer.status_code == 200, answer.text
    row = SummaryRow.model_validate(answer.json()).model_dump()
    assert {name: row[name] for name in LOOKED_AT} == {name: batch[name] for name in LOOKED_AT}
    assert (row["uri"], row["evidence"], len(row["thumbnails"])) == ("upload", "both", 5)
    assert list(row) == rows.SCHEMA.names
