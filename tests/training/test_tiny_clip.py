import json

import numpy as np
import pytest
import torch
from torch.nn import functional

from clipsum.config import Preprocessing
from clipsum.datasets.kitchen.corpus import write_split
from clipsum.datasets.kitchen.recipe import make_video
from clipsum.encoders.clip import load_clip
from clipsum.errors import UsageError
from clipsum.training.augment import augment
from clipsum.training.frames import read_frames, read_manifest
from clipsum.training.tiny_clip import (
    TAUGHT_FILE,
    TinyClipConfig,
    contrastive_loss,
    make_tokenizer,
    save_tiny_clip,
    train_tiny_clip,
)

SIZE = Preprocessing(size_px=64)
SMALL = TinyClipConfig(width=8, embed_dim=16, text_width=32, text_layers=1, batch=32, steps=12, warmup_steps=3)


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def manifest(tmp_path_factory):
    return write_split(tmp_path_factory.mktemp("kitchen") / "train", "train", 4, seed=5, workers=1)


@pytest.fixture(scope="module")
def frames(manifest):
    return read_frames(manifest, 10, SIZE)


@pytest.fixture(scope="module")
def taught(frames):
    return train_tiny_clip(frames, SMALL, log=lambda line: None)


def unit(*rows):
    return functional.normalize(torch.tensor(rows, dtype=torch.float32), dim=-1)


def test_two_frames_with_the_same_caption_do_not_push_each_other_away():
    frames, texts = unit((1, 0), (1, 0), (0, 1)), unit((1, 0), (0, 1))
    loss = contrastive_loss(frames, texts, torch.tensor([0, 0, 1]), torch.tensor(50.0))
    assert loss < 1e-6


def test_a_frame_that_lies_at_another_caption_costs():
    frames, texts = unit((1, 0), (1, 0)), unit((1, 0), (0, 1))
    assert contrastive_loss(frames, texts, torch.tensor([0, 1]), torch.tensor(50.0)) > 10


def test_each_frame_is_named_by_the_step_that_is_on_screen_at_its_time(manifest, frames):
    shown = iter(frames.step_of)
    for row in read_manifest(manifest):
        steps = make_video("train", row["index"], row["seed"]).steps
        for number in range(10):
            # The frame on screen at the asked time began up to 1/8 s before it, still in the same step: cuts lie on
            # frame starts.
            time_s = (number + 0.5) * row["duration_s"] / 10
            expected = next(step for step in steps if step.start_s <= time_s < step.end_s)
            assert frames.steps[next(shown)].triple == expected.triple
    assert next(shown, None) is None
    assert frames.video_ids == tuple(f"train-5-{index:05d}" for index in range(4))


def test_a_corpus_that_is_not_there_is_one_line(tmp_path):
    with pytest.raises(UsageError, match="render the corpus first"):
        read_manifest(tmp_path / "manifest.jsonl")


def test_the_saved_folder_loads_as_any_open_clip_does_and_encodes_as_it_was_taught(taught, frames, tmp_path):
    save_tiny_clip(taught, tmp_path / "clip")
    encoder = load_clip(str(tmp_path / "clip"))
    assert (encoder.preprocessing, encoder.width) == (SIZE, 16)
    pixels = frames.pixels[:6]
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (SIZE.mean, SIZE.std))
    pictures = (torch.from_numpy(pixels).permute(0, 3, 1, 2) / 255 - mean) / std
    texts = ["a picture: onion / knife / chopping", "a picture: stirring"]
    tokens = taught.tokenizer(texts, padding="max_length", max_length=12, return_tensors="pt").input_ids
    with torch.no_grad():
        expected = taught.model.encode_image(pictures, normalize=True)
        words = taught.model.encode_text(tokens, normalize=True)
    np.testing.assert_allclose(encoder.encode_frames(pixels), expected, atol=5e-3)  # weights are saved in half
    np.testing.assert_allclose(encoder.encode_text(texts), words, atol=5e-3)
    assert json.loads((tmp_path / "clip" / TAUGHT_FILE).read_text())["videos"] == list(frames.video_ids)


def test_the_same_seed_teaches_the_same_clip_and_another_seed_another(taught, frames):
    again = train_tiny_clip(frames, SMALL, log=lambda line: None)
    other = train_tiny_clip(frames, SMALL.model_copy(update={"seed": 1}), log=lambda line: None)
    weights, same, different = (clip.model.state_dict() for clip in (taught, again, other))
    assert all(torch.equal(weights[name], same[name]) for name in weights)
    assert not torch.equal(weights["text_projection"], different["text_projection"])


def test_a_word_outside_the_captions_is_unknown_and_not_dropped():
    tokenizer = make_tokenizer(["a picture: onion / knife"])
    known, unknown = tokenizer(["a picture: Onion", "a picture: zebra"]).input_ids
    assert len(known) == len(unknown)
    assert tokenizer.unk_token_id in unknown
    assert tokenizer.unk_token_id not in known


def test_augmentation_follows_its_generator_and_never_mirrors():
    pixels = torch.zeros(64, 64, 64, 3, dtype=torch.uint8)
    pixels[:, :, :32] = 255
    first, again = (augment(pixels, torch.Generator().manual_seed(3)) for _ in range(2))
    assert torch.equal(first, again)
    assert first.shape == (64, 3, 64, 64)
    assert bool((first[..., :20].mean(dim=(1, 2, 3)) > first[..., 44:].mean(dim=(1, 2, 3))).all())
    assert not torch.equal(first[0], first[1])
