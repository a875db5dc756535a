"""The kitchen's CNN: what it learns from, what is kept of it, and that it is an encoder as any other."""

import json

import numpy as np
import pytest
import torch

from clipsum.config import Preprocessing
from clipsum.datasets.kitchen.corpus import write_split
from clipsum.encoders.load import find_encoder
from clipsum.training.augment import normalised
from clipsum.training.frames import read_frames
from clipsum.training.kitchen_cnn import KitchenCnnConfig, main, named_right, save_cnn, train_cnn
from clipsum.training.tiny_clip import TAUGHT_FILE

SMALL = KitchenCnnConfig(channels=(8, 8, 16, 16), frames_a_video=6, batch=16, steps=12, warmup_steps=3)
WORDS = ("channels=[8, 8, 16, 16]", "frames_a_video=6", "batch=16", "steps=12", "warmup_steps=3")


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    folder = tmp_path_factory.mktemp("kitchen")
    for split in ("train", "validation"):
        write_split(folder / split, split, 2, seed=5, workers=1, size_px=64)
    return folder


@pytest.fixture(scope="module")
def frames(corpus):
    return read_frames(corpus / "train" / "manifest.jsonl", 6, Preprocessing(size_px=64))


@pytest.fixture(scope="module")
def taught(frames):
    return train_cnn(frames, SMALL, log=lambda line: None)


def test_the_saved_folder_is_an_encoder_that_gives_the_features_that_were_taught(taught, frames, tmp_path):
    save_cnn(taught, tmp_path / "cnn")
    encoder = find_encoder(f"timm:{tmp_path / 'cnn'}")
    assert (encoder.width, encoder.preprocessing) == (16, Preprocessing(size_px=64))
    with torch.inference_mode():
        features = torch.nn.functional.normalize(taught.model.cnn(normalised(torch.from_numpy(frames.pixels[:4]))))
    np.testing.assert_allclose(encoder.encode_frames(frames.pixels[:4]), features, atol=2e-2)  # it may run in bf16
    assert json.loads((tmp_path / "cnn" / TAUGHT_FILE).read_text())["videos"] == ["train-5-00000", "train-5-00001"]


def test_the_same_seed_teaches_the_same_cnn_and_another_seed_another(taught, frames):
    again = train_cnn(frames, SMALL, log=lambda line: None)
    other = train_cnn(frames, SMALL.model_copy(update={"seed": 1}), log=lambda line: None)
    weights, same, different = (cnn.model.state_dict() for cnn in (taught, again, other))
    assert all(torch.equal(weights[name], same[name]) for name in weights)
    assert not torch.equal(weights["heads.tool.weight"], different["heads.tool.weight"])


def test_it_learns_to_name_what_its_frames_show(frames):
    longer = SMALL.model_copy(update={"steps": 120, "warmup_steps": 12, "learning_rate": 1e-2})
    reached = named_right(train_cnn(frames, longer, log=lambda line: None), frames)
    assert list(reached) == ["action", "ingredient", "tool"]
    assert min(reached.values()) > 50  # a guess: 13 at most


def test_it_names_only_what_it_is_asked_for(frames):
    objects = train_cnn(frames, SMALL.model_copy(update={"slots": ("ingredient", "tool")}), log=lambda line: None)
    assert list(named_right(objects, frames)) == ["ingredient", "tool"]


def test_one_command_makes_it_from_a_corpus_and_says_how_well_it_names(corpus, tmp_path, capsys):
    main(["--corpus", str(corpus), "--output", str(tmp_path / "cnn"), *(f"--set={word}" for word in WORDS)])
    assert "names in frames of the validation split: action " in capsys.readouterr().err
    assert set(json.loads((tmp_path / "cnn" / TAUGHT_FILE).read_text())["named_right_percent"]) == {
        "action",
        "ingredient",
        "tool",
    }
    assert find_encoder(f"timm:{tmp_path / 'cnn'}").width == 16


def test_a_schedule_that_never_ends_its_rise_is_refused_in_one_line_with_exit_code_2(corpus, tmp_path, capsys):
    with pytest.raises(SystemExit, match="2"):
        main(["--corpus", str(corpus), "--output", str(tmp_path / "cnn"), "--set=steps=12", "--set=warmup_steps=12"])
    assert "warmup_steps=12 is not less than steps=12" in capsys.readouterr().err.splitlines()[-1]
