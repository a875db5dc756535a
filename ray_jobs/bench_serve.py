"""S10: the service at saturation against one request at a time, and what it adds to the work above an empty graph.

All of it over HTTP, on one service with one replica of each part, in turn. The overhead of a request is its time less
that of the same stages in this process; an empty graph of the same shape gets the same bytes and does nothing.
"""

import socket
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from itertools import count
from pathlib import Path
from statistics import fmean, median
from tempfile import TemporaryDirectory
from typing import Any

import urllib3
from fastapi import FastAPI, Request
from ray import serve
from ray.serve import Application
from ray.serve.handle import DeploymentHandle

from clipsum.bench.lines import Line, at_least, at_most
from clipsum.datasets.kitchen.corpus import write_split
from clipsum.records import VideoRef
from clipsum.rows import Outcome
from ray_jobs.cluster import connected
from ray_jobs.item import StageItem
from ray_jobs.pools import Machine
from ray_jobs.serve_app import build, stage_settings
from ray_jobs.serve_config import Replicas, ServeConfig
from ray_jobs.serve_models import Asker as Nobody
from ray_jobs.serve_models import Models
from ray_jobs.serve_proxy import start
from ray_jobs.serve_running import refuse_running
from ray_jobs.stages import Decode

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
    with (
        connected(address) as machine,
        _served(bundle) as (url, config),
        closing(Bare(config, archive, machine)) as bare,
    ):
        asker = Asker(f"{url}/v1/summaries", videos)
        empty = Asker(f"{url}/empty/", videos)
        for _ in range(2):
            asker.together()  # warm
        taken: dict[str, list[float]] = {"served": [], "many": [], "bare": [], "empty": []}
        for _ in range(rounds):
            taken["served"] += asker.one_at_a_time()
            taken["bare"] += bare.one_at_a_time()
            taken["empty"] += empty.one_at_a_time()
            taken["many"].append(asker.together())
    one, many = 1 / fmean(taken["served"]), median(taken["many"])
    what = f"serve, {CALLERS} callers against one at a time"
    yield at_least("S10", what, f"{many:.1f} / s", f"{one:.1f} / s", many / one, 10 if machine.gpus else 1.5)
    served, work, nothing = (1000 * median(taken[name]) for name in ("served", "bare", "empty"))
    what = "serve, overhead at p50 above an empty graph, ms"
    ours, other = f"{served:.1f} - {work:.1f} ms", f"{nothing:.1f} ms"
    yield at_most("S10", what, ours, other, served - work - nothing, OVERHEAD_MS)


class Bare:
    """The stages of the service in this process, one video at a time."""

    def __init__(self, config: ServeConfig, archive: Path, machine: Machine) -> None:
        settings = stage_settings(config, config.bundle, machine)
        self._decode, self._models = Decode(settings), Models(settings)
        self._refs = [VideoRef(str(path), path.stem, "", transcript_uri="") for path in sorted(archive.glob("*.mp4"))]
        self.one_at_a_time()  # warm

    def one_at_a_time(self) -> list[float]:
        """The seconds of each of `SINGLE` videos."""
        taken = []
        for number in range(SINGLE):
            item = StageItem(0, Outcome(self._refs[number % len(self._refs)]))
            started = time.perf_counter()
            self._models.run([self._decode.decode_item(item)], [Nobody()])
            taken.append(time.perf_counter() - started)
        return taken

    def close(self) -> None:
        """End the decoding process."""
        self._decode.close()


class Asker:
    """Sends videos to `url`, each under a hash of its own."""

    def __init__(self, url: str, videos: Sequence[bytes]) -> None:
        self._url, self._videos = url, videos
        self._pool = urllib3.PoolManager(maxsize=CALLERS, retries=False)

    def one_at_a_time(self) -> list[float]:
        """The seconds of each of `SINGLE` requests."""
        return [self._ask(number) for number in range(SINGLE)]

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
        return wall_s


@contextmanager
def _served(bundle: str) -> Iterator[tuple[str, ServeConfig]]:
    """The URL of a service with nothing cached and of an empty graph beside it, and how it is configured."""
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
        refuse_running()
        start("127.0.0.1", port, config.deadline_s)
        try:
            serve.run(_empty(), name="empty", route_prefix="/empty")
            serve.run(build(config), name="clipsum", route_prefix="/")
            yield f"http://127.0.0.1:{port}", config
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
