"""Each part grows with its load and shrinks to its minimum without, as the metrics tell."""

import threading
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path

import pytest
import requests
from ray import serve

from ray_jobs.serve_app import build
from ray_jobs.serve_config import ServeConfig
from tests.ray_jobs.serving.asking import PATIENCE_S, Asking, eventually
from tests.ray_jobs.serving.test_metrics import scrape, summed

CALLERS, WITHIN_S = 8, 90


def decoders() -> float:
    """Decode replicas that are well, by Serve's own metric."""
    return summed(scrape(), "ray_serve_deployment_replica_healthy", application="scaled", deployment="Decode")


@pytest.mark.slow
def test_decoders_become_more_under_load_and_fewer_without(service: Asking, kitchen: Path, tmp_path: Path):
    config = ServeConfig(
        bundle=service.config.bundle,
        host="127.0.0.1",
        cache_bytes=0,
        state=str(tmp_path / "state"),
        uploads=str(tmp_path / "uploads"),
        decode={"max_replicas": 2, "target": 1},
        summarize={"max_replicas": 1},
        upscale_delay_s=1,
        downscale_delay_s=2,
    )
    video, numbers, is_over = min(kitchen.glob("*.mp4")).read_bytes(), count(), threading.Event()

    def ask() -> None:
        while not is_over.is_set():
            own = video + next(numbers).to_bytes(8, "big")
            url = f"{service.url}/scaled/v1/summaries"
            assert requests.post(url, files={"file": ("video.mp4", own)}, timeout=PATIENCE_S).status_code == 200

    serve.run(build(config), name="scaled", route_prefix="/scaled")
    try:
        with ThreadPoolExecutor(CALLERS) as callers:
            asking = [callers.submit(ask) for _ in range(CALLERS)]
            try:
                eventually(lambda: decoders() == 2, WITHIN_S, "two decoders")
            finally:
                is_over.set()
            for each in asking:
                each.result()
        eventually(lambda: decoders() == 1, WITHIN_S, "one decoder again")
    finally:
        serve.delete("scaled")
