"""Streamed training sees what stored training sees: the same videos in the same steps, to the same numbers."""

import json
import shutil
from contextlib import closing, nullcontext
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from clipsum.datasets.embedded import EmbeddedSet, open_embedded
from clipsum.errors import UsageError
from ray_jobs import train_run
from ray_jobs.cli import run
from ray_jobs.config import EmbedConfig
from ray_jobs.pools import Machine
from ray_jobs.stream import VideoSource, VideoStream, cut, left_for, list_videos, video_source
from tests.ray_jobs.here import jobs_run_here, streams_run_here
from tests.ray_jobs.training import call, curve, same_curve


@pytest.fixture(scope="module")
def listing(kitchen: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Seven videos to train from, of which number 2 is none, and one of another split."""
    folder = tmp_path_factory.mktemp("stream")
    videos = sorted(kitchen.glob("*.mp4"))
    (folder / "words.mp4").write_text("not a video at all\n" * 100)
    rows = [
        {"video": str(videos[i % 3]), "video_id": f"v{i}", "split": "train", "summary": f"Number {i}."}
        for i in range(7)
    ]
    rows[2]["video"] = "words.mp4"
    shutil.copy(videos[0], folder / "other.mp4")
    rows.append({"video": "other.mp4", "video_id": "other", "split": "validation"})
    (folder / "list.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder / "list.jsonl"


@pytest.fixture(scope="module")
def stored(listing: Path, bundle: str) -> EmbeddedSet:
    output = str(listing.parent / "emb")
    with jobs_run_here():
        assert run(["embed", str(listing), "--output", output, "--bundle", bundle, "--set", "thumbnails=0"]) == 0
    return open_embedded(output).of_split("train")


@pytest.fixture(scope="module")
def source(listing: Path, bundle: str) -> VideoSource:
    videos = list_videos([str(listing)])["train"]
    return video_source(videos, bundle, EmbedConfig(thumbnails=0, decode_batch=2), Machine(2))


def _stream(source: VideoSource, shuffle: bool = False, rank: int = 0, size: int = 1) -> VideoStream:
    return VideoStream(source, 3, 5, shuffle, epochs=2, rank=rank, size=size)


def test_a_stream_has_the_stored_videos_in_the_stored_order_and_counts_what_failed(stored, source, two_cores):
    stream = _stream(source)
    streamed = [item for epoch in (0, 1) for batch in stream.batches(epoch, 0) for item in batch]
    stream.close()
    assert (stream.failures, stored.failures) == ({"not_a_video": 2}, {"not_a_video": 1})
    assert len(streamed) == 2 * len(stored) == 12
    for one, other in zip(streamed, [*stored, *stored], strict=True):
        assert (one.video_id, one.summary, one.split) == (other.video_id, other.summary, "train")
        assert one.transcript == other.transcript
        assert np.array_equal(one.embeddings.times_s, other.embeddings.times_s)
        assert np.allclose(one.embeddings.vectors, other.embeddings.vectors, atol=1e-3)
        assert np.array_equal(one.embeddings.vectors, one.embeddings.vectors.astype(np.float16))


def test_streamed_training_gives_the_loss_and_the_summaries_of_stored_training(listing, bundle, tmp_path, monkeypatch):
    rows = [json.loads(line) for line in listing.read_text().splitlines()]
    rows = [{**row, "summary": row.get("summary", "Cut it.")} for row in rows if row["video_id"] != "v2"]
    (listing.parent / "whole.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    videos, stored = str(listing.parent / "whole.jsonl"), str(tmp_path / "emb")
    settings = ("shuffle=false", "max_steps=3", "epochs=2", "stream.decode_batch=2")
    monkeypatch.setattr(train_run, "connected", lambda *_: nullcontext(Machine(2)))
    with jobs_run_here(), streams_run_here():
        assert run(call(videos, tmp_path / "streamed", bundle, settings=settings)) == 0
        assert run(["embed", videos, "--output", stored, "--bundle", bundle, "--set", "thumbnails=0"]) == 0
    assert run(call(stored, tmp_path / "stored", bundle, settings=settings)) == 0
    assert len(curve(tmp_path / "streamed")[0]) == 3
    same_curve(tmp_path / "streamed", tmp_path / "stored", rel=1e-5)


def test_a_worker_takes_its_share_of_each_step_from_any_step_of_a_shuffled_epoch_on(source):
    order = np.random.default_rng([5, 1]).permutation(7)
    wanted = [[f"v{i}" for i in step[1::2] if i != 2] for step in (order[3:6], order[6:])]
    with streams_run_here(), closing(_stream(source, shuffle=True, rank=1, size=2)) as stream:
        assert [[item.video_id for item in batch] for batch in stream.batches(1, 1)] == wanted


def test_another_manifest_is_another_stream(source, listing, bundle):
    videos = source.videos
    again = video_source(videos, bundle, EmbedConfig(thumbnails=0), Machine(64))
    assert again.identity == source.identity
    fewer = video_source(videos.slice(1), bundle, EmbedConfig(thumbnails=0), Machine(2))
    other = video_source(videos, bundle, EmbedConfig(thumbnails=0, seek="exact"), Machine(2))
    assert len({source.identity, fewer.identity, other.identity}) == 3


def test_no_video_is_a_wrong_call(source, bundle):
    with pytest.raises(UsageError, match="no video to stream"):
        video_source(source.videos.slice(0, 0), bundle, EmbedConfig(), Machine(2))


def test_workers_share_what_they_leave_over():
    assert left_for(Machine(16, 4), workers=2, cpus=2, gpus=1) == Machine(7, 1)


def test_rows_are_cut_anew_and_none_is_lost():
    tables = [pa.table({"n": list(part)}) for part in (range(0, 3), range(3, 4), range(4, 9))]
    counts = [2, 0, 3, 1, 3]
    parts = [None if part is None else part["n"].to_pylist() for part in cut(tables, counts)]
    assert parts == [[0, 1], None, [2, 3, 4], [5], [6, 7, 8]]
