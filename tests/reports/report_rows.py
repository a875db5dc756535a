"""Rows and a run as the main job writes them, with drawn pictures, for the tests of the report."""

import io
from typing import Any

from PIL import Image

RUN: dict[str, Any] = {
    "schema_version": 1,
    "run_id": "2026-03-04T05-06-07",
    "bundle_id": "kitchen-tiny",
    "counts": {"listed": 6, "ok": 3, "failed": 2, "pending": 1},
    "failures": {"corrupt": 2},
    "attempts": [{}, {}],
    "video_hours": 0.5,
    "wall_s": 90.0,
    "cpu_s": {"decode": 30.0, "encode": 20.0, "generate": 50.0},
    "bytes_read": 5_200_000,
    "bytes_listed": 100_000_000,
    "realtime_factor": 20.0,
    "cost": {"core_hours": 0.05, "gpu_hours": None, "core_hours_per_video_hour": 0.1, "price": None},
}


def jpeg(width: int = 160, height: int = 90, colour: str = "teal") -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (width, height), colour).save(buffer, format="JPEG")
    return buffer.getvalue()


def ok_row(number: int = 0, **changes: Any) -> dict[str, Any]:
    row: dict[str, Any] = {
        "schema_version": 1,
        "video_id": f"{number:016x}",
        "uri": f"/videos/a_long_name-{number:05d}.mp4",
        "version": "1",
        "size_bytes": 1_000_000,
        "status": "ok",
        "reason": None,
        "stage": None,
        "detail": None,
        "warnings": [],
        "attempts": 1,
        "summary": f"Chop the onions, then fry them slowly in butter: dish number {number}.",
        "duration_s": 60.0,
        "frame_times_s": [0.5 + i for i in range(60)],
        "frame_exact": [True] * 60,
        "frame_scores": [(i % 10) / 10 for i in range(60)],
        "highlights": [{"start_s": 6.0, "end_s": 12.0, "score": 0.9}],
        "queries": [{"query": "when do they fry?", "matched": True, "frame_scores": None, "highlights": []}],
        "chapters": [{"start_s": 0.0, "end_s": 30.0, "title": "Chop"}, {"start_s": 30, "end_s": 60, "title": "Fry"}],
        "thumbnails": [{"time_s": 10.0 * i + 5, "jpeg": jpeg(colour=c)} for i, c in enumerate(("teal", "red", "gold"))],
        "evidence": "both",
        "transcript_source": "sidecar",
        "text_tokens": 120,
        "text_tokens_dropped": 0,
        "bytes_read": 52_000,
        "decode_cpu_s": 0.3,
        "encode_s": 0.2,
        "generate_s": 0.5,
        "bundle_id": "kitchen-tiny",
        "fingerprint": "f" * 64,
    }
    return {**row, **changes}


def failed_row(number: int, reason: Any, detail: str = "the file ends early", **changes: Any) -> dict[str, Any]:
    empty = dict.fromkeys(ok_row())
    return {
        **empty,
        "video_id": f"failed-{number}",
        "uri": f"s3://archive/tape {number}.mp4",
        "status": "failed",
        "reason": reason,
        "stage": "decode",
        "detail": detail,
        **changes,
    }
