import json
import shutil

import numpy as np
import pytest

from clipsum.config import Sampling
from clipsum.datasets.embedding_rows import Kind
from clipsum.datasets.kitchen.language import cues, summary
from clipsum.datasets.kitchen.recipe import make_video
from clipsum.models.bundle import load_bundle
from clipsum.models.config import ScorerConfig
from ray_jobs.cli import run
from ray_jobs.memory import peak_bytes
from tests.datasets.embedded_folder import failed, video, write_part
from tests.models.tiny import tiny_model, write_bundle


@pytest.fixture(scope="module")
def data(bundle, tmp_path_factory):
    """Embeddings for the tiny bundle: two splits of toy-kitchen ids, a failure, one without a reference, training."""
    manifest = load_bundle(bundle).manifest
    kind = Kind(manifest.fingerprint, str(manifest.sampling), manifest.seek)
    width = manifest.model.visual_width
    rows = []
    for split, count in (("test", 4), ("ood", 2), ("train", 2)):
        for index in range(count):
            toy = make_video(split, index, 0)
            given = {"words": " ".join(cue.text for cue in cues(toy)), "summary": summary(toy.steps)}
            rows.append(video(toy.video_id, split, width=width, kind=kind, **given))
    rows.append(video("speechless", "test", width=width, kind=kind, summary=None))
    rows.append(failed("broken", "test"))
    place = tmp_path_factory.mktemp("emb")
    write_part(str(place), 0, rows, kind)
    return str(place)


def _call(data, output, bundle, *more):
    return run(["evaluate", "--data", str(data), "--output", str(output), "--bundle", bundle, *more])


def test_stored_embeddings_give_figures_summaries_and_a_page_for_every_split_but_training(
    data, bundle, tmp_path, capsys
):
    assert _call(data, tmp_path / "eval", bundle) == 0
    record = json.loads((tmp_path / "eval" / "evaluation.json").read_text())
    assert {name: split["videos"] for name, split in record["splits"].items()} == {"test": 4, "ood": 2}
    assert {"rouge1", "rouge1_unstemmed", "rougeLsum", "bleu4", "meteor_exact_stem", "cider"} <= set(
        record["splits"]["test"]["figures"]
    )
    assert {"hidden_slots", "unsupported_words"} <= set(record["splits"]["ood"]["kitchen"])
    assert record["without_reference"] == {"test": 1}
    assert record["data"]["failures"] == {"corrupt": 1}
    assert record["generation"]["num_beams"] == 5
    lines = (tmp_path / "eval" / "summaries.jsonl").read_text().splitlines()
    assert len(lines) == 6
    assert "Worst" in (tmp_path / "eval" / "report.html").read_text()
    said = capsys.readouterr().out
    assert "rouge-score 0.1.2" in said
    assert "1 video without a reference" in said


def test_costs_come_with_their_source_and_parameters_sum_up(data, bundle, tmp_path, capsys):
    assert _call(data, tmp_path, bundle, "--split", "ood") == 0
    record = json.loads((tmp_path / "evaluation.json").read_text())
    assert list(record["splits"]) == ["ood"]
    assert set(record["splits"]["ood"]["seconds_per_video"]) == {"decode", "encode", "generate"}
    assert "as clipsum embed measured them" in record["data"]["seconds"]
    counts = record["parameters"]
    assert counts["total"] == sum(counts[name] for name in ("encoder", "temporal", "fusion", "bart", "scorer")) > 0
    model = load_bundle(bundle).model
    whole = sum(weights.numel() for weights in model.parameters())
    assert counts["total"] - counts["encoder"] == whole
    assert 10**8 < record["peak_memory_bytes"]["process"] <= peak_bytes()


def test_the_papers_table_is_printed_in_markdown(data, bundle, tmp_path, capsys):
    assert _call(data, tmp_path, bundle, "--split", "test", "--paper-table") == 0
    said = capsys.readouterr().out
    assert "|  | videos | R-1 | R-2 | R-L | BLEU-1 | BLEU-2 | BLEU-3 | BLEU-4 |" in said
    assert "| test | 4 |" in said


@pytest.mark.parametrize(("more", "words"), [
    (["--split", "tset"], ["split 'tset'", "test", "ood"]),
    (["--bundle", "kitchen-tiny"], ["embeddings have fingerprint", "embed the videos again"]),
])  # fmt: skip
def test_another_split_or_bundle_is_refused_in_one_line(data, bundle, tmp_path, capsys, more, words):
    assert _call(data, tmp_path, bundle, *more) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    for word in words:
        assert word in said


def test_a_folder_without_embeddings_is_refused_in_one_line(bundle, tmp_path, capsys):
    assert _call(tmp_path, tmp_path / "out", bundle) == 2
    assert "holds no embeddings" in capsys.readouterr().err


def test_a_manifest_without_references_is_refused_before_any_work(kitchen, bundle, tmp_path, capsys):
    rows = [{"video": str(kitchen / "test-5-00000.mp4"), "split": "test"}]
    (tmp_path / "m.jsonl").write_text("\n".join(map(json.dumps, rows)))
    assert _call(tmp_path / "m.jsonl", tmp_path / "out", bundle) == 2
    assert "has no reference for 1 video: add a column 'summary'" in capsys.readouterr().err
    assert not (tmp_path / "out" / "run").exists()


@pytest.mark.parametrize(("taught", "said"), [("emb", True), ("emb, streamed", True), ("emb-old", False)])
def test_videos_that_no_split_tells_from_those_trained_on_are_scored_with_a_word_of_it(
    bundle, tmp_path, capsys, taught, said
):
    whole = load_bundle(bundle)
    kind = Kind(whole.manifest.fingerprint, str(whole.manifest.sampling), whole.manifest.seek)
    given = {"width": whole.manifest.model.visual_width, "kind": kind, "summary": "Cut it."}
    write_part(str(tmp_path / "emb"), 0, [video(name, None, **given) for name in "ab"], kind)
    shutil.copytree(bundle, tmp_path / "trained")
    written = json.loads((tmp_path / "trained" / "bundle.json").read_text())
    written["trained_on"] = f"1 video of split 'train' of {tmp_path / taught}"
    (tmp_path / "trained" / "bundle.json").write_text(json.dumps(written))
    assert _call(tmp_path / "emb", tmp_path / "eval", str(tmp_path / "trained")) == 0
    assert ("some of these videos were trained on" in capsys.readouterr().out) is said


def test_settings_of_decoding_are_refused_where_nothing_is_decoded(data, bundle, tmp_path, capsys):
    assert _call(data, tmp_path, bundle, "--set", "allow_https=true") == 2
    assert "holds embeddings, made already" in capsys.readouterr().err


def test_a_manifest_of_videos_goes_through_the_pipeline_and_training_videos_do_not(
    without_ray, kitchen, bundle, tmp_path, capsys
):
    rows = [json.loads(line) for line in (kitchen / "manifest.jsonl").read_text().splitlines()]
    given = [{name: row[name] for name in ("video_id", "summary")} for row in rows]
    splits = ("test", "test", "train")
    listed = [
        {**row, "video": str(kitchen / f"{row['video_id']}.mp4"), "split": split}
        for row, split in zip(given, splits, strict=True)
    ]
    (tmp_path / "m.jsonl").write_text("\n".join(map(json.dumps, listed)))
    assert _call(tmp_path / "m.jsonl", tmp_path / "eval", bundle) == 0
    record = json.loads((tmp_path / "eval" / "evaluation.json").read_text())
    assert {name: split["videos"] for name, split in record["splits"].items()} == {"test": 2}
    seconds = record["splits"]["test"]["seconds_per_video"]
    assert all(seconds[stage]["mean"] > 0 for stage in ("decode", "encode", "generate"))
    assert all(record["peak_memory_bytes"][stage] > 10**7 for stage in ("decode", "encode", "generate"))
    assert json.loads((tmp_path / "eval" / "run" / "run.json").read_text())["counts"]["listed"] == 2
    assert (tmp_path / "eval" / "report.html").read_text().count("data:image/jpeg") >= 2


def test_moments_are_scored_against_what_people_marked_where_the_bundle_scores_frames(tmp_path, capsys):
    model = tiny_model(scorer=ScorerConfig(ffn=48))
    write_bundle(str(tmp_path / "b"), tmp_path / "clip", sampling=Sampling(frames=8), model=model)
    manifest = load_bundle(str(tmp_path / "b")).manifest
    kind = Kind(manifest.fingerprint, str(manifest.sampling), manifest.seek)
    rows = [video(f"v{n}", "test", width=manifest.model.visual_width, kind=kind, summary="cut it") for n in range(3)]
    write_part(str(tmp_path / "emb"), 0, rows, kind)
    rng = np.random.default_rng(0)
    lines = [{"video_id": f"v{n}", "importance": rng.integers(1, 6, (4, 30)).tolist()} for n in range(2)]
    (tmp_path / "marks.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert (
        _call(tmp_path / "emb", tmp_path / "eval", str(tmp_path / "b"), "--marks", str(tmp_path / "marks.jsonl")) == 0
    )
    moments = json.loads((tmp_path / "eval" / "evaluation.json").read_text())["splits"]["test"]["moments"]
    assert moments["videos"] == 2
    assert set(moments["figures"]["f1_mean"]) == {"value", "low", "high", "random_floor", "human_ceiling"}
    said = capsys.readouterr().out
    assert "moments: 100 τ, per person" in said
    agreement = moments["figures"]["vt_clipscore"]
    assert -100 <= agreement["low"] <= agreement["value"] <= agreement["high"] <= 100 != agreement["random_floor"]
    assert "VT-CLIPScore, by this bundle's CLIP" in said
    assert "random scores" in said
    assert "people of each other" in (tmp_path / "eval" / "report.html").read_text()


def test_a_benchmark_of_moments_alone_needs_no_references(tmp_path, capsys):
    model = tiny_model(scorer=ScorerConfig(ffn=48))
    write_bundle(str(tmp_path / "b"), tmp_path / "clip", sampling=Sampling(frames=8), model=model)
    manifest = load_bundle(str(tmp_path / "b")).manifest
    kind = Kind(manifest.fingerprint, str(manifest.sampling), manifest.seek)
    rows = [video(f"v{n}", "test", width=manifest.model.visual_width, kind=kind, summary=None) for n in range(3)]
    write_part(str(tmp_path / "emb"), 0, rows, kind)
    chosen = np.random.default_rng(0).integers(0, 2, (10, 30)).tolist()
    lines = "".join(json.dumps({"video_id": f"v{n}", "vsum_onehot": chosen}) + "\n" for n in range(3))
    (tmp_path / "marks.jsonl").write_text(lines)
    call = (tmp_path / "emb", tmp_path / "eval", str(tmp_path / "b"))
    assert _call(*call) == 2
    assert "none of 3 videos has a reference" in capsys.readouterr().err.replace("\n", " ")
    assert _call(*call, "--marks", str(tmp_path / "marks.jsonl"), "--set", "highlights.penalty=0.1") == 0
    record = json.loads((tmp_path / "eval" / "evaluation.json").read_text())
    assert record["splits"]["test"]["figures"] == {}
    assert record["splits"]["test"]["moments"]["videos"] == record["splits"]["test"]["videos"] == 3
    assert "moments: F1, mean of people" in capsys.readouterr().out
    assert not (tmp_path / "eval" / "report.html").exists()
    told = video("w0", "ood", width=manifest.model.visual_width, kind=kind, summary="cut it")
    write_part(str(tmp_path / "emb"), 1, [told], kind)
    marks = ("--marks", str(tmp_path / "marks.jsonl"), "--set", "highlights.penalty=0.1")
    assert _call(tmp_path / "emb", tmp_path / "mixed", str(tmp_path / "b"), *marks) == 0
    page = (tmp_path / "mixed" / "report.html").read_text()
    assert "out of distribution" in page
    assert "1 video with a reference" in page
