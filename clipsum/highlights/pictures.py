"""Which small pictures of a video are kept: those of its top highlights, and of what questions found, before others."""

from collections.abc import Sequence

from clipsum.records import Highlight, Moments
from clipsum.rows import Thumbnail

CANDIDATES = 24
"""Of the frames that are looked at, evenly spread, of which pictures are made to choose from: 3 ms each at 720p."""


def pictured(candidates: Sequence[Thumbnail], moments: Moments | None, count: int) -> tuple[Thumbnail, ...]:
    """At most `count` of the candidates, by rising time.

    One of each highlight, the one nearest its middle, the highest scores first; then one of the best of each question;
    then what lies farthest from those that are chosen.
    """
    chosen: list[Thumbnail] = []
    for highlight in _in_turn(moments) if moments else ():
        within = [each for each in candidates if highlight.start_s <= each.time_s < highlight.end_s]
        if len(chosen) < count and within and not any(each in chosen for each in within):
            middle_s = (highlight.start_s + highlight.end_s) / 2
            chosen.append(min(within, key=lambda each: abs(each.time_s - middle_s)))
    if not chosen:
        return _even(candidates, count)
    while len(chosen) < min(count, len(candidates)):
        left = [each for each in candidates if each not in chosen]
        chosen.append(max(left, key=lambda each: min(abs(each.time_s - other.time_s) for other in chosen)))
    return tuple(sorted(chosen, key=lambda each: each.time_s))


def _in_turn(moments: Moments) -> list[Highlight]:
    """All highlights, in the order in which they deserve a picture."""
    found = [max(each.highlights, key=lambda own: own.score) for each in moments.queries if each.highlights]
    return [*sorted(moments.highlights, key=lambda each: -each.score), *found]


def _even(candidates: Sequence[Thumbnail], count: int) -> tuple[Thumbnail, ...]:
    """From the middle of as many equal parts."""
    places = {int((i + 0.5) * len(candidates) / count) for i in range(count)} if candidates else set()
    return tuple(candidates[place] for place in sorted(places))
