import pytest

from clipsum.encoders.clip import load_clip
from clipsum.encoders.throughput import Throughput, gflop_per_frame, measure
from tests.encoders.tiny_clips import write_tiny_clip


@pytest.fixture(params=["fp32", "bf16"])
def encoder(request, tmp_path):
    return load_clip(str(write_tiny_clip(tmp_path / "clip")), precision=request.param)


def test_the_flops_of_a_frame_are_those_of_its_products_by_hand(encoder):
    patches, tokens, width, out = 16, 17, 32, 24
    attention = tokens * width * 3 * width + 2 * tokens * tokens * width + tokens * width * width
    layer = attention + 2 * tokens * width * 4 * width
    by_hand = 2 * (patches * 8 * 8 * 3 * width + 2 * layer + width * out)
    assert gflop_per_frame(encoder) == pytest.approx(by_hand / 1e9)


def test_a_measurement_states_both_rates_in_the_encoders_own_number_type(encoder):
    measured = measure(encoder, frames=2, rounds=1)
    assert measured.dtype == str(encoder.dtype).removeprefix("torch.")
    assert measured.frames_per_s > 0
    assert measured.matrix_gflop_per_s > 0


def test_the_ratio_is_the_encoders_rate_over_the_matrix_rate():
    assert Throughput(10.0, 8.0, 100.0, "bfloat16").ratio == pytest.approx(0.8)
