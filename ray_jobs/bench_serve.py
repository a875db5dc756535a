"""S10: the service at saturation against one request at a time, and what it adds to the work above an empty graph.

All of it over HTTP, on one service with one replica of each part, in turn. The overhead of a request is what it takes
beyond the stages, less what the same video takes beyond them in this process, and less a request of an empty graph of
the same shape, which gets the same bytes. The three follow each other at once, so that what the machine does meanwhile
meets all of them, and the stages' own time, which differs most, is in none: the median of the differences counts.
"""

import json
import os
import socket
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from itertools import count
from math import sqrt
from pathlib import Path
from statistics import fmean, median
from tempfile import TemporaryDirectory
from typing import NamedTuple

import urllib3
from ray import serve

from clipsum.bench.lines import Line, at_least, at_most
from clipsum.datasets.kitchen.corpus import write_split
from clipsum.records import VideoRef
from clipsum.rows import Outcome
from ray_jobs.bench_empty import empty_graph
from ray_jobs.cluster import connected
from ray_jobs.item import StageItem
from ray_jobs.pools import Machine
from ray_jobs.serving.app import build, stage_settings
from ray_jobs.serving.census import work_of
from ray_jobs.serving.config import Replicas, ServeConfig
from ray_jobs.serving.models import Asker as Nobody
from ray_jobs.serving.models import Models
from ray_jobs.serving.proxy import environment, start
from ray_jobs.serving.running import end, refuse_running
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
    os.environ.update(environment())  # as `clipsum serve` does
    with (
        connected(address) as machine,
        _served(bundle) as (url, config),
        closing(Bare(config, archive, machine)) as bare,
    ):
        asker = Asker(f"{url}/v1/summaries", videos)
        empty = Asker(f"{url}/empty/v1/summaries", videos)
        for _ in range(2):
            asker.together()  # warm
        alone_s, at_once, triples = [], [], []
        for _ in range(rounds):
            alone_s += [asker.ask(number).wall_s for number in range(SINGLE)]
            at_once.append(asker.together())
            triples += [Triple(asker.ask(n), bare.ask(n), empty.ask(n)) for n in range(SINGLE)]
    one, many = 1 / fmean(alone_s), median(at_once)
    what = f"serve, {CALLERS} callers against one at a time"
    yield at_least("S10", what, f"{many:.1f} / s", f"{one:.1f} / s", many / one, 10 if machine.gpus else 1.5)
    yield overhead_line(triples)


class Taken(NamedTuple):
    """One video: its time, and that of the stages in it."""

    wall_s: float
    stages_s: float


class Triple(NamedTuple):
    """The same video by request, in this process, and through the empty graph."""

    served: Taken
    bare: Taken
    empty: Taken

    @property
    def overhead_s(self) -> float:
        """What the service adds to the stages, beyond what they need here and a graph needs anyway."""
        served, bare, empty = (taken.wall_s - taken.stages_s for taken in self)
        return served - bare - empty


def overhead_line(triples: Sequence[Triple]) -> Line:
    """The median overhead, with the interval that holds it 95 times of 100, by the order of the differences."""
    ms = sorted(1000 * triple.overhead_s for triple in triples)
    half, spread = len(ms) // 2, int(0.98 * sqrt(len(ms))) + 1
    low, high = ms[max(0, half - spread)], ms[min(len(ms) - 1, half + spread)]
    ways = list(zip(*triples, strict=True))
    served, bare, empty = (median(1000 * (taken.wall_s - taken.stages_s) for taken in way) for way in ways)
    stages = " and ".join(f"{median(1000 * taken.stages_s for taken in way):.0f}" for way in ways[:2])
    what = f"serve, overhead at p50 above an empty graph, ms ({low:.1f} to {high:.1f}; stages {stages})"
    return at_most("S10", what, f"{served:.1f} - {bare:.1f} ms", f"{empty:.1f} ms", median(ms), OVERHEAD_MS)


class Bare:
    """The stages of the service in this process, one video at a time."""

    def __init__(self, config: ServeConfig, archive: Path, machine: Machine) -> None:
        settings = stage_settings(config, config.bundle, machine)
        self._decode, self._models = Decode(settings), Models(settings)
        self._refs = [VideoRef(str(path), path.stem, "", transcript_uri="") for path in sorted(archive.glob("*.mp4"))]
        self.ask(0)  # warm

    def ask(self, number: int) -> Taken:
        """Summarise one of the videos, again and again the same."""
        item = StageItem(0, Outcome(self._refs[number % len(self._refs)]))
        started = time.perf_counter()
        [done] = self._models.run([self._decode.decode_item(item)], [Nobody()])
        return Taken(time.perf_counter() - started, sum(work_of(done.row).values()))

    def close(self) -> None:
        """End the decoding process."""
        self._decode.close()


class Asker:
    """Sends videos to `url`, each under a hash of its own."""

    def __init__(self, url: str, videos: Sequence[bytes]) -> None:
        self._url, self._videos = url, videos
        self._pool = urllib3.PoolManager(maxsize=CALLERS, retries=False)

    def together(self) -> float:
        """Requests a second of `CALLERS` at once."""
        started = time.perf_counter()
        with ThreadPoolExecutor(CALLERS) as callers:
            done = list(callers.map(self.ask, range(CALLERS * EACH)))
        return len(done) / (time.perf_counter() - started)

    def ask(self, number: int) -> Taken:
        """One request; an empty graph tells of no stages."""
        video = self._videos[number % len(self._videos)] + next(_NUMBERS).to_bytes(8)
        started = time.perf_counter()
        answer = self._pool.request("POST", self._url, fields={"file": ("video.mp4", video)})
        wall_s = time.perf_counter() - started
        if answer.status != 200:
            raise RuntimeError(f"the service answered {answer.status}: {answer.data[:200]!r}")
        row = json.loads(answer.data)
        return Taken(wall_s, sum(work_of(row).values()) if "encode_s" in row else 0.0)


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
            serve.run(empty_graph(), name="empty", route_prefix="/empty")
            serve.run(build(config), name="clipsum", route_prefix="/")
            yield f"http://127.0.0.1:{port}", config
        finally:
            end()
