"""Training the scorer: alone, beside the summaries, from marks and without any."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from clipsum.datasets.marks import AskedQuery, Marks
from clipsum.errors import UsageError
from clipsum.models.config import ScorerConfig
from clipsum.models.summarize import Summarizer
from clipsum.training.config import ModelChanges
from clipsum.training.losses import VideoLoss
from clipsum.training.objective import Objective
from clipsum.training.recipes import configure
from clipsum.training.scoring import Scoring
from clipsum.training.trainer import TrainData, ValidationReport
from tests.training.runs import PLAIN, changed, data_of, losses, make_base, split_reports, trainer, videos

SCORER = ScorerConfig(layers=1, ffn=32)
MODEL = ModelChanges(dropout=0.0, bart_dropout=0.0, scorer=SCORER)
SMALL = {"num_beams": 1, "min_length": 2, "max_tokens": 8}  # of generation
JOINT = changed(model=MODEL, objective=Objective(lambda_video=2.0, query_share=0.0))


def _chosen_by(metric):
    return {**PLAIN.validation.model_dump(), "metric": metric}


APART = changed(
    JOINT,
    objective=Objective(lambda_text=0.0, lambda_video=1.0, query_share=0.0),
    validation=_chosen_by("frame_loss"),
)


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return make_base(tmp_path_factory.mktemp("base"))


def _marked(video):
    """What is bright in the first direction matters to all three annotators, from second to second."""
    seconds = np.zeros((3, 40), np.uint8)
    for time_s, vector in zip(video.embeddings.times_s, video.embeddings.vectors, strict=True):
        seconds[:, int(time_s)] = vector[0] > 0
    return Marks(seconds, queries=(AskedQuery("cut the onion", ((0.0, 6.0),)), AskedQuery("stir")))


def _data(base, marked=True, **options):
    data = data_of(base, **options)
    every = [*data.train, *data.validation]
    return TrainData(data.train, data.validation, "", {v.video_id: _marked(v) for v in every} if marked else {})


def _weights(run, part):
    return {name: tensor.clone() for name, tensor in getattr(run._learner.model, part).state_dict().items()}


def _run(base, config, data=None):
    run = trainer(base, config, data or _data(base))
    before = {part: _weights(run, part) for part in ("bart", "fusion", "temporal", "scorer")}
    reports = list(run.run())
    moved = {
        part: any(not torch.equal(tensor, _weights(run, part)[name]) for name, tensor in weights.items())
        for part, weights in before.items()
    }
    return run, reports, moved


@pytest.mark.parametrize(
    ("objective", "heads"),
    [
        (Objective(), {"bart", "fusion", "temporal"}),
        (Objective(lambda_text=0, lambda_video=1), {"temporal", "scorer"}),
        (Objective(lambda_video=1), {"bart", "fusion", "temporal", "scorer"}),
    ],
)
def test_the_heads_learn_that_the_objective_weighs_and_the_temporal_encoder_with_either(base, objective, heads):
    metric = "rouge2" if objective.lambda_text else "frame_loss"
    config = changed(JOINT, objective=objective, max_steps=2, validation=_chosen_by(metric))
    _, _, moved = _run(base, config)
    assert {part for part, did in moved.items() if did} == heads


def test_scores_come_to_follow_what_the_annotators_marked_and_travel_in_the_bundle(base, tmp_path):
    from clipsum.models.bundle import load_bundle

    config = changed(APART, max_steps=120)
    run, reports, _ = _run(base, config)
    assert losses(reports)[-1] < 0.5 * losses(reports)[0]
    run.write_bundle(str(tmp_path / "trained"))
    summarizer = Summarizer(load_bundle(str(tmp_path / "trained")))
    right = []
    for video in run.data.train:
        scores = summarizer.score(video.embeddings, video.duration_s, [None])[0]
        right += ((scores > 0.5) == (video.embeddings.vectors[:, 0] > 0)).tolist()
    assert np.mean(right) > 0.9


def test_the_joint_loss_is_the_weighted_sum_of_the_losses_of_each_head(base):
    steps = {}
    for name, lambdas in {"text": (1, 0), "video": (0, 1), "both": (0.5, 3)}.items():
        objective = Objective(lambda_text=lambdas[0], lambda_video=lambdas[1], query_share=0.0)
        metric = "rouge2" if objective.lambda_text else "frame_loss"
        config = changed(JOINT, objective=objective, max_steps=1, validation=_chosen_by(metric))
        steps[name] = losses(_run(base, config)[1])[0]
    assert steps["both"] == pytest.approx(0.5 * steps["text"] + 3 * steps["video"], rel=1e-5)


def test_a_step_is_the_same_however_it_is_cut_where_some_videos_have_no_marks_or_no_frames(base):
    data = _data(base, train=8)
    some = [*data.train, *videos(base, 2, "blind", without_frames=True)]
    kept = {name: marks for name, marks in data.marks.items() if not name.endswith(("1", "4"))}
    data = TrainData(some, data.validation, "", kept)
    whole, cut = (
        losses(_run(base, changed(JOINT, batch_size=10, micro_batch_size=size, max_steps=3), data)[1])
        for size in (None, 3)
    )
    assert whole == pytest.approx(cut, rel=1e-4)


def test_unsupervised_training_needs_no_marks_and_holds_the_mean_score_at_the_budget(base):
    video = VideoLoss(mode="unsupervised", diversity=1.0, reconstruction=1.0, budget_share=0.3)
    objective = Objective(lambda_text=0, lambda_video=1, video=video)
    run, _, _ = _run(base, changed(APART, objective=objective, max_steps=60), _data(base, marked=False))
    model = run._learner.plain()
    means = []
    for each in run.data.train:
        relative = torch.from_numpy(each.embeddings.times_s / each.duration_s)[None]
        mask = torch.ones(1, relative.shape[1], dtype=torch.bool)
        frames = torch.from_numpy(each.embeddings.vectors)[None]
        logits, _ = model.scorer(model.look(frames, relative, mask), relative, mask, frames)
        means.append(logits.sigmoid().mean().item())
    assert np.mean(means) == pytest.approx(0.3, abs=0.12)


def test_items_carry_the_guide_of_the_transcript_the_marks_and_each_query_with_its_own(base):
    video = videos(base, 1)[0]
    reader = Scoring(base.encoder(), {video.video_id: _marked(video)}, "both")
    item = trainer(base, JOINT, _data(base))._feed._examples.item(0)
    added = reader.added(item, video)
    assert added.guide is not None
    assert not added.guide.asked
    assert added.marks.tolist() == (video.embeddings.vectors[:, 0] > 0).astype(float).tolist()
    (onion, where), (stir, nowhere) = added.queries
    assert onion.asked
    assert stir.asked
    assert where.tolist() == (video.embeddings.times_s < 6.0).astype(float).tolist()
    assert not nowhere.any()
    assert Scoring(base.encoder(), {}, "frames").added(item, video).guide is None


def test_the_model_is_chosen_by_the_agreement_of_its_scores_with_the_marks_of_validation_videos(base):
    data = _data(base)
    config = changed(APART, max_steps=60, validation={"every_epochs": None, "every_steps": 30, "metric": "tau"})
    reports = list(trainer(base, config, data).run())
    taus = [report.metrics["tau"] for report in reports if isinstance(report, ValidationReport)]
    assert len(taus) == 2
    assert 30 < max(taus) <= 100
    taught = {video.video_id: data.marks[video.video_id] for video in data.train}
    with pytest.raises(UsageError, match="none of 4 validation videos has any"):
        trainer(base, config, replace(data, marks=taught))


def test_the_threshold_of_matched_is_that_of_the_validation_queries_and_travels_in_the_bundle(base, tmp_path):
    from clipsum.models.bundle import read_manifest

    config = changed(APART, max_steps=2, validation={"every_epochs": None, "every_steps": 2, "metric": "tau"})
    run = trainer(base, config, _data(base))
    (validated,) = (report for report in run.run() if isinstance(report, ValidationReport))
    assert 50 <= validated.metrics["match"] <= 100
    run.write_bundle(str(tmp_path / "trained"))
    scorer = read_manifest(str(tmp_path / "trained"))[0].model.scorer
    assert scorer.match_threshold == validated.metrics["match_threshold"]
    assert scorer.origins == ("transcript",)
    assert scorer.model_copy(update={"match_threshold": None, "origins": None}) == SCORER


@pytest.mark.parametrize(("asks_alike", "is_calibrated"), [(False, True), (True, False)])
def test_where_every_query_is_answered_those_of_other_videos_stand_for_what_is_not(base, asks_alike, is_calibrated):
    data = _data(base)
    asked = ["cut the onion", "boil water", "serve it hot", "peel two carrots"]
    marks = {
        video.video_id: Marks(queries=(AskedQuery(asked[0] if asks_alike else query, ((0.0, 6.0),)),))
        for video, query in zip(data.validation, asked, strict=True)
    }
    config = changed(APART, max_steps=1, validation={"every_epochs": None, "every_steps": 1, "metric": "query_f1"})
    run = trainer(base, config, replace(data, marks=data.marks | marks))
    (validated,) = (report for report in run.run() if isinstance(report, ValidationReport))
    assert ("match_threshold" in validated.metrics) is is_calibrated


@pytest.mark.parametrize(
    "name", ["highlights", "scorer", "clip-it", "clip-it-unsupervised", "videoxum-tt", "videoxum-tt-ca-la"]
)
def test_each_named_recipe_of_frame_scores_trains_a_step(base, name):
    words = [f"model.generation.{key}={value}" for key, value in SMALL.items()]
    if name.startswith("videoxum"):
        words += ["model.temporal_width=48", "model.temporal_ffn=32", "model.scorer.ffn=32"]
    config = configure(name, overrides=[*words, "max_steps=1", "epochs=1", "batch_size=4"])
    steps, (validated,) = split_reports(trainer(base, config, _data(base, train=4)).run())
    assert len(steps) == 1
    assert "tau" in validated.metrics


def test_in_the_recipes_with_context_aggregation_both_heads_learn_through_it(base):
    for name in ("videoxum-tt-ca", "videoxum-tt-ca-la"):
        words = [f"model.generation.{key}={value}" for key, value in SMALL.items()]
        config = configure(name, overrides=[*words, "model.temporal_width=48", "model.temporal_ffn=32"])
        for lambdas in ((1, 0), (0, 1)):
            head = Objective(lambda_text=lambdas[0], lambda_video=lambdas[1], query_share=0.0)
            metric = "rouge2" if head.lambda_text else "frame_loss"
            one = changed(PLAIN, model=config.model, objective=head, max_steps=1, validation=_chosen_by(metric))
            run = trainer(base, one, _data(base, train=4))
            before = _weights(run, "temporal")["aggregate.self_attn.in_proj_weight"]
            assert [*run.run()]
            assert not torch.equal(before, _weights(run, "temporal")["aggregate.self_attn.in_proj_weight"])
    assert configure("videoxum-tt").model.aggregation is None


def test_supervised_training_without_marks_is_refused_with_what_to_do(base):
    with pytest.raises(UsageError, match="none of 13 training videos has any: name the manifest"):
        trainer(base, JOINT, _data(base, marked=False))


def test_training_a_scorer_that_the_model_has_not_is_refused(base):
    with pytest.raises(UsageError, match="trains a scorer, and the model has none"):
        trainer(base, changed(PLAIN, objective=Objective(lambda_video=1)), _data(base))


def test_an_objective_that_asks_nothing_is_refused():
    with pytest.raises(ValueError, match="lambda_text and lambda_video are both 0"):
        Objective(lambda_text=0)
