import numpy as np
import pytest
import torch

from clipsum.models.temporal import TemporalEncoder, ranked_positions, read_positions, relative_times
from tests.models.tiny import tiny_config

TABLE = torch.randn(50, 8, generator=torch.Generator().manual_seed(0))
VIDEOXUM = {"positions": "index", "temporal_norm": "pre", "temporal_activation": "gelu"}
ENCODERS = {
    "global": lambda: TemporalEncoder(tiny_config()),
    "global, of another width": lambda: TemporalEncoder(tiny_config(temporal_width=16)),
    "local": lambda: TemporalEncoder(tiny_config(attention="local")),
    "by index, pre-norm": lambda: TemporalEncoder(tiny_config(**VIDEOXUM)),
    "with context aggregation": lambda: TemporalEncoder(tiny_config(aggregation=True)),
    "local, by index, pre-norm": lambda: TemporalEncoder(tiny_config(attention="local", **VIDEOXUM)),
}


@pytest.fixture(params=ENCODERS)
def encoder(request):
    """Every temporal encoder passes these tests; a new one is one more line above."""
    torch.manual_seed(0)
    return ENCODERS[request.param]().eval()


def _frames(count: int, items: int = 1) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    vectors = torch.randn(items, count, 24, generator=torch.Generator().manual_seed(1))
    relative = ((torch.arange(count, dtype=torch.float64) + 0.5) / count).expand(items, count)
    return vectors, relative, torch.ones(items, count, dtype=torch.bool)


@pytest.mark.parametrize("duration_s", [1.0, 29.97, 315.0, 14400.0])
def test_uniform_bin_centres_read_exactly_the_fifty_positions(duration_s):
    times_s = (np.arange(50) + 0.5) * duration_s / 50
    relative = torch.from_numpy(relative_times(times_s, duration_s))[None]
    torch.testing.assert_close(read_positions(TABLE, relative)[0], TABLE, rtol=0, atol=1e-6)


def test_a_time_between_two_centres_reads_their_mean():
    read = read_positions(TABLE, torch.tensor([[10 / 50]]))[0, 0]
    torch.testing.assert_close(read, (TABLE[9] + TABLE[10]) / 2, rtol=0, atol=1e-6)


def test_times_beyond_the_outer_centres_read_the_outer_positions():
    read = read_positions(TABLE, torch.tensor([[0.0, 0.001, 0.999, 1.0]]))[0]
    torch.testing.assert_close(read, TABLE[[0, 0, 49, 49]])


def test_positions_follow_time_and_not_rank():
    early = read_positions(TABLE, torch.tensor([[0.1, 0.2]]))
    late = read_positions(TABLE, torch.tensor([[0.1, 0.9]]))
    assert torch.equal(early[0, 0], late[0, 0])
    assert not torch.allclose(early[0, 1], late[0, 1])


def test_positions_by_index_follow_rank_and_not_time():
    encoder = TemporalEncoder(tiny_config(**VIDEOXUM)).eval()
    vectors, relative, mask = _frames(6)
    assert torch.equal(encoder(vectors, relative, mask), encoder(vectors, relative**2, mask))
    mask[0, 4:] = False
    assert torch.equal(ranked_positions(TABLE, mask)[0], torch.cat([TABLE[:4], torch.zeros(2, 8)]))


def test_positions_by_index_stretch_to_a_longer_video_each_to_its_own_length():
    mask = torch.arange(100) < torch.tensor([[100], [60], [50]])
    long, middle, exact = ranked_positions(torch.linspace(0, 1, 50)[:, None], mask)[..., 0]
    assert torch.equal(exact[:50], torch.linspace(0, 1, 50))
    for read, frames in ((long, 100), (middle, 60)):
        inner = (torch.arange(frames) + 0.5) * 50 / frames - 0.5  # a line stays one, but for the ends
        torch.testing.assert_close(read[5 : frames - 5], (inner / 49)[5 : frames - 5], rtol=0, atol=2e-3)
        assert not read[frames:].any()


def test_positions_by_index_are_added_after_the_layers_as_well():
    encoder = TemporalEncoder(tiny_config(**VIDEOXUM, temporal_layers=0)).eval()
    vectors, relative, mask = _frames(6)
    torch.testing.assert_close(encoder(vectors, relative, mask), vectors + 2 * encoder.positions[:6])


def test_relative_times_stay_within_the_video_and_survive_a_missing_duration():
    assert relative_times(np.array([-0.1, 5.0, 10.2]), 10.0).tolist() == [0.0, 0.5, 1.0]
    assert relative_times(np.array([0.0]), 0.0).tolist() == [0.5]


def test_padding_of_frames_changes_no_state(encoder):
    vectors, relative, mask = _frames(9)
    alone = encoder(vectors[:, :6], relative[:, :6], mask[:, :6])
    padded = encoder(vectors, relative, mask & (torch.arange(9) < 6))
    torch.testing.assert_close(padded[:, :6], alone, rtol=0, atol=1e-5)


def test_an_item_without_frames_beside_others_gives_finite_states_and_gradients(encoder):
    vectors, relative, mask = _frames(5, items=2)
    states = encoder.train()(vectors, relative, mask & torch.tensor([[True], [False]]))
    states[0].sum().backward()
    assert torch.isfinite(states).all()
    assert all(torch.isfinite(parameter.grad).all() for parameter in encoder.parameters())


def test_the_order_of_frames_changes_the_states(encoder):
    vectors, relative, mask = _frames(6)
    forward, backward = encoder(vectors, relative, mask), encoder(vectors.flip(1), relative, mask)
    assert (forward - backward.flip(1)).abs().max() > 1e-2


def test_every_parameter_of_the_encoder_learns(encoder):
    vectors, relative, mask = _frames(50)
    # A plain sum would be constant after a layer norm.
    (encoder.train()(vectors, relative, mask) ** 3).sum().backward()
    assert all(parameter.grad.abs().sum() > 0 for parameter in encoder.parameters())


def test_the_published_layers_are_post_norm_relu_two_of_four_heads_and_1024():
    layers = TemporalEncoder(tiny_config(visual_width=512, temporal_ffn=1024)).layers
    assert len(layers) == 2
    for layer in layers:
        assert (layer.self_attn.num_heads, layer.linear1.out_features, layer.norm_first) == (4, 1024, False)
        assert layer.activation is torch.nn.functional.relu


def test_the_layers_of_videoxum_are_pre_norm_gelu():
    [layer, *_] = TemporalEncoder(tiny_config(**VIDEOXUM)).layers
    assert layer.norm_first
    assert layer.activation is torch.nn.functional.gelu
