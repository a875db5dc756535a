"""The row that every listed video gets, whatever became of it, and its parquet schema.

What a bundle without a scorer cannot fill (scores, highlights, queries, chapters) is null.
"""

import io
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from PIL import Image

from clipsum import storage
from clipsum.records import Failure, Moments, Preview, Summary, VideoRef

SCHEMA_VERSION = 1
THUMBNAIL_BYTES = 6 * 1024
THUMBNAIL_PX = 160

_HIGHLIGHTS = pa.list_(pa.struct([("start_s", pa.float64()), ("end_s", pa.float64()), ("score", pa.float64())]))
_SCORES = pa.list_(pa.float32())
_QUERY = pa.struct(
    [("query", pa.string()), ("matched", pa.bool_()), ("frame_scores", _SCORES), ("highlights", _HIGHLIGHTS)]
)
_CHAPTER = pa.struct([("start_s", pa.float64()), ("end_s", pa.float64()), ("title", pa.string())])

SCHEMA = pa.schema(
    [
        ("schema_version", pa.int32()),
        ("video_id", pa.string()),
        ("uri", pa.string()),
        ("version", pa.string()),
        ("size_bytes", pa.int64()),
        ("status", pa.string()),
        ("reason", pa.string()),
        ("stage", pa.string()),
        ("detail", pa.string()),
        ("warnings", pa.list_(pa.string())),
        ("attempts", pa.int32()),
        ("summary", pa.string()),
        ("duration_s", pa.float64()),
        ("frame_times_s", pa.list_(pa.float64())),
        ("frame_exact", pa.list_(pa.bool_())),
        ("frame_scores", _SCORES),
        ("highlights", _HIGHLIGHTS),
        ("queries", pa.list_(_QUERY)),
        ("chapters", pa.list_(_CHAPTER)),
        ("thumbnails", pa.list_(pa.struct([("time_s", pa.float64()), ("jpeg", pa.binary())]))),
        ("evidence", pa.string()),
        ("transcript_source", pa.string()),
        ("text_tokens", pa.int32()),
        ("text_tokens_dropped", pa.int32()),
        ("bytes_read", pa.int64()),
        ("decode_cpu_s", pa.float64()),
        ("encode_s", pa.float64()),
        ("generate_s", pa.float64()),
        ("bundle_id", pa.string()),
        ("fingerprint", pa.string()),
    ]
)


@dataclass(frozen=True)
class Thumbnail:
    """A small JPEG of the frame at `time_s`."""

    time_s: float
    jpeg: bytes


@dataclass(frozen=True)
class Outcome:
    """What is known so far of one video; each stage returns a fuller one. Times and costs are in seconds."""

    ref: VideoRef
    failure: Failure | None = None
    summary: Summary | None = None
    moments: Moments | None = None
    warnings: tuple[str, ...] = ()
    attempts: int = 1
    duration_s: float | None = None
    frame_times_s: tuple[float, ...] = ()
    frame_exact: tuple[bool, ...] = ()
    thumbnails: tuple[Thumbnail, ...] = ()
    transcript_source: str | None = None
    bytes_read: int = 0
    decode_cpu_s: float = 0.0
    encode_s: float = 0.0
    generate_s: float = 0.0


def row(outcome: Outcome, bundle_id: str, fingerprint: str) -> dict[str, Any]:
    """The row of `outcome`, one key per column of `SCHEMA`; a failed video has a reason and no summary."""
    failure, summary = outcome.failure, outcome.summary
    if (failure is None) == (summary is None):
        raise ValueError(
            f"{storage.shown(outcome.ref.uri)}: a row needs either a summary or a failure, not both or neither"
        )
    return {
        **dict.fromkeys(SCHEMA.names),
        "schema_version": SCHEMA_VERSION,
        **{name: getattr(outcome.ref, name) for name in ("video_id", "version", "size_bytes")},
        "uri": storage.masked(outcome.ref.uri),
        "status": "ok" if failure is None else "failed",
        **(asdict(failure) if failure else {}),
        **_summary_columns(summary),
        **(asdict(outcome.moments) if outcome.moments and not failure else {}),
        **{name: list(getattr(outcome, name)) for name in ("warnings", "frame_times_s", "frame_exact")},
        "thumbnails": [asdict(thumbnail) for thumbnail in outcome.thumbnails],
        **{name: getattr(outcome, name) for name in _PLAIN},
        "bundle_id": bundle_id,
        "fingerprint": fingerprint,
    }


_PLAIN = (
    "attempts",
    "duration_s",
    "transcript_source",
    "bytes_read",
    "decode_cpu_s",
    "encode_s",
    "generate_s",
)


def _summary_columns(summary: Summary | None) -> dict[str, Any]:
    if summary is None:
        return {}
    return {
        "summary": summary.text,
        "evidence": summary.evidence,
        "text_tokens": summary.text_tokens,
        "text_tokens_dropped": summary.text_tokens_dropped,
    }


def table(rows: Iterable[dict[str, Any]]) -> pa.Table:
    """Rows as a table of `SCHEMA`. Raises: pyarrow's error where a value does not fit its column."""
    return pa.Table.from_pylist(list(rows), schema=SCHEMA)


def parquet(table: pa.Table) -> bytes:
    """A table as a parquet file. Where large values are in it, each row has a row group and is read on its own."""
    texts = [field.name for field in table.schema if pa.types.is_string(field.type)]
    large = [field.name for field in table.schema if pa.types.is_large_binary(field.type)]
    alone = any(table.column(name).null_count < table.num_rows for name in large)
    buffer = io.BytesIO()
    # a dictionary of numbers that never repeat makes writing vectors seven times slower, and the file larger
    pq.write_table(table, buffer, compression="zstd", use_dictionary=texts, row_group_size=1 if alone else None)
    return buffer.getvalue()


def thumbnails(previews: Iterable[Preview]) -> tuple[Thumbnail, ...]:
    """The previews as JPEGs of at most `THUMBNAIL_BYTES` each."""
    return tuple(Thumbnail(preview.time_s, _jpeg(preview.pixels)) for preview in previews)


def _jpeg(pixels: NDArray[np.uint8]) -> bytes:
    """A JPEG of (H, W, 3) RGB: the best quality that fits, then half the size."""
    image = Image.fromarray(pixels)
    image.thumbnail((THUMBNAIL_PX, THUMBNAIL_PX), Image.Resampling.BILINEAR)
    for quality in (80, 60, 40, 20):
        buffer = io.BytesIO()
        image.save(buffer, format="JPEG", quality=quality)
        if buffer.tell() <= THUMBNAIL_BYTES:
            return buffer.getvalue()
    height, width = max(1, image.height // 2), max(1, image.width // 2)
    return _jpeg(np.asarray(image.resize((width, height)), dtype=np.uint8))
