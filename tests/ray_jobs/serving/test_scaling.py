"""Each part grows with its load and shrinks to its minimum without, as the metrics tell."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import pytest
import requests

from tests.ray_jobs.serving.asking import PATIENCE_S, eventually
from tests.ray_jobs.serving.test_metrics import scrape, summed

PARTS = ("Ingress", "Decode", "Summarize")
CALLERS, WITHIN_S = 8, 120


def replicas() -> dict[str, float]:
    """Replicas of each part that are well, by Serve's own metric."""
    samples, name = scrape(), "ray_serve_deployment_replica_healthy"
    return {part: summed(samples, name, application="beside", deployment=part) for part in PARTS}


@contextmanager
def load(url: str, video: bytes) -> Iterator[None]:
    """Callers who ask again and again, each time about a video that is new, and always have a summary."""
    numbers, is_over = count(), threading.Event()

    def ask() -> None:
        while not is_over.is_set():
            own = video + next(numbers).to_bytes(8, "big")
            answer = requests.post(f"{url}/v1/summaries", files={"file": ("video.mp4", own)}, timeout=PATIENCE_S)
            assert answer.status_code == 200, answer.text

    with ThreadPoolExecutor(CALLERS) as callers:
        asking = [callers.submit(ask) for _ in range(CALLERS)]
        try:
            yield
        finally:
            is_over.set()
        for each in asking:
            each.result()


@pytest.mark.slow
def test_every_part_becomes_more_under_load_and_fewer_without_and_never_more_than_it_may(beside, kitchen: Path):
    most = {"Ingress": 2.0, "Decode": 2.0, "Summarize": 2.0}
    seen: list[dict[str, float]] = []

    def are(wanted: dict[str, float]) -> bool:
        seen.append(replicas())
        return seen[-1] == wanted

    few = {"max_replicas": 2, "target": 0.5}
    scaling = {"upscale_delay_s": 1, "downscale_delay_s": 2}
    with beside(cache_bytes=0, ingress=few, decode=few, summarize=few, **scaling) as url:
        eventually(lambda: are(dict.fromkeys(PARTS, 1.0)), WITHIN_S, "one of each")
        with load(url, min(kitchen.glob("*.mp4")).read_bytes()):
            eventually(lambda: are(most), WITHIN_S, "two of each")
        eventually(lambda: are(dict.fromkeys(PARTS, 1.0)), WITHIN_S, "one of each again")
    assert all(each[part] <= most[part] for each in seen for part in PARTS)
