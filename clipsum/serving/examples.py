"""One answer of each kind as `/openapi.json` shows it. A test holds each against its model."""

import json
from typing import Any

from clipsum.errors import Reason
from clipsum.serving.refusals import HttpReason

JOB_ID = "5f0c3f7f3a3d4b0f9d0f4a52c1f0a1b2"
ROW: dict[str, Any] = {
    "schema_version": 1,
    "video_id": "0c1d4d6c1c5b3f5e",
    "uri": "s3://videos/pancakes.mp4",
    "version": "9b2cf535f27731c974343645a3985328",
    "size_bytes": 3_480_112,
    "status": "ok",
    "reason": None,
    "stage": None,
    "detail": None,
    "warnings": [],
    "attempts": 1,
    "summary": "Whisk the batter, heat the pan, and flip the pancake once its edges are dry.",
    "duration_s": 42.0,
    "frame_times_s": [10.5, 31.5],
    "frame_exact": [True, True],
    "frame_scores": [0.21, 0.87],
    "highlights": [{"start_s": 28.0, "end_s": 34.0, "score": 0.87}],
    "queries": [
        {
            "query": "when is the pancake flipped?",
            "matched": True,
            "frame_scores": [0.08, 0.91],
            "highlights": [{"start_s": 30.0, "end_s": 33.0, "score": 0.91}],
        }
    ],
    "chapters": [
        {"start_s": 0.0, "end_s": 21.0, "title": "whisk the batter"},
        {"start_s": 21.0, "end_s": 42.0, "title": "flip the pancake"},
    ],
    "thumbnails": [{"time_s": 31.5, "jpeg": "/9j/4AAQSkZJRg=="}],
    "evidence": "both",
    "transcript_source": "embedded",
    "text_tokens": 58,
    "text_tokens_dropped": 0,
    "bytes_read": 212_480,
    "decode_cpu_s": 0.09,
    "encode_s": 0.04,
    "generate_s": 0.05,
    "bundle_id": "kitchen-tiny-4d1f",
    "fingerprint": "b7c1e0a94f52",
}
CARD = {
    "bundle_id": "kitchen-tiny-4d1f",
    "fingerprint": "b7c1e0a94f52",
    "sampling": "uniform:50",
    "seek": "auto",
    "card": "# kitchen-tiny\n\nIt knows a toy kitchen, and nothing else.",
}
ACCEPTED = {"id": JOB_ID}
JOB = {
    "id": JOB_ID,
    "state": "done",
    "stage": "summarized",
    "created_s": 1_767_225_600.0,
    "finished_s": 1_767_225_604.2,
    "result": ROW,
    "error": None,
}
TOLD = {"id": JOB_ID, "state": "done", "result": ROW}
EVENTS = "".join(
    f"event: {name}\ndata: {json.dumps(data)}\n\n"
    for name, data in (
        ("stage", {"stage": "queued"}),
        ("stage", {"stage": "decoded"}),
        ("stage", {"stage": "encoded"}),
        ("text", {"text": "Whisk the batter,"}),
        ("stage", {"stage": "summarized"}),
        ("row", ROW | {"queries": [], "thumbnails": []}),
    )
)
REASONS: dict[int, tuple[Reason | HttpReason, str]] = {
    400: ("invalid_request", "the body is not JSON"),
    401: ("unauthorized", "bring a key that is known here: Authorization: Bearer KEY"),
    403: ("access_denied", "this address is not among those that this service may read"),
    404: ("not_found", "there is no such video"),
    413: ("too_long", "the video is longer than is allowed here"),
    415: ("not_a_video", "the file is not a video"),
    422: ("corrupt", "the video is damaged"),
    429: ("rate_limited", "too many requests with this key"),
    503: ("overloaded", "too many requests at once"),
    504: ("timeout", "the work on this video took longer than it may"),
}


def error(status: int) -> dict[str, Any]:
    """The body of a refusal."""
    reason, detail = REASONS[status]
    return {"error": {"reason": reason, "detail": detail}}
