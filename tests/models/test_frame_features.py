"""What the scorer sees of frames before the temporal encoder: the fit of a query, and what sets a frame apart."""

from dataclasses import replace

import pytest
import torch
from torch.nn.functional import normalize

from clipsum.models.batch import Guide
from clipsum.models.config import ScorerConfig
from clipsum.models.frame_features import MOST_ASKED, Contrast, Similarity
from tests.models.test_scorer import _guide, _guided, _logits
from tests.models.tiny import tiny_model


def _seen(frames=6, texts=3, width=8):
    torch.manual_seed(0)
    return normalize(torch.randn(1, frames, width), dim=-1), normalize(torch.randn(1, texts, width), dim=-1)


def test_an_untrained_similarity_ranks_frames_by_the_cosine_with_the_whole_query():
    frames, texts = _seen()
    mask = torch.ones(1, 3, dtype=torch.bool)
    to_state, logits = Similarity(5)(frames, texts, mask, torch.tensor([True]))
    cosines = (frames @ texts.transpose(1, 2))[0, :, 0]
    assert logits[0].argsort().tolist() == cosines.argsort().tolist()
    assert not to_state.any()


def test_texts_that_are_not_asked_for_add_nothing_and_neither_do_padded_ones():
    frames, texts = _seen()
    similarity, mask = Similarity(5), torch.tensor([[True, True, False]])
    said = similarity(frames, texts, mask, torch.tensor([False]))
    assert not any(found.any() for found in said)
    _, padded = similarity(frames, texts, mask, torch.tensor([True]))
    _, alone = similarity(frames, texts[:, :2], mask[:, :2], torch.tensor([True]))
    torch.testing.assert_close(padded, alone)


def test_of_a_query_no_more_texts_are_compared_with_frames_than_it_can_have():
    frames, texts = _seen(texts=MOST_ASKED + 5)
    similarity, asked = Similarity(5), torch.tensor([True])
    mask = torch.ones(1, MOST_ASKED + 5, dtype=torch.bool)
    whole, cut = (similarity(frames, texts[:, :n], mask[:, :n], asked)[1] for n in (MOST_ASKED + 5, MOST_ASKED))
    torch.testing.assert_close(whole, cut)


def test_an_untrained_scorer_puts_the_frame_that_a_query_names_first_and_without_similarity_it_need_not():
    one = _guided(20, 1, None)
    query = Guide(one.vectors[7:8], _guide(1).times, asked=True)
    scorer = ScorerConfig(ffn=48)
    ranked = [
        int(_logits(tiny_model(scorer=scorer.model_copy(update=options)), replace(one, guide=query))[0].argmax())
        for options in ({}, {"similarity": False})
    ]
    assert ranked[0] == 7
    assert ranked[1] != 7


def test_contrast_tells_a_frame_by_its_neighbours_and_not_by_what_all_of_them_share():
    torch.manual_seed(0)
    frames, _ = _seen(frames=7)
    contrast, mask = Contrast(8, 5), torch.ones(1, 7, dtype=torch.bool)
    moved = contrast(frames + 3.0, mask)
    torch.testing.assert_close(moved, contrast(frames, mask), rtol=0, atol=1e-5)
    other = frames.clone()
    other[0, 3] = -other[0, 3]
    changed = (contrast(other, mask) - contrast(frames, mask)).abs().amax(dim=2)[0]
    assert changed[[2, 3, 4]].min() > 10 * 1e-3


@pytest.mark.parametrize("real", [0, 1, 2, 5])
def test_padding_changes_nothing_of_the_contrast_and_no_gradient_is_lost_on_few_frames(real):
    torch.manual_seed(0)
    frames, _ = _seen(frames=5)
    frames = frames.requires_grad_()
    contrast, mask = Contrast(8, 5), torch.arange(5)[None] < real
    found = contrast(frames, mask)
    kept = max(1, real)
    torch.testing.assert_close(found[:, :real], contrast(frames[:, :kept], mask[:, :kept])[:, :real], rtol=0, atol=1e-5)
    found.sum().backward()
    assert torch.isfinite(frames.grad).all()
    assert all(torch.isfinite(weight.grad).all() for weight in contrast.parameters())
