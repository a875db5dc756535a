"""The real app on a real HTTP server, with its real locks and lists, and next to no work behind it."""

import contextlib
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import uvicorn
from fastapi import FastAPI

from clipsum.serving.app import Tell, create_app
from clipsum.serving.assets import SECURITY_HEADERS
from clipsum.serving.jobs import JobStore
from clipsum.serving.keys import KeyRing
from clipsum.serving.limits import Admission, Deadline
from clipsum.serving.schemas import BundleCard, ErrorBody, JobRequest
from clipsum.serving.sources import Sources
from clipsum.serving.videos import Video
from tests.reports.report_rows import ok_row

UPLOAD_BYTES, DEADLINE_S = 2**20, 1.0


@dataclass
class Nothing:
    """A `Service` that does nothing and says it well. `seen`: the videos that got through; was each a file there?"""

    keys: KeyRing
    sources: Sources
    uploads: Path
    jobs: JobStore
    admission: Admission = field(default_factory=lambda: Admission(64, {"work": 4}, first_s=0.01))
    upload_bytes: int = UPLOAD_BYTES
    deadline_s: float = DEADLINE_S
    seen: list[tuple[str, bool]] = field(default_factory=list)
    statuses: list[tuple[str, int]] = field(default_factory=list)

    async def summarize(self, video: Video, deadline: Deadline, tell: Tell | None = None) -> dict[str, Any]:
        self.seen.append((video.ref.uri, Path(video.ref.uri).is_file()))
        return ok_row(uri=video.uri)

    async def check(self) -> None:
        raise RuntimeError(f"a secret: {self.uploads}")

    async def card(self) -> BundleCard:
        raise RuntimeError(f"a secret: {self.uploads}")

    async def move(self, bundle: str) -> BundleCard:
        raise RuntimeError(f"a secret: {bundle}")

    def check_job(self, asked: JobRequest) -> None:
        self.sources.check(asked.uri)

    def answered(self, route: str, status: int, seconds: float) -> None:
        self.statuses.append((route, status))


@dataclass(frozen=True)
class Target:
    """What is attacked, over HTTP: `http` brings a key, `stranger` none."""

    service: Nothing
    http: httpx2.Client
    stranger: httpx2.Client
    key: str
    secrets: tuple[str, ...]

    def refuses(self, answer: httpx2.Response, status: int, reason: str) -> None:
        """The answer is this refusal, in the shape of all, with the headers of all, and gives nothing away."""
        said = ErrorBody.model_validate_json(answer.content).error
        assert (answer.status_code, said.reason) == (status, reason), answer.text
        assert SECURITY_HEADERS.items() <= {name.title(): value for name, value in answer.headers.items()}.items()
        whole = answer.text + str(dict(answer.headers))
        assert not [secret for secret in (*self.secrets, "Traceback", ".py", "/tmp") if secret in whole]
        if status in (429, 503):
            assert int(answer.headers["Retry-After"]) >= 1
        assert list(self.service.uploads.glob("*")) == []

    def name(self, uri: Any) -> httpx2.Response:
        return self.http.post("/v1/summaries", json={"uri": uri})

    def raw(self, head: str, body: bytes = b"", key: bool = True) -> httpx2.Response:
        """Send a request that no client would, and read the answer."""
        lines = [head, "Host: 127.0.0.1", *([f"Authorization: Bearer {self.key}"] if key else []), "Connection: close"]
        with socket.create_connection(("127.0.0.1", self.http.base_url.port or 0), timeout=20) as connection:
            connection.sendall("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
            return read_answer(connection)


def read_answer(connection: socket.socket) -> httpx2.Response:
    data = b""
    while piece := connection.recv(65536):
        data += piece
    head, _, body = data.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = [(name, value.strip()) for name, _, value in (line.partition(":") for line in lines)]
    return httpx2.Response(int(first.split()[1]), headers=dict(headers), content=body)


@contextlib.contextmanager
def running(app: FastAPI) -> Iterator[str]:
    """The address of an app while it is served."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="critical", timeout_graceful_shutdown=1))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    server.should_exit = True
    thread.join(10)


@contextlib.contextmanager
def attacked(service: Nothing, key: str, *secrets: str) -> Iterator[Target]:
    """The service behind its app."""
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    with running(create_app(service)) as url, contextlib.ExitStack() as held:
        http, stranger = (
            held.enter_context(httpx2.Client(base_url=url, headers=own, timeout=20, verify=False))
            for own in (headers, {})
        )
        yield Target(service, http, stranger, key, (*filter(None, [key]), str(service.uploads), *secrets))
