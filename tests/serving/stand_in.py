"""A service of HTTP whose answers a test writes itself, on a real uvicorn server, for the page and for the client."""

import asyncio
import contextlib
import json
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse
from starlette.datastructures import UploadFile

from clipsum.serving.assets import Asset, assets
from clipsum.serving.refusals import RefusedError
from clipsum.serving.schemas import SummaryRow, answer_of
from tests.reports.report_rows import ok_row

STAGES = ("queued", "decoded", "encoded", "summarized")


@dataclass(frozen=True)
class Asked:
    """One request: its fields, of a file its name and bytes, its headers."""

    fields: dict[str, Any]
    file: tuple[str, bytes] | None
    headers: dict[str, str]


Event = tuple[str, Any] | threading.Event  # the stream waits where an event stands
Answer = SummaryRow | list[Event] | RefusedError


@dataclass
class StandIn:
    """What was asked, and how each is answered: `answers` in turn, the last again and again."""

    url: str = ""
    answers: list[Answer] = field(default_factory=lambda: [row_of()])
    asked: list[Asked] = field(default_factory=list)
    jobs: list[dict[str, Any]] = field(default_factory=list)
    left: threading.Event = field(default_factory=threading.Event)

    def next_answer(self, asked: Asked) -> Answer:
        self.asked.append(asked)
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


def row_of(**changes: Any) -> SummaryRow:
    return answer_of(ok_row(**changes))


def whole(row: SummaryRow) -> list[Event]:
    """All that is said of a row on its way."""
    words = (row.summary or "").split()
    stages: list[Event] = [("stage", {"stage": name}) for name in STAGES]
    texts: list[Event] = [("text", {"text": " ".join(words[: n + 1])}) for n in range(len(words))]
    return [*stages[:3], *texts, stages[3], ("row", row.model_dump(mode="json"))]


def app_of(stand_in: StandIn) -> FastAPI:
    app = FastAPI()
    for path, asset in assets().items():
        app.get(path)(page_of(asset))

    @app.post("/v1/summaries")
    async def summaries(request: Request) -> Response:
        answer = stand_in.next_answer(await asked_of(request))
        if isinstance(answer, RefusedError):
            return JSONResponse(answer.body, answer.status, answer.headers)
        if "text/event-stream" in request.headers["accept"]:
            said = answer if isinstance(answer, list) else whole(answer)
            return StreamingResponse(stream(said, stand_in), media_type="text/event-stream")
        assert isinstance(answer, SummaryRow)
        return Response(answer.model_dump_json(), media_type="application/json")

    @app.post("/v1/jobs", status_code=202)
    async def submit(request: Request) -> dict[str, str]:
        stand_in.asked.append(await asked_of(request))
        return {"id": "0" * 32}

    @app.get("/v1/jobs/{job_id}")
    def job(job_id: str) -> Response:
        state = stand_in.jobs.pop(0) if stand_in.jobs else None
        if state is None:
            state = {"refused": RefusedError(404, "not_found", "there is no such job")}
        refused = state.get("refused")
        if refused is not None:
            return JSONResponse(refused.body, refused.status, refused.headers)
        return JSONResponse({"id": job_id, "created_s": 1.0, **state})

    return app


def page_of(asset: Asset) -> Callable[[], Response]:
    return lambda: Response(asset.body, media_type=asset.media_type, headers=asset.headers)


async def asked_of(request: Request) -> Asked:
    headers = dict(request.headers)
    if headers["content-type"].startswith("application/json"):
        return Asked(await request.json(), None, headers)
    form = await request.form()
    files = [(value.filename or "", await value.read()) for value in form.values() if isinstance(value, UploadFile)]
    return Asked({name: value for name, value in form.items() if isinstance(value, str)}, files[0], headers)


async def stream(said: list[Event], stand_in: StandIn) -> AsyncIterator[str]:
    try:
        yield ": hello\n\n"
        for each in said:
            await asyncio.sleep(0)  # so that it is noticed when nobody hears any more
            if isinstance(each, threading.Event):
                while not each.is_set():
                    await asyncio.sleep(0.01)
            else:
                yield f"event: {each[0]}\ndata: {json.dumps(each[1])}\n\n"
    finally:
        stand_in.left.set()


@contextlib.contextmanager
def served(stand_in: StandIn) -> Iterator[StandIn]:
    server = uvicorn.Server(uvicorn.Config(app_of(stand_in), port=0, log_level="error", timeout_graceful_shutdown=1))
    started = threading.Event()
    before = server.startup

    async def startup(sockets: Any = None) -> None:
        await before(sockets)
        started.set()

    server.startup = startup  # type: ignore[method-assign]
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    assert started.wait(20)
    stand_in.url = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    yield stand_in
    server.should_exit = True
    thread.join(10)
