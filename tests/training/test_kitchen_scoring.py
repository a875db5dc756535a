"""What teaches the kitchen's scorer, what it is tried on, and that it leaves the summaries alone."""

import json

import numpy as np
import pytest
import torch

from clipsum.datasets.kitchen.corpus import write_split
from clipsum.datasets.marks import read_marks
from clipsum.training import kitchen_scoring
from clipsum.training.highlight_quality import baselines, calibrate, score_parts
from clipsum.training.kitchen_highlights import calibrated, with_scorer
from clipsum.training.kitchen_recipe import KitchenRecipe, train_kitchen, write_summaries
from clipsum.training.kitchen_scoring import KitchenScoring, marks_of
from clipsum.training.quality import run
from clipsum.training.quality_parts import Part
from clipsum.training.recipes import recipe
from tests.training.simulated import WIDTH, corpus, directions

SMALL = KitchenRecipe(width=16, heads=2, ffn=16).trained_with(
    max_steps=3, batch_size=4, schedule={"warmup_steps": 1}, model={"temporal_ffn": 16}
)


class Words:
    """Embeds a text as the sum of the directions of the values that it names."""

    def __init__(self):
        self.known = {value: vector for (_, value), vector in directions().items()}

    def encode_text(self, texts):
        rows = [
            sum((self.known.get(word.strip(".,"), 0) for word in text.split()), np.full(WIDTH, 1e-3)) for text in texts
        ]
        return np.array([row / np.linalg.norm(row) for row in rows], np.float32)


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def parts():
    return {name: Part(*corpus(name, 6, frames=12)) for name in ("train", "validation", "test", "ood")}


@pytest.fixture(scope="module")
def trained(parts):
    return train_kitchen(parts["train"].videos, parts["train"].frames, SMALL)


def test_marks_and_queries_are_those_of_the_manifest(tmp_path, parts):
    manifest = write_split(tmp_path / "test", "test", 2, 0, workers=1)
    stored = read_marks(str(manifest))
    for video in parts["test"].videos[:2]:
        ours, theirs = marks_of(video), stored[video.video_id]
        np.testing.assert_array_equal(ours.importance, theirs.importance)
        assert ours.queries == theirs.queries


def test_an_item_is_guided_by_its_narration_and_has_three_queries_of_which_one_has_no_answer(parts):
    part = parts["train"]
    video = part.videos[0]
    item = KitchenScoring(part.videos, Words()).item(video.video_id, part.frames[video.video_id])
    assert len(item.guide.vectors) == len(video.steps)
    assert not item.guide.asked
    assert [bool(marks.any()) for _, marks in item.queries] == [True, True, False]
    assert ((item.marks > 0) & (item.marks < 1)).any()


def test_a_query_whose_answer_falls_between_two_frames_is_in_no_figure(parts, trained, tmp_path, monkeypatch):
    scoring = with_scorer(trained, parts, SMALL, Words(), tmp_path / "scorer.safetensors")
    part, real = parts["validation"], kitchen_scoring.queries

    def with_a_blink(video):
        embeddings, _ = part.frames[video.video_id]
        between_s = embeddings.times_s[:2].mean()
        return [*real(video), {"query": "a blink", "segments": [[between_s, between_s + 1e-6]]}]

    before = score_parts(scoring.model, {"validation": part}, Words())
    monkeypatch.setattr(kitchen_scoring, "queries", with_a_blink)
    assert score_parts(scoring.model, {"validation": part}, Words()) == before


def test_a_scorer_that_joins_a_trained_model_changes_no_other_weight_and_no_summary(parts, trained, tmp_path):
    before = {name: tensor.clone() for name, tensor in trained.model.state_dict().items()}
    scoring = with_scorer(trained, parts, SMALL, Words(), tmp_path / "scorer.safetensors")
    after = scoring.model.state_dict()
    assert all(torch.equal(tensor, after[name]) for name, tensor in before.items())
    part = parts["test"]
    assert write_summaries(scoring, part.videos, part.frames) == write_summaries(trained, part.videos, part.frames)


def test_a_scorer_is_taken_up_again_from_its_file_and_learned_anew_for_another_recipe(parts, trained, tmp_path):
    path = tmp_path / "scorer.safetensors"
    steps = []
    one, again, other = (
        with_scorer(trained, parts, recipe, Words(), path, lambda report: steps.append(report.step))
        for recipe in (SMALL, SMALL, SMALL.with_seed(1))
    )
    assert steps == [1, 2, 3, 1, 2, 3]
    first, second, third = (found.model.scorer.state_dict() for found in (one, again, other))
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert any(not torch.equal(first[name], third[name]) for name in first)


def test_the_threshold_of_matched_comes_from_the_validation_videos_and_travels_in_the_configuration(
    parts, trained, tmp_path
):
    scoring = with_scorer(trained, parts, SMALL, Words(), tmp_path / "scorer.safetensors")
    metrics = calibrated(scoring, parts, Words())
    figures = score_parts(scoring.model, parts, Words())
    assert scoring.model.config.scorer.match_threshold == calibrate(figures["validation"])
    assert metrics["validation.scorer.match"] > 0.9
    assert 0.3 < metrics["test.scorer.ceiling"] < 0.6


def test_an_untrained_scorer_finds_what_a_query_names_about_as_well_as_zero_shot_clip(parts, trained, tmp_path):
    once = SMALL.trained_with(max_steps=1, optimizer={"learning_rate": 1e-9}, schedule={"warmup_steps": 0})
    scoring = with_scorer(trained, parts, once, Words(), tmp_path / "scorer.safetensors")
    found = score_parts(scoring.model, parts, Words())["test"]
    query, generic, cosine = (np.mean(found[name]) for name in ("f1_query", "f1_generic", "f1_cosine"))
    assert cosine > 2 * generic
    assert query > 0.8 * cosine


def test_people_agree_more_than_position_frame_difference_and_chance_do(parts):
    found = {name: values.mean() for name, values in baselines(parts["train"]).items()}
    assert found["ceiling"] > 0.3
    assert all(abs(found[name]) < 0.25 for name in ("early", "middle", "difference", "random"))


@pytest.mark.parametrize(("name", "writes"), [("scores-unsupervised", False), ("joint", True)])
def test_a_run_of_a_scorer_keeps_the_figures_of_each_split_and_the_summaries_it_wrote(name, writes, parts, tmp_path):
    row = json.loads(run(name, 0, parts, SMALL, tmp_path, Words()).read_text())
    assert set(row["frames"]) == {"validation", "test", "ood"}
    assert len(row["frames"]["test"]["tau"]) == 6
    assert sorted(row["texts"]) == (["ood", "test", "validation"] if writes else [])


def test_scorers_of_the_kitchen_learn_as_the_recipes_for_everybody_say():
    for mode, name in (("supervised", "highlights"), ("unsupervised", "clip-it-unsupervised")):
        ours, theirs = KitchenRecipe().with_scorer(mode, writes=False, local=True).training, recipe(name)
        assert ours.objective == theirs.objective
        assert ours.validation.metric == theirs.validation.metric
    assert ours.augmentation.noise == recipe("highlights").augmentation.noise
    assert ours.model.attention == ours.model.cross_attention == recipe("highlights").model.attention == "local"
