"""The stages of one bundle as a batch of requests goes through them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from clipsum import rows
from clipsum.records import Embeddings, Frames
from clipsum.rows import Outcome
from clipsum.serving.probe import PROBE
from ray_jobs.item import StageItem
from ray_jobs.model_stages import Encode, Summarize
from ray_jobs.serving.config import BATCH_SHARES
from ray_jobs.stages import StageSettings

SHARE = 64
"""Positions, of text and frames: the unit of a batch's size. 64 of them are what the summarizer writes at once."""
LETTERS_A_TOKEN = 4
Tell = Callable[[str, Any], None]


@dataclass(frozen=True)
class Done:
    """The row of a video, and the embeddings for the next question about it: None where they came with this one.

    All else who asked has already; what is small goes a shorter way, see `proxy.INLINE`.
    """

    row: dict[str, Any]
    embeddings: Embeddings | None


def shares(items: Sequence[StageItem]) -> int:
    """The size of a batch; one item alone is never too large."""
    sizes = [_positions(item) // SHARE + 1 for item in items]
    return sum(sizes) if len(sizes) > 1 else min(sizes[0], BATCH_SHARES)


def _positions(item: StageItem) -> int:
    frames = item.frames.times_s if item.frames else item.embeddings.times_s if item.embeddings else ()
    return len(frames) + len(item.transcript.text) // LETTERS_A_TOKEN


class Asker:
    """Who waits for an item: `tell` is told how far it is, from the model's thread; `gone` says that nobody waits."""

    def __init__(self, tell: Tell | None = None) -> None:
        self.tell, self.gone = tell, False

    def reached(self, stage: str) -> None:
        """Tell of a stage."""
        if self.tell is not None:
            self.tell("stage", {"stage": stage})


class Models:
    """The stages of one bundle."""

    def __init__(self, settings: StageSettings) -> None:
        self._settings = settings
        self._encode, self._summarize = Encode(settings), Summarize(settings)

    def run(self, items: Sequence[StageItem], askers: Sequence[Asker]) -> list[Done]:
        """The rows of items with frames or embeddings, in their order."""
        from clipsum.models.following import Listener

        def is_over(place: int) -> bool:
            return askers[place].gone

        listener = Listener(partial(_hear, askers), is_over)
        nobody = partial(listener.is_over_for, range(len(askers)))
        items = [replace(item, index=place) for place, item in enumerate(items)]
        new = iter(self._encode.encode([item for item in items if item.frames is not None], nobody))
        seen = [next(new) if item.frames is not None else item for item in items]
        _reached(askers, "encoded")
        done = self._summarize.summarize(seen, listener)
        _reached(askers, "summarized")
        bundle_id, fingerprint = self._settings.bundle_id, self._settings.fingerprint
        return [
            Done(rows.row(item.outcome, bundle_id, fingerprint), None if asked.frames is None else found.embeddings)
            for item, asked, found in zip(done, items, seen, strict=True)
        ]

    def probe(self) -> None:
        """Run the model on next to nothing. Raises what went wrong."""
        size_px = self._settings.preprocessing.size_px
        frames = Frames(np.zeros(1), np.zeros((1, size_px, size_px, 3), np.uint8), np.ones(1, bool))
        item = StageItem(0, Outcome(PROBE.ref, duration_s=1.0), PROBE.transcript, frames)
        [done] = self.run([item], [Asker()])
        if done.row["status"] != "ok":
            raise RuntimeError(f"the model failed on the health check: {done.row['detail']}")


def _reached(askers: Sequence[Asker], stage: str) -> None:
    for asker in askers:
        asker.reached(stage)


def _hear(askers: Sequence[Asker], place: int, text: str) -> None:
    tell = askers[place].tell
    if tell is not None:
        tell("text", {"text": text})
