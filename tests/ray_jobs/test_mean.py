"""`clipsum mean`: a benchmark's five official splits, from the authors' files to one figure."""

import json
import shutil
import statistics

import pytest

from clipsum.config import Sampling
from clipsum.datasets.embedding_rows import Kind
from clipsum.models.bundle import load_bundle
from clipsum.models.config import ScorerConfig
from ray_jobs.cli import run
from tests.datasets.benchmark_files import write_tvsum
from tests.datasets.embedded_folder import video, write_part
from tests.models.tiny import tiny_model, write_bundle

FOLDS = range(1, 6)


def _lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def _manifests(folder, names):
    """What `clipsum dataset tvsum` makes of files of the official form: five splits, two videos tested in each."""
    place, _ = write_tvsum(folder / "tvsum.mat", names, length_s=30.0)
    (folder / "videos").mkdir()
    for name in names:
        (folder / "videos" / f"{name}.mp4").write_bytes(b"")
    keys = [f"video_{number}" for number in range(1, len(names) + 1)]
    splits = [{"train_keys": keys[:n] + keys[n + 2 :], "test_keys": keys[n : n + 2]} for n in range(0, len(keys), 2)]
    (folder / "splits.json").write_text(json.dumps(splits))
    call = ["dataset", "tvsum", "--tvsum", place, "--videos", str(folder / "videos")]
    assert run([*call, "--splits", str(folder / "splits.json"), "--output", str(folder / "tv.jsonl")]) == 0


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory):
    """A folder with what `clipsum evaluate` leaves of each split: `eval-1` to `eval-5`."""
    folder = tmp_path_factory.mktemp("folds")
    _manifests(folder, tuple(f"e{number:03}" for number in range(10)))
    model = tiny_model(scorer=ScorerConfig(ffn=48))
    write_bundle(str(folder / "bundle"), folder / "clip", sampling=Sampling(frames=8), model=model)
    made_by = load_bundle(str(folder / "bundle")).manifest
    kind = Kind(made_by.fingerprint, str(made_by.sampling), made_by.seek)
    for fold in FOLDS:
        listed = [(row["video_id"], row["split"]) for row in _lines(folder / f"tv.{fold}.jsonl")]
        given = {"width": made_by.model.visual_width, "kind": kind, "summary": None}
        write_part(str(folder / f"emb-{fold}"), 0, [video(*each, **given) for each in listed], kind)
        call = ["evaluate", "--bundle", str(folder / "bundle"), "--data", str(folder / f"emb-{fold}")]
        marks = ["--marks", str(folder / f"tv.{fold}.jsonl"), "--split", "test"]
        assert run([*call, *marks, "--output", str(folder / f"eval-{fold}")]) == 0
    return folder


def _places(evaluated):
    return [str(evaluated / f"eval-{fold}") for fold in FOLDS]


def test_the_figure_of_a_benchmark_is_the_mean_of_its_five_splits_with_floor_and_ceiling(evaluated, capsys):
    assert run(["mean", *_places(evaluated), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["splits"]["test"]
    records = [json.loads((evaluated / f"eval-{fold}" / "evaluation.json").read_text()) for fold in FOLDS]
    told = [record["splits"]["test"]["moments"]["figures"]["tvsum.tau_per_user"] for record in records]
    for name, key in (("", "value"), ("moments|random|", "random_floor"), ("moments|people|", "human_ceiling")):
        values = [figure[key] for figure in told]
        assert found[f"{name}tvsum.tau_per_user"]["values"] == values
        assert found[f"{name}tvsum.tau_per_user"]["mean"] == pytest.approx(statistics.mean(values))
        assert found[f"{name}tvsum.tau_per_user"]["sd"] == pytest.approx(statistics.stdev(values))
    assert len({figure["value"] for figure in told}) == 5  # each has other videos


def test_the_table_names_figures_as_an_evaluation_does_and_says_how_they_were_measured(evaluated, capsys):
    assert run(["mean", *_places(evaluated)]) == 0
    said = capsys.readouterr().out
    assert "mean of 5" in said
    assert "TVSum: F1, mean of people, random scores" in said
    assert "±: standard deviation over the evaluations" in said


def test_what_has_no_mean_is_refused_in_one_line(evaluated, tmp_path, capsys):
    first, second, *_ = _places(evaluated)
    shutil.copytree(second, tmp_path / "other")
    record = json.loads((tmp_path / "other" / "evaluation.json").read_text())
    (tmp_path / "other" / "evaluation.json").write_text(json.dumps(record | {"generation": {"num_beams": 1}}))
    wrong = {
        (first,): "name two or more folders",
        (first, first): "is given twice",
        (first, str(tmp_path)): "holds no evaluation",
        (first, str(tmp_path / "other")): "differ in generation",
    }
    for places, words in wrong.items():
        assert run(["mean", *places]) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert words in line
