"""`clipsum embed` from its command line, on real videos: what training needs, once, and nothing twice.

In this process; that the same stages give the same as Ray's actors is a test of streams (`test_stream`).
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from clipsum import storage
from clipsum.datasets.embedded import EmbeddedSet, open_embedded
from clipsum.datasets.embedding_rows import FOLDER, SCHEMA
from clipsum.datasets.manifest import list_sources
from clipsum.models.bundle import load_bundle
from ray_jobs import parts
from ray_jobs.call import Call, stage_settings
from ray_jobs.cli import run
from ray_jobs.config import EmbedConfig
from ray_jobs.item import unpack
from ray_jobs.jobs import EMBED
from ray_jobs.ledger import Ledger
from ray_jobs.manifest import table_of
from ray_jobs.model_stages import Encode
from ray_jobs.stages import Decode
from ray_jobs.tally import Tally
from tests.ray_jobs.here import jobs_run_here

pytestmark = pytest.mark.usefixtures("without_ray")


def _rows(output: Path | str) -> dict[str, dict[str, Any]]:
    found = list(parts.read_rows(str(output), FOLDER))
    rows = {row["video_id"]: row for row in found}
    assert len(rows) == len(found)
    return rows


def _record(output: Path | str) -> dict[str, Any]:
    return json.loads(storage.read_bytes(storage.join(str(output), "run.json")))


def _listing(kitchen: Path, folder: Path, **changes: str) -> Path:
    """The manifest of the kitchen, with another split for each video, and a file that is no video."""
    rows = [json.loads(line) for line in (kitchen / "manifest.jsonl").read_text().splitlines()]
    listed = [
        {"video": str(kitchen / row["video"]), "video_id": f"v{i}", "summary": row["summary"], "split": f"s{i}"}
        for i, row in enumerate(rows)
    ]
    if not (folder / "words.mp4").exists():  # written again it would be another version
        (folder / "words.mp4").write_text("not a video at all\n" * 100)
    listed.insert(1, {"video": "words.mp4", "video_id": "words", "split": "s1"})
    path = folder / "list.jsonl"
    path.write_text("".join(json.dumps(row | (changes if row["video_id"] == "v0" else {})) + "\n" for row in listed))
    return path


@pytest.fixture(scope="module")
def folder(kitchen: Path, bundle: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run over three videos and one that is none, with the pixels kept."""
    folder = tmp_path_factory.mktemp("embed")
    call = ["embed", str(_listing(kitchen, folder)), "--output", str(folder / "out"), "--bundle", bundle]
    with jobs_run_here():
        assert run([*call, "--set", "keep_pixels=true", "--set", "part_rows=3"]) == 0
    return folder


@pytest.fixture(scope="module")
def embedded(folder: Path) -> EmbeddedSet:
    return open_embedded(str(folder / "out"))


@pytest.fixture(scope="module")
def in_process(folder: Path, bundle: str) -> Iterator[dict[str, Any]]:
    """The same videos through the stages in this process, by id, with their frames."""
    refs = list(list_sources([str(folder / "list.jsonl")]))
    settings = stage_settings(Call(EMBED, (), "", bundle, EmbedConfig(keep_pixels=True)))
    decode = Decode(settings)
    yield {item.outcome.ref.video_id: item for item in Encode(settings).encode(unpack(decode(table_of(refs, 0))))}
    decode.close()


def test_every_listed_video_has_one_row_of_the_schema_and_a_broken_one_says_why(folder):
    rows = _rows(folder / "out")
    assert list(rows) == ["v0", "words", "v1", "v2"]
    assert {video_id: row["status"] for video_id, row in rows.items()} == {
        "v0": "ok", "words": "failed", "v1": "ok", "v2": "ok"
    }  # fmt: skip
    assert (rows["words"]["reason"], rows["words"]["stage"], rows["words"]["vectors"]) == ("not_a_video", "open", None)
    _, table = parts.read(parts.part_uri(str(folder / "out"), 0, FOLDER))
    assert table.schema.equals(SCHEMA)


def test_embeddings_are_those_of_the_encoder_to_float16(embedded, in_process):
    for item in embedded:
        expected = in_process[item.video_id].embeddings
        assert np.array_equal(item.embeddings.times_s, expected.times_s)
        assert np.allclose(item.embeddings.vectors, expected.vectors, atol=1e-3)
        assert np.array_equal(item.embeddings.vectors, item.embeddings.vectors.astype(np.float16))
        assert (item.embeddings.sampling, item.embeddings.seek) == (expected.sampling, expected.seek)


def test_pixels_that_are_kept_are_those_that_were_encoded(embedded, in_process):
    for item in embedded:
        assert np.array_equal(item.frames.pixels, in_process[item.video_id].frames.pixels)
        assert np.array_equal(item.frames.exact, in_process[item.video_id].frames.exact)


def test_references_splits_and_words_come_along(embedded, in_process, folder):
    listed = {ref.video_id: ref for ref in list_sources([str(folder / "list.jsonl")])}
    assert embedded.splits == {"s0": 1, "s1": 1, "s2": 1}
    assert (embedded.failures, embedded.pending) == ({"not_a_video": 1}, 0)
    for item in embedded:
        assert item.summary == listed[item.video_id].summary != ""
        assert item.transcript == in_process[item.video_id].transcript
        assert item.transcript.source == "sidecar"
        assert len(item.thumbnails) == 5


def test_the_record_names_the_encoder_and_counts(folder, bundle):
    record, manifest = _record(folder / "out"), load_bundle(bundle).manifest
    assert record["counts"] == {"listed": 4, "ok": 3, "failed": 1, "pending": 0}
    assert record["encoder"] == manifest.encoder.model_dump(mode="json")
    assert (record["sampling"], record["seek"]) == (str(manifest.sampling), manifest.seek)
    assert record["bundle_id"] == load_bundle(bundle).bundle_id
    assert set(record["cpu_s"]) == {"decode", "encode"}
    assert all(seconds > 0 for seconds in record["cpu_s"].values())


def test_a_second_run_does_nothing_but_takes_over_what_the_manifest_says_now(kitchen, bundle, folder, capsys):
    """After the other tests of the folder, which it changes."""
    before = _rows(folder / "out")
    listing = _listing(kitchen, folder, split="other", summary="In other words.")
    call = ["embed", str(listing), "--output", str(folder / "out"), "--bundle", bundle]
    assert run([*call, "--set", "keep_pixels=true", "--set", "part_rows=3"]) == 0
    assert "4 videos listed, 0 to do" in capsys.readouterr().out
    before["v0"] |= {"split": "other", "summary": "In other words."}
    assert _rows(folder / "out") == before
    assert [attempt["videos"] for attempt in _record(folder / "out")["attempts"]] == [4, 0]
    assert open_embedded(str(folder / "out")).splits == {"other": 1, "s1": 1, "s2": 1}


def test_pixels_of_thousands_of_frames_are_not_kept(kitchen, bundle, tmp_path, capsys):
    call = ["embed", str(kitchen), "--output", str(tmp_path / "out"), "--bundle", bundle]
    assert run([*call, "--set", "keep_pixels=true", "--set", "sampling.frames=50000"]) == 2
    assert "keep_pixels" in capsys.readouterr().err


def test_a_folder_of_summaries_is_no_place_for_embeddings(kitchen, bundle, tmp_path, capsys):
    storage.write_bytes(str(tmp_path / "out/summaries/part-000000.parquet"), b"")
    assert run(["embed", str(kitchen), "--output", str(tmp_path / "out"), "--bundle", bundle]) == 2
    assert "holds what another job has written" in capsys.readouterr().err


def test_a_training_run_is_no_place_for_embeddings(kitchen, bundle, tmp_path, capsys):
    for name in ("config.json", "run.json"):
        storage.write_bytes(str(tmp_path / "out" / name), b"{}")
    storage.write_bytes(str(tmp_path / "out/run.json"), b"{}")
    assert run(["embed", str(kitchen), "--output", str(tmp_path / "out"), "--bundle", bundle]) == 2
    assert "holds a training run: name a folder of its own" in capsys.readouterr().err
    assert storage.read_bytes(str(tmp_path / "out/run.json")) == b"{}"


def test_a_run_that_dies_goes_on_with_what_it_had_written(kitchen, bundle, tmp_path, monkeypatch, without_ray):
    videos = [str(path) for path in sorted(kitchen.glob("*.mp4"))]
    listed = [{"video": videos[i % len(videos)], "video_id": f"v{i:03}"} for i in range(6)]
    (tmp_path / "list.jsonl").write_text("".join(json.dumps(row) + "\n" for row in listed))
    output = str(tmp_path / "emb")
    call = ["embed", str(tmp_path / "list.jsonl"), "--output", output, "--bundle", bundle, "--set", "part_rows=2"]
    call += ["--set", "decode_batch=1", "--set", "encode_batch=1"]
    real, left = Ledger.add, iter(range(3))

    def dying(ledger: Ledger, results: pa.Table) -> Tally:
        if next(left, None) is None:
            raise KeyboardInterrupt
        return real(ledger, results)

    monkeypatch.setattr(Ledger, "add", dying)
    assert run(call) == 130
    monkeypatch.setattr(Ledger, "add", real)
    before = _rows(output)
    assert len(before) == 3
    assert run(call) == 0
    rows = _rows(output)
    assert list(rows) == [row["video_id"] for row in listed]
    assert {video_id: rows[video_id] for video_id in before} == before
    assert len(open_embedded(output)) == 6
    assert [attempt["videos"] for attempt in _record(output)["attempts"]] == [3, 3]
