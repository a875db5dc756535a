import functools
import itertools
import math
from collections import Counter

import numpy as np
import pytest

from clipsum.datasets.kitchen.language import narration, oracle_narration
from clipsum.datasets.kitchen.recipe import (
    CLASSES,
    FPS,
    SPLITS,
    Split,
    Video,
    is_long_recipe,
    make_video,
    recipe_key,
    redraw_narration,
)
from clipsum.datasets.kitchen.vocabulary import AMOUNTS, SLOTS, VALUES, Slot, triple_class
from clipsum.errors import UsageError

SEED = 11
COUNT = 1500


@functools.cache
def first_of(split: Split) -> list[Video]:
    """The first few videos of a split."""
    return [make_video(split, index, SEED) for index in range(400)]


@pytest.fixture(scope="module")
def videos() -> list[Video]:
    """Videos of the test split: with a single class of triples it is the one in which hidden values leak first."""
    return [make_video("test", index, SEED) for index in range(COUNT)]


def pairs(videos: list[Video], slot: Slot, say_all: bool = False) -> tuple[list[list[str]], list[str]]:
    """For each step that hides `slot`: the words of its video, those of its own sentence marked; and the value."""
    documents, values = [], []
    for video in videos:
        sentences = oracle_narration(video) if say_all else narration(video)
        for sentence, number in zip(sentences, video.spoken_order, strict=True):
            step = video.steps[number]
            if step.hidden == (slot,):
                others = [word for other in sentences if other != sentence for word in other.split()]
                documents.append([f"own:{word}" for word in sentence.split()] + others)
                values.append(step.value(slot))
    return documents, values


def probe_accuracy(documents: list[list[str]], values: list[str]) -> tuple[float, int]:
    """Bag-of-words ridge probe, fitted on two thirds; its accuracy on the rest, and how many those are."""
    words = {word: k for k, word in enumerate(sorted({word for document in documents for word in document}))}
    classes = {value: k for k, value in enumerate(sorted(set(values)))}
    features = np.zeros((len(documents), len(words) + 1))
    features[:, -1] = 1
    for row, document in enumerate(documents):
        for word in document:
            features[row, words[word]] += 1
    targets = np.array([classes[value] for value in values])
    cut = len(documents) * 2 // 3
    known = features[:cut]
    weights = np.linalg.solve(known.T @ known + np.eye(known.shape[1]), known.T @ np.eye(len(classes))[targets[:cut]])
    right = (features[cut:] @ weights).argmax(1) == targets[cut:]
    return float(right.mean()), len(right)


def chi_square_z(counts: np.ndarray, expected: np.ndarray, freedom: int) -> float:
    """The chi-square statistic as standard deviations (Wilson and Hilferty's cube root)."""
    statistic = float(((counts - expected) ** 2 / expected).sum())
    return ((statistic / freedom) ** (1 / 3) - (1 - 2 / (9 * freedom))) / math.sqrt(2 / (9 * freedom))


@pytest.mark.parametrize("slot", SLOTS)
def test_a_bag_of_words_probe_on_the_narration_finds_hidden_values_at_chance(videos, slot):
    accuracy, count = probe_accuracy(*pairs(videos, slot))
    chance = 1 / len(VALUES[slot])
    assert accuracy < chance + 3.3 * math.sqrt(chance * (1 - chance) / count)


@pytest.mark.parametrize("slot", SLOTS)
def test_the_same_probe_finds_them_when_nothing_is_hidden(videos, slot):
    accuracy, _ = probe_accuracy(*pairs(videos, slot, say_all=True))
    assert accuracy > 0.9


@pytest.mark.parametrize("slot", SLOTS)
def test_hidden_values_are_uniform_over_eight_or_more(videos, slot):
    found = Counter(step.value(slot) for video in videos for step in video.steps if step.hidden == (slot,))
    counts = np.array([found[value] for value in VALUES[slot]])
    assert len(counts) >= 8
    assert abs(chi_square_z(counts, np.full(len(counts), counts.mean()), len(counts) - 1)) < 3.3


@pytest.mark.parametrize(("slot", "anchor"), [("action", "ingredient"), ("action", "tool"), ("ingredient", "action"),
                                              ("tool", "action")])  # fmt: skip
def test_hidden_values_are_independent_of_the_anchor_that_is_said(videos, slot, anchor):
    table = np.zeros((len(VALUES[slot]), len(VALUES[anchor])))
    for step in (step for video in videos for step in video.steps):
        if step.hidden == (slot,) and step.anchor == anchor:
            table[VALUES[slot].index(step.value(slot)), VALUES[anchor].index(step.value(anchor))] += 1
    expected = table.sum(1, keepdims=True) * table.sum(0, keepdims=True) / table.sum()
    assert chi_square_z(table, expected, (table.shape[0] - 1) * (table.shape[1] - 1)) < 3.3


def test_a_step_with_something_hidden_says_its_anchor_and_its_amount_and_no_other_slot(videos):
    known = {value for slot in SLOTS for value in VALUES[slot]}
    for video in videos[:300]:
        for sentence, number in zip(narration(video), video.spoken_order, strict=True):
            step = video.steps[number]
            said = set(sentence.replace(",", "").replace(".", "").split()) & known
            expected = {step.value(step.anchor)} if step.anchor else set(step.triple)
            assert said == expected
            assert step.amount in sentence
            assert set(step.hidden) <= set(step.unspoken) == (set(SLOTS) - {step.anchor} if step.anchor else set())


def test_an_anchor_is_unique_in_its_video_and_hidden_slots_are_never_anchors(videos):
    for video in videos:
        anchors = [step.value(video.anchor_slot) for step in video.steps]
        assert len(set(anchors)) == len(anchors)
        assert video.anchor_slot != video.hidden_slot
        assert {step.anchor for step in video.steps} <= {video.anchor_slot, None}


def test_splits_share_no_triple_but_each_long_part_takes_those_of_its_split():
    triples = {split: {step.triple for video in first_of(split) for step in video.steps} for split in SPLITS}
    for split, found in triples.items():
        assert {triple_class(*triple) for triple in found} == CLASSES[split]
    for one, other in itertools.combinations(SPLITS, 2):
        if {one, other} not in ({"test", "long"}, {"ood", "long_ood"}):
            assert not triples[one] & triples[other]


def test_no_recipe_of_one_split_occurs_in_another():
    recipes = {split: {recipe_key(video.steps) for video in first_of(split)} for split in SPLITS}
    for one, other in itertools.combinations(SPLITS, 2):
        assert not recipes[one] & recipes[other]


def test_a_recipe_itself_tells_whether_it_is_of_the_long_part_or_of_the_test_split():
    assert all(is_long_recipe(video.steps) for video in first_of("long"))
    assert not any(is_long_recipe(video.steps) for video in first_of("test"))


def test_every_value_is_seen_in_every_split():
    for split in SPLITS:
        steps = [step for video in first_of(split) for step in video.steps]
        for slot in SLOTS:
            assert {step.value(slot) for step in steps} == set(VALUES[slot])
        assert {step.amount for step in steps} == set(AMOUNTS)
    assert len(AMOUNTS) >= 8


def test_videos_have_three_to_seven_steps_of_three_seconds_or_more_and_last_twenty_to_sixty(videos):
    assert {len(video.steps) for video in videos} == {3, 4, 5, 6, 7}
    for video in videos:
        assert 20 <= video.duration_s <= 60
        assert video.steps[0].start_s == 0
        assert video.steps[-1].end_s == video.duration_s
        for step, after in itertools.pairwise(video.steps):
            assert step.end_s == after.start_s
        for step in video.steps:
            assert step.end_s - step.start_s >= 3
            assert (step.end_s * FPS).is_integer()
            assert step.start_s <= step.moment_s < step.moment_end_s <= step.end_s
    assert 28 < np.mean([video.duration_s for video in videos]) < 32


def test_half_of_the_steps_hide_something_and_two_fifths_of_the_videos_are_shuffled(videos):
    assert 0.47 < np.mean([bool(step.hidden) for video in videos for step in video.steps]) < 0.53
    assert 0.36 < np.mean([video.shuffled for video in videos]) < 0.44


def test_in_shuffled_videos_the_narration_does_not_tell_the_order_and_in_the_others_it_does(videos):
    taus = []
    for video in videos:
        order = video.spoken_order
        if not video.shuffled:
            assert order == tuple(range(len(order)))
            continue
        signs = [np.sign(after - before) for before, after in itertools.combinations(order, 2)]
        taus.append(float(np.mean(signs)))
    assert abs(np.mean(taus)) < 3.3 * np.std(taus) / math.sqrt(len(taus))


def test_how_long_a_step_lasts_and_what_it_shows_does_not_depend_on_its_place(videos):
    for value in (lambda step: step.end_s - step.start_s, lambda step: VALUES["action"].index(step.action)):
        first = [value(video.steps[0]) for video in videos]
        last = [value(video.steps[-1]) for video in videos]
        error = math.sqrt((np.var(first) + np.var(last)) / len(videos))
        assert abs(np.mean(first) - np.mean(last)) < 3.3 * error


def test_a_video_depends_on_split_index_and_seed_alone():
    assert make_video("train", 5, 1) == make_video("train", 5, 1)
    others = [make_video("train", 6, 1), make_video("train", 5, 2), make_video("ood", 5, 1)]
    assert all(other.steps != make_video("train", 5, 1).steps for other in others)


def test_a_narration_told_anew_leaves_what_is_shown_and_keeps_the_rules(videos):
    rng = np.random.default_rng(SEED)
    told_anew = [redraw_narration(video, rng) for video in videos]
    for before, after in zip(videos, told_anew, strict=True):
        assert [s.triple for s in before.steps] == [s.triple for s in after.steps]
        assert [(s.start_s, s.end_s) for s in before.steps] == [(s.start_s, s.end_s) for s in after.steps]
        assert after.anchor_slot == before.anchor_slot
    assert sum(narration(b) != narration(a) for b, a in zip(videos, told_anew, strict=True)) > 0.99 * len(videos)
    accuracy, count = probe_accuracy(*pairs(told_anew, "tool"))
    assert accuracy < 0.1 + 3.3 * math.sqrt(0.09 / count)


def test_an_unknown_split_is_refused_with_the_nearest_known_one():
    with pytest.raises(UsageError, match="did you mean 'train'"):
        make_video("trian", 0, 0)
