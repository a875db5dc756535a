import numpy as np

from clipsum.models.batch import Item
from clipsum.training.config import TrainConfig
from clipsum.training.data import Plan
from clipsum.training.feed import StoredFeed
from clipsum.training.workers import SOLO


class Words:
    """Example k: its number, and one random token."""

    sizes = np.array([index % 7 for index in range(100)])

    def draw(self, index, rng):
        return Item([index], labels=[int(rng.integers(100_000))])


def drawn(seed, epoch, place):
    """Number -> random token of the examples of a step."""
    share = StoredFeed(Words(), TrainConfig(batch_size=8, seed=seed), SOLO).share(epoch, place)
    return {item.input_ids[0]: item.labels[0] for items in share.micro_batches for item in items}


def test_a_step_is_a_function_of_seed_epoch_and_place_alone():
    assert drawn(3, 2, 5) == drawn(3, 2, 5)
    assert drawn(3, 2, 5) != drawn(4, 2, 5)


def test_the_same_example_is_drawn_anew_in_each_epoch():
    first, second = ({n: t for place in range(13) for n, t in drawn(0, epoch, place).items()} for epoch in (0, 1))
    assert first.keys() == second.keys() == set(range(100))
    assert sum(first[number] == second[number] for number in first) < 5


SIZES = np.array([index % 7 for index in range(100)])


def test_a_plan_uses_every_example_once_an_epoch_with_one_batch_that_is_smaller():
    plan = Plan(SIZES, 8, seed=0)
    assert plan.steps_per_epoch == 13
    for epoch in (0, 1):
        batches = [plan.batch(epoch, place).tolist() for place in range(13)]
        assert sorted(len(batch) for batch in batches) == [4, *[8] * 12]
        assert sorted(example for batch in batches for example in batch) == list(range(100))


def test_a_plan_is_a_function_of_seed_epoch_and_place_alone():
    one, other = Plan(SIZES, 8, seed=3), Plan(SIZES, 8, seed=3)
    for epoch, place in ((0, 0), (2, 5), (1, 1)):
        one.batch(epoch, place)
    assert one.batch(1, 4).tolist() == other.batch(1, 4).tolist()
    assert one.batch(1, 4).tolist() != Plan(SIZES, 8, seed=4).batch(1, 4).tolist()
    assert one.batch(0, 4).tolist() != one.batch(1, 4).tolist()


def test_a_plans_batches_hold_similar_sizes_in_no_order_of_size():
    batches = [SIZES[Plan(SIZES, 8, seed=0).batch(0, place)] for place in range(13)]
    assert np.mean([batch.max() - batch.min() for batch in batches]) <= 1
    assert (np.diff([batch.mean() for batch in batches]) < 0).any()


def test_a_plan_that_does_not_shuffle_keeps_the_order_of_the_listing_in_every_epoch():
    plan = Plan(SIZES, 8, seed=0, shuffle=False)
    for epoch in (0, 1):
        assert np.concatenate([plan.batch(epoch, place) for place in range(13)]).tolist() == list(range(100))
