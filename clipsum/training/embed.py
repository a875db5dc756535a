"""Frame embeddings of a whole split in one file, so that many training runs share one decoding and encoding.

An .npz of: video_ids (V,), duration_s (V,) float64, offsets (V + 1,) int64 into the frames of all videos, times_s (F,)
float64, vectors (F, D) float16; fingerprint, sampling and seek as in `Embeddings`.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from clipsum.config import Sampling, Seek
from clipsum.encoders.base import FrameEncoder
from clipsum.errors import UsageError
from clipsum.records import Embeddings
from clipsum.training.frames import decode_rows, read_manifest


def embed_manifest(manifest: Path, encoder: FrameEncoder, sampling: Sampling, seek: Seek, path: Path) -> None:
    """Decode and encode every video of a kitchen manifest into the file `path`. Raises: UsageError, ItemError."""
    embedded: dict[str, tuple[Embeddings, float]] = {}
    for row, decoded in decode_rows(read_manifest(manifest), encoder.preprocessing, sampling, seek):
        frames = decoded.frames
        vectors = encoder.encode_frames(frames.pixels)
        embeddings = Embeddings(frames.times_s, vectors, encoder.fingerprint, str(sampling), seek)
        embedded[row["video_id"]] = (embeddings, decoded.duration_s)
    save_embeddings(path, embedded)


def save_embeddings(path: Path, embedded: Mapping[str, tuple[Embeddings, float]]) -> None:
    """Write the embeddings and durations of many videos. Raises: ValueError where they are not of one kind."""
    all_of = [embeddings for embeddings, _ in embedded.values()]
    kinds = {(each.fingerprint, each.sampling, each.seek) for each in all_of}
    if len(kinds) != 1:
        raise ValueError(f"embeddings for {path} are of {len(kinds)} kinds (fingerprint, sampling, seek), expected 1")
    fingerprint, sampling, seek = kinds.pop()
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    with part.open("wb") as file:
        np.savez(
            file,
            video_ids=np.array(list(embedded)),
            duration_s=np.array([duration_s for _, duration_s in embedded.values()], np.float64),
            offsets=np.cumsum([0, *(len(each.times_s) for each in all_of)], dtype=np.int64),
            times_s=np.concatenate([each.times_s for each in all_of]),
            vectors=np.concatenate([each.vectors for each in all_of]).astype(np.float16),
            fingerprint=np.array(fingerprint),
            sampling=np.array(sampling),
            seek=np.array(seek),
        )
    part.rename(path)


def load_embeddings(path: Path) -> dict[str, tuple[Embeddings, float]]:
    """video_id -> (embeddings, duration_s), as `save_embeddings` wrote them. Raises: UsageError without a file."""
    if not path.is_file():
        raise UsageError(f"embeddings '{path}' do not exist: write them with embed_manifest first")
    with np.load(path) as stored:
        offsets, times_s, vectors = stored["offsets"], stored["times_s"], stored["vectors"].astype(np.float32)
        kind = (str(stored["fingerprint"]), str(stored["sampling"]), str(stored["seek"]))
        rows = zip(stored["video_ids"].tolist(), stored["duration_s"].tolist(), strict=True)
        return {
            video_id: (Embeddings(times_s[start:stop], vectors[start:stop], *kind), duration_s)
            for (video_id, duration_s), start, stop in zip(rows, offsets[:-1], offsets[1:], strict=True)
        }
