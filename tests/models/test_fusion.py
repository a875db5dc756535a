import pytest
import torch

from clipsum.models.fusion import FUSIONS, ConcatFusion, GatedFusion, attention

B, S, T, D = 2, 5, 7, 16


@pytest.fixture
def inputs():
    generator = torch.Generator().manual_seed(0)
    text, seen = torch.randn(B, S, D, generator=generator), torch.randn(B, T, D, generator=generator)
    text_mask = torch.arange(S) < torch.tensor([[S], [3]])
    frame_mask = torch.arange(T) < torch.tensor([[T], [4]])
    return text, seen, text_mask, frame_mask


def test_attention_of_each_real_token_sums_to_one_over_the_real_frames(inputs):
    weights = attention(*inputs)
    torch.testing.assert_close(weights[0].sum(-1), torch.ones(S))
    torch.testing.assert_close(weights[1, :3, :4].sum(-1), torch.ones(3))


def test_padded_frames_get_no_attention_and_padded_tokens_give_none(inputs):
    weights = attention(*inputs)
    assert weights[1, :, 4:].abs().max() == 0
    assert weights[1, 3:].abs().max() == 0


def test_attention_is_the_softmax_of_dot_products_over_root_width(inputs):
    text, seen, *masks = inputs
    scores = torch.stack([text[0, 2] @ frame for frame in seen[0]]) / D**0.5
    torch.testing.assert_close(attention(text, seen, *masks)[0, 2], scores.softmax(0))


@pytest.mark.parametrize("name", FUSIONS)
def test_without_any_frame_the_fusion_sees_zeros_and_never_nan(name, inputs):
    text, seen, text_mask, frame_mask = inputs
    fusion = FUSIONS[name](D, 0.0)
    blind = fusion(text, seen, text_mask, torch.zeros_like(frame_mask))
    assert torch.isfinite(blind).all()
    torch.testing.assert_close(blind, fusion(text, torch.zeros_like(seen), text_mask, frame_mask))


def test_concat_is_the_published_formula(inputs):
    text, seen, *_ = inputs
    fusion = ConcatFusion(D, 0.0)
    looked = attention(*inputs) @ seen
    merged = torch.cat([text, looked], -1) @ fusion.merge.weight.T + fusion.merge.bias
    torch.testing.assert_close(fusion(*inputs), torch.nn.functional.layer_norm(text + merged, (D,)))


def test_a_closed_gate_forgets_the_frames_and_an_open_one_is_concat(inputs):
    text, seen, text_mask, frame_mask = inputs
    torch.manual_seed(0)
    gated, concat = GatedFusion(D, 0.0), ConcatFusion(D, 0.0)
    concat.load_state_dict({name: value for name, value in gated.state_dict().items() if not name.startswith("gate")})
    torch.nn.init.zeros_(gated.gate.weight)
    gated.gate.bias.data.fill_(-100.0)
    torch.testing.assert_close(gated(*inputs), concat(text, torch.zeros_like(seen), text_mask, frame_mask))
    gated.gate.bias.data.fill_(100.0)
    torch.testing.assert_close(gated(*inputs), concat(*inputs))


def test_the_gate_reads_what_is_seen_before_the_text(inputs):
    text, seen, *_ = inputs
    gated = GatedFusion(D, 0.0)
    looked = attention(*inputs) @ seen
    gate = torch.sigmoid(torch.cat([looked, text], -1) @ gated.gate.weight.T + gated.gate.bias)
    torch.testing.assert_close(gated.look(*inputs), gate * looked)


def test_residual_starts_as_the_identity_and_still_learns(inputs):
    fusion = FUSIONS["residual"](D, 0.1)
    fused = fusion(*inputs)
    assert torch.equal(fused, inputs[0])
    (fused**2).sum().backward()
    assert fusion.add.weight.grad.abs().sum() > 0
    assert fusion.add.bias is None
