"""Which small pictures are kept of a video."""

from clipsum.highlights.pictures import pictured
from clipsum.records import Asked, Highlight, Moments
from clipsum.rows import Thumbnail

MADE = [Thumbnail(time_s + 0.5, b"") for time_s in range(24)]


def _times(count, moments, made=MADE):
    return [each.time_s for each in pictured(made, moments, count)]


def test_each_top_highlight_has_a_picture_and_then_the_best_of_each_question():
    found = Highlight(21.0, 23.0, 0.4)
    moments = Moments((), (Highlight(2.0, 5.0, 0.7), Highlight(10.0, 11.0, 0.9)), (), (Asked("q", True, (), (found,)),))
    assert _times(1, moments) == [10.5]
    assert _times(2, moments) == [3.5, 10.5]
    assert _times(3, moments) == [3.5, 10.5, 21.5]


def test_what_is_left_over_shows_the_rest_of_the_video():
    assert _times(3, Moments(highlights=(Highlight(0.0, 2.0, 0.9),))) == [0.5, 11.5, 23.5]


def test_without_highlights_pictures_are_spread_evenly():
    assert _times(4, None) == _times(4, Moments()) == [3.5, 9.5, 15.5, 21.5]
    assert _times(4, None, MADE[:2]) == [0.5, 1.5]
    assert _times(0, Moments(highlights=(Highlight(0.0, 2.0, 0.9),))) == []
    assert _times(4, None, []) == []


def test_a_highlight_between_two_pictures_has_none_and_takes_nobody_elses():
    moments = Moments(highlights=(Highlight(3.6, 4.4, 0.9), Highlight(8.0, 9.0, 0.2)))
    assert _times(1, moments) == [8.5]
