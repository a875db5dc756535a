"""What /openapi.json says beyond the models: the bodies that are read by hand, and every error."""

from typing import Any

from clipsum.serving.schemas import ErrorBody, JobRequest, SummaryRequest

_WORDS = {
    400: "The body cannot be read",
    401: "A key is needed",
    403: "This key, or this service, may not do that",
    404: "There is no such thing",
    413: "Larger or longer than is allowed here",
    415: "Not a video, or not a body, that can be read",
    422: "A field is wrong, or the video is damaged",
    429: "Too many requests with this key; see Retry-After",
    503: "Too much to do, or something was lost; see Retry-After",
    504: "It took longer than it may",
}
ERRORS: dict[int | str, dict[str, Any]] = {
    status: {"model": ErrorBody, "description": words} for status, words in _WORDS.items()
}
_UPLOAD = {
    "type": "object",
    "required": ["file"],
    "properties": {
        "file": {"type": "string", "format": "binary", "description": "the video"},
        "query": {"type": "string", "description": "a question: which moments answer it?"},
        "transcript": {"type": "string", "description": "plain text or WebVTT; may be a file"},
    },
}


def _body(**kinds: dict[str, Any]) -> dict[str, Any]:
    return {"requestBody": {"required": True, "content": kinds}}


SUMMARY_BODY = _body(
    **{
        "application/json": {"schema": SummaryRequest.model_json_schema()},
        "multipart/form-data": {"schema": _UPLOAD},
    }
)
JOB_BODY = _body(**{"application/json": {"schema": JobRequest.model_json_schema()}})
