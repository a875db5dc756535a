import json
import math
from dataclasses import replace
from itertools import islice

import numpy as np
import pytest
import torch

from clipsum.datasets.embedded import open_embedded
from clipsum.datasets.embedding_rows import Kind
from clipsum.errors import UsageError
from clipsum.models.bundle import load_bundle
from clipsum.models.summarize import Summarizer
from clipsum.records import Transcript
from clipsum.training.loop import TrainingDivergedError
from clipsum.training.modalities import Augmentation
from clipsum.training.sources import TrainData
from clipsum.training.trainer import ValidationReport
from tests.datasets.embedded_folder import failed, video, write_part
from tests.training.runs import PLAIN, changed, data_of, losses, split_reports, trainer, videos

LIVELY = changed(
    model={"dropout": 0.1, "bart_dropout": 0.1},
    augmentation=Augmentation(drop_text=0.2, drop_frames=0.2, thin=0.5, noise=0.3).model_dump(),
)


pytestmark = pytest.mark.usefixtures("one_thread")


def test_training_learns_what_its_videos_say(base):
    model = {**PLAIN.model.model_dump(), "generation": {"max_tokens": 48}}
    rates = {"optimizer": {"learning_rate": 1e-2}, "schedule": {"warmup_steps": 10}}
    config = changed(max_steps=100, batch_size=13, model=model, **rates)
    data = data_of(base)
    run = trainer(base, config, replace(data, validation=[replace(v, video_id=v.video_id + "*") for v in data.train]))
    steps, (last,) = split_reports(run.run())
    assert steps[-1].loss < 0.1 < steps[0].loss
    assert last.metrics["rouge2"] > 90
    assert last.best
    assert not last.stop


def test_every_epoch_uses_every_example_once(base, monkeypatch):
    seen = []
    run = trainer(base, changed(max_steps=None, epochs=2, batch_size=5))
    item = run._feed._examples.item
    monkeypatch.setattr(run._feed._examples, "item", lambda index: (seen.append(index), item(index))[1])
    steps, _ = split_reports(run.run())
    assert [report.epoch for report in steps] == [0, 0, 0, 1, 1, 1]
    assert run.total_steps == 6
    assert sorted(seen[:13]) == sorted(seen[13:]) == list(range(13))


@pytest.mark.parametrize("stop", [1, 3, 4])
def test_a_restored_run_is_equal_to_the_bit_to_one_that_never_stopped(base, tmp_path, stop):
    whole = trainer(base, LIVELY)
    expected = losses(whole.run())
    first = trainer(base, LIVELY)
    begun = losses(islice(first.run(), stop))
    first.save(tmp_path / "checkpoint")
    second = trainer(base, LIVELY)
    second.restore(tmp_path / "checkpoint")
    assert begun + losses(second.run()) == expected
    pairs = zip(whole._learner.model.parameters(), second._learner.model.parameters(), strict=True)
    assert all(torch.equal(one, other) for one, other in pairs)


def test_a_validation_that_was_due_at_the_checkpoint_is_done_after_it_and_one_that_was_done_is_not(base, tmp_path):
    config = changed(validation={"every_steps": 2, "every_epochs": None, "patience": None})
    run = trainer(base, config)
    reports = run.run()
    _ = [next(reports), next(reports)]
    run.save(tmp_path / "before")
    report = next(reports)
    run.save(tmp_path / "after")
    for name, first in (("before", report), ("after", None)):
        other = trainer(base, config)
        other.restore(tmp_path / name)
        found = next(other.run())
        assert found == first if first else found.step == 3


def test_a_run_that_has_ended_gives_nothing_more_also_when_restored(base, tmp_path):
    run = trainer(base)
    _ = list(run.run())
    assert list(run.run()) == []
    run.save(tmp_path / "end")
    other = trainer(base)
    other.restore(tmp_path / "end")
    assert list(other.run()) == []


def test_a_checkpoint_is_a_bundle_that_writes_what_the_run_wrote(base, tmp_path):
    run = trainer(base)
    _, (last,) = split_reports(run.run())
    run.save(tmp_path / "checkpoint")
    bundle = load_bundle(str(tmp_path / "checkpoint"))
    assert bundle.manifest.metrics == {f"validation.{name}": value for name, value in last.metrics.items()}
    assert bundle.manifest.fingerprint == base.manifest.fingerprint
    assert bundle.encoder().fingerprint == base.manifest.fingerprint
    sources = [(video.embeddings, video.transcript, video.duration_s) for video in run.data.validation]
    written = [summary.text for summary in Summarizer(bundle).summarize(sources)]
    assert written == [summary for _, _, summary in last.samples]
    names = {path.suffix for path in (tmp_path / "checkpoint").rglob("*") if path.is_file()}
    assert names <= {".json", ".safetensors", ".txt", ".md", ".jinja"}


def test_the_base_bundle_keeps_its_weights(base):
    before = [weight.clone() for weight in base.model.parameters()]
    _ = list(trainer(base).run())
    assert all(torch.equal(one, other) for one, other in zip(before, base.model.parameters(), strict=True))


def test_patience_ends_the_run_and_the_best_is_the_highest(base, monkeypatch):
    scores = iter([3.0, 5.0, 4.0, 5.0, 9.0])
    monkeypatch.setattr("clipsum.training.trainer.means", lambda scored: {"rouge2": next(scores)})
    config = changed(max_steps=20, validation={"every_steps": 2, "every_epochs": None, "patience": 2})
    run = trainer(base, config)
    _, found = split_reports(run.run())
    assert [report.step for report in found] == [2, 4, 6, 8]
    assert [report.best for report in found] == [True, True, False, False]
    assert [report.stop for report in found] == [False, False, False, True]
    assert (run.progress.best, run.progress.best_step, run.progress.step) == (5.0, 4, 8)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_step_that_is_not_finite_stops_the_run_and_writes_no_checkpoint(base, tmp_path, bad):
    data = data_of(base)
    spoilt = replace(data.train[7], embeddings=replace(data.train[7].embeddings, vectors=np.full((3, 24), bad, "f")))
    spoilt = replace(spoilt, embeddings=replace(spoilt.embeddings, times_s=np.arange(3.0)))
    data.train[7] = spoilt
    run = trainer(base, changed(shuffle=False), data)
    seen = []
    with pytest.raises(TrainingDivergedError, match="at step 2: the update was not made"):
        seen.extend(report.step for report in run.run())
    assert seen == [1]
    assert all(torch.isfinite(weight).all() for weight in run._learner.model.parameters())
    with pytest.raises(RuntimeError, match="diverged: no checkpoint"):
        run.save(tmp_path / "checkpoint")
    assert not (tmp_path / "checkpoint").exists()


def test_accumulated_micro_batches_change_nothing_but_rounding(base):
    whole, _ = split_reports(trainer(base).run())
    for size in (1, 2):
        pieces, _ = split_reports(trainer(base, changed(micro_batch_size=size)).run())
        for one, other in zip(whole, pieces, strict=True):
            assert other.loss == pytest.approx(one.loss, abs=2e-6)
            assert other.gradient_norm == pytest.approx(one.gradient_norm, rel=1e-5)
            assert other.tokens == one.tokens


def test_bf16_computes_nearly_the_same_and_keeps_its_weights_in_float32(base):
    exact, rounded = trainer(base), trainer(base, changed(precision="bf16"))
    pairs = list(zip(losses(exact.run()), losses(rounded.run()), strict=True))
    assert all(one == pytest.approx(other, rel=0.02) for one, other in pairs)
    assert any(one != other for one, other in pairs)
    assert {weight.dtype for weight in rounded._learner.model.parameters()} == {torch.float32}


def test_label_smoothing_reaches_the_loss(base):
    plain, smooth = losses(trainer(base).run()), losses(trainer(base, changed(label_smoothing=0.2)).run())
    assert all(abs(one - other) > 1e-3 for one, other in zip(plain, smooth, strict=True))


def test_generation_keeps_to_the_lengths_of_the_configuration(base):
    for low, high in ((0, 4), (9, 10)):
        generation = {"min_length": low, "max_tokens": high, "num_beams": 2}
        run = trainer(base, changed(max_steps=1, model={**PLAIN.model.model_dump(), "generation": generation}))
        _ = list(run.run())
        model = run._learner.plain()
        ids = model.generate(torch.tensor([[0, 9, 2]]), torch.ones(1, 3, dtype=torch.bool), generation=None)
        assert low <= (ids[0, 1:] != 1).sum() <= high
        assert model.config.generation.min_length == low
        assert max(len(row.labels) for row in map(run._feed._examples.item, range(13))) <= high


def test_a_folder_of_embeddings_trains_as_the_list_of_its_videos_does(base, tmp_path):
    kind = Kind(base.manifest.fingerprint, str(base.manifest.sampling), base.manifest.seek)
    names = [f"{'very ' * (number % 5)}{number}" for number in range(9)]
    write_part(str(tmp_path), 0, [video(name, kind=kind, words=f"Take {name}. Stir.") for name in names], kind)
    write_part(str(tmp_path), 1, [video("last", "validation", kind=kind), failed("gone")], kind)
    stored = open_embedded(str(tmp_path))
    train, validation = stored.of_split("train"), stored.of_split("validation")
    as_set = trainer(base, LIVELY, TrainData(train, validation))
    as_list = trainer(base, LIVELY, TrainData(list(train), list(validation)))
    assert losses(as_set.run()) == losses(as_list.run())
    as_set.save(tmp_path / "checkpoint")
    as_list.restore(tmp_path / "checkpoint")


class Listed:
    """A stream of what a list holds, in batches of `size`."""

    identity = "listed"
    shared = True

    def __init__(self, all_of, size):
        self.all_of, self.size, self.examples, self.asked = all_of, size, len(all_of), []
        self.failures = {}

    def batches(self, epoch, skip):
        self.asked.append((epoch, skip))
        starts = range(skip * self.size, len(self.all_of), self.size)
        return (self.all_of[start : start + self.size] for start in starts)


def streamed(base, config, data):
    return trainer(base, config, replace(data, train=Listed(data.train, config.batch_size)))


@pytest.mark.parametrize("config", [PLAIN, LIVELY])
def test_a_stream_in_the_order_of_the_listing_gives_the_losses_of_stored_examples(base, config):
    config, data = changed(config, shuffle=False, max_steps=None, epochs=2, schedule={"shape": "cosine"}), data_of(base)
    stored, _ = split_reports(trainer(base, config, data).run())
    flowing, _ = split_reports(streamed(base, config, data).run())
    assert [(r.step, r.epoch, r.tokens, r.learning_rate) for r in flowing] == [
        (r.step, r.epoch, r.tokens, r.learning_rate) for r in stored
    ]
    assert [r.loss for r in flowing] == pytest.approx([r.loss for r in stored], abs=1e-5)


def test_a_restored_stream_is_asked_for_the_batches_that_are_left(base, tmp_path):
    data, config = data_of(base), changed(shuffle=False)
    expected = losses(streamed(base, config, data).run())
    first = streamed(base, config, data)
    begun = losses(islice(first.run(), 5))
    first.save(tmp_path / "checkpoint")
    second = streamed(base, config, data)
    second.restore(tmp_path / "checkpoint")
    assert begun + losses(second.run()) == expected
    assert second.data.train.asked == [(1, 2)]


def test_each_validation_tells_what_the_stream_lost_since_the_one_before(base):
    run = streamed(base, changed(validation={"every_steps": 2, "every_epochs": None, "patience": None}), data_of(base))
    reports = run.run()
    told = []
    for lost in ({"corrupt": 1}, {"corrupt": 3, "timeout": 1}, {"corrupt": 3, "timeout": 1}):
        run.data.train.failures = lost
        told.append(next(report for report in reports if isinstance(report, ValidationReport)).failures)
    assert told == [{"corrupt": 1}, {"corrupt": 2, "timeout": 1}, {}]


def test_streamed_videos_that_teach_nothing_are_counted_as_stored_ones_are(base):
    data = data_of(base)
    mute = [replace(video, transcript=Transcript(), embeddings=without(video)) for video in data.train[:3]]
    run = streamed(base, changed(max_steps=None, epochs=1), replace(data, train=[*mute, *data.train[3:]]))
    _, (validated,) = split_reports(run.run())
    assert validated.failures == {"nothing to learn from": 3}


def without(video):
    return replace(video.embeddings, times_s=video.embeddings.times_s[:0], vectors=video.embeddings.vectors[:0])


def test_references_that_are_longer_than_what_is_trained_on_are_counted(base):
    data = data_of(base)
    long = replace(data.train[0], summary=" ".join(["cut"] * 200))
    config = changed(model={**PLAIN.model.model_dump(), "generation": {"max_tokens": 60}})
    notes = trainer(base, config, replace(data, train=[long, *data.train[1:]])).notes
    assert [note.partition(" to max_tokens=")[0] for note in notes if "max_tokens" in note] == [
        "1 training reference cut"
    ]
    assert not any("max_tokens" in note for note in trainer(base, config).notes)


class Lossy(Listed):
    """A stream in which the second batch of every epoch could not be had."""

    def batches(self, epoch, skip):
        given = super().batches(epoch, skip)
        return ([] if place == 1 else batch for place, batch in enumerate(given, skip))


def test_a_batch_of_which_no_video_could_be_had_is_passed_over_and_the_epoch_goes_on(base):
    data, config = data_of(base), changed(shuffle=False, max_steps=None, epochs=2)
    whole, _ = split_reports(streamed(base, config, data).run())
    lossy, _ = split_reports(trainer(base, config, replace(data, train=Lossy(data.train, config.batch_size))).run())
    assert [r.tokens for r in lossy] == [r.tokens for place, r in enumerate(whole) if place % (len(whole) // 2) != 1]
    assert [r.epoch for r in lossy] == [0] * (len(lossy) // 2) + [1] * (len(lossy) // 2)


def test_a_stream_that_gives_nothing_is_refused(base):
    data = data_of(base)
    empty = Listed([], 5)
    empty.examples, empty.failures = 10, {"corrupt": 7, "timeout": 3}
    with pytest.raises(UsageError, match="the stream of training videos gave none in epoch 0: 7 corrupt, 3 timeout"):
        _ = list(trainer(base, PLAIN, replace(data, train=empty)).run())


def test_a_batch_without_any_frames_learns_from_its_words(base):
    run = trainer(base, data=data_of(base, without_frames=True))
    assert all(math.isfinite(loss) for loss in losses(run.run()))


@pytest.mark.parametrize("sees", ["text", "frames"])
def test_a_model_of_one_modality_does_not_look_at_the_other(base, sees):
    one, other = data_of(base), data_of(base)
    blind = {"text": "embeddings", "frames": "transcript"}[sees]
    others = videos(base, 13, seed=5)
    other.train[:] = [
        replace(mine, **{blind: getattr(their, blind)}) for mine, their in zip(one.train, others, strict=True)
    ]
    config = changed(sees=sees, shuffle=False)
    assert losses(trainer(base, config, one).run()) == losses(trainer(base, config, other).run())
    both = changed(shuffle=False)
    assert losses(trainer(base, both, one).run()) != losses(trainer(base, both, other).run())


def test_a_checkpoint_of_another_configuration_or_other_data_is_refused_with_both_named(base, tmp_path):
    run = trainer(base)
    _ = next(run.run())
    run.save(tmp_path / "checkpoint")
    with pytest.raises(UsageError, match=r"was begun with batch_size=5, this call has batch_size=6: go on as it began"):
        trainer(base, changed(batch_size=6)).restore(tmp_path / "checkpoint")
    with pytest.raises(UsageError, match=r"with data=13 videos, 4 .*, this call has data=12 videos, 4 "):
        trainer(base, data=data_of(base, train=12)).restore(tmp_path / "checkpoint")
    trainer(base, changed(micro_batch_size=2)).restore(tmp_path / "checkpoint")


def test_a_checkpoint_that_is_older_than_a_key_goes_on_where_the_key_has_its_default(base, tmp_path):
    run = trainer(base)
    _ = next(run.run())
    run.save(tmp_path / "checkpoint")
    state = tmp_path / "checkpoint" / "state.json"
    older = json.loads(state.read_text())
    del older["config"]["summary_share"]
    state.write_text(json.dumps(older))
    trainer(base).restore(tmp_path / "checkpoint")
    with pytest.raises(UsageError, match=r"begun with summary_share=0\.0, this call has summary_share=0\.5"):
        trainer(base, changed(summary_share=0.5)).restore(tmp_path / "checkpoint")


def test_of_equal_scores_the_lower_loss_is_best_and_patience_goes_on_all_the_same(base, monkeypatch):
    given = iter([{"rouge2": 0.0, "loss": 5.0}, {"rouge2": 0.0, "loss": 4.0}, {"rouge2": 0.0, "loss": 4.5}])
    monkeypatch.setattr("clipsum.training.trainer.means", lambda scored: next(given))
    run = trainer(base, changed(max_steps=9, validation={"every_steps": 2, "every_epochs": None, "patience": 2}))
    _, validations = split_reports(run.run())
    assert [report.best for report in validations] == [True, True, False]
    assert (run.progress.best_step, run.progress.best_loss, validations[-1].stop) == (4, 4.0, True)


def test_a_checkpoint_without_its_last_file_is_refused(base, tmp_path):
    run = trainer(base)
    _ = next(run.run())
    run.save(tmp_path / "checkpoint")
    state = tmp_path / "checkpoint" / "state.json"
    state.write_text(json.dumps({**json.loads(state.read_text()), "schema_version": 9}))
    with pytest.raises(UsageError, match="has schema version 9, this ClipSum reads 1"):
        trainer(base).restore(tmp_path / "checkpoint")
    state.unlink()
    with pytest.raises(UsageError, match=r"is no whole checkpoint: it has no state\.json"):
        trainer(base).restore(tmp_path / "checkpoint")
