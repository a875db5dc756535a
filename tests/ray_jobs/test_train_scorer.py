"""`clipsum train` with a scorer, from its command line, in this process."""

import json

import numpy as np
import pytest

from clipsum.errors import UsageError
from clipsum.models.bundle import load_bundle
from ray_jobs.cli import run
from ray_jobs.train_config import configure
from ray_jobs.train_data import marks_of
from ray_jobs.train_stream import open_manifest
from tests.ray_jobs.training import call, curve, events, records, write_embeddings

SCORED = ("epochs=1", "model.generation.max_tokens=8", "model.generation.num_beams=1")


def _marks(folder, names):
    rng = np.random.default_rng(0)
    asked = [{"query": "cut the onion", "segments": [[0, 9]]}, {"query": "stir", "segments": []}]
    rows = [{"video_id": name, "importance": rng.integers(1, 6, (10, 30)).tolist(), "queries": asked} for name in names]
    path = folder / "manifest.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_a_recipe_that_scores_frames_learns_from_the_marks_of_a_manifest(bundle, tmp_path):
    data = write_embeddings(tmp_path / "emb", bundle)
    marks = _marks(tmp_path, [*(f"t{i:03}" for i in range(20)), *(f"v{i:03}" for i in range(5))])
    chosen = (*SCORED, f"marks={marks}")
    assert run(call(data, tmp_path / "run", bundle, "--recipe", "clip-it", settings=chosen)) == 0
    _, [*_, (_, metrics)] = curve(tmp_path / "run")
    assert -100 <= metrics["tau"] <= 100
    steps = records(tmp_path / "run", "step")
    told = [event.summary.value for event in events(tmp_path / "run" / "tensorboard")]
    for name in ("video", "keyframes", "diversity", "reconstruction"):
        found = [value.simple_value for values in told for value in values if value.tag == f"train/loss_{name}"]
        assert found == pytest.approx([step["losses"][name] for step in steps])
    assert load_bundle(str(tmp_path / "run")).model.scorer is not None


def test_a_manifest_without_a_summary_trains_frame_scores_that_evaluation_then_compares(bundle, tmp_path, capsys):
    """What `clipsum dataset summe` writes: choices of people, second by second, and nothing else."""
    data = write_embeddings(tmp_path / "emb", bundle, train=6, validation=2, test=2, summary=None)
    names = [f"{split}{number:03}" for split, count in (("t", 6), ("v", 2), ("e", 2)) for number in range(count)]
    rng = np.random.default_rng(0)
    rows = [{"video_id": name, "vsum_onehot": rng.integers(0, 2, (5, 30)).tolist()} for name in names]
    marks = tmp_path / "summe.jsonl"
    marks.write_text("".join(json.dumps(row) + "\n" for row in rows))
    for recipe in ("clip-it", "clip-it-unsupervised"):
        place = tmp_path / recipe
        settings = (*SCORED, f"marks={marks}")
        assert run(call(data, place, bundle, "--recipe", recipe, settings=settings)) == 0
        assert "ROUGE" not in capsys.readouterr().out
        given = ["--bundle", str(place), "--data", data, "--marks", str(marks), "--split", "test"]
        assert run(["evaluate", *given, "--output", str(tmp_path / f"scored-{recipe}")]) == 0
        found = json.loads((tmp_path / f"scored-{recipe}" / "evaluation.json").read_text())["splits"]["test"]
        assert found["moments"]


def test_a_streamed_manifest_brings_its_own_marks_and_one_without_any_is_refused(bundle, tmp_path):
    rows = [
        {"video": str(tmp_path / f"{name}.mp4"), "video_id": name, "split": split, "vsum_onehot": [[0, 1, 1]]}
        for name, split in (("a", "train"), ("b", "train"), ("c", "validation"))
    ]
    for row in rows:
        (tmp_path / f"{row['video_id']}.mp4").write_bytes(b"no video")
    job = configure("clip-it", None, ())
    base = load_bundle(bundle)
    place = tmp_path / "list.jsonl"
    for is_marked in (True, False):
        kept = [row if is_marked else {**row, "vsum_onehot": None} for row in rows]
        place.write_text("".join(json.dumps(row) + "\n" for row in kept))
        source = open_manifest(str(place), bundle, job, str(tmp_path / "run"))
        if is_marked:
            assert source.look(base).videos == {"train": 2, "validation": 1}
            assert marks_of(job, str(place)).keys() == {"a", "b", "c"}
            assert str(place) in source.places()
        else:
            with pytest.raises(UsageError, match="none of 2 training videos has any"):
                source.look(base)


def test_a_recipe_that_scores_frames_without_marks_is_refused_in_one_line(bundle, tmp_path, capsys):
    data = write_embeddings(tmp_path / "emb", bundle, train=4, validation=2)
    assert run(call(data, tmp_path / "run", bundle, "--recipe", "clip-it", settings=SCORED)) == 2
    said = capsys.readouterr().err.strip()
    assert "--set marks=FILE" in said.replace("\n", " ")
