import json
import shutil
from pathlib import Path

import av
import numpy as np
import pytest

from clipsum.datasets.marks import read_marks
from ray_jobs.cli import run
from tests.datasets.benchmark_files import write_eccv16, write_summe, write_tvsum


@pytest.fixture
def videos(tmp_path: Path) -> str:
    (tmp_path / "videos").mkdir()
    for name in ("a.mp4", "b.mp4"):
        (tmp_path / "videos" / name).write_bytes(b"")
    return str(tmp_path / "videos")


def _file(tmp_path: Path, name: str, text: str) -> str:
    (tmp_path / name).write_text(text)
    return str(tmp_path / name)


def test_youcook2_prints_what_was_found_and_what_was_not_by_split(tmp_path, videos, capsys):
    step = {"segment": [1, 2], "id": 0, "sentence": "cut"}
    entries = {name: {"subset": "validation", "annotations": [step]} for name in "abc"}
    call = [
        *("--annotations", _file(tmp_path, "a.json", json.dumps({"database": entries}))),
        *("--summaries", _file(tmp_path, "s.txt", "a\tCut it.\n")),
        *("--videos", videos, "--output", str(tmp_path / "data.jsonl")),
    ]
    assert run(["dataset", "youcook2", *call]) == 0
    said = capsys.readouterr().out
    assert said.split("test")[1].split()[:4] == ["3", "1", "1", "2"]
    assert str(tmp_path / "data.jsonl") in said
    assert str(tmp_path / "data.missing.jsonl") in said


def test_how2_takes_its_files_once_for_each_split(tmp_path, videos, capsys):
    first, second = (_file(tmp_path, name, f"{name} cut it\n") for name in "ab")
    parts = ["--split", "train", "--summaries", first, "--split", "test", "--summaries", second]
    place = ["--videos", videos, "--output", str(tmp_path / "data.jsonl")]
    assert run(["dataset", "how2", *parts, *place]) == 0
    rows = [json.loads(line) for line in (tmp_path / "data.jsonl").read_text().splitlines()]
    assert [(row["video_id"], row["split"]) for row in rows] == [("a", "train"), ("b", "test")]
    assert run(["dataset", "how2", *parts, "--ids", first, *place]) == 2
    assert "--ids is given 1 times for 2 --split" in capsys.readouterr().err


def test_videoxum_needs_annotations_and_refuses_a_video_in_two_splits(tmp_path, videos, capsys):
    place = ["--videos", videos, "--output", str(tmp_path / "data.jsonl")]
    assert run(["dataset", "videoxum", *place]) == 2
    assert "name --train, --validation or --test" in capsys.readouterr().err
    entry = {"video_id": "a", "duration": 1.0, "sampled_frames": 1, "timestamps": [[0, 1]], "tsum": ["Cut."]}
    file = _file(tmp_path, "x.json", json.dumps([entry | {"vsum_onehot": [[1]] * 10}]))
    assert run(["dataset", "videoxum", "--train", file, *place]) == 0
    assert run(["dataset", "videoxum", "--train", file, "--test", file, *place]) == 2
    assert "splits overlap: video_id 'a' is in 'train' and in 'test'" in capsys.readouterr().err


def test_tvsum_writes_a_manifest_for_each_split_which_training_reads(tmp_path, capsys):
    names = tuple(f"video-{letter}" for letter in "abcdefghij")
    place, _ = write_tvsum(tmp_path / "tvsum.mat", names)
    (tmp_path / "videos").mkdir()
    for name in names:
        (tmp_path / "videos" / f"{name}.mp4").write_bytes(b"")
    keys = [f"video_{number}" for number in range(1, 11)]
    splits = [{"train_keys": keys[:n] + keys[n + 2 :], "test_keys": keys[n : n + 2]} for n in range(0, 10, 2)]
    file = _file(tmp_path, "splits.json", json.dumps(splits))
    call = ["dataset", "tvsum", "--tvsum", place, "--videos", str(tmp_path / "videos"), "--splits", file]
    assert run([*call, "--output", str(tmp_path / "data.jsonl")]) == 0
    written = sorted(path.name for path in tmp_path.glob("data*.jsonl"))
    assert written == [f"data.{number}.jsonl" for number in range(1, 6)]
    rows = [json.loads(line) for line in (tmp_path / "data.2.jsonl").read_text().splitlines()]
    assert {row["video_id"] for row in rows if row["split"] == "test"} == {"video-c", "video-d"}
    marks = read_marks(str(tmp_path / "data.2.jsonl"))
    assert marks["video-a"].importance.shape == (20, 3)
    capsys.readouterr()
    assert run([*call, "--output", str(tmp_path / "data.jsonl"), "--setting", "augmentd"]) == 2
    assert "augmented" in capsys.readouterr().err


def test_a_file_in_the_fields_layout_and_others_beside_it_become_manifests_of_the_videos_own_lengths(
    kitchen, tmp_path, capsys
):
    (tmp_path / "videos").mkdir()
    for name, video in zip(
        ("tvsum_video_1", "tvsum_video_2", "ovp_video_1"), sorted(kitchen.rglob("*.mp4")), strict=True
    ):
        shutil.copy(video, tmp_path / "videos" / f"{name}.mp4")
    own, other = (write_eccv16(tmp_path / f"{name}.h5", videos=2) for name in ("tvsum", "ovp"))
    splits = _file(tmp_path, "s.json", json.dumps([{"train_keys": ["video_1"], "test_keys": ["video_2"]}]))
    call = ["dataset", "tvsum", "--tvsum", own, "--ovp", other, "--setting", "augmented", "--splits", splits]
    assert run([*call, "--videos", str(tmp_path / "videos"), "--output", str(tmp_path / "a.jsonl")]) == 0
    rows = {row["video_id"]: row for row in map(json.loads, (tmp_path / "a.jsonl").read_text().splitlines())}
    assert {name: row["split"] for name, row in rows.items()} == {
        "tvsum_video_1": "validation",
        "tvsum_video_2": "test",
        "ovp_video_1": "train",
    }
    for name, row in rows.items():
        with av.open(str(tmp_path / "videos" / f"{name}.mp4")) as container:
            assert row["duration"] == pytest.approx(container.duration / 1e6, abs=0.1)
        assert len(row["vsum_onehot"][0]) == int(np.ceil(row["duration"]))
    marks = read_marks(str(tmp_path / "a.jsonl"))
    shots_s = np.array(marks["tvsum_video_2"].shot_starts_s) / rows["tvsum_video_2"]["duration"]
    assert shots_s == pytest.approx([0, 0.3, 0.6], abs=1e-3)  # change_points at frames 30 and 60 of 100
    assert (marks["tvsum_video_2"].benchmark, marks["ovp_video_1"].benchmark) == ("tvsum", None)
    assert "ovp_video_2" in (tmp_path / "a.missing.jsonl").read_text()
    (tmp_path / "videos" / "ovp_video_2.mp4").write_bytes(b"no video")
    capsys.readouterr()
    assert run([*call, "--videos", str(tmp_path / "videos"), "--output", str(tmp_path / "a.jsonl")]) == 0
    assert "1 video cannot be opened" in capsys.readouterr().out


def test_summe_and_qfvs_become_manifests(tmp_path, shared_dir):
    (tmp_path / "videos").mkdir()
    for name in ("Base jumping", "P01", "P02", "P03", "P04"):
        (tmp_path / "videos" / f"{name}.mp4").write_bytes(b"")
    write_summe(tmp_path / "GT", "Base jumping")
    place = ["--videos", str(tmp_path / "videos"), "--output", str(tmp_path / "data.jsonl")]
    assert run(["dataset", "summe", "--summe", str(tmp_path / "GT"), *place]) == 0
    assert read_marks(str(tmp_path / "data.jsonl"))["Base jumping"].importance.shape == (15, 2)
    assert run(["dataset", "qfvs", "--qfvs", str(shared_dir / "fixtures/qfvs"), *place]) == 0
    marks = read_marks(str(tmp_path / "data.4.jsonl"))
    assert {name: len(each.queries) for name, each in marks.items()} == dict.fromkeys(("P01", "P02", "P03", "P04"), 45)
