"""The stages of the main job that run a model, as plain callables, table in and table out. Nothing here knows of Ray.

encode: frames of several videos in one batch -> embeddings; the pixels stop here, unless they are to be kept.
summarize: embeddings and words -> rows of the output.

A stage loads what it needs when it is made: neither waits for the libraries of the other's model.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from clipsum import rows
from clipsum.errors import ItemError, UsageError
from clipsum.highlights.asking import asked_of
from clipsum.highlights.pictures import pictured
from clipsum.models.bundle import Bundle, load_bundle
from clipsum.records import Embeddings, Frames, Moments, Segment, Summary, Transcript
from clipsum.rows import Outcome
from ray_jobs.item import StageItem, Stopwatch, given_up, guarded, pack, unpack
from ray_jobs.memory import peak_bytes
from ray_jobs.stages import Decode, StageSettings

if TYPE_CHECKING:
    from clipsum.models.following import Listener

FRAMES_PER_CALL, FOLLOWED_FRAMES = 256, 64
"""The second where somebody may go: 64 frames are 1.5 s of ViT-B/32 on two cores."""
NARROW = 256
"""A model of a smaller width is done by one thread: `kitchen-tiny` costs 1.3 to 1.8 times the CPU time in two."""
ACCOUNTING = pa.schema(
    [
        ("index", pa.int64()),
        ("started_at", pa.float64()),
        ("encode_cpu_s", pa.float64()),
        ("decode_peak_bytes", pa.int64()),
        ("encode_peak_bytes", pa.int64()),
    ]
)
NOBODY_WAITS = "nobody waits for it any more"
UNANSWERED = "its query is not answered: the bundle has no scorer"
_GENERATING = pa.schema([("generate_cpu_s", pa.float64()), ("generate_peak_bytes", pa.int64())])
RESULT_SCHEMA = pa.schema([*rows.SCHEMA, *ACCOUNTING, *_GENERATING])


def load_own(settings: StageSettings) -> Bundle:
    """The bundle of the settings. Raises: UsageError where this machine has another one in its place."""
    bundle = load_bundle(settings.bundle)
    if bundle.bundle_id != settings.bundle_id:
        raise UsageError(
            f"bundle '{settings.bundle}' is {bundle.bundle_id} on a worker, and {settings.bundle_id} where the job was "
            "started: give every machine the same version of ClipSum and of the bundle"
        )
    return bundle


def _use_threads(threads: int, width: int) -> None:
    import torch

    torch.set_num_threads(1 if width < NARROW else threads)


class Encode:
    """Items with frames -> items with embeddings, the frames of several videos in one batch."""

    def __init__(self, settings: StageSettings) -> None:
        self._settings = settings
        self._encoder = load_own(settings).encoder(settings.encode_device)
        _use_threads(settings.encode_threads, self._encoder.width)
        size_px = settings.preprocessing.size_px
        self._encoder.encode_frames(np.zeros((1, size_px, size_px, 3), dtype=np.uint8))  # warm before the first video

    def __call__(self, table: pa.Table, died: Collection[int] = ()) -> pa.Table:
        """Encode the items of a packed table, but for those that `died` of it."""
        return pack(self.encode(given_up("encode", unpack(table), died)))

    def encode(self, items: Sequence[StageItem], is_over: Callable[[], bool] | None = None) -> list[StageItem]:
        """The same items with embeddings in the place of frames. Once `is_over`, nobody waits: they fail."""
        return guarded("encode", partial(self._encode_all, is_over=is_over), items)

    def _encode_all(self, items: list[StageItem], is_over: Callable[[], bool] | None) -> list[StageItem]:
        watch = Stopwatch()
        counts = [len(item.frames.times_s) if item.frames else 0 for item in items]
        vectors = self._vectors([item.frames for item in items if item.frames and len(item.frames.times_s)], is_over)
        wall_s, cpu_s = watch.read()
        parts = np.split(vectors, np.cumsum(counts)[:-1])
        shares = [count / max(1, sum(counts)) for count in counts]
        return [
            self._encoded(item, part, wall_s * share, cpu_s * share)
            for item, part, share in zip(items, parts, shares, strict=True)
        ]

    def _vectors(self, frames: Sequence[Frames], is_over: Callable[[], bool] | None) -> NDArray[np.float32]:
        """(T, D) of all frames in turn, at most `FRAMES_PER_CALL` a call, so that the encoder's memory is bounded."""
        if not frames:
            return np.zeros((0, self._encoder.width), dtype=np.float32)
        pixels = frames[0].pixels if len(frames) == 1 else np.concatenate([each.pixels for each in frames])
        at_once, found = FOLLOWED_FRAMES if is_over else FRAMES_PER_CALL, []
        for start in range(0, len(pixels), at_once):
            if is_over and is_over():
                raise ItemError("timeout", "encode", NOBODY_WAITS)
            found.append(self._encoder.encode_frames(pixels[start : start + at_once]))
        return np.concatenate(found)

    def _encoded(self, item: StageItem, vectors: NDArray[np.float32], wall_s: float, cpu_s: float) -> StageItem:
        embeddings = None
        if item.frames is not None and len(vectors):
            seek, sampling = self._settings.seek, str(self._settings.sampling)
            embeddings = Embeddings(item.frames.times_s, vectors, self._encoder.fingerprint, sampling, seek)
        outcome = replace(item.outcome, encode_s=wall_s)
        frames = item.frames if self._settings.keep_pixels else None
        done = replace(item, outcome=outcome, frames=frames, embeddings=embeddings)
        return replace(done, encode_cpu_s=cpu_s, encode_peak_bytes=peak_bytes())


class DecodeAndEncode:
    """Both in one actor, for videos of so many frames that their pixels must not cross the object store."""

    def __init__(self, settings: StageSettings) -> None:
        self._decode, self._encode = Decode(settings), Encode(settings)

    def __call__(self, table: pa.Table, died: Collection[int] = ()) -> pa.Table:
        """Decode and encode each row of a manifest table, but for those that `died` of it."""
        return pack(self.encode(table, died))

    def encode(self, table: pa.Table, died: Collection[int] = ()) -> list[StageItem]:
        """The items of a manifest table; one video's pixels are held at a time."""
        singles = (table.slice(i, 1) for i in range(table.num_rows))
        return [self._encode.encode(self._decode.decode(single, died))[0] for single in singles]

    def close(self) -> None:
        """End the decoding process."""
        self._decode.close()


class Summarize:
    """Items with embeddings and transcripts -> rows of `RESULT_SCHEMA`."""

    def __init__(self, settings: StageSettings) -> None:
        from clipsum.highlights.moments import MomentFinder
        from clipsum.models.summarize import Summarizer

        self._settings = settings
        bundle = load_own(settings)
        _use_threads(settings.summarize_threads, bundle.model.bart.config.d_model)
        self._summarizer = Summarizer(bundle, settings.summarize_device, str(settings.sampling), settings.seek)
        self._finder = MomentFinder(self._summarizer, config=settings.highlights)
        self._summarizer.summarize([(None, Transcript((Segment("warm up"),), "manifest"), 1.0)])

    def __call__(self, table: pa.Table, died: Collection[int] = ()) -> pa.Table:
        """Summarise the items of a packed table, but for those that `died` of it."""
        return results(self.summarize(given_up("summarize", unpack(table), died)), self._settings)

    def summarize(self, items: Sequence[StageItem], listener: "Listener | None" = None) -> list[StageItem]:
        """The same items with a summary; the embeddings stop here. `listener` follows them, by their `index`."""
        return guarded("summarize", partial(self._summarize_all, listener=listener), items)

    def _summarize_all(self, items: list[StageItem], listener: "Listener | None") -> list[StageItem]:
        watch = Stopwatch()
        heard = listener and type(listener)(
            lambda place, text: listener.hear(items[place].index, text),
            lambda place: listener.is_over(items[place].index),
        )
        batch = [(item.embeddings, item.transcript, item.outcome.duration_s or 0.0) for item in items]
        summaries = self._summarizer.summarize(batch, listener=heard)
        if heard and heard.is_over_for(range(len(items))):
            raise ItemError("timeout", "summarize", NOBODY_WAITS)
        moments = self._find(items, summaries)
        wall_s, cpu_s = (total / len(items) for total in watch.read())
        outcomes = [
            replace(with_moments(item.outcome, found, self._settings), summary=summary, generate_s=wall_s)
            for item, summary, found in zip(items, summaries, moments, strict=True)
        ]
        held = peak_bytes()
        return [
            replace(item, outcome=outcome, embeddings=None, generate_cpu_s=cpu_s, generate_peak_bytes=held)
            for item, outcome in zip(items, outcomes, strict=True)
        ]

    def _find(self, items: Sequence[StageItem], summaries: Sequence[Summary]) -> list[Moments | None]:
        from clipsum.highlights.moments import Watched

        return self._finder.find(
            [
                Watched(
                    item.embeddings,
                    item.transcript,
                    item.outcome.duration_s or 0.0,
                    summary.text,
                    asked_of(item.outcome.ref.query, self._settings.queries),
                )
                for item, summary in zip(items, summaries, strict=True)
            ]
        )


def with_moments(outcome: Outcome, moments: Moments | None, settings: StageSettings) -> Outcome:
    """The outcome with what was found, the pictures of it, and a warning where its own query could not be answered."""
    kept = pictured(outcome.thumbnails, moments, settings.thumbnails)
    unanswered = (UNANSWERED,) if moments is None and outcome.ref.query else ()
    return replace(outcome, moments=moments, thumbnails=kept, warnings=(*outcome.warnings, *unanswered))


def _few_pictures(outcome: Outcome, settings: StageSettings) -> Outcome:
    """A video that failed after it was decoded has all pictures that were made to choose from."""
    is_whole = outcome.failure is None
    return outcome if is_whole else replace(outcome, thumbnails=pictured(outcome.thumbnails, None, settings.thumbnails))


def results(items: Sequence[StageItem], settings: StageSettings) -> pa.Table:
    """Rows of the output with what the run's account needs, which the ledger takes off again."""
    accounts = [*ACCOUNTING.names, *_GENERATING.names]
    table = [
        rows.row(_few_pictures(item.outcome, settings), settings.bundle_id, settings.fingerprint)
        | {name: getattr(item, name) for name in accounts}
        for item in items
    ]
    return pa.Table.from_pylist(table, schema=RESULT_SCHEMA)
