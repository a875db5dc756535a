import numpy as np
import pytest

from clipsum.datasets.kitchen.language import narration, oracle_narration, summary
from clipsum.training.kitchen_data import KitchenExamples, Reader
from clipsum.training.modalities import Augmentation
from clipsum.training.tokenizer import train_tokenizer
from tests.training.simulated import corpus

PLAIN = Augmentation(drop_text=0, drop_frames=0, thin=0, noise=0)


@pytest.fixture(scope="module")
def kitchen():
    videos, frames = corpus("train", 40)
    texts = [" ".join(oracle_narration(video)) + " " + summary(video.steps) for video in videos]
    return videos, frames, train_tokenizer(texts)


def reader(kitchen, sees="both"):
    return Reader(kitchen[2], sees, 128, 96)


def examples(kitchen, sees="both", augmentation=PLAIN):
    return KitchenExamples(kitchen[0], kitchen[1], reader(kitchen, sees), augmentation)


def text(kitchen, ids):
    return kitchen[2].decode(ids, skip_special_tokens=True).strip()


def draw_many(dataset, count=400):
    return [dataset.draw(k % len(dataset.sizes), np.random.default_rng([9, k])) for k in range(count)]


def test_a_reader_sees_what_its_condition_says(kitchen):
    video, frames = kitchen[0][0], kitchen[1][kitchen[0][0].video_id]
    seen = {sees: reader(kitchen, sees).item(video, frames) for sees in ("both", "text", "frames", "oracle")}
    assert {sees: item.vectors is not None for sees, item in seen.items()} == {
        "both": True, "text": False, "frames": True, "oracle": False}  # fmt: skip
    said = {sees: text(kitchen, item.input_ids) for sees, item in seen.items()}
    assert said["both"] == said["text"] == " ".join(narration(video))
    assert said["oracle"] == " ".join(oracle_narration(video))
    assert said["frames"] == ""
    assert {text(kitchen, item.labels) for item in seen.values()} == {summary(video.steps)}


def test_each_draw_tells_the_same_frames_anew(kitchen):
    dataset = examples(kitchen)
    one, other = (dataset.draw(3, np.random.default_rng(seed)) for seed in (0, 1))
    assert text(kitchen, one.input_ids) != text(kitchen, other.input_ids)
    assert text(kitchen, one.labels) != text(kitchen, other.labels)
    np.testing.assert_array_equal(one.vectors, other.vectors)


def test_the_same_stream_draws_the_same_example(kitchen):
    dataset = examples(kitchen, augmentation=Augmentation())
    one, other = (dataset.draw(5, np.random.default_rng(7)) for _ in range(2))
    assert one.input_ids == other.input_ids
    np.testing.assert_array_equal(one.vectors, other.vectors)


def test_each_modality_is_dropped_at_its_rate_and_never_both(kitchen):
    drawn = draw_many(examples(kitchen, augmentation=Augmentation(drop_text=0.2, drop_frames=0.3, thin=0, noise=0)))
    without_text = np.array([len(item.input_ids) == 2 for item in drawn])
    without_frames = np.array([item.vectors is None for item in drawn])
    assert without_text.mean() == pytest.approx(0.2, abs=0.06)
    assert without_frames.mean() == pytest.approx(0.3, abs=0.07)
    assert not (without_text & without_frames).any()


@pytest.mark.parametrize("sees", ["text", "frames", "oracle"])
def test_a_single_modality_is_never_dropped(kitchen, sees):
    drawn = draw_many(examples(kitchen, sees, Augmentation(drop_text=0.5, drop_frames=0.5)), 60)
    assert all((len(item.input_ids) == 2) == (sees == "frames") for item in drawn)
    assert all((item.vectors is None) == (sees != "frames") for item in drawn)


def test_thinned_frames_keep_their_own_times(kitchen):
    dataset = examples(kitchen, augmentation=Augmentation(drop_text=0, drop_frames=0, thin=1, thin_to=0.3, noise=0))
    counts = set()
    for item, number in zip(draw_many(dataset, 80), range(80), strict=True):
        embeddings, duration_s = kitchen[1][kitchen[0][number % 40].video_id]
        places = np.searchsorted(embeddings.times_s / duration_s, item.relative)
        np.testing.assert_allclose((embeddings.times_s / duration_s)[places], item.relative)
        np.testing.assert_allclose(embeddings.vectors[places], item.vectors, atol=1e-6)
        counts.add(len(item.vectors))
    assert min(counts) >= 15
    assert len(counts) > 10


def test_noise_moves_vectors_a_little_and_keeps_their_length(kitchen):
    dataset = examples(kitchen, augmentation=Augmentation(drop_text=0, drop_frames=0, thin=0, noise=0.3))
    item, clean = dataset.draw(0, np.random.default_rng(0)), kitchen[1][kitchen[0][0].video_id][0].vectors
    np.testing.assert_allclose(np.linalg.norm(item.vectors, axis=1), 1, atol=1e-5)
    cosine = (item.vectors * clean).sum(axis=1)
    assert cosine.mean() == pytest.approx(1 / np.sqrt(1 + 0.3**2), abs=0.02)
