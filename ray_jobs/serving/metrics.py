"""What the service counts beside what Ray Serve counts already: one `Meters` in each replica, by names fixed here.

Prometheus finds them with the prefix `ray_` at every node's metrics port; Serve adds deployment and replica as labels.
`cluster/grafana/clipsum.json` draws them.
"""

from collections.abc import Mapping
from typing import Any

from ray.serve.metrics import Counter, Gauge, Histogram

PREFIX = "clipsum_serve"
SECONDS = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0]
SIZES = [1, 2, 4, 8, 16, 32, 64]
COSTS = {"decode": "decode_cpu_s", "encode": "encode_s", "summarize": "generate_s"}
"""The stages, by the columns of a row that say what each has cost."""


class Meters:
    """The meters of one replica; those of one name are added up by whoever asks."""

    def __init__(self) -> None:
        self._requests = Counter(f"{PREFIX}_requests", "Answers over HTTP", tag_keys=("route", "status"))
        self._request_s = Histogram(
            f"{PREFIX}_request_seconds", "From the first byte to the last of an answer", SECONDS, ("route",)
        )
        self._stages = Counter(f"{PREFIX}_stages", "Videos that a stage has ended with", tag_keys=("stage", "outcome"))
        self._stage_s = Histogram(
            f"{PREFIX}_stage_seconds", "Work of a stage on one video, its waiting left out", SECONDS, ("stage",)
        )
        self._batch = Histogram(f"{PREFIX}_batch_videos", "Videos that a model took at once", SIZES)
        self._inside = Gauge(f"{PREFIX}_requests_inside", "Requests that an ingress has let in, running and waiting")
        self._asked = Counter(f"{PREFIX}_cache_asked", "Looks into the cache of embeddings", tag_keys=("result",))
        self._held = Gauge(f"{PREFIX}_cache_bytes", "What the cache of embeddings holds")
        self._counted = {"hit": 0, "miss": 0}

    def request(self, route: str, status: int, seconds: float, inside: int) -> None:
        """An answer; `inside`: the requests that are being answered now. Paths that are none are one route, ""."""
        self._requests.inc(tags={"route": route, "status": str(status)})
        self._request_s.observe(max(seconds, 1e-6), tags={"route": route})
        self.inside(inside)

    def inside(self, requests: int) -> None:
        """So many are let in now."""
        self._inside.set(requests)

    def row(self, row: Mapping[str, Any]) -> None:
        """A row is written: what each stage worked on it."""
        for stage, column in COSTS.items():
            if row[column]:  # 0: nothing had to be done
                self._stage_s.observe(row[column], tags={"stage": stage})
                self._stages.inc(tags={"stage": stage, "outcome": "ok"})

    def failed(self, stage: str, reason: str) -> None:
        """A stage has ended without what it is there for; `reason` as on rows and in refusals."""
        self._stages.inc(tags={"stage": stage, "outcome": reason})

    def batch(self, videos: int) -> None:
        """A model has taken so many videos at once."""
        self._batch.observe(videos)

    def cache(self, hits: int, misses: int, bytes_held: int) -> None:
        """How it stands with the cache: `hits` and `misses` since it was made."""
        for result, count in (("hit", hits), ("miss", misses)):
            if count > self._counted[result]:
                self._asked.inc(count - self._counted[result], tags={"result": result})
                self._counted[result] = count
        self._held.set(bytes_held)
