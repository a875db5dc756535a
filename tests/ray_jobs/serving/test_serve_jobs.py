"""Jobs are done by whichever worker is there, once, and their webhooks are told, signed."""

import asyncio
import json
import time
from pathlib import Path

import pytest

from clipsum.serving.jobs import JobStore
from clipsum.serving.refusals import refused_reason
from clipsum.serving.webhooks import HEADER, is_signed
from ray_jobs.serve_jobs import Worker
from tests.loops import run
from tests.reports.report_rows import ok_row

ASKED = {"uri": "s3://a/b.mp4", "query": None, "transcript": None, "webhook": "https://app.example/done"}


class Bench:
    """Workers at a store, with work and a webhook that a test writes."""

    def __init__(self, folder: Path, lease_s: float = 60.0) -> None:
        self.jobs = JobStore(str(folder), lease_s=lease_s)
        self.told: list[tuple[str, bytes, dict[str, str]]] = []
        self.begun = 0
        self.hold = asyncio.Event()
        self.error: Exception | None = None

    async def work(self, asked, reach):
        self.begun += 1
        reach("decoded")
        if self.error:
            raise self.error
        await self.hold.wait()
        return ok_row()

    def post(self, url, body, headers):
        self.told.append((url, body, headers))
        return 204

    def worker(self):
        return asyncio.ensure_future(Worker(self.jobs, self.work, self.post, "secret", 0.01).run())

    async def until(self, holds, within_s=10.0):
        deadline = time.monotonic() + within_s
        while not holds():
            assert time.monotonic() < deadline
            await asyncio.sleep(0.01)


def test_a_job_is_done_once_by_two_workers_and_its_webhook_is_told_and_signed(tmp_path: Path):
    async def scene():
        bench = Bench(tmp_path)
        job = bench.jobs.submit(ASKED)
        workers = [bench.worker(), bench.worker()]
        bench.hold.set()
        await bench.until(lambda: bench.told)
        for worker in workers:
            worker.cancel()
        return bench, job

    bench, job = run(scene())
    assert bench.begun == 1
    assert bench.jobs.read(job)["state"] == "done"
    [(url, body, headers)] = bench.told
    assert url == ASKED["webhook"]
    assert is_signed("secret", body, headers[HEADER], time.time())
    assert json.loads(body)["result"]["summary"] == ok_row()["summary"]


def test_a_worker_that_goes_gives_its_job_back_and_the_next_begins_at_once(tmp_path: Path):
    async def scene():
        bench = Bench(tmp_path)
        job = bench.jobs.submit(ASKED)
        first = bench.worker()
        await bench.until(lambda: bench.begun == 1)
        first.cancel()
        await asyncio.wait([first])
        bench.hold.set()
        second = bench.worker()
        await bench.until(lambda: bench.jobs.read(job)["state"] == "done")
        second.cancel()
        return bench

    assert run(scene()).begun == 2


def test_work_that_takes_longer_than_a_lease_keeps_it_and_tells_its_stage(tmp_path: Path):
    async def scene():
        bench = Bench(tmp_path, lease_s=0.2)
        job = bench.jobs.submit(ASKED)
        workers = [bench.worker(), bench.worker()]
        await bench.until(lambda: bench.jobs.read(job)["stage"] == "decoded")
        await bench.until(lambda: len(list((tmp_path / "jobs" / job).iterdir())) > 5)
        bench.hold.set()
        await bench.until(lambda: bench.jobs.read(job)["state"] == "done")
        for worker in workers:
            worker.cancel()
        return bench

    assert run(scene()).begun == 1


@pytest.mark.parametrize(("reason", "state"), [("corrupt", "failed"), ("worker_died", "running")])
def test_what_cannot_be_done_fails_and_what_may_pass_is_left_to_be_begun_again(tmp_path: Path, reason, state):
    async def scene():
        bench = Bench(tmp_path)
        bench.error = refused_reason(reason)
        job = bench.jobs.submit(ASKED | {"webhook": None})
        worker = bench.worker()
        await bench.until(lambda: bench.begun == 1 and bench.jobs.read(job)["state"] == state)
        worker.cancel()
        return bench.jobs.read(job)

    job = run(scene())
    assert job["state"] == state
    assert state == "running" or job["error"]["reason"] == reason
