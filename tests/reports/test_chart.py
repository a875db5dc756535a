import math

import pytest

from clipsum.reports.chart import HEIGHT, MAX_POINTS, WIDTH, chart, nice_ticks


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0, 10, [0, 2.5, 5, 7.5, 10]),
        (1.2, 1.9, [1.2, 1.4, 1.6, 1.8, 2.0]),
        (0, 3e-4, [0, 1e-4, 2e-4, 3e-4]),
        (-1, 1, [-1, -0.5, 0, 0.5, 1]),
    ],
)
def test_ticks_are_round_and_hold_what_lies_between(low, high, expected):
    assert nice_ticks(low, high) == pytest.approx(expected)


@pytest.mark.parametrize("value", [0.0, 3.7, -2.0, 1e-9, 1e6])
def test_a_flat_line_has_room_above_and_below(value):
    ticks = nice_ticks(value, value)
    assert ticks[0] < value < ticks[-1]


def points_of(path):
    return [tuple(map(float, pair.split())) for pair in path.removeprefix("M").removesuffix("Z").split("L")]


def test_a_line_runs_from_left_to_right_and_high_values_are_up():
    made = chart("Loss", "nats", {"training": [(0, 4.0), (5, 2.0), (10, 0.0)]}, 10)
    assert points_of(made.lines[0].path) == [(0, 0), (WIDTH / 2, HEIGHT / 2), (WIDTH, HEIGHT)]
    assert (made.y_ticks[0], made.y_ticks[-1], made.x_ticks[-1]) == ("4", "0", "10")


def test_many_points_become_means_with_a_band_from_lowest_to_highest():
    noisy = [(step, step % 2) for step in range(10_000)]
    [line] = chart("Loss", "nats", {"": noisy}, 10_000).lines
    assert len(points_of(line.path)) <= MAX_POINTS
    assert {y for _, y in points_of(line.path)} == {HEIGHT / 2}
    assert {y for _, y in points_of(line.band)} == {0, HEIGHT}


def test_values_that_are_not_finite_are_left_out_and_nothing_is_no_chart():
    assert len(points_of(chart("", "", {"": [(0, 1), (1, math.nan), (2, 2), (3, math.inf)]}, 3).lines[0].path)) == 2
    assert chart("", "", {"a": [(0, math.nan)], "b": []}, 3) is None


def test_small_values_such_as_learning_rates_are_told_in_powers_of_ten():
    made = chart("Learning rate", "", {"rate": [(1, 2.5e-7), (3, 7.46e-7)]}, 3, floor=True)
    assert made.y_ticks == ["8e-7", "6e-7", "4e-7", "2e-7", "0"]
    assert made.lines[0].value == "7.46e-7"
    assert chart("Loss", "", {"loss": [(1, 0.25), (3, 0.5)]}, 3, floor=True).y_ticks[0] == "0.6"
