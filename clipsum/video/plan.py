"""Which frames answer the asked times."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from clipsum.config import Seek
from clipsum.video.timeline import Timeline

EPSILON_S = 1e-6
UNKNOWN = -1


class Target(NamedTuple):
    """A frame to fetch: its place in decoding order, its time, and whether it is on screen at the asked time."""

    packet: int
    pts: int
    exact: bool


def choose(timeline: Timeline, times_s: NDArray[np.float64], stride_s: float, seek: Seek) -> list[Target]:
    """The frames for the asked times, by rising time, each once.

    `exact`: the frame on screen, the last whose time is not later. `keyframe`: the nearest key frame. `auto`: the
    nearest key frame where it lies within half of `stride_s`, the frame on screen elsewhere. Before the first frame
    stands the first; where no key frame is known, `keyframe` is `exact`. Nothing comes back where a `timeline` of key
    frames only does not tell which frame is on screen.
    """
    display = timeline.display
    at_s = timeline.seconds[display]
    on_screen = np.maximum(np.searchsorted(at_s, times_s + EPSILON_S, side="right") - 1, 0)
    if timeline.keys_only:
        on_screen = np.where(times_s < at_s[on_screen] + timeline.frame_s - EPSILON_S, on_screen, UNKNOWN)
    chosen = on_screen
    keys = np.flatnonzero(timeline.keys[display])
    if seek != "exact" and len(keys):
        nearest = keys[_nearest(at_s[keys], times_s)]
        near = np.abs(at_s[nearest] - times_s) <= stride_s / 2 + EPSILON_S
        chosen = nearest if seek == "keyframe" else np.where(near, nearest, on_screen)
    if UNKNOWN in chosen:
        return []
    exact = set(chosen[chosen == on_screen].tolist())
    packets = [(rank, int(display[rank])) for rank in np.unique(chosen).tolist()]
    return [Target(packet, int(timeline.pts[packet]), rank in exact) for rank, packet in packets]


def _nearest(values: NDArray[np.float64], wanted: NDArray[np.float64]) -> NDArray[np.int64]:
    """The place in the rising `values` of the one nearest to each of `wanted`; the earlier one of two as near."""
    right = np.clip(np.searchsorted(values, wanted), 1, max(len(values) - 1, 1))
    right = np.minimum(right, len(values) - 1)
    left = np.maximum(right - 1, 0)
    return np.where(wanted - values[left] <= values[right] - wanted + EPSILON_S, left, right)
