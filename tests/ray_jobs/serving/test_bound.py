"""With as many ingresses as there may be: what they let in together, and what a key may ask of all of them."""

import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests

from tests.ray_jobs.serving.asking import PATIENCE_S, eventually, refusal
from tests.ray_jobs.serving.conftest import write_key
from tests.ray_jobs.serving.test_load import CANCELLED_WITHIN_S, WINDOW_S, is_idle

pytestmark = pytest.mark.slow
INGRESSES, MOST, CALLERS = 3, 12, 60


def test_all_ingresses_together_let_in_no_more_than_the_service_may_hold(beside, slow_video: Path) -> None:
    sent = slow_video.read_bytes()

    def begin(url: str, number: int) -> requests.Response:
        own = sent + number.to_bytes(8, "big")
        return requests.post(
            f"{url}/v1/summaries",
            files={"file": ("video.mp4", own)},
            headers={"Accept": "text/event-stream"},
            stream=True,
            timeout=PATIENCE_S,
        )

    replicas = {"min_replicas": INGRESSES, "max_replicas": INGRESSES}
    with beside(most_requests=MOST, ingress=replicas) as url, ThreadPoolExecutor(CALLERS) as callers:
        answers = list(callers.map(lambda number: begin(url, number), range(CALLERS)))
        seen = Counter(answer.status_code for answer in answers)
        print(f"{INGRESSES} ingresses, at most {MOST} requests: {dict(seen)} of {CALLERS}")
        assert set(seen) == {200, 503}
        assert MOST - INGRESSES <= seen[200] <= MOST  # nothing ends before the last has come
        assert all(int(each.headers["Retry-After"]) >= 1 for each in answers if each.status_code == 503)
        for answer in answers:
            answer.close()
        eventually(lambda: begin(url, CALLERS).status_code == 200, 20, "a place again")


def test_a_key_has_its_whole_rate_of_those_ingresses_that_run(beside, tmp_path: Path) -> None:
    secret = write_key(tmp_path / "keys.toml", "slow")  # two at once, then one a minute
    replicas = {"min_replicas": 1, "max_replicas": INGRESSES}
    with beside(keys=str(tmp_path / "keys.toml"), ingress=replicas) as url:
        headers = {"Authorization": f"Bearer {secret}"}

        def ask() -> int:
            return requests.get(f"{url}/v1/jobs/1", headers=headers, timeout=PATIENCE_S).status_code

        eventually(lambda: requests.get(f"{url}/healthz", timeout=PATIENCE_S).ok, 20, "health")
        assert [ask() for _ in range(3)] == [404, 404, 429]


def test_at_its_deadline_a_request_is_answered_and_the_work_behind_it_ends(
    beside, slow_video: Path, kitchen: Path
) -> None:
    with beside(deadline_s=2.0, most_requests=1, ingress={"max_replicas": 1}) as url:

        def ask(video: Path) -> requests.Response:
            return requests.post(f"{url}/v1/summaries", files={"file": video.open("rb")}, timeout=PATIENCE_S)

        quick = min(kitchen.glob("*.mp4"))
        eventually(lambda: ask(quick).status_code == 200, 20, "a summary")
        began = time.monotonic()
        answer = ask(slow_video)
        assert refusal(answer) == (504, "timeout")
        assert 1.9 < time.monotonic() - began < 4.0
        assert eventually(is_idle, 10, "no decoding") - WINDOW_S < CANCELLED_WITHIN_S
        assert ask(quick).status_code == 200  # the one place is free
