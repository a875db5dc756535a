"""What /openapi.json says of each route beyond the models: bodies that are read by hand, answers, examples, keys."""

from typing import Any

from fastapi.security import HTTPBearer

from clipsum.serving import examples
from clipsum.serving.schemas import BundleMove, ErrorBody, JobRequest, JobTold, SummaryRequest
from clipsum.serving.webhooks import IDEMPOTENCY, SIGNATURE, TOLERANCE_S

Said = dict[str, Any]
KEY = HTTPBearer(auto_error=False, scheme_name="key", description="An API key; none where the service has none.")
"""A dependency that only says in the documentation what `KeyRing` does."""

_WORDS = {
    400: "The request or its body cannot be read",
    401: "A key is needed",
    403: "This key, or this service, may not do that",
    404: "There is no such thing",
    413: "Larger or longer than is allowed here",
    415: "Not a video, or not a body, that can be read",
    422: "A field is wrong, or this video cannot be done however often it is asked for",
    429: "Too many requests with this key",
    503: "Too much to do, or something was lost",
    504: "It took longer than it may",
}
ANYWHERE = (400, 403, 503, 504)
KEYED = (*ANYWHERE, 401, 429)
READING = (*KEYED, 413, 415, 422)
"""What a route may answer instead: any one, one that takes a key, one that reads a body too."""
_WAIT = {"Retry-After": {"description": "seconds until it is of use to ask again", "schema": {"type": "integer"}}}
_SCHEME = {"WWW-Authenticate": {"description": "Bearer", "schema": {"type": "string"}}}
_HEADERS = {401: _SCHEME, 429: _WAIT, 503: _WAIT}
_UPLOAD = {
    "type": "object",
    "required": ["file"],
    "properties": {
        "file": {"type": "string", "format": "binary", "description": "the video"},
        "query": {"type": "string", "maxLength": 1000, "description": "a question: which moments answer it?"},
        "transcript": {"type": "string", "description": "plain text or WebVTT; may be a file"},
    },
    "examples": [{"file": "(the bytes of pancakes.mp4)", "query": "when is the pancake flipped?"}],
}


def answers(status: int, words: str, example: Any, errors: tuple[int, ...], **others: str) -> dict[int | str, Said]:
    """`status` with its example, by media type in `others` too (an underscore for the slash), and the refusals."""
    content: Said = {"application/json": {"example": example}}
    for kind, text in others.items():
        content[kind.replace("_", "/", 1).replace("_", "-")] = {"schema": {"type": "string"}, "example": text}
    found: dict[int | str, Said] = {status: {"description": words, "content": content}}
    return found | {each: _refusal(each) for each in sorted(errors)}


def _refusal(status: int) -> Said:
    said: Said = {"model": ErrorBody, "description": _WORDS[status]}
    said["content"] = {"application/json": {"example": examples.error(status)}}
    return said | ({"headers": _HEADERS[status]} if status in _HEADERS else {})


def _body(**kinds: Said) -> Said:
    return {"requestBody": {"required": True, "content": {kind: {"schema": schema} for kind, schema in kinds.items()}}}


SUMMARY_BODY = _body(
    **{"application/json": SummaryRequest.model_json_schema(), "multipart/form-data": _UPLOAD},
)
JOB_BODY = _body(**{"application/json": JobRequest.model_json_schema()})
MOVE_BODY = _body(**{"application/json": BundleMove.model_json_schema()})
JOB_ID = {
    "parameters": [
        {
            "name": "job_id",
            "in": "path",
            "required": True,
            "description": "what POST /v1/jobs gave",
            "schema": {"type": "string", "pattern": "^[0-9a-f]{32}$"},
            "example": examples.JOB_ID,
        }
    ]
}
_TOLD = JobTold.model_json_schema(ref_template="#/components/schemas/{model}")
WEBHOOK: Said = {
    **_body(
        **{"application/json": {name: _TOLD[name] for name in _TOLD if name != "$defs"} | {"examples": [examples.TOLD]}}
    ),
    "parameters": [
        {"name": name, "in": "header", "required": True, "description": words, "schema": {"type": "string"}}
        for name, words in (
            (
                SIGNATURE,
                "t=<seconds since 1970>,v1=<hex of HMAC-SHA256 over t.body with the shared secret>; "
                f"refuse what is older than {TOLERANCE_S} seconds",
            ),
            (IDEMPOTENCY, "the id of the job: it may be told more than once"),
        )
    ],
}
WEBHOOK_ANSWERS: dict[int | str, Said] = {
    200: {"description": "It has come: so says any status below 300; after any other it is told again"}
}
HEALTH = answers(200, "All parts are well", {"status": "ok"}, ANYWHERE)
CARD = answers(200, "The model card", examples.CARD, KEYED)
MOVE = answers(200, "The model card of what is served now", examples.CARD, READING)
SUMMARY = answers(
    200,
    "The row; with Accept: text/event-stream the events on the way to it, of which the last is `row` or `error`",
    examples.ROW,
    (*READING, 404),
    text_event_stream=examples.EVENTS,
)
SUBMIT = answers(202, "It is stored, and will be done", examples.ACCEPTED, READING)
JOB = answers(200, "The job, with its result or its error once there is one", examples.JOB, (*KEYED, 404))
