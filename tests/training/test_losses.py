"""Each loss against values worked out by hand, and the selections that must not win."""

import math

import pytest
import torch
from torch.nn.functional import binary_cross_entropy_with_logits

from clipsum.training.losses import (
    VideoLoss,
    budget_loss,
    correlation_loss,
    diversity_loss,
    keyframe_loss,
    reconstruction_loss,
    video_loss,
)

UNSUPERVISED = VideoLoss(mode="unsupervised", diversity=1.0, reconstruction=1.0)
ALL = torch.ones(1, 4, dtype=torch.bool)


def _logit(share):
    return math.log(share / (1 - share))


def test_half_of_the_key_frame_loss_is_of_frames_that_matter_however_few_they_are():
    logits = torch.tensor([[_logit(0.8), _logit(0.4), _logit(0.4), _logit(0.1)]])
    marks = torch.tensor([[1.0, 0.0, 0.0, 0.0]])
    expected = (-math.log(0.8) - (2 * math.log(0.6) + math.log(0.9)) / 3) / 2
    assert keyframe_loss(logits, marks, ALL).item() == pytest.approx(expected, rel=1e-5)


def test_the_share_of_annotators_gives_the_mean_of_the_losses_against_each_of_them():
    annotators = torch.tensor([[1.0, 0, 0, 0], [1, 1, 0, 0], [0, 1, 0, 1]])
    logits = torch.tensor([[0.3, -1.2, 0.7, 2.0]])
    share = annotators.mean()
    each = binary_cross_entropy_with_logits(logits.expand(3, 4), annotators, reduction="none")
    weights = annotators / share + (1 - annotators) / (1 - share)
    expected = (weights * each).mean() / 2
    torch.testing.assert_close(keyframe_loss(logits, annotators.mean(0, keepdim=True), ALL)[0], expected)


def test_a_query_without_a_match_is_learned_from_too():
    logits = torch.full((1, 4), 2.0, requires_grad=True)
    loss = keyframe_loss(logits, torch.zeros(1, 4), ALL)
    loss.sum().backward()
    assert loss.item() == pytest.approx(-math.log(1 - torch.tensor(2.0).sigmoid().item()) / 2, rel=1e-5)
    assert (logits.grad > 0).all()


def test_diversity_of_a_selection_is_the_mean_cosine_between_its_pairs():
    frames = torch.tensor([[[1.0, 0.0], [0.6, 0.8], [0.0, 2.0], [-1.0, 0.0]]])
    chosen = torch.tensor([[1.0, 1.0, 1.0, 0.0]])
    assert diversity_loss(chosen, frames, ALL).item() == pytest.approx((0.6 + 0.8 + 0.0) / 3, rel=1e-5)
    soft = torch.tensor([[1.0, 0.5, 0.0, 0.0]])
    assert diversity_loss(soft, frames, ALL).item() == pytest.approx(0.6, rel=1e-5)


def test_a_single_frame_has_no_pairs_and_no_diversity_to_lose():
    assert diversity_loss(torch.tensor([[1.0, 0, 0, 0]]), torch.randn(1, 4, 3), ALL).item() == 0
    assert diversity_loss(torch.ones(1, 1), torch.randn(1, 1, 3), ALL[:, :1]).item() == 0


def test_reconstruction_is_the_mean_squared_distance_of_selected_frames():
    frames, rebuilt = torch.zeros(1, 4, 2), torch.tensor([[[3.0, 4.0], [1.0, 0.0], [0.0, 0.0], [9.0, 9.0]]])
    chosen = torch.tensor([[1.0, 1.0, 0.0, 0.0]])
    assert reconstruction_loss(chosen, frames, rebuilt, ALL).item() == pytest.approx((25 + 1) / 2)
    weighted = torch.tensor([[0.25, 0.75, 0.0, 0.0]])
    assert reconstruction_loss(weighted, frames, rebuilt, ALL).item() == pytest.approx(25 * 0.25 + 0.75)


def test_the_budget_is_on_the_mean_score():
    assert budget_loss(torch.tensor([[0.5, 0.1, 0.1, 0.1]]), ALL, 0.15).item() == pytest.approx(1 / 9, rel=1e-4)


@pytest.mark.parametrize("config", [VideoLoss(), UNSUPERVISED])
def test_padding_is_in_no_mean_whatever_it_holds(config):
    generator = torch.Generator().manual_seed(0)
    logits, marks = torch.randn(1, 4, generator=generator), torch.rand(1, 4, generator=generator)
    frames, rebuilt = torch.randn(2, 1, 4, 3, generator=generator)
    alone = video_loss(config, logits, rebuilt, frames, ALL, marks)
    rest = (torch.full((1, 3), 40.0), torch.full((1, 3, 3), 1e4), torch.full((1, 3, 3), -7.0), torch.ones(1, 3))
    padded = [torch.cat(pair, dim=1) for pair in zip((logits, rebuilt, frames, marks), rest, strict=True)]
    mask = torch.cat([ALL, torch.zeros(1, 3, dtype=torch.bool)], dim=1)
    found = video_loss(config, padded[0], padded[1], padded[2], mask, padded[3])
    torch.testing.assert_close(found, alone)
    nothing = video_loss(config, padded[0].requires_grad_(), padded[1], padded[2], torch.zeros_like(mask), padded[3])
    nothing.sum().backward()
    assert nothing.item() == 0
    assert torch.isfinite(padded[0].grad).all()


def _selected(config, start):
    """The scores of 40 frames in 8 groups of alike ones, after logits around `start` have gone down the loss."""
    generator = torch.Generator().manual_seed(0)
    scenes = torch.randn(8, 16, generator=generator).repeat_interleave(5, dim=0)
    frames = (scenes + 0.2 * torch.randn(40, 16, generator=generator))[None]
    logits = (start + torch.randn(1, 40, generator=generator)).requires_grad_()
    optimizer, mask = torch.optim.Adam([logits], lr=0.2), torch.ones(1, 40, dtype=torch.bool)
    for _ in range(150):
        optimizer.zero_grad()
        video_loss(config, logits, frames, frames, mask, None).sum().backward()
        optimizer.step()
    return logits.detach().sigmoid()[0]


@pytest.mark.parametrize("start", [-4.0, 3.0])
def test_without_a_budget_too_few_or_too_many_frames_win_and_with_one_as_many_as_it_wants(start):
    without = _selected(UNSUPERVISED.model_copy(update={"budget": 0.0}), start)
    held = _selected(UNSUPERVISED, start)
    assert abs(without.mean() - 0.15) > 0.05
    assert abs(held.mean() - 0.15) < 0.03
    assert (held > 0.5).sum() >= 4


def test_one_frame_and_all_frames_lose_against_as_many_different_ones_as_the_budget_wants():
    scenes = torch.eye(5).repeat_interleave(4, dim=0)[None]
    mask = torch.ones(1, 20, dtype=torch.bool)

    def loss(*chosen):
        logits = torch.full((1, 20), -12.0)
        logits[0, list(chosen)] = 12.0
        return video_loss(UNSUPERVISED, logits, scenes, scenes, mask, None).item()

    best = loss(0, 7, 13)
    assert best < loss(0) - 0.01
    assert best < loss(*range(20)) - 0.01
    assert best < loss(0, 1, 2) - 0.01


def test_supervised_scoring_without_marks_is_refused():
    with pytest.raises(ValueError, match="needs marks"):
        video_loss(VideoLoss(), torch.zeros(1, 4), torch.zeros(1, 4, 2), torch.zeros(1, 4, 2), ALL, None)


def test_the_correlation_loss_asks_for_the_order_of_the_marks_and_not_for_their_height():
    marks = torch.tensor([[0.1, 0.2, 0.3, 0.4]])
    same, turned, between = (torch.tensor([row]) for row in ([1.0, 2, 3, 4], [4.0, 3, 2, 1], [1.0, 3, 2, 4]))
    found = [correlation_loss(logits, marks, ALL).item() for logits in (10 * same - 7, turned, between)]
    assert found == pytest.approx([0, 2, 0.2], abs=1e-5)


def test_the_correlation_loss_sees_no_padding_and_is_finite_where_nothing_differs():
    marks, logits = torch.tensor([[0.1, 0.4, 0.9, 0.9]]), torch.tensor([[0.0, 1.0, 7.0, -7.0]], requires_grad=True)
    some = torch.tensor([[True, True, False, False]])
    assert correlation_loss(logits, marks, some).item() == pytest.approx(0, abs=1e-5)
    for mask in (torch.zeros_like(some), torch.tensor([[True, False, False, False]])):
        logits.grad = None
        correlation_loss(logits, marks, mask).sum().backward()
        assert torch.equal(logits.grad, torch.zeros_like(logits))
