"""Embedded videos as a bundle with another encoder sees them: encoded again from their stored pixels.

So a bundle whose encoder was fine-tuned is scored on the embeddings that it was trained from. T frames, D width.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, overload

import numpy as np

from clipsum.config import Preprocessing
from clipsum.datasets.embedded import Embedded, EmbeddedSet
from clipsum.datasets.embedding_files import read_run
from clipsum.encoders.base import FrameEncoder
from clipsum.models.bundle import Bundle

Costs = Mapping[str, Mapping[str, float]]


class Reencoded(Sequence[Embedded]):
    """`videos`, each encoded anew when it is asked for, vectors rounded to float16 as stored ones are.

    Items have no pixels any more: one video's are in memory at a time. `costs`: by id, what decoding took as it was
    measured, and what encoding took here, of the videos that were asked for.
    """

    def __init__(self, videos: Sequence[Embedded], encoder: FrameEncoder, costs: Costs) -> None:
        self._videos, self._encoder = videos, encoder
        self.costs: dict[str, dict[str, float]] = {name: dict(found) for name, found in costs.items()}

    def __len__(self) -> int:
        return len(self._videos)

    @overload
    def __getitem__(self, index: int) -> Embedded: ...
    @overload
    def __getitem__(self, index: slice) -> list[Embedded]: ...
    def __getitem__(self, index: int | slice) -> Embedded | list[Embedded]:
        if isinstance(index, slice):
            return [self[place] for place in range(len(self))[index]]
        return self._encoded(self._videos[index])

    def __iter__(self) -> Iterator[Embedded]:
        return (self[index] for index in range(len(self)))

    def _encoded(self, video: Embedded) -> Embedded:
        found, started = video.embeddings, time.perf_counter()
        vectors = np.zeros((0, self._encoder.width), np.float32)
        if video.frames is not None:
            vectors = self._encoder.encode_frames(video.frames.pixels)
        rounded = vectors.astype(np.float16).astype(np.float32)
        self.costs.setdefault(video.video_id, {})["encode"] = time.perf_counter() - started
        embeddings = replace(found, vectors=rounded, fingerprint=self._encoder.fingerprint)
        return replace(video, embeddings=embeddings, frames=None)


def as_seen_by(bundle: Bundle, videos: EmbeddedSet, costs: Costs, device: str) -> tuple[Sequence[Embedded], Costs]:
    """The videos as the encoder of `bundle` sees them, and their costs.

    They are as they are where they were made by this encoder, or where pixels are missing: then they are refused by
    whoever takes them. Pixels are read only where they are encoded.
    """
    if not is_reencoded(bundle, videos):
        return videos.bare(), costs
    made = Reencoded(videos, bundle.encoder(device), costs)
    return made, made.costs


def is_reencoded(bundle: Bundle, videos: EmbeddedSet) -> bool:
    """Are the embeddings of another encoder, and pixels there that were prepared as this one wants them?"""
    if videos.fingerprint == bundle.manifest.fingerprint or videos.without_pixels:
        return False
    wanted = bundle.manifest.encoder.preprocessing
    then = _prepared(videos.place)
    return videos.sizes_px <= {wanted.size_px} and (then is None or _picture(then) == _picture(wanted))


def _prepared(place: str) -> Preprocessing | None:
    """How frames were prepared, by the record of the run that embedded them; None where it has left none."""
    run = read_run(place) or {}
    try:
        return Preprocessing(**run["encoder"]["preprocessing"])
    except (ValueError, KeyError, TypeError):
        return None


def _picture(preprocessing: Preprocessing) -> dict[str, Any]:
    """What decides the pixels, which are stored before `mean` and `std` are applied."""
    return preprocessing.model_dump(exclude={"mean", "std"})
