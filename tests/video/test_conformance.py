"""Every way × every container and codec × every sampling: the pixels and times of a full decode, whichever way."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from clipsum.config import Limits, Preprocessing, Sampling
from clipsum.records import Decoded
from clipsum.video.decode import decode_video
from clipsum.video.picture import Preprocessor
from clipsum.video.sampling import sample_times, stride_s
from clipsum.video.ways import Way
from tests.video import makers

PREP = Preprocessing(size_px=32)
SAMPLINGS = (
    Sampling(frames=1),
    Sampling(frames=7),
    Sampling(frames=50),
    Sampling(frames=200),
    Sampling(mode="rate", rate_fps=3, max_frames=100),
    Sampling(mode="rate", rate_fps=10, max_frames=9),
)
# each with a pass over all of the video as the last resort, as in the real order
WAYS: dict[str, tuple[Way, ...]] = {"index": ("index", "forward"), "seek": ("seek", "forward"), "forward": ("forward",)}
FORWARD_ONLY = {"intra_refresh.mp4", "h264_reordered.avi"}  # what has no true key packets, or no true times


@dataclass(frozen=True)
class Truth:
    """A full decode: times (F,), pixels (F, size, size, 3), and which are key frames by the container's word (F,)."""

    times_s: np.ndarray
    pixels: np.ndarray
    keys: np.ndarray

    def on_screen(self, asked_s: np.ndarray) -> np.ndarray:
        return np.maximum(np.searchsorted(self.times_s, asked_s + 1e-6, side="right") - 1, 0)


@pytest.fixture(scope="module", params=makers.RECIPES, ids=lambda recipe: recipe.name)
def recipe(request: pytest.FixtureRequest) -> makers.Recipe:
    return request.param


@pytest.fixture(scope="module")
def path(recipe: makers.Recipe, made: Path) -> Path:
    return makers.make(recipe, made)


@pytest.fixture(scope="module")
def truth(path: Path) -> Truth:
    prepare = Preprocessor(PREP)
    times, pixels = zip(*[(time, prepare(frame, 1.0)) for time, frame in makers.full_decode(path)], strict=True)
    # H.264 in avi has no presentation times: the frames come in order, and so must the times
    times_s = np.sort(np.array(times))
    return Truth(times_s, np.stack(pixels), np.isin(times_s.round(6), np.round(makers.key_times(path), 6)))


@pytest.mark.parametrize("way", WAYS)
def test_every_way_gives_the_pixels_and_times_of_a_full_decode(
    recipe: makers.Recipe, path: Path, truth: Truth, way: str
) -> None:
    for sampling in SAMPLINGS:
        for seek in ("exact", "keyframe", "auto"):
            case = f"{sampling} {seek}"
            decoded = decode_video(str(path), PREP, sampling, seek, Limits(), ways=WAYS[way])
            asked_s = sample_times(sampling, decoded.duration_s)
            places = places_of(decoded, truth, case)
            assert places.tolist() == expected(truth, asked_s, decoded.duration_s, seek).tolist(), case
            on_screen = truth.on_screen(asked_s)
            assert decoded.frames.exact.tolist() == np.isin(places, on_screen).tolist(), case
            if recipe.name not in FORWARD_ONLY:
                possible = {"index": "index" if recipe.index else "forward"}.get(way, way)
                assert decoded.strategy == possible, case


def places_of(decoded: Decoded, truth: Truth, case: str) -> np.ndarray:
    """Where in the full decode each frame stands; it must be that very frame, bit for bit."""
    assert not decoded.warnings, case
    assert abs(decoded.duration_s - truth.times_s[-1] - 1 / makers.FPS) < 0.13, case
    places = np.searchsorted(truth.times_s, decoded.frames.times_s - 1e-6)
    assert np.allclose(truth.times_s[places], decoded.frames.times_s, rtol=0, atol=1e-6), case
    same = (truth.pixels[places] == decoded.frames.pixels).all(axis=(1, 2, 3))
    assert same.all(), f"{case}: frames {places[~same]} are not those of the full decode"
    return places


def expected(truth: Truth, asked_s: np.ndarray, duration_s: float, seek: str) -> np.ndarray:
    """The places in the full decode that answer the asked times, by the words of the documentation."""
    chosen = []
    for time_s, on_screen in zip(asked_s, truth.on_screen(asked_s), strict=True):
        distance = np.where(truth.keys, np.abs(truth.times_s - time_s).round(6), np.inf)
        near = distance.min() <= stride_s(asked_s, duration_s) / 2 + 1e-6
        use_key = seek == "keyframe" or (seek == "auto" and near)
        chosen.append(int(distance.argmin()) if use_key else int(on_screen))
    return np.unique(chosen)
