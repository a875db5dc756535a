"""S10: the service at saturation against one request at a time, and what it adds to the work above an empty graph.

All of it over HTTP, on one service with one replica of each part, in turn. The overhead of a request is its time less
what its row says was worked on it; an empty graph of the same shape gets the same bytes and does nothing.
"""

import socket
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import urllib3
from fastapi import FastAPI, Request
from ray import serve
from ray.serve import Application
from ray.serve.handle import DeploymentHandle

from clipsum.bench.lines import Line, at_least, at_most
from clipsum.datasets.kitchen.corpus import write_split
from ray_jobs.cluster import connected
from ray_jobs.serve_app import build
from ray_jobs.serve_config import Replicas, ServeConfig
from ray_jobs.serve_metrics import COSTS
from ray_jobs.serve_proxy import start

VIDEOS, SINGLE, CALLERS, EACH = 8, 12, 16, 3
OVERHEAD_MS = 10.0
ONE = Replicas(max_replicas=1)
_NUMBERS = count()


def serve_lines(folder: Path, bundle: str, rounds: int, address: str | None) -> Iterator[Line]:
    """S10, both halves of it."""
    archive = folder / f"kitchen-{VIDEOS}"
    if not (archive / "manifest.jsonl").exists():
        write_split(archive, "test", VIDEOS, seed=1)
    videos = [path.read_bytes() for path in sorted(archive.glob("*.mp4"))]
    with connected(address) as machine, _served(bundle) as url:
        asker = Asker(f"{url}/v1/summaries", videos)
        empty = Asker(f"{url}/empty/", videos)
        for _ in range(2):
            asker.together()  # warm
        taken: dict[str, list[float]] = {"one": [], "many": [], "over": [], "empty": []}
        for _ in range(rounds):
            taken["one"].append(asker.one_at_a_time(taken["over"]))
            taken["many"].append(asker.together())
            empty.one_at_a_time(taken["empty"])
    one, many = median(taken["one"]), median(taken["many"])
    what = f"serve, {CALLERS} callers against one at a time"
    yield at_least("S10", what, f"{many:.1f} / s", f"{one:.1f} / s", many / one, 10 if machine.gpus else 1.5)
    over, nothing = (1000 * median(taken[name]) for name in ("over", "empty"))
    what = "serve, overhead at p50 above an empty graph, ms"
    yield at_most("S10", what, f"{over:.1f} ms", f"{nothing:.1f} ms", over - nothing, OVERHEAD_MS)


class Asker:
    """Sends videos to `url`, each under a hash of its own."""

    def __init__(self, url: str, videos: Sequence[bytes]) -> None:
        self._url, self._videos = url, videos
        self._pool = urllib3.PoolManager(maxsize=CALLERS, retries=False)

    def one_at_a_time(self, over: list[float]) -> float:
        """Requests a second, and into `over` of each the seconds that were no work on the video."""
        started = time.perf_counter()
        over += [self._ask(number) for number in range(SINGLE)]
        return SINGLE / (time.perf_counter() - started)

    def together(self) -> float:
        """Requests a second of `CALLERS` at once."""
        started = time.perf_counter()
        with ThreadPoolExecutor(CALLERS) as callers:
            done = list(callers.map(self._ask, range(CALLERS * EACH)))
        return len(done) / (time.perf_counter() - started)

    def _ask(self, number: int) -> float:
        video = self._videos[number % len(self._videos)] + next(_NUMBERS).to_bytes(8)
        started = time.perf_counter()
        answer = self._pool.request("POST", self._url, fields={"file": ("video.mp4", video)})
        wall_s = time.perf_counter() - started
        if answer.status != 200:
            raise RuntimeError(f"the service answered {answer.status}: {answer.data[:200]!r}")
        row: dict[str, Any] = answer.json()
        worked_s: float = sum(row.get(column, 0.0) for column in COSTS.values())
        return wall_s - worked_s


@contextmanager
def _served(bundle: str) -> Iterator[str]:
    """The URL of a service with nothing cached, and of an empty graph beside it."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with TemporaryDirectory(prefix="clipsum-bench-") as scratch:
        config = ServeConfig(
            bundle=bundle,
            host="127.0.0.1",
            cache_bytes=0,
            state=f"{scratch}/state",
            uploads=f"{scratch}/uploads",
            ingress=ONE,
            decode=ONE,
            summarize=ONE,
        )
        start("127.0.0.1", port, config.deadline_s)
        try:
            serve.run(_empty(), name="empty", route_prefix="/empty")
            serve.run(build(config), name="clipsum", route_prefix="/")
            yield f"http://127.0.0.1:{port}"
        finally:
            serve.shutdown()


def _empty() -> Application:
    """Ingress, decode and summarize that hand something on and do nothing."""
    few: dict[str, Any] = {"ray_actor_options": {"num_cpus": 0.05}}
    decode, summarize = (serve.deployment(Nothing, name=name, **few).bind() for name in ("Decode", "Summarize"))
    return serve.deployment(serve.ingress()(EmptyIngress), name="Ingress", **few).bind(decode, summarize)


class Nothing:
    """A part that gives back what it gets."""

    async def __call__(self, item: int) -> int:
        """The same."""
        return item


class EmptyIngress:
    """Reads a request and sends a number through both parts."""

    def __init__(self, decode: DeploymentHandle[Any], summarize: DeploymentHandle[Any]) -> None:
        self._decode, self._summarize = decode, summarize

    def __serve_build_asgi_app__(self) -> FastAPI:
        """Serve asks for the app by this name."""
        app = FastAPI()

        @app.post("/")
        async def pass_on(request: Request) -> dict[str, float]:
            size = await self._decode.remote(len(await request.body()))
            return {"bytes": float(await self._summarize.remote(size))}

        return app
