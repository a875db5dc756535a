"""Another bundle while requests come and go, with several replicas of every part."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import requests

from clipsum.config import Sampling
from tests.models.tiny import tiny_model, write_bundle
from tests.ray_jobs.serving.asking import PATIENCE_S, eventually

pytestmark = pytest.mark.slow
CALLERS, CHANGES, WITHIN_S = 6, 4, 5.0
WHOLE = ("fingerprint", "summary", "frame_times_s", "frame_exact")
TWO = {"min_replicas": 2, "max_replicas": 2}


@pytest.fixture
def other_bundle(tmp_path: Path) -> str:
    """One that looks at other frames, and writes other words."""
    write_bundle(str(tmp_path / "other"), tmp_path / "clip", sampling=Sampling(frames=5), model=tiny_model(7))
    return str(tmp_path / "other")


def test_while_the_bundle_changes_no_request_fails_or_waits_and_each_is_of_one_bundle_wholly(
    beside, service, kitchen: Path, other_bundle: str
) -> None:
    sent, numbers, is_over = min(kitchen.glob("*.mp4")).read_bytes(), count(), threading.Event()
    took_s: list[float] = []
    rows: list[dict[str, Any]] = []

    def ask(url: str) -> dict[str, Any]:
        own, began = sent + next(numbers).to_bytes(8, "big"), time.monotonic()
        answer = requests.post(f"{url}/v1/summaries", files={"file": ("video.mp4", own)}, timeout=PATIENCE_S)
        took_s.append(time.monotonic() - began)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def keep_asking(url: str) -> None:
        while not is_over.is_set():
            rows.append(ask(url))

    with beside(ingress=TWO, decode=TWO, summarize=TWO) as url, ThreadPoolExecutor(CALLERS) as callers:
        asking = [callers.submit(keep_asking, url) for _ in range(CALLERS)]
        try:
            eventually(lambda: len(rows) > 10 * CALLERS, 60, "requests that flow")
            usual_s = sorted(took_s[CALLERS:])
            took_s.clear()
            for number in range(CHANGES):
                bundle = (other_bundle, service.config.bundle)[number % 2]
                moved = requests.put(f"{url}/v1/bundle", json={"bundle": bundle}, timeout=PATIENCE_S)
                eventually(partial(is_served, rows, moved.json()["bundle_id"]), 20, "the other bundle for all")
        finally:
            is_over.set()
        for each in asking:
            each.result()
    seen = {row["bundle_id"]: row for row in rows}
    for row in rows:
        own = seen[row["bundle_id"]]
        assert {name: row[name] for name in WHOLE} == {name: own[name] for name in WHOLE}
        assert row["frame_scores"] == pytest.approx(own["frame_scores"], abs=1e-5)  # by what was beside it in a batch
    waits = f"at most {max(took_s):.2f} s, before the first change {usual_s[-1]:.2f} s"
    print(f"{len(rows)} summaries of {len(seen)} bundles over {CHANGES} changes, {waits}")
    assert len(seen) == 2
    assert max(took_s) < WITHIN_S


def is_served(rows: list[dict[str, Any]], bundle_id: str) -> bool:
    """Whether all that comes by now is of one bundle."""
    return {row["bundle_id"] for row in rows[-3 * CALLERS :]} == {bundle_id}
