import json

import pytest

from clipsum.errors import UsageError
from clipsum.training.kitchen_recipe import KitchenRecipe
from clipsum.training.quality import main, run
from clipsum.training.quality_parts import PARTS, Part
from tests.training.simulated import corpus

SMALL = KitchenRecipe(width=16, heads=2, ffn=16).trained_with(
    max_steps=2, batch_size=4, schedule={"warmup_steps": 1}, model={"temporal_ffn": 16}
)


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def parts():
    counts = dict.fromkeys(PARTS, 2) | {"train": 6, "test": 3}
    return {name: Part(*corpus(name.partition(".")[0], count, frames=6)) for name, count in counts.items()}


@pytest.fixture(scope="module")
def folder(parts, tmp_path_factory):
    """A folder with one finished run of "both"."""
    place = tmp_path_factory.mktemp("runs")
    run("both", 0, parts, SMALL, place)
    return place


def test_a_run_keeps_a_summary_of_every_video_of_every_part_and_view(folder, parts):
    texts = json.loads((folder / "both-0.json").read_text())["texts"]
    assert set(texts) == {
        *(name for name in PARTS if name != "train"),
        *("test|mismatched", "ood|mismatched", "test|text", "test|frames"),
    }
    for name, found in texts.items():
        assert list(found) == [video.video_id for video in parts[name.partition("|")[0]].videos]


def test_a_finished_run_is_not_done_again(folder, parts):
    before = (folder / "both-0.json").stat().st_mtime_ns
    run("both", 0, parts, SMALL, folder)
    assert (folder / "both-0.json").stat().st_mtime_ns == before


def test_a_run_that_died_after_training_goes_on_from_its_weights_to_the_same_summaries(folder, parts, tmp_path):
    finished = json.loads((folder / "both-0.json").read_text())["texts"]
    weights = tmp_path / "both-0.safetensors"
    weights.write_bytes((folder / "both-0.safetensors").read_bytes())
    before = weights.stat().st_mtime_ns
    again = json.loads(run("both", 0, parts, SMALL, tmp_path).read_text())["texts"]
    assert weights.stat().st_mtime_ns == before
    assert again == finished


@pytest.mark.parametrize("missing", [(), ("both-0.json",)], ids=["summaries", "weights"])
def test_what_another_recipe_left_is_refused_and_named(folder, parts, tmp_path, missing):
    for file in folder.iterdir():
        if file.name not in missing:
            (tmp_path / file.name).write_bytes(file.read_bytes())
    with pytest.raises(UsageError, match=r"both-0\.\w+' was begun with training.batch_size=4, .*: remove it"):
        run("both", 0, parts, SMALL.trained_with(batch_size=3), tmp_path)


def test_a_condition_without_the_temporal_encoder_has_none(parts, tmp_path):
    with_one = json.loads(run("text", 0, parts, SMALL, tmp_path).read_text())["parameters"]
    without = json.loads(run("no-temporal", 0, parts, SMALL, tmp_path).read_text())["parameters"]
    assert without < with_one


def test_an_unknown_bundle_is_one_line_and_exit_code_2(tmp_path, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["--output", str(tmp_path), "--bundle", "kitchen-tini"])
    assert stopped.value.code == 2
    assert "did you mean 'kitchen-tiny'?" in capsys.readouterr().err
