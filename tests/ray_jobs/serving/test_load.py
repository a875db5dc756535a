"""More than there is room for, callers who go away, and parts that are killed: R7, and what stands around it."""

import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path

import pytest
import requests

from tests.ray_jobs.serving.asking import Asking, decoding, eventually, has_decoded, processes, refusal, resident_bytes
from tests.ray_jobs.serving.conftest import MOST_REQUESTS

CANCELLED_WITHIN_S = 2.0
WINDOW_S = 0.4
NUMBERS = count()


@pytest.fixture(scope="module")
def video(kitchen: Path) -> Path:
    return sorted(kitchen.glob("*.mp4"))[0]


def outcome(answer: requests.Response) -> tuple[int, str]:
    """Status and reason: a summary, or a refusal that says when to come again."""
    if answer.status_code == 200:
        return 200, answer.json()["status"]
    assert answer.status_code == 504 or int(answer.headers["Retry-After"]) >= 1
    return refusal(answer)


def fresh(video: Path, folder: Path) -> Path:
    """The same video as another file, which nobody has looked at yet."""
    path = folder / f"{next(NUMBERS)}.mp4"
    path.write_bytes(video.read_bytes() + path.name.encode())
    return path


def test_beyond_the_bound_requests_are_told_when_to_come_again_and_others_get_theirs(service, video, tmp_path):
    videos = [fresh(video, tmp_path) for _ in range(4 * MOST_REQUESTS)]
    with ThreadPoolExecutor(len(videos)) as callers:
        seen = Counter(callers.map(lambda each: outcome(service.upload(each)), videos))
    assert set(seen) == {(200, "ok"), (503, "overloaded")}
    assert seen[200, "ok"] >= MOST_REQUESTS
    assert outcome(service.upload(video)) == (200, "ok")


def is_idle() -> bool:
    """Whether no processor time goes into decoding, over a while."""
    before = decoding()
    time.sleep(WINDOW_S)
    return all(seconds <= before.get(pid, 0.0) for pid, seconds in decoding().items())


def test_a_key_may_ask_as_often_as_it_says(service: Asking):
    seen = [service.get("/v1/bundle", key="slow") for _ in range(3)]
    assert [answer.status_code for answer in seen] == [200, 200, 429]
    assert refusal(seen[-1]) == (429, "rate_limited")
    assert int(seen[-1].headers["Retry-After"]) >= 30


@pytest.mark.slow
@pytest.mark.parametrize("part", ["Decode", "Summarize", "Ingress"])
def test_after_a_replica_is_killed_in_mid_request_the_service_heals(service, video, slow_video, tmp_path, part):
    answers = []
    new = fresh(slow_video, tmp_path)  # of one that was seen before nothing is decoded
    asking = threading.Thread(target=lambda: answers.append(service.upload(new)))
    before = decoding()
    asking.start()
    eventually(lambda: has_decoded(before), 20, "decoding")
    [replica] = processes(f"ServeReplica:clipsum:{part}")
    replica.kill()
    asking.join(60)
    [answer] = answers
    assert outcome(answer) in (
        (200, "ok"),
        (503, "worker_died"),
        (504, "timeout"),
    )  # who waits for the next one, in vain
    eventually(lambda: outcome(service.upload(fresh(video, tmp_path)))[0] == 200, 60, "a summary again")


@pytest.mark.slow
def test_a_summarizer_that_is_killed_in_mid_summary_costs_nobody_more_than_another_try(service, video, tmp_path):
    """Half of the callers follow the stream; once the first of them sees words, the process that writes is gone."""
    videos, killing, ends = [fresh(video, tmp_path) for _ in range(MOST_REQUESTS)], threading.Lock(), Counter()

    def kill() -> None:
        if killing.acquire(blocking=False):
            [replica] = processes("ServeReplica:clipsum:Summarize")
            replica.kill()

    def ask(number: int) -> None:
        if number % 2:
            ends[outcome(service.upload(videos[number]))] += 1
            return
        for name, data in service.events(videos[number]):
            if name == "text":
                kill()
            elif name == "row":
                ends[200, data["status"]] += 1
            elif name == "error":
                assert data["retry_after_s"] >= 1
                ends[503, data["error"]["reason"]] += 1

    with ThreadPoolExecutor(MOST_REQUESTS) as callers:
        list(callers.map(ask, range(MOST_REQUESTS)))
    print(f"killed in mid-summary: {dict(ends)}")
    assert killing.locked()
    assert sum(ends.values()) == MOST_REQUESTS
    assert set(ends) <= {(200, "ok"), (503, "worker_died"), (503, "overloaded")}
    eventually(lambda: outcome(service.upload(fresh(video, tmp_path)))[0] == 200, 60, "a summary again")


CALLERS, LASTING_S = 20 * MOST_REQUESTS, 60
GROWTH, RECOVERED_S, LARGE_BYTES = 1.2, 10, 8 * 2**20


@pytest.mark.slow
def test_at_twenty_times_its_capacity_for_a_minute_it_says_no_cleanly_keeps_its_memory_and_recovers(service, video):
    seen: Counter[tuple[int, str]] = Counter()
    held, is_over = [], threading.Event()
    sent = video.read_bytes()

    def ask(number: int) -> None:
        key = "slow" if number == 0 else "user"  # one has used up its rate
        while not is_over.is_set():
            own = sent + bytes(LARGE_BYTES if number % 40 == 1 else 0)
            own += next(NUMBERS).to_bytes(8, "big")  # nobody has looked at it yet
            answer = service.post(key=key, files={"file": ("video.mp4", own)})
            seen[outcome(answer)] += 1
            is_over.wait(0.5)  # a caller who is told to wait would wait longer

    with ThreadPoolExecutor(CALLERS) as callers:
        asking = [callers.submit(ask, number) for number in range(CALLERS)]
        started = time.monotonic()
        while time.monotonic() - started < LASTING_S:
            is_over.wait(2.0)
            held.append(resident_bytes())
        is_over.set()
        for each in asking:
            each.result()
    print(f"{sum(seen.values())} requests in {LASTING_S} s: {dict(seen)}; MB {[each >> 20 for each in held]}")
    assert set(seen) == {(200, "ok"), (503, "overloaded"), (429, "rate_limited")}
    assert seen[200, "ok"] > LASTING_S / 10
    assert seen[503, "overloaded"] > seen[200, "ok"]
    settled = held[len(held) // 3]
    assert max(held[len(held) // 3 :]) < GROWTH * settled
    eventually(lambda: service.upload(video).status_code == 200, RECOVERED_S, "a summary again")
    eventually(is_idle, RECOVERED_S, "no decoding")
