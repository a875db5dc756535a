from types import SimpleNamespace

import pytest
import torch
from torch import nn

from clipsum.models.batch import IGNORED_LABEL
from clipsum.training.loop import Rule, TrainingDivergedError, seed_step, update, weight_groups
from clipsum.training.losses import token_loss

VOCABULARY = 11
RULE = Rule(clip_norm=1.0)


class Copier(nn.Module):
    """Learns to say its own input again; `dropout` makes it depend on the random stream."""

    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(VOCABULARY, 16)
        self.dropout = nn.Dropout(0.2)
        self.head = nn.Linear(16, VOCABULARY)

    def forward(self, input_ids, labels):
        return SimpleNamespace(logits=self.head(self.dropout(self.embed(input_ids))))


def make_model():
    torch.manual_seed(1)
    return Copier()


def draw(step, rows=8):
    ids = torch.randint(VOCABULARY, (rows, 5), generator=torch.Generator().manual_seed(step))
    labels = ids.clone()
    labels[rows // 2 :, 3:] = IGNORED_LABEL
    return {"input_ids": ids, "labels": labels}


def run(model, steps, batches=lambda step: [draw(step)], rule=RULE, rate=0.02):
    """The reports of so many updates."""
    optimizer, reports = torch.optim.AdamW(weight_groups(model, 0.01)), []
    for step in range(steps):
        seed_step(0, step)
        given = batches(step)
        tokens = sum(int((batch["labels"] != IGNORED_LABEL).sum()) for batch in given)
        reports.append(update(model, optimizer, given, tokens, rate, rule, step + 1))
    return reports


def test_the_loss_falls():
    reports = run(make_model(), 200)
    assert reports[0].loss > 2
    assert reports[-1].loss < 0.1


def test_what_dropout_drops_follows_from_seed_step_and_worker():
    def dropped(*numbers):
        seed_step(*numbers)
        return nn.functional.dropout(torch.ones(64)).tolist()

    assert dropped(0, 3, 1) == dropped(0, 3, 1)
    assert dropped(0, 3, 1) not in (dropped(1, 3, 1), dropped(0, 4, 1), dropped(0, 3, 0))


def test_micro_batches_of_unequal_token_counts_give_the_update_of_the_whole_batch():
    def cut(step):
        batch = draw(step)
        return [{name: tensor[rows] for name, tensor in batch.items()} for rows in (slice(0, 2), slice(2, 8))]

    one, other = make_model(), make_model()
    one.dropout.p = other.dropout.p = 0.0
    whole, pieces = run(one, 1)[0], run(other, 1, cut)[0]
    assert pieces.tokens == whole.tokens == 32
    assert pieces.loss == pytest.approx(whole.loss, rel=1e-6)
    assert pieces.gradient_norm == pytest.approx(whole.gradient_norm, rel=1e-5)


def test_padding_is_no_part_of_the_loss():
    logits = torch.randn(1, 4, VOCABULARY, generator=torch.Generator().manual_seed(0))
    labels = torch.tensor([[1, 2, IGNORED_LABEL, IGNORED_LABEL]])
    assert token_loss(logits, labels) == pytest.approx(float(token_loss(logits[:, :2], labels[:, :2])))


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_loss_that_is_not_finite_stops_training_and_leaves_the_weights_alone(bad):
    model = make_model()

    def spoil(step):
        if step == 3:
            with torch.no_grad():
                model.head.bias[0] = bad
        return [draw(step)]

    with pytest.raises(TrainingDivergedError, match=r"at step 4: the update was not made; lower learning_rate"):
        run(model, 10, spoil)
    assert torch.isfinite(model.head.weight).all()
    assert torch.isfinite(model.embed.weight).all()


def test_gradients_are_clipped_to_the_norm_of_the_configuration():
    model = make_model()
    report = run(model, 1, rule=Rule(clip_norm=1e-3))[0]
    norm = torch.cat([p.grad.ravel() for p in model.parameters()]).norm()
    assert report.gradient_norm > 1e-2
    assert float(norm) == pytest.approx(1e-3, rel=1e-3)


def test_weight_decay_spares_biases_and_norms():
    groups = weight_groups(make_model(), 0.1)
    assert [(group["weight_decay"], {p.ndim for p in group["params"]}) for group in groups] == [(0.1, {2}), (0.0, {1})]
