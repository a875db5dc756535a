import pytest
import torch
from torch.nn.functional import scaled_dot_product_attention

from clipsum.models.cross import attend_in_windows, far_reaching, frame_windows, in_window, near_texts
from tests.peak import peak_bytes


def _times(*edges):
    return torch.tensor([edges], dtype=torch.float64)


def _centres(frames, items=1):
    return ((torch.arange(frames, dtype=torch.float64) + 0.5) / frames).expand(items, frames)


def _all_real(frames, items=1):
    return torch.ones(items, frames, dtype=torch.bool)


def _captions(texts, seed=0):
    """Texts of any length, some of which overlap, the starts rising."""
    starts = torch.rand(2, texts, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).sort().values
    lengths = torch.rand(2, texts, generator=torch.Generator().manual_seed(seed + 1), dtype=torch.float64) * 0.2
    return torch.stack([starts, (starts + lengths).clamp(max=1)], dim=2)


def test_a_frame_stands_for_the_time_that_is_nearer_to_it_than_to_its_neighbours():
    starts, ends = frame_windows(_times(0.1, 0.2, 0.6, 0.8), _all_real(4), radius=0)
    assert starts[0].tolist() == pytest.approx([-torch.inf, 0.15, 0.4, 0.7])
    assert ends[0].tolist() == pytest.approx([0.15, 0.4, 0.7, torch.inf])


def test_a_radius_takes_in_the_time_of_so_many_frames_on_either_side():
    starts, ends = frame_windows(_times(0.1, 0.2, 0.6, 0.8), _all_real(4), radius=1)
    assert starts[0].tolist() == pytest.approx([-torch.inf, -torch.inf, 0.15, 0.4])
    assert ends[0].tolist() == pytest.approx([0.4, 0.7, torch.inf, torch.inf])


@pytest.mark.parametrize("radius", [0, 2])
def test_padding_of_frames_changes_no_window(radius):
    mask = _all_real(7) & (torch.arange(7) < 4)
    padded = torch.cat([_centres(4), torch.zeros(1, 3, dtype=torch.float64)], dim=1)
    for window, alone in zip(
        frame_windows(padded, mask, radius), frame_windows(_centres(4), _all_real(4), radius), strict=True
    ):
        assert torch.equal(window[:, :4], alone)


@pytest.mark.parametrize("frames", [1, 2, 3, 20])
def test_every_text_meets_a_frame_however_short_it_is_and_one_without_times_meets_all(frames):
    starts, ends = frame_windows(_centres(frames), _all_real(frames), radius=0)
    instants = torch.linspace(0, 1, 101, dtype=torch.float64)[None, :, None].expand(1, 101, 2)
    assert in_window(instants, starts, ends).any(dim=2).all()
    assert in_window(_times((0.0, 1.0)), starts, ends).all()


@pytest.mark.parametrize("radius", [0, 1, 5])
@pytest.mark.parametrize("texts", [0, 1, 12])
def test_the_near_texts_are_those_whose_time_overlaps_the_window(radius, texts):
    times, mask = _captions(texts), torch.ones(2, texts, dtype=torch.bool)
    mask[1, max(0, texts - 3) :] = False
    starts, ends = frame_windows(_centres(20, 2), _all_real(20, 2), radius)
    places, meant = near_texts(times, mask, starts, ends)
    wanted = in_window(times, starts, ends).transpose(1, 2) & mask[:, None]
    found = torch.zeros(2, 20, texts + 1, dtype=torch.bool)
    found.scatter_(2, torch.where(meant, places, texts), True)
    assert torch.equal(found[:, :, :texts], wanted)
    assert int(meant.sum()) == int(wanted.sum())


@pytest.mark.parametrize("texts", [0, 1, 12, 90])
@pytest.mark.parametrize("untimed", [0, 1, 7])
@pytest.mark.parametrize("radius", [0, 2])
def test_attention_in_windows_is_full_attention_under_the_mask_of_them(texts, untimed, radius):
    generator = torch.Generator().manual_seed(2)
    whole = torch.tensor([0.0, 1.0], dtype=torch.float64).expand(2, untimed, 2)
    captions = _captions(texts)
    captions[:, :, 1] = captions[:, :, 0] + (captions[:, :, 1] - captions[:, :, 0]) * (12 / max(12, texts))
    captions[0, 2:3, 1] = 0.9  # one that goes on while others begin and end
    times = torch.cat([whole, captions], dim=1)
    mask = torch.ones(times.shape[:2], dtype=torch.bool)
    mask[1, times.shape[1] * 2 // 3 :] = False
    query, key, value = (torch.randn(2, 3, count, 4, generator=generator) for count in (20, *[1 + times.shape[1]] * 2))
    windows = frame_windows(_centres(20, 2), _all_real(20, 2), radius)
    allowed = in_window(times, *windows).transpose(1, 2) & mask[:, None]
    allowed = torch.cat([torch.ones(2, 20, 1, dtype=torch.bool), allowed], dim=2)
    full = scaled_dot_product_attention(query, key, value, allowed[:, None])
    found = attend_in_windows(query, key, value, times, mask, windows)
    torch.testing.assert_close(found, full, rtol=0, atol=1e-6)


def test_texts_without_times_and_those_that_go_on_past_later_ones_reach_far():
    times = _times((0.0, 1.0), (0.0, 0.1), (0.1, 0.6), (0.2, 0.3), (0.3, 0.6), (0.6, 1.0), (0.0, 0.0))
    mask = torch.tensor([[True] * 6 + [False]])
    assert far_reaching(times, mask).tolist() == [[True, False, True, False, False, False, False]]


def test_no_text_falls_into_the_window_of_padding():
    mask = torch.arange(30)[None] < 10
    positions = torch.cat([_centres(10), torch.zeros(1, 20, dtype=torch.float64)], dim=1)
    windows = frame_windows(positions, mask, 1)
    assert not in_window(_captions(40)[:1], *windows)[:, :, 10:].any()
    places, meant = near_texts(_captions(40)[:1], torch.ones(1, 40, dtype=torch.bool), *windows)
    assert not meant[:, 10:].any()
    assert places.shape[2] < 30  # else each frame of padding would gather them all


@pytest.mark.parametrize("untimed", [0, 3])
def test_what_local_attention_to_texts_holds_grows_with_the_frames_and_not_with_frames_times_texts(untimed):
    def peak(frames, texts):
        edges = torch.linspace(0, 1, texts + 1, dtype=torch.float64)
        whole = torch.tensor([0.0, 1.0], dtype=torch.float64).expand(untimed, 2)
        times = torch.cat([whole, torch.stack([edges[:-1], edges[1:]], dim=1)])[None]
        mask, real = torch.ones(times.shape[:2], dtype=torch.bool), torch.ones(1, frames + 500, dtype=torch.bool)
        real[:, frames:] = False
        windows = frame_windows(torch.cat([_centres(frames), torch.zeros(1, 500)], dim=1), real, 2)
        query, key, value = (
            torch.randn(1, 2, n, 4, requires_grad=True) for n in (frames + 500, *[1 + len(times[0])] * 2)
        )
        return peak_bytes(lambda: attend_in_windows(query, key, value, times, mask, windows).sum().backward())[0]

    assert peak(4_000, 2_000) <= 2.5 * peak(2_000, 1_000)
