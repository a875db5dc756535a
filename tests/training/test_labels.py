"""Which labels a run needs: frame scores alone need no summaries, and each head learns from the videos with its own."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from clipsum.datasets.marks import AskedQuery, Marks
from clipsum.errors import UsageError
from clipsum.models.bundle import load_bundle
from clipsum.models.config import ScorerConfig
from clipsum.records import Transcript
from clipsum.training.config import ModelChanges
from clipsum.training.losses import VideoLoss
from clipsum.training.objective import Objective, is_better
from clipsum.training.recipes import configure
from clipsum.training.trainer import TrainData
from tests.training.runs import PLAIN, changed, data_of, split_reports, trainer
from tests.training.test_sources import refused

MODEL = ModelChanges(dropout=0.0, bart_dropout=0.0, scorer=ScorerConfig(layers=1, ffn=32))
CHOSEN = {**PLAIN.validation.model_dump(), "metric": "tau"}
FRAMES = changed(model=MODEL, objective=Objective(lambda_text=0, lambda_video=1, query_share=0), validation=CHOSEN)
JOINT = changed(FRAMES, objective=Objective(lambda_video=2, query_share=0), batch_size=6, max_steps=1, shuffle=False)
ASKED = AskedQuery("cut the onion", ((0.0, 30.0),))


def _importance(video, queries=()):
    """Two people choose, second by second, what is bright in the first direction."""
    seconds = np.zeros((2, 40), np.uint8)
    seconds[:, video.embeddings.times_s.astype(int)] = video.embeddings.vectors[:, 0] > 0
    return Marks(seconds, queries=queries)


def _bare(videos):
    return [replace(video, summary=None) for video in videos]


def labelled(base, train=6, marked=_importance, bare=True):
    data = data_of(base, train=train)
    every = (data.train, data.validation)
    marks = {video.video_id: marked(video) for videos in every for video in videos} if marked else {}
    return TrainData(*map(_bare, every) if bare else every, "a toy", marks)


def test_frame_scores_are_learned_chosen_and_saved_without_a_single_summary(base, tmp_path):
    config = changed(FRAMES, batch_size=6, max_steps=24, validation={**CHOSEN, "every_steps": 8})
    run = trainer(base, config, labelled(base))
    run._validator = None  # nothing may ask for a summary
    steps, validations = split_reports(run.run())
    assert steps[-1].loss < steps[0].loss
    assert set(validations[-1].metrics) == {"tau", "frame_loss"}
    assert validations[-1].samples == []
    taus = [report.metrics["tau"] for report in validations]
    assert run.progress.best == max(taus)
    assert run.progress.best_step == validations[int(np.argmax(taus))].step
    run.save(tmp_path / "saved")
    again = trainer(base, config, labelled(base))
    again.restore(tmp_path / "saved")
    assert again.progress.metrics == validations[-1].metrics


@pytest.mark.parametrize("name", ["clip-it", "clip-it-unsupervised"])
def test_the_named_configurations_train_where_people_marked_frames_and_wrote_nothing(base, name):
    config = configure(name, overrides=["max_steps=1", "epochs=1", "batch_size=4"])
    _, (validated,) = split_reports(trainer(base, config, labelled(base, train=4)).run())
    assert "rouge2" not in validated.metrics


def test_unsupervised_training_is_chosen_by_its_own_loss_where_nobody_marked_anything(base):
    config = configure("clip-it-unsupervised", overrides=["max_steps=2", "epochs=1", "batch_size=3"])
    run = trainer(base, config, labelled(base, marked=None))
    _, validations = split_reports(run.run())
    assert set(validations[0].metrics) == {"frame_loss"}
    assert run.progress.best == min(report.metrics["frame_loss"] for report in validations)


@pytest.mark.parametrize("metric", ["tau", "query_f1", "frame_loss"])
def test_a_metric_that_no_frame_could_tell_is_refused_before_the_first_step(base, metric):
    blink = AskedQuery("a blink", ((1e-6, 2e-6),))  # between two frames
    data = labelled(base, marked=lambda video: _importance(video, (blink,)))
    config = changed(FRAMES, validation={**CHOSEN, "metric": metric})
    if metric == "query_f1":
        with pytest.raises(UsageError, match=r"validation\.metric=query_f1 cannot be measured: none of 4 validation"):
            trainer(base, config, data)
    shown = [replace(video, embeddings=without_frames(video.embeddings)) for video in data.validation]
    with pytest.raises(UsageError, match=f"metric={metric} cannot be measured: .* embed them with more frames"):
        trainer(base, config, replace(data, validation=shown))


def without_frames(found):
    return replace(found, times_s=found.times_s[:0], vectors=found.vectors[:0])


def test_of_a_loss_the_lowest_is_best_and_of_a_score_the_highest():
    assert is_better("frame_loss", {"frame_loss": 0.4}, 0.5)
    assert not is_better("frame_loss", {"frame_loss": 0.6}, 0.5)
    assert is_better("tau", {"tau": 0.6}, 0.5)
    assert is_better("tau", {"tau": -1.0}, None)


def _parts(base, told, marked, config=JOINT):
    """Losses of the one step over six videos, of which these numbers have a summary and those are marked."""
    data = labelled(base, bare=False)
    train = [video if number in told else replace(video, summary=None) for number, video in enumerate(data.train)]
    left_out = {data.train[number].video_id for number in range(6) if number not in marked}
    marks = {name: marks for name, marks in data.marks.items() if name not in left_out}
    (step,), _ = split_reports(trainer(base, config, replace(data, train=train, marks=marks)).run())
    return step


def test_of_a_mixed_archive_each_head_learns_from_the_videos_that_have_its_label(base):
    mixed = _parts(base, told={0, 1, 3}, marked={2, 3, 5})
    of_text, of_frames = _parts(base, told={0, 1, 3}, marked=range(6)), _parts(base, told=range(6), marked={2, 3, 5})
    assert mixed.losses["text"] == pytest.approx(of_text.losses["text"], rel=1e-5)
    assert mixed.losses["video"] == pytest.approx(of_frames.losses["video"], rel=1e-5)
    assert mixed.losses["text"] != pytest.approx(_parts(base, range(6), range(6)).losses["text"], rel=1e-3)
    assert mixed.tokens == of_text.tokens


def test_the_losses_of_a_step_are_told_apart_and_make_up_the_whole(base):
    step = _parts(base, told=range(6), marked=range(6))
    weights = JOINT.objective.video.weights
    assert set(step.losses) == {"text", "video", *weights}
    assert step.losses["video"] == pytest.approx(sum(step.losses[name] * each for name, each in weights.items()))
    assert step.loss == pytest.approx(step.losses["text"] + 2 * step.losses["video"], rel=1e-5)
    cut = _parts(base, range(6), range(6), changed(JOINT, micro_batch_size=2))
    assert cut.losses == pytest.approx(step.losses, rel=1e-4)
    assert split_reports(trainer(base).run())[0][0].losses == {}


def test_a_video_that_teaches_the_scorer_alone_never_loses_its_frames(base):
    blind = {"drop_text": 0.0, "drop_frames": 1.0}
    for config, bare in ((changed(FRAMES, batch_size=6, max_steps=1, augmentation=blind), False), (JOINT, True)):
        data = labelled(base, bare=False)
        train = [replace(video, summary=None) if bare and number else video for number, video in enumerate(data.train)]
        run = trainer(base, changed(config, augmentation=blind), replace(data, train=train))
        (items,) = run._feed.share(0, 0).micro_batches
        assert sum(item.vectors is not None for item in items) == (5 if bare else 6)


def test_a_video_that_teaches_neither_head_is_left_out_and_told_of(base):
    data = labelled(base, bare=False)
    train = [replace(data.train[0], summary=None), *data.train[1:]]
    marks = {name: marks for name, marks in data.marks.items() if name != train[0].video_id}
    run = trainer(base, JOINT, replace(data, train=train, marks=marks))
    assert "1 training videos have nothing that a head could learn from: left out" in run.notes
    assert len(run._feed._examples) == 5


def test_summaries_are_written_for_those_validation_videos_that_have_one(base):
    data = labelled(base, bare=False)
    validation = [replace(data.validation[0], summary=None), *data.validation[1:]]
    _, (validated,) = split_reports(trainer(base, JOINT, replace(data, validation=validation)).run())
    assert [name for name, _, _ in validated.samples] == [video.video_id for video in validation[1:]]
    assert {"rouge2", "loss", "tau", "frame_loss"} <= validated.metrics.keys()


def test_videos_of_which_only_queries_are_answered_teach_and_choose_the_scorer(base):
    data = labelled(base, marked=lambda video: Marks(queries=(ASKED,)))
    with pytest.raises(UsageError, match=r"take --set validation\.metric=query_f1"):
        trainer(base, FRAMES, data)
    config = changed(FRAMES, batch_size=6, max_steps=1, validation={**CHOSEN, "metric": "query_f1"})
    (step,), (validated,) = split_reports(trainer(base, config, data).run())
    assert step.losses["keyframes"] > 0
    assert 0 <= validated.metrics["query_f1"] <= 100
    assert "tau" not in validated.metrics


def test_scores_that_follow_a_query_have_its_f1(base):
    from clipsum.training.frame_validation import _tried

    where = np.array([True, False, True, False])
    assert _tried(np.array([0.9, 0.1, 0.8, 0.2], np.float32), where).f1 == 1.0
    assert _tried(np.array([0.9, 0.8, 0.1, 0.2], np.float32), where).f1 == 0.5
    assert _tried(np.array([0.9, 0.8, 0.1, 0.2], np.float32), ~where & where).f1 is None


def test_a_metric_of_a_head_that_does_not_learn_is_refused():
    with pytest.raises(ValueError, match=r"rouge2 scores summaries, and objective\.lambda_text=0"):
        changed(FRAMES, validation=PLAIN.validation.model_dump())
    for metric in ("tau", "query_f1", "frame_loss"):
        with pytest.raises(ValueError, match=f"validation.metric={metric} needs a scorer that learns"):
            changed(PLAIN, validation={**CHOSEN, "metric": metric})


def test_joint_training_without_any_summary_is_refused_with_what_trains_frames_alone(base):
    with pytest.raises(UsageError, match=r"no video of split 'train' has a summary.*objective\.lambda_text=0"):
        trainer(base, JOINT, labelled(base))


def test_summaries_alone_still_need_a_summary_of_every_video(base):
    data = data_of(base)
    refused(base, "no video of split 'validation' has a summary", validation=_bare(data.validation))


def test_an_unsupervised_scorer_prefers_the_frames_that_are_like_no_other(base):
    """Twelve frames of one scene and three of others: diversity has only one way to be low."""
    from clipsum.training.losses import video_loss

    torch.manual_seed(0)
    scene = torch.eye(8)[:1].repeat(12, 1) + 0.02 * torch.randn(12, 8)
    frames = torch.cat([scene, torch.eye(8)[[2, 4, 6]]])[None]
    recipe: VideoLoss = configure("clip-it-unsupervised").objective.video
    logits = torch.full((1, 15), -1.7, requires_grad=True)
    optimizer = torch.optim.Adam([logits], 0.1)
    for _ in range(150):
        mask = torch.ones(1, 15, dtype=torch.bool)
        optimizer.zero_grad()
        video_loss(recipe, logits, frames, frames, mask, None).sum().backward()
        optimizer.step()
    assert logits[0, 12:].min() > logits[0, :12].max()


def _origins(base, tmp_path, name, train=None, **changes):
    """What a bundle of one step says of where its scorer's texts were from; and the bundle."""
    data = labelled(base, marked=lambda video: _importance(video, (ASKED,)))
    data = replace(data, train=train or data.train)
    run = trainer(base, changed(FRAMES, **{"batch_size": 6, "max_steps": 1, **changes}), data)
    assert [*run.run()]
    run.write_bundle(str(tmp_path / name))
    found = load_bundle(str(tmp_path / name))
    return found.manifest.model.scorer.origins, found


def test_a_bundle_says_from_where_the_texts_were_that_its_scorer_learned_to_be_guided_by(base, tmp_path):
    def asked(share):
        return {**FRAMES.objective.model_dump(), "query_share": share}

    said, taught = _origins(base, tmp_path, "said")
    assert said == ("transcript",)
    assert _origins(base, tmp_path, "asked", objective=asked(1.0))[0] == ("query",)
    assert _origins(base, tmp_path, "unheard", sees="frames")[0] == ()
    assert _origins(taught, tmp_path, "both", objective=asked(1.0))[0] == ("query", "transcript")
    wider = {**FRAMES.model.model_dump(), "scorer": {"layers": 1, "ffn": 40}}
    assert _origins(taught, tmp_path, "partly new", model=wider)[0] == ("transcript",)
    assert _origins(taught, tmp_path, "partly new asked", model=wider, objective=asked(1.0))[0] == ("query",)
    assert _origins(taught, tmp_path, "anew", objective=asked(1.0), init="random")[0] == ("query",)
    mute = [replace(video, transcript=Transcript()) for video in data_of(base, train=6).train]
    assert _origins(base, tmp_path, "written", mute, summary_share=1.0)[0] == ("summary",)
    assert _origins(base, tmp_path, "mute", mute)[0] == ()
    model = taught.manifest.model
    silent = model.model_copy(update={"scorer": model.scorer.model_copy(update={"origins": None})})
    old = replace(taught, manifest=taught.manifest.model_copy(update={"model": silent}))
    assert _origins(old, tmp_path, "old")[0] is None
