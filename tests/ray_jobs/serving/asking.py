"""Asking the service over HTTP, as its users do, and a look at its processes."""

import contextlib
import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import requests

from ray_jobs.serving.config import ServeConfig

PATIENCE_S = 60


@dataclass(frozen=True)
class Asking:
    url: str
    keys: dict[str, str]
    config: ServeConfig

    def get(self, path: str, key: str | None = "user", **options: Any) -> requests.Response:
        return self.ask("GET", path, key, **options)

    def post(self, path: str = "/v1/summaries", key: str | None = "user", **options: Any) -> requests.Response:
        return self.ask("POST", path, key, **options)

    def ask(self, method: str, path: str, key: str | None = "user", **options: Any) -> requests.Response:
        headers = options.pop("headers", {}) | ({"Authorization": f"Bearer {self.keys[key]}"} if key else {})
        return requests.request(method, self.url + path, headers=headers, timeout=PATIENCE_S, **options)

    def upload(self, video: Path, **fields: Any) -> requests.Response:
        """A video with what is said of it; `transcript` may be a path."""
        files = {name: value.open("rb") for name, value in fields.items() if isinstance(value, Path)}
        words = {name: value for name, value in fields.items() if not isinstance(value, Path)}
        return self.post(files={"file": video.open("rb"), **files}, data=words)

    def events(self, video: Path, **fields: str) -> Iterator[tuple[str, Any]]:
        """The events of an upload, as they come."""
        headers = {"Accept": "text/event-stream"}
        with self.post(files={"file": video.open("rb")}, data=fields, headers=headers, stream=True) as response:
            assert response.headers["content-type"].startswith("text/event-stream"), response.text
            name = ""
            for line in response.iter_lines(chunk_size=1, decode_unicode=True):
                if line.startswith("event: "):
                    name = line.removeprefix("event: ")
                elif line.startswith("data: "):
                    yield name, json.loads(line.removeprefix("data: "))


def refusal(response: requests.Response) -> tuple[int, str]:
    """Status and reason of an error, which has the shape of every error."""
    body = response.json()
    assert set(body) == {"error"}
    assert set(body["error"]) == {"reason", "detail"}
    return response.status_code, body["error"]["reason"]


def processes(word: str) -> list[psutil.Process]:
    """The processes of this test's own Ray that have `word` in their command line."""
    found = []
    for process in psutil.Process().children(recursive=True):
        try:
            if word in " ".join(process.cmdline()):
                found.append(process)
        except psutil.NoSuchProcess:
            continue
    return found


def decoding() -> dict[int, float]:
    """Processor time so far of each decoding process that runs, in seconds."""
    found = {}
    for process in processes("clipsum.video.child"):
        with contextlib.suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            found[process.pid] = times.user + times.system
    return found


def has_decoded(since: Mapping[int, float], seconds: float = 0.2) -> bool:
    """Has any process decoded for that long since? Each by itself: one that ends takes its seconds out of a sum."""
    return any(now > since.get(pid, 0.0) + seconds for pid, now in decoding().items())


def resident_bytes() -> int:
    """What all of the service holds in memory: its replicas, those who decode for them, and the proxy."""
    total = 0
    for word in ("ServeReplica:", "ray::ProxyActor", "clipsum.video.child"):
        for process in processes(word):
            with contextlib.suppress(psutil.NoSuchProcess):
                total += process.memory_info().rss
    return total


def eventually(holds: Callable[[], bool], within_s: float, what: str) -> float:
    """Wait until something holds; the seconds that it took."""
    started = time.monotonic()
    while not holds():
        assert time.monotonic() - started < within_s, f"not within {within_s} s: {what}"
        time.sleep(0.02)
    return time.monotonic() - started
