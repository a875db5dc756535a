"""`clipsum summarize` from its command line, on Ray, on real videos: one row each, whatever becomes of it."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from clipsum import storage
from ray_jobs import parts
from ray_jobs.cli import run
from ray_jobs.jobs import Step, SummarizeJob
from ray_jobs.pools import Plan
from tests.ray_jobs.modelless import DECODE_ALONE

pytestmark = pytest.mark.usefixtures("two_cores")


def _rows(output: Path | str) -> dict[str, dict[str, Any]]:
    """File name -> row, failing where a video has two."""
    found = list(parts.read_rows(str(output)))
    rows = {row["uri"].rpartition("/")[2]: row for row in found}
    assert len(rows) == len(found)
    return rows


def _record(output: Path | str) -> dict[str, Any]:
    return json.loads(storage.read_bytes(storage.join(str(output), "run.json")))


@pytest.fixture(scope="module")
def odd(shared_dir: Path, tmp_path_factory: pytest.TempPathFactory, bundle: str, two_cores: None) -> Path:
    """A run over all the shared videos, a third of the damaged one, a text that calls itself a video, and a gap."""
    folder = tmp_path_factory.mktemp("odd")
    cut = (shared_dir / "videos/odd/corrupted.mp4").read_bytes()
    (folder / "third.mp4").write_bytes(cut[: len(cut) // 3])
    (folder / "words.mp4").write_text("not a video at all\n" * 100)
    (folder / "list.jsonl").write_text('{"video": "/nowhere/gone.mp4"}\n')
    sources = [str(shared_dir / "videos"), str(folder), str(folder / "list.jsonl"), "--set", "sampling.frames=50"]
    assert run(["summarize", *sources, "--output", str(folder / "out"), "--bundle", bundle]) == 0
    return folder / "out"


def test_every_shared_video_has_exactly_one_ok_row(odd, shared_dir):
    videos = [path.name for path in (shared_dir / "videos").rglob("*") if path.suffix not in (".md", "")]
    rows = _rows(odd)
    assert {name: rows[name]["status"] for name in videos} == dict.fromkeys(videos, "ok")
    assert len(videos) >= 12


def test_the_damaged_video_has_a_warning_and_a_third_of_it_is_corrupt(odd):
    rows = _rows(odd)
    assert rows["corrupted.mp4"]["warnings"]
    assert (rows["third.mp4"]["status"], rows["third.mp4"]["reason"]) == ("failed", "corrupt")


def test_what_is_no_video_or_is_not_there_is_a_failed_row(odd):
    rows = _rows(odd)
    assert (rows["words.mp4"]["reason"], rows["gone.mp4"]["reason"]) == ("not_a_video", "not_found")
    assert rows["words.mp4"]["summary"] is None


def test_the_record_says_what_happened_and_what_it_cost(odd):
    run_json = _record(odd)
    listed = len(_rows(odd))
    assert run_json["counts"] == {"listed": listed, "ok": listed - 3, "failed": 3, "pending": 0}
    assert run_json["failures"] == {"corrupt": 1, "not_a_video": 1, "not_found": 1}
    assert [attempt["ending"] for attempt in run_json["attempts"]] == ["finished"]
    assert all(run_json["cpu_s"][stage] > 0 for stage in ("decode", "encode", "generate"))
    rows = _rows(odd).values()
    assert run_json["bytes_read"] == sum(row["bytes_read"] for row in rows)
    assert run_json["video_hours"] == pytest.approx(sum(row["duration_s"] or 0 for row in rows) / 3600, abs=1e-4)
    assert run_json["realtime_factor"] > 0
    assert run_json["cost"]["core_hours"] > 0


def test_the_report_shows_summaries_and_failures(odd):
    page = (odd / "report.html").read_text()
    assert "data:image/jpeg;base64," in page
    assert "third.mp4" in page
    assert "<script src" not in page


def test_the_report_is_made_again_from_the_rows_and_exported(odd, tmp_path, capsys):
    before = (odd / "report.html").read_bytes()
    (odd / "report.html").unlink()
    assert run(["report", str(odd), "--export", str(tmp_path / "files")]) == 0
    assert (odd / "report.html").read_bytes() == before
    assert len(list((tmp_path / "files").glob("*.json"))) == len(_rows(odd))
    assert "report.html" in capsys.readouterr().out


def test_a_rerun_does_only_what_is_new_or_has_changed(kitchen, bundle, tmp_path, capsys, without_ray):
    archive, output = tmp_path / "archive", tmp_path / "out"
    shutil.copytree(kitchen, archive)
    names = sorted(path.name for path in archive.glob("*.mp4"))
    call = ["summarize", str(archive), "--output", str(output), "--bundle", bundle]
    assert run([*call, "--limit", "2"]) == 0
    first = _rows(output)
    assert sorted(first) == names[:2]
    shutil.copy(archive / names[2], archive / names[0])
    assert run(call) == 0
    second = _rows(output)
    assert sorted(second) == names
    assert second[names[1]] == first[names[1]]
    assert second[names[0]]["version"] != first[names[0]]["version"]
    assert run(call) == 0
    assert _rows(output) == second
    assert [attempt["videos"] for attempt in _record(output)["attempts"]] == [2, 2, 0]
    assert "3 summarised of 3" in capsys.readouterr().out


def test_too_many_failures_stop_the_run_and_the_rest_is_pending(kitchen, bundle, tmp_path, monkeypatch):
    def steps(_, plan: Plan) -> list[Step]:
        return [Step(DECODE_ALONE, plan.decode, plan.decode_batch)]

    monkeypatch.setattr(SummarizeJob, "steps", steps)
    listing = tmp_path / "list.jsonl"
    gone = [f"/nowhere/{i}.mp4" for i in range(20)]
    good = [str(path) for path in sorted(kitchen.glob("*.mp4"))]
    listing.write_text("".join(json.dumps({"video": uri}) + "\n" for uri in [*gone[:4], *good, *gone[4:]]))
    call = ["summarize", str(listing), "--output", str(tmp_path / "out"), "--bundle", bundle]
    assert run([*call, "--max-failed-fraction", "0.1"]) == 1
    counts = _record(tmp_path / "out")["counts"]
    assert counts["failed"] >= 3
    assert counts["pending"] > 0
    assert len(_rows(tmp_path / "out")) == counts["ok"] + counts["failed"]


def test_nothing_that_succeeds_is_exit_code_1_and_failed_videos_are_tried_again_when_asked(
    kitchen, bundle, tmp_path, without_ray
):
    call = ["summarize", str(kitchen), "--output", str(tmp_path / "out"), "--bundle", bundle, "--limit", "1"]
    assert run([*call, "--set", "limits.max_duration_s=1"]) == 1
    [row] = _rows(tmp_path / "out").values()
    assert (row["reason"], row["attempts"]) == ("too_long", 1)
    assert run(call) == 1
    assert run([*call, "--retry-failed"]) == 0
    [row] = _rows(tmp_path / "out").values()
    assert (row["status"], row["attempts"]) == ("ok", 2)


def test_an_estimate_needs_no_output_names_a_time_and_writes_nothing(
    kitchen, bundle, tmp_path, capsys, without_ray, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    assert run(["summarize", str(kitchen), "--estimate", "--bundle", bundle, "--set", "estimate_videos=2"]) == 0
    said = capsys.readouterr().out
    assert "for 3 videos" in said
    assert "2 of them took" in said
    assert not list(tmp_path.iterdir())


def test_thousands_of_frames_go_through_one_actor(kitchen, bundle, tmp_path, without_ray):
    call = ["summarize", str(kitchen), "--output", str(tmp_path / "out"), "--bundle", bundle, "--limit", "1"]
    assert run([*call, "--set", "sampling.frames=50000", "--set", "seek=exact"]) == 0
    assert list(_record(tmp_path / "out")["attempts"][0]["pools"]) == ["encode", "summarize"]
    [row] = _rows(tmp_path / "out").values()
    assert len(row["frame_times_s"]) > 100


def test_from_s3_to_s3(kitchen, bundle, s3, capsys, without_ray):
    """That the actors of a Ray do so too is a test of the cluster."""
    for path in kitchen.iterdir():
        storage.upload(path, f"{s3.uri}/archive/{path.name}")
    output = f"{s3.uri}/out"
    call = ["summarize", f"{s3.uri}/archive/", "--output", output, "--bundle", bundle]
    assert (run(call), capsys.readouterr().err) == (0, "")
    rows = _rows(output)
    assert {row["status"] for row in rows.values()} == {"ok"}
    assert {row["transcript_source"] for row in rows.values()} == {"sidecar"}
    assert storage.read_bytes(f"{output}/report.html").startswith(b"<!doctype html>")
    assert run(call) == 0
    assert _record(output)["attempts"][-1]["videos"] == 0
    assert len(_rows(output)) == 3
