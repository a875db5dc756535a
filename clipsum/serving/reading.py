"""What a request says, from its JSON or its multipart form. FastAPI's own reading would repeat it in its refusals."""

from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import TypeVar

from fastapi import Request
from pydantic import BaseModel, ValidationError
from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException

from clipsum.serving.refusals import RefusedError
from clipsum.serving.schemas import MAX_TRANSCRIPT, SummaryRequest, UploadFields
from clipsum.serving.sources import Sources
from clipsum.serving.videos import Video, named, uploaded
from clipsum.serving.waiting import finished
from clipsum.storage.s3_client import patience
from clipsum.transcript.parse import SubtitleError, decode_text

ModelT = TypeVar("ModelT", bound=BaseModel)
Look = Callable[[Callable[[], Video]], Awaitable[Video]]
MOST_FILES, MOST_FIELDS = 2, 4
PATIENCE_S = 10.0
"""How long a store that is busy is asked again for a request."""


async def read_json(request: Request, model: type[ModelT]) -> ModelT:
    """The body. Raises: RefusedError, 415, 400 and 422, which names fields and repeats no value."""
    if _kind(request) != "application/json":
        raise RefusedError(415, "unsupported_media", "send application/json")
    return _checked(model, await request.body())


async def read_video(request: Request, sources: Sources, uploads: Path, look: Look, held: AsyncExitStack) -> Video:
    """The video that is asked for; an uploaded one is there until `held` is closed. `look` asks a store for the other.

    Raises: RefusedError, 400, 403, 413, 415 and 422; ItemError where the store does not tell of it.
    """
    kind = _kind(request)
    if kind not in ("multipart/form-data", "application/json"):
        raise RefusedError(
            415, "unsupported_media", "send application/json, or multipart/form-data with the video in file"
        )
    if kind != "multipart/form-data":
        asked = await read_json(request, SummaryRequest)
        return await look(partial(_named, asked, sources))
    try:
        form = await request.form(max_files=MOST_FILES, max_fields=MOST_FIELDS, max_part_size=4 * MAX_TRANSCRIPT)
    except (MultiPartException, HTTPException) as error:  # the second where there is an app
        raise RefusedError(400, "invalid_request", "the form cannot be read") from error
    try:
        files = form.getlist("file")
        file = files[0] if len(files) == 1 else None
        if not isinstance(file, UploadFile):
            raise RefusedError(422, "invalid_request", "file: send one video in this field")
        fields = await _fields(form)
        kept = uploaded(file.file, file.filename or "", fields.query, fields.transcript, uploads)
        return await finished(lambda: held.enter_context(kept))
    finally:
        await form.close()


def _named(asked: SummaryRequest, sources: Sources) -> Video:
    with patience(PATIENCE_S):  # who asks can ask again; a thread is not for them alone
        return named(asked.uri, asked.query, asked.transcript, sources)


async def _fields(form: FormData) -> UploadFields:
    said = {}
    for name, value in form.multi_items():
        if name in said and name in UploadFields.model_fields:
            raise RefusedError(422, "invalid_request", f"{name}: send it once")
        if name != "file":
            said[name] = value if isinstance(value, str) else await _text(value)
    return _checked(UploadFields, {name: value for name, value in said.items() if value.strip()})


async def _text(file: UploadFile) -> str:
    try:
        return decode_text(await file.read(4 * MAX_TRANSCRIPT + 1))
    except SubtitleError as error:
        raise RefusedError(422, "invalid_request", "transcript: it is binary data, not text") from error


def _checked(model: type[ModelT], said: bytes | dict[str, str]) -> ModelT:
    try:
        return model.model_validate_json(said) if isinstance(said, bytes) else model.model_validate(said)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        if first["type"] == "json_invalid":
            raise RefusedError(400, "invalid_request", "the body is not JSON") from error
        field = ".".join(str(key) for key in first["loc"] if key in model.model_fields) or "body"
        words = first["msg"]
        if first["type"] == "extra_forbidden":
            words = f"there is a field that is none of {', '.join(model.model_fields)}"
        raise RefusedError(422, "invalid_request", f"{field}: {words}") from error


def _kind(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()
