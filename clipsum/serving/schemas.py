"""What is said over HTTP, as models with examples: the requests, the row of a video, jobs and errors."""

import base64
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from clipsum.errors import Reason
from clipsum.serving.refusals import HttpReason

MAX_URI, MAX_QUERY, MAX_TRANSCRIPT = 4096, 1000, 1_000_000
"""The most letters of each."""
Stage = Literal["queued", "decoded", "encoded", "summarized"]
State = Literal["waiting", "running", "done", "failed"]
Uri = Annotated[str, StringConstraints(min_length=1, max_length=MAX_URI)]
Query = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=MAX_QUERY)]
_URI, _QUERY = "s3://videos/pancakes.mp4", "when is the pancake flipped?"


class Message(BaseModel):
    """Base of all: frozen, and no field that is not declared."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="null")


class SummaryRequest(Message):
    """A video by its address. `transcript` is what is said in it, where the caller knows."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"uri": _URI, "query": _QUERY}]})

    uri: Uri = Field(description="s3://bucket/key or https://host/path, of those that this service allows")
    query: Query | None = Field(default=None, description="a question: which moments answer it?")
    transcript: str | None = Field(default=None, max_length=MAX_TRANSCRIPT, description="plain text or WebVTT")


class JobRequest(SummaryRequest):
    """The same, done when there is room; `webhook` is told of the end."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"uri": _URI, "webhook": "https://app.example/done"}]})

    webhook: Annotated[str, StringConstraints(pattern=r"^https://", max_length=MAX_URI)] | None = Field(
        default=None, description="an https address, of those that this service may tell"
    )


class UploadFields(Message):
    """What a multipart upload says beside its `file`."""

    query: Query | None = None
    transcript: str | None = Field(default=None, max_length=MAX_TRANSCRIPT)


class HighlightPart(Message):
    """A moment that matters, in seconds on the player's clock."""

    start_s: float
    end_s: float
    score: float


class QueryPart(Message):
    """What one question found; `matched`: whether anything answers it; null where the bundle cannot tell."""

    query: str
    matched: bool | None
    frame_scores: list[float] | None
    highlights: list[HighlightPart] | None


class ChapterPart(Message):
    """A stretch of the video and its title."""

    start_s: float
    end_s: float
    title: str


class ThumbnailPart(Message):
    """The frame at `time_s`, as a JPEG in base64."""

    time_s: float
    jpeg: str


class SummaryRow(Message):
    """The row of a video, as the batch job writes it; null is what no capability fills."""

    schema_version: int
    video_id: str
    uri: str
    version: str
    size_bytes: int | None
    status: Literal["ok", "failed"]
    reason: Reason | None
    stage: str | None
    detail: str | None
    warnings: list[str]
    attempts: int
    summary: str | None
    duration_s: float | None
    frame_times_s: list[float]
    frame_exact: list[bool]
    frame_scores: list[float] | None
    highlights: list[HighlightPart] | None
    queries: list[QueryPart] | None
    chapters: list[ChapterPart] | None
    thumbnails: list[ThumbnailPart]
    evidence: Literal["text", "frames", "both", "none"] | None
    transcript_source: str | None
    text_tokens: int | None
    text_tokens_dropped: int | None
    bytes_read: int
    decode_cpu_s: float
    encode_s: float
    generate_s: float
    bundle_id: str
    fingerprint: str


class ErrorPart(Message):
    """Why there is no summary."""

    reason: Reason | HttpReason
    detail: str


class ErrorBody(Message):
    """Every answer of 400, 401, 403, 404, 413, 415, 422, 429, 503 and 504."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"error": {"reason": "not_found", "detail": "there is no such video"}}]}
    )

    error: ErrorPart


class JobAccepted(Message):
    """The answer to a new job; ask `GET /v1/jobs/{id}` for the rest."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"id": "5f0c3f7f3a3d4b0f9d0f4a52c1f0a1b2"}]})

    id: str


class JobStatus(Message):
    """How far a job is; `result` once it is done, `error` once it failed. Times are seconds since 1970.

    `webhook`: whether it has been told of the end, once there is one.
    """

    id: str
    state: State
    stage: Stage | None = None
    created_s: float
    finished_s: float | None = None
    result: SummaryRow | None = None
    error: ErrorPart | None = None
    webhook: Literal["pending", "told", "given_up"] | None = None


class JobTold(Message):
    """What the webhook of a job is told once it has ended."""

    id: str
    state: Literal["done", "failed"]
    result: SummaryRow | None = None
    error: ErrorPart | None = None


class BundleMove(Message):
    """Which bundle to serve from now on: a folder, `s3://…`, or the name of a bundled one."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"bundle": "s3://models/kitchen-2"}]})

    bundle: str = Field(min_length=1, max_length=MAX_URI, description="a folder, s3://…, or the name of a bundled one")


class BundleCard(Message):
    """What is served: `card` is the model card, Markdown."""

    bundle_id: str
    fingerprint: str
    sampling: str
    seek: str
    card: str


def answer_of(row: dict[str, Any]) -> SummaryRow:
    """A row of `clipsum.rows` for JSON: its JPEGs in base64. Raises: pydantic's error where it is no such row."""
    pictures = [
        {"time_s": each["time_s"], "jpeg": base64.b64encode(each["jpeg"]).decode()} for each in row["thumbnails"] or ()
    ]
    return SummaryRow.model_validate({**row, "thumbnails": pictures})
