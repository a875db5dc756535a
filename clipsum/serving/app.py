"""The HTTP of design 4.4 as a FastAPI app. Whoever does the work is a `Service`; nothing here knows of Ray."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Protocol, TypeVar

from fastapi import Depends, FastAPI, Request, Response
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

from clipsum.serving import documentation as said
from clipsum.serving.assets import Asset, assets
from clipsum.serving.events import Events
from clipsum.serving.jobs import JobStore
from clipsum.serving.keys import KeyRing, Scope
from clipsum.serving.limits import Admission, Deadline
from clipsum.serving.reading import PATIENCE_S, read_json, read_video
from clipsum.serving.refusals import RefusedError
from clipsum.serving.schemas import (
    BundleCard,
    BundleMove,
    JobAccepted,
    JobRequest,
    JobStatus,
    SummaryRow,
    answer_of,
)
from clipsum.serving.shield import Rules, Shield
from clipsum.serving.sources import Sources
from clipsum.serving.videos import Video
from clipsum.serving.waiting import Lookups, looked_up
from clipsum.storage.s3_client import patience

Result = TypeVar("Result")
Tell = Callable[[str, dict[str, Any]], None]
"""Is told what has been reached: an event's name and its data."""


class Service(Protocol):
    """What the app speaks for. `uploads` is a folder of its own; `jobs` where jobs are kept."""

    keys: KeyRing
    sources: Sources
    admission: Admission
    jobs: JobStore
    uploads: Path
    upload_bytes: int
    deadline_s: float

    async def summarize(self, video: Video, deadline: Deadline, tell: Tell | None = None) -> dict[str, Any]:
        """The row of a video. Cancelling it stops the work. Raises: RefusedError, ItemError."""
        ...

    async def check(self) -> None:
        """Send something through every part. Raises what went wrong."""

    async def card(self) -> BundleCard:
        """What is served now."""
        ...

    async def move(self, bundle: str) -> BundleCard:
        """Serve another bundle from now on, without a pause. Raises: RefusedError, 422, where it is none."""
        ...

    def check_job(self, asked: JobRequest) -> None:
        """Raises: RefusedError, 403, where the video may not be named, or the webhook may not be told."""

    def answered(self, route: str, status: int, seconds: float) -> None:
        """Is told of every answer."""


def create_app(service: Service, lifespan: Any = None) -> FastAPI:
    """The app, with its documentation at /docs and /openapi.json."""
    app = FastAPI(title="ClipSum", version="1", docs_url=None, redoc_url=None, lifespan=lifespan)
    app.router.redirect_slashes = False  # the other path would be told by the header Host, which callers write
    _add_page(app)
    _add_summaries(app, service)
    _add_jobs(app, service)
    _add_service(app, service)
    _tell_of_webhooks(app)
    app.add_exception_handler(HTTPException, _not_of_ours)
    app.add_middleware(Shield, Rules(service.upload_bytes, not service.keys, service.answered))
    return app


def _add_page(app: FastAPI) -> None:
    for path, asset in assets().items():
        app.api_route(path, methods=["GET", "HEAD"], include_in_schema=False)(_giver(asset))


def _giver(asset: Asset) -> Callable[[], Awaitable[Response]]:
    async def give() -> Response:
        return Response(asset.body, media_type=asset.media_type, headers=asset.headers)

    return give


def _add_service(app: FastAPI, service: Service) -> None:
    @app.head("/healthz", include_in_schema=False)
    @app.get("/healthz", summary="Is it well? A small video goes through every part", responses=said.HEALTH)
    async def healthz() -> dict[str, str]:
        await service.check()
        return {"status": "ok"}

    @app.get("/v1/bundle", summary="The model card of what is served", responses=said.CARD)
    async def bundle(_: Annotated[str, _keyed(service, "summarize")]) -> BundleCard:
        return await service.card()

    @app.put(
        "/v1/bundle",
        summary="Serve another bundle; for keys with the scope admin",
        responses=said.MOVE,
        openapi_extra=said.MOVE_BODY,
    )
    async def move(request: Request, _: Annotated[str, _keyed(service, "admin")]) -> BundleCard:
        return await service.move((await _in_time(service, read_json(request, BundleMove))).bundle)


def _tell_of_webhooks(app: FastAPI) -> None:
    """For the documentation alone: what a caller's own address is sent, see `deliveries`."""

    @app.webhooks.post(
        "job",
        summary="Your webhook is told that a job has ended",
        responses=said.WEBHOOK_ANSWERS,
        openapi_extra=said.WEBHOOK,
    )
    async def told() -> None:
        """Nobody calls this."""


def _add_summaries(app: FastAPI, service: Service) -> None:
    lookups = Lookups()

    @app.post(
        "/v1/summaries",
        summary="Summarise a video, named by its address or uploaded",
        response_model=SummaryRow,
        responses=said.SUMMARY,
        openapi_extra=said.SUMMARY_BODY,
    )
    async def summaries(request: Request, caller: Annotated[str, _keyed(service, "summarize")]) -> Response:
        deadline, look = Deadline(service.deadline_s), partial(lookups.look, caller)
        async with AsyncExitStack() as held:
            held.enter_context(service.admission.enter(deadline))
            async with asyncio.timeout(deadline.left_s):
                video = await read_video(request, service.sources, service.uploads, look, held)
            if "text/event-stream" in request.headers.get("accept", ""):
                return Events(lambda tell: service.summarize(video, deadline, tell), held.pop_all())
            row = await service.summarize(video, deadline)
            return Response(answer_of(row).model_dump_json(), media_type="application/json")
        raise AssertionError  # the stack swallows nothing


def _add_jobs(app: FastAPI, service: Service) -> None:
    @app.post(
        "/v1/jobs",
        status_code=202,
        summary="Summarise a video when there is room",
        responses=said.SUBMIT,
        openapi_extra=said.JOB_BODY,
    )
    async def submit(request: Request, owner: Annotated[str, _keyed(service, "jobs")]) -> JobAccepted:
        asked = await _in_time(service, read_json(request, JobRequest))
        service.check_job(asked)
        job = await _of_jobs(service, lambda: service.jobs.submit(asked.model_dump(), owner))
        return JobAccepted(id=job)

    @app.get(
        "/v1/jobs/{job_id}",
        summary="How far a job is, and its result",
        responses=said.JOB,
        openapi_extra=said.JOB_ID,
    )
    async def status(request: Request, owner: Annotated[str, _keyed(service, "jobs")]) -> JobStatus:
        job_id = request.path_params["job_id"]
        found = await _of_jobs(service, lambda: service.jobs.read(job_id, owner))
        if found is None:
            raise RefusedError(404, "not_found", "there is no such job")
        return JobStatus.model_validate({name: found.get(name) for name in JobStatus.model_fields})


async def _in_time(service: Service, reading: Awaitable[Result]) -> Result:
    """What is read of a body or a store, as long as a request may take. Raises: TimeoutError."""
    async with asyncio.timeout(service.deadline_s):
        return await reading


async def _of_jobs(service: Service, work: Callable[[], Result]) -> Result:
    """What the store of jobs says to `work`, which is asked as long as for any other request. Raises: TimeoutError."""

    def patient() -> Result:
        with patience(PATIENCE_S):
            return work()

    return await _in_time(service, looked_up(patient, of_jobs=True))


def _keyed(service: Service, scope: Scope) -> Any:
    """What a route asks for to be for keys with `scope`: the name of the caller's. Nothing is read before."""

    async def admit(request: Request, _: Annotated[Any, Depends(said.KEY)]) -> str:
        return service.keys.admit(request.headers.get("authorization"), scope)

    return Depends(admit)


async def _not_of_ours(_: Request, error: Exception) -> Response:
    """A path or a method that there is not."""
    status = error.status_code if isinstance(error, HTTPException) else 404
    if status == 404:
        refused = RefusedError(404, "not_found", "there is nothing at this path: see /docs")
    else:
        refused = RefusedError(status, "invalid_request", "this path does not take such a request: see /docs")
    return JSONResponse(refused.body, status, headers=dict(getattr(error, "headers", None) or {}))
