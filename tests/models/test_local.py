import pytest
import torch
from torch import nn
from torch.nn.functional import scaled_dot_product_attention

from clipsum.models.local import ContextAggregation, LocalEncoderLayer, local_attention
from clipsum.models.temporal import TemporalEncoder
from tests.models.tiny import tiny_config
from tests.peak import peak_bytes


def _states(frames, batch=2, heads=2, width=4, seed=0):
    return torch.randn(3, batch, heads, frames, width, generator=torch.Generator().manual_seed(seed))


def _band(frames, radius):
    places = torch.arange(frames)
    return (places[:, None] - places).abs() <= radius


@pytest.mark.parametrize("frames", [1, 2, 15, 16, 17, 50, 97])
@pytest.mark.parametrize("radius", [0, 2, 20, 200])
def test_local_attention_is_full_attention_under_a_band_mask(frames, radius):
    query, key, value = _states(frames)
    mask = torch.ones(2, frames, dtype=torch.bool)
    mask[1, max(1, frames - 3) :] = False
    full = scaled_dot_product_attention(query, key, value, (_band(frames, radius) & mask[:, None])[:, None])
    found = local_attention(query, key, value, mask, radius)
    assert found.shape == full.shape
    assert torch.isfinite(found).all()
    torch.testing.assert_close(found.transpose(1, 2)[mask], full.transpose(1, 2)[mask], rtol=0, atol=1e-6)


@pytest.mark.parametrize("kind", [{}, {"norm_first": True, "activation": "gelu"}])
def test_a_layer_is_torchs_own_layer_under_a_band_mask_with_the_same_weights(kind):
    torch.manual_seed(0)
    local = LocalEncoderLayer(24, 4, 32, 0.0, radius=3, batch_first=True, **kind)
    stock = nn.TransformerEncoderLayer(24, 4, 32, 0.0, batch_first=True, **kind)
    stock.load_state_dict(local.state_dict())
    states = torch.randn(2, 40, 24)
    padding = torch.zeros(2, 40, dtype=torch.bool)
    for mode in (True, False):
        expected = stock.train(mode)(states, src_mask=~_band(40, 3))
        torch.testing.assert_close(local.train(mode)(states, padding), expected, rtol=0, atol=1e-5)


def test_context_aggregation_adds_torchs_own_attention_under_a_band_mask_to_what_it_is_given():
    torch.manual_seed(0)
    aggregate = ContextAggregation(24, 4, 0.0, radius=3)
    states, mask = torch.randn(2, 40, 24), torch.ones(2, 40, dtype=torch.bool)
    mask[1, 30:] = False
    normed = aggregate.norm(states)
    padding = {"key_padding_mask": ~mask, "attn_mask": ~_band(40, 3)}
    expected = states + aggregate.self_attn(normed, normed, normed, need_weights=False, **padding)[0]
    torch.testing.assert_close(aggregate(states, mask)[mask], expected[mask], rtol=0, atol=1e-5)


def test_a_frame_learns_nothing_of_one_that_lies_beyond_every_layers_reach():
    torch.manual_seed(0)
    encoder = TemporalEncoder(tiny_config(attention="local", attention_radius=2, temporal_layers=2)).eval()
    frames = torch.randn(1, 40, 24)
    relative, mask = ((torch.arange(40, dtype=torch.float64) + 0.5) / 40)[None], torch.ones(1, 40, dtype=torch.bool)
    changed = frames.clone()
    changed[0, 20] += 1
    moved = (encoder(frames, relative, mask) - encoder(changed, relative, mask)).abs().amax(dim=2)[0] > 1e-6
    assert moved.nonzero().flatten().tolist() == list(range(16, 25))


def test_memory_grows_with_the_frames_and_not_with_their_square():
    def peak(frames):
        torch.manual_seed(0)
        layer = LocalEncoderLayer(32, 4, 64, 0.0, radius=2, batch_first=True)
        states, padding = torch.randn(1, frames, 32), torch.zeros(1, frames, dtype=torch.bool)
        return peak_bytes(lambda: layer(states, padding).sum().backward())

    (smaller, _), (larger, largest) = peak(10_000), peak(20_000)
    assert larger <= 2.5 * smaller
    assert largest < 20_000 * 20_000 / 8  # not even a T x T mask in bits
