from dataclasses import replace
from itertools import islice
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from clipsum.errors import UsageError
from clipsum.models.bundle import load_bundle
from clipsum.training.loop import TrainingDivergedError
from clipsum.training.workers import SOLO
from tests.models.tiny import batch_of, item
from tests.training.many import Run, run_together, summary_of
from tests.training.runs import PLAIN, changed, data_of, losses, trainer
from tests.training.test_labels import JOINT, labelled
from tests.training.watched import watched_data

# 13 examples in batches of 4: shares of 2 and 2, and in each epoch, at step 4, one batch of a single example.
UNEVEN = changed(batch_size=4, max_steps=6)
FSDP = changed(UNEVEN, parallel="fsdp2")
TUNED = changed(
    UNEVEN, max_steps=4, micro_batch_size=1, encoder_finetune={"layers": 1, "learning_rate": 1e-2, "warmup_steps": 0}
)
SCORED = changed(UNEVEN, model=JOINT.model, objective=JOINT.objective, validation=JOINT.validation, max_steps=4)
SCORED_ALONE = changed(SCORED, objective={**JOINT.objective.model_dump(), "lambda_text": 0})
CONFIGS = {
    "ddp": UNEVEN,
    "odd": changed(batch_size=5),
    "pieces": changed(UNEVEN, micro_batch_size=1),
    "frames appended": changed(UNEVEN, model={**PLAIN.model.model_dump(), "context": "append"}),
    "fsdp2 pieces": changed(FSDP, micro_batch_size=1),
    "fsdp2 clipped": changed(FSDP, optimizer={**PLAIN.optimizer.model_dump(), "clip_norm": 0.01}),
    "lora": changed(lora={"rank": 2}),
    "validated in steps": changed(validation={**PLAIN.validation.model_dump(), "every_steps": 2, "batch_size": 1}),
}


class Dealt:
    """A stream whose batches are each worker's own: the examples that fall to it of every batch of four."""

    identity = "dealt"
    shared = False
    failures = {}  # noqa: RUF012

    def __init__(self, all_of, group):
        self.examples = len(all_of)
        starts = range(0, len(all_of), 4)
        self.mine = [all_of[start : start + 4][group.rank :: group.size] for start in starts]

    def batches(self, epoch, skip):
        return iter(self.mine[skip:])


def dealt(base, group):
    data = data_of(base)
    return replace(data, train=Dealt(data.train, group))


def partly_labelled(base, group):
    """Some videos have a summary, some are marked, some both."""
    data = labelled(base, train=13, bare=False)
    train = [video if number % 3 else replace(video, summary=None) for number, video in enumerate(data.train)]
    marks = {name: marks for name, marks in data.marks.items() if not name.endswith(("01", "05", "11"))}
    return replace(data, train=train, marks=marks)


def without_frames(base, group):
    return data_of(base, without_frames=True)


def saved_by_two(base, group, folder):
    """Three steps, a checkpoint, and what came of going on."""
    for name, config in (("ddp", UNEVEN), ("fsdp2", FSDP)):
        first = trainer(base, config, group=group)
        losses(islice(first.run(), 3))
        first.save(Path(folder) / name)
    return 0


def restored_by_two(base, group, folder):
    """Each goes on from the other's checkpoint."""
    found = {}
    for name, config in (("ddp", FSDP), ("fsdp2", UNEVEN)):
        run = trainer(base, config, group=group)
        run.restore(Path(folder) / name)
        found[name] = losses(run.run())
    return found


def diverged(base, group, folder):
    """Only the second worker's share holds what is not finite: both must stop."""
    data = data_of(base)
    bad = data.train[5]
    bad.embeddings.vectors[:] = float("nan")
    run = trainer(base, changed(UNEVEN, shuffle=False), data, group=group)
    try:
        return losses(run.run())
    except TrainingDivergedError as error:
        return str(error)


def bad_record(base, group, folder):
    """Only the second worker's part of the second batch holds a video without a reference: both must stop."""
    data = data_of(base)
    data.train[5] = replace(data.train[5], summary=None)
    run = trainer(base, UNEVEN, replace(data, train=Dealt(data.train, group)), group=group)
    try:
        return losses(run.run())
    except UsageError as error:
        return str(error)


def too_many(base, group, folder):
    try:
        trainer(base, changed(batch_size=1), group=group)
    except UsageError as error:
        return str(error)


SCENARIOS = {
    **{name: Run(config) for name, config in CONFIGS.items()},
    "fsdp2 lora": Run(changed(lora={"rank": 2}, parallel="fsdp2"), save="lora-checkpoint"),
    "no frames": Run(UNEVEN, data=without_frames),
    "encoder learns": Run(TUNED, data=watched_data),
    "scorer": Run(SCORED, data=partly_labelled),
    "scorer fsdp2": Run(changed(SCORED, parallel="fsdp2"), data=partly_labelled),
    "scorer alone fsdp2": Run(changed(SCORED_ALONE, parallel="fsdp2"), data=partly_labelled),
    "dealt": Run(changed(UNEVEN, shuffle=False), data=dealt),
    "saved": saved_by_two,
    "restored": restored_by_two,
    "diverged": diverged,
    "bad record": bad_record,
    "too many": too_many,
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("many") / "runs"


@pytest.fixture(scope="module")
def two(folder, base):
    return run_together(folder, base, SCENARIOS)


@pytest.fixture(scope="module")
def alone(base):
    """The same run by one worker."""
    known = {}

    def find(config, data=None):
        key = config.model_copy(update={"parallel": "ddp"}).model_dump_json() + str(data)
        if key not in known:
            known[key] = summary_of(trainer(base, config, data and data(base, SOLO)))
        return known[key]

    return find


def assert_the_same(found, expected):
    assert found["losses"] == pytest.approx(expected["losses"], abs=5e-6)
    assert found["norms"] == pytest.approx(expected["norms"], rel=5e-5)
    assert (found["tokens"], found["epochs"]) == (expected["tokens"], expected["epochs"])
    assert found["samples"] == expected["samples"]
    for one, other in zip(found["parts"], expected["parts"], strict=True):
        assert one == pytest.approx(other, rel=1e-4, abs=1e-5)
    assert len(found["metrics"]) == len(expected["metrics"])
    for one, other in zip(found["metrics"], expected["metrics"], strict=True):
        assert one == pytest.approx(other, abs=1e-5)


@pytest.mark.parametrize("name", CONFIGS)
def test_two_workers_give_the_losses_norms_and_summaries_of_one(two, alone, name):
    for of_rank in two[name]:
        assert_the_same(of_rank, alone(CONFIGS[name]))


def test_two_workers_with_shards_and_adapters_give_the_losses_of_one(two, alone):
    assert_the_same(two["fsdp2 lora"][0], alone(changed(lora={"rank": 2})))


def test_a_batch_without_any_frames_leaves_no_worker_waiting(two, alone):
    assert_the_same(two["no frames"][0], alone(UNEVEN, without_frames))


def test_an_encoder_that_learns_does_so_alike_on_one_worker_and_two(two, alone):
    for of_rank in two["encoder learns"]:
        assert_the_same(of_rank, alone(TUNED, watched_data))


@pytest.mark.parametrize(
    ("name", "config"),
    [("scorer", SCORED), ("scorer fsdp2", SCORED), ("scorer alone fsdp2", SCORED_ALONE)],
)
def test_a_scorer_learns_on_two_workers_what_it_does_on_one(two, alone, name, config):
    for of_rank in two[name]:
        assert_the_same(of_rank, alone(config, partly_labelled))


def test_a_stream_that_deals_to_the_workers_gives_the_losses_of_stored_examples(two, alone):
    assert_the_same(two["dealt"][0], alone(changed(UNEVEN, shuffle=False)))


def test_a_checkpoint_of_either_kind_goes_on_with_the_other_and_by_one_worker(two, alone, base, folder):
    expected = alone(UNEVEN)["losses"]
    for name in ("ddp", "fsdp2"):
        for of_rank in two["restored"]:
            assert of_rank[name] == pytest.approx(expected[3:], abs=5e-6)
        single = trainer(base, changed(UNEVEN, parallel=name))
        single.restore(folder / name)
        assert losses(single.run()) == pytest.approx(expected[3:], abs=5e-6)


def test_a_checkpoint_of_shards_holds_whole_weights_in_the_bundles_format(two, folder):
    shapes = [
        {name: tensor.shape for name, tensor in load_file(folder / kind / "model.safetensors").items()}
        for kind in ("ddp", "fsdp2", "lora-checkpoint")
    ]
    assert shapes[0] == shapes[1] == shapes[2]
    batch = batch_of(item(9, 5, labels=(0, 7, 8, 2)))
    with torch.no_grad():
        one, other = (load_bundle(str(folder / kind)).model(**batch).logits for kind in ("ddp", "fsdp2"))
    assert torch.allclose(one, other, atol=1e-4)


def test_what_is_not_finite_on_one_worker_stops_all(two):
    for message in two["diverged"]:
        assert "at step 2: the update was not made" in message


def test_a_bad_record_in_the_stream_of_one_worker_stops_all(two):
    for message in two["bad record"]:
        assert message.startswith("video 'train-005' has no summary to train on")


def test_more_workers_than_examples_a_step_are_refused(two):
    assert two["too many"][0].startswith("batch_size=1 is less than the 2 workers")
