"""Training straight from a manifest of videos: the same run as from the embeddings of these videos."""

import json
from pathlib import Path

import pytest

from clipsum import storage
from clipsum.datasets.embedded import open_embedded
from ray_jobs.cli import run
from ray_jobs.cluster import local_of
from ray_jobs.train_config import TrainJob
from ray_jobs.train_stream import open_manifest
from tests.ray_jobs.training import call, records, same_curve

pytestmark = pytest.mark.usefixtures("two_cores")
SETTINGS = ("shuffle=false", "epochs=2", "checkpoint_every_steps=1")
ROWS = [(f"t{i}", "train") for i in range(7)] + [(f"v{i}", "validation") for i in range(3)]


@pytest.fixture(scope="module")
def listing(kitchen: Path, tmp_path_factory) -> Path:
    """Seven videos to train on and three to validate on, which are three files under many names."""
    videos = sorted(kitchen.glob("*.mp4"))
    file = {"train": lambda i: videos[i % 2], "validation": lambda i: videos[2]}
    rows = [
        {"video": str(file[split](i)), "video_id": name, "split": split, "summary": f"Number {i}, cut it."}
        for i, (name, split) in enumerate(ROWS)
    ]
    path = tmp_path_factory.mktemp("stream") / "list.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture(scope="module")
def streamed(listing, bundle, tmp_path_factory):
    output = tmp_path_factory.mktemp("streamed") / "run"
    assert run(call(listing, output, bundle, workers=1, settings=SETTINGS)) == 0
    return output


@pytest.mark.slow
def test_it_gives_the_loss_of_stored_embeddings(streamed, listing, bundle, tmp_path):
    embeddings, stored = str(tmp_path / "emb"), tmp_path / "run"
    assert run(["embed", str(listing), "--output", embeddings, "--bundle", bundle, "--set", "thumbnails=0"]) == 0
    assert run(call(embeddings, stored, bundle, settings=SETTINGS)) == 0
    same_curve(streamed, stored, rel=1e-5)


@pytest.mark.slow
def test_every_video_to_validate_on_is_there_once(streamed):
    assert open_embedded(str(streamed / "validation")).video_ids == ["v0", "v1", "v2"]
    for record in records(streamed, "validation"):
        assert [sample["video_id"] for sample in record["samples"]] == ["v0", "v1", "v2"]


def test_videos_of_this_machine_are_told_also_where_their_manifest_is_on_s3(listing, bundle, s3, tmp_path):
    place = f"{s3.uri}/list.jsonl"
    storage.write_bytes(place, listing.read_bytes())
    source = open_manifest(place, "a-bundle-of-the-package", TrainJob(), f"{s3.uri}/run")
    assert local_of(source.places()) == json.loads(listing.read_text().splitlines()[0])["video"]


def test_a_video_without_a_reference_is_refused_by_name(listing, bundle, tmp_path, capsys):
    rows = [json.loads(line) for line in listing.read_text().splitlines()]
    rows[4]["summary"] = None
    path = tmp_path / "list.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert run(call(path, tmp_path / "run", bundle, settings=SETTINGS)) == 2
    said = capsys.readouterr().err
    assert "1 of 7 videos of split 'train' have no summary, the first is 't4'" in said
    assert said.count("\n") == 1
