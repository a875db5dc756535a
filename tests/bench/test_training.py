import time

import pytest
import torch

from clipsum.bench import training
from clipsum.models.batch import collate


@pytest.fixture(scope="module")
def model():
    return training._model(64)


def test_padding_to_the_maximum_changes_no_loss(model):
    items = training._toy(3).items
    padded, short = training.pad_to_the_maximum(items), collate(items, training.PAD)
    assert padded["input_ids"].shape[1] == padded["text_mask"].shape[1] == 512
    assert padded["labels"].shape[1] == 128
    with torch.no_grad():
        losses = [float(model.eval()(**batch).loss) for batch in (padded, short)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)


def test_both_ways_train_the_model_on_every_example_once(model, monkeypatch):
    for way in (training.ours, training.theirs):
        toy, seen = training._toy(4), []
        here = ("cpu",) if way is training.ours else ()

        def noted(toy, index, rng=None, seen=seen):
            seen.append(index)
            return toy.items[index]

        monkeypatch.setattr(training.Toy, "draw", noted)
        monkeypatch.setattr(training.Toy, "__getitem__", noted)
        before = model.project.weight.detach().clone()
        assert way(model, toy, 2, *here, time.perf_counter) > 0
        assert sorted(seen) == [0, 1, 2, 3], way
        assert not torch.equal(before, model.project.weight)
