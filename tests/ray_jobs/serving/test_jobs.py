"""Jobs are done by whichever worker is there, once, and their webhooks are told, signed."""

import asyncio
import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from clipsum.errors import ItemError
from clipsum.serving.deliveries import Deliveries
from clipsum.serving.jobs import JobStore
from clipsum.serving.leases import LeaseLostError
from clipsum.serving.refusals import RefusedError, refused_reason
from clipsum.serving.webhooks import IDEMPOTENCY, SIGNATURE, is_signed
from ray_jobs.serving.hooks import Teller
from ray_jobs.serving.jobs import Worker
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
        return asyncio.ensure_future(Worker(self.jobs, self.work, lambda: None, 0.01).run())

    def teller(self):
        return asyncio.ensure_future(Teller(Deliveries(self.jobs.log), self.post, "secret", 0.01).run())

    async def until(self, holds, within_s=10.0):
        deadline = time.monotonic() + within_s
        while not holds():
            assert time.monotonic() < deadline
            await asyncio.sleep(0.01)


def test_a_job_is_done_once_by_two_workers_and_its_webhook_is_told_and_signed(tmp_path: Path):
    async def scene():
        bench = Bench(tmp_path)
        job = bench.jobs.submit(ASKED)
        workers = [bench.worker(), bench.worker(), bench.teller(), bench.teller()]
        bench.hold.set()
        await bench.until(lambda: bench.jobs.read(job).get("webhook") == "told")
        for worker in workers:
            worker.cancel()
        return bench, job

    bench, job = run(scene())
    assert bench.begun == 1
    assert bench.jobs.read(job)["state"] == "done"
    [(url, body, headers)] = bench.told
    assert url == ASKED["webhook"]
    assert is_signed("secret", body, headers[SIGNATURE], time.time())
    assert headers[IDEMPOTENCY] == job
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


@pytest.mark.parametrize(("reason", "state", "attempt"), [("corrupt", "failed", 1), ("worker_died", "waiting", 1)])
def test_what_cannot_be_done_fails_and_what_may_pass_is_given_back(tmp_path: Path, reason, state, attempt):
    async def scene():
        bench = Bench(tmp_path)
        bench.error = refused_reason(reason)
        job = bench.jobs.submit(ASKED | {"webhook": None})
        worker = bench.worker()
        await bench.until(lambda: bench.begun == 1 and bench.jobs.read(job)["state"] == state)
        worker.cancel()
        return bench.jobs.read(job)

    job = run(scene())
    assert (job["state"], job["attempt"]) == (state, attempt)
    assert state == "waiting" or job["error"]["reason"] == reason


def test_a_busy_service_costs_no_attempt_and_no_other_job_is_begun_until_it_says(tmp_path: Path):
    async def scene():
        bench = Bench(tmp_path)
        bench.error = RefusedError(503, "overloaded", "busy", 60)
        jobs = [bench.jobs.submit(ASKED) for _ in range(2)]
        worker = bench.worker()
        await bench.until(lambda: bench.begun == 1 and {bench.jobs.read(job)["attempt"] for job in jobs} == {0})
        for _ in range(20):
            await asyncio.sleep(0)
        worker.cancel()
        return bench

    assert run(scene()).begun == 1


@pytest.mark.parametrize("name", ["claim", "renew"])
def test_a_claim_or_a_renewal_on_its_way_when_a_worker_goes_keeps_the_job_from_nobody(
    tmp_path: Path, monkeypatch, name
):
    on_its_way, go = threading.Event(), threading.Event()
    real = getattr(JobStore, name)

    def slow(*arguments):
        on_its_way.set()
        assert go.wait(10)
        return real(*arguments)

    async def scene():
        bench = Bench(tmp_path, lease_s=1.0)
        job = bench.jobs.submit(ASKED)
        monkeypatch.setattr(JobStore, name, slow)
        worker = bench.worker()
        await asyncio.to_thread(on_its_way.wait, 10)
        worker.cancel()
        go.set()
        await asyncio.wait([worker])
        return bench.jobs.read(job)

    job = run(scene())
    assert (job["state"], job["attempt"]) == ("waiting", 0)


def test_giving_back_does_not_stop_the_loop_of_the_ingress(tmp_path: Path, monkeypatch):
    releasing, go = threading.Event(), threading.Event()
    monkeypatch.setattr(JobStore, "release", lambda *_: (releasing.set(), go.wait(10)))

    async def scene():
        bench = Bench(tmp_path)
        bench.jobs.submit(ASKED)
        worker = bench.worker()
        await bench.until(lambda: bench.begun == 1)
        worker.cancel()
        await bench.until(releasing.is_set)
        assert not worker.done()
        go.set()
        await asyncio.wait([worker])

    run(scene())


def test_a_sweep_that_fails_costs_no_job_its_lease(tmp_path: Path, monkeypatch):
    def fails(_):
        raise ItemError("storage_error", "open", "away")

    monkeypatch.setattr(JobStore, "sweep", fails)

    async def scene():
        bench = Bench(tmp_path)
        job = bench.jobs.submit(ASKED)
        bench.hold.set()
        worker = bench.worker()
        await bench.until(lambda: bench.jobs.read(job)["state"] == "done")
        worker.cancel()
        return bench.jobs.read(job)

    assert run(scene())["attempt"] == 1


def test_a_webhook_that_was_not_told_when_the_ingress_went_is_told_by_the_next(tmp_path: Path):
    async def scene():
        bench = Bench(tmp_path)
        job = bench.jobs.submit(ASKED)
        bench.hold.set()
        worker = bench.worker()
        await bench.until(lambda: bench.jobs.read(job)["state"] == "done")
        worker.cancel()  # and nobody has told
        assert (bench.told, bench.jobs.read(job)["webhook"]) == ([], "pending")
        after = Bench(tmp_path)
        teller = after.teller()
        await after.until(lambda: after.jobs.read(job)["webhook"] == "told")
        teller.cancel()
        return after, job

    after, job = run(scene())
    [(_, body, headers)] = after.told
    assert json.loads(body)["id"] == headers[IDEMPOTENCY] == job


def test_a_delivery_that_has_begun_when_the_ingress_goes_comes_to_its_end(tmp_path: Path):
    sending, go = threading.Event(), threading.Event()

    async def scene():
        bench = Bench(tmp_path)
        job = bench.jobs.submit(ASKED)
        bench.jobs.finish(bench.jobs.claim("w"), {})
        bench.post = lambda *_: (sending.set(), go.wait(10), 200)[-1]
        teller = bench.teller()
        await asyncio.to_thread(sending.wait, 10)
        teller.cancel()
        go.set()
        await asyncio.wait([teller])
        return bench.jobs.read(job)

    assert run(scene())["webhook"] == "told"


@pytest.mark.parametrize("answer", [500, 302, OSError("nobody")])
def test_a_webhook_that_does_not_take_it_stays_pending(tmp_path: Path, answer):
    async def scene():
        bench = Bench(tmp_path)
        job = bench.jobs.submit(ASKED)
        bench.jobs.finish(bench.jobs.claim("w"), {})

        def post(*_):
            if isinstance(answer, OSError):
                raise answer
            return answer

        bench.post = post
        teller = bench.teller()
        await bench.until(lambda: bench.jobs.read(job).get("tries") == 1)
        teller.cancel()
        await asyncio.wait([teller])
        return bench.jobs.read(job)

    assert run(scene())["webhook"] == "pending"


def test_a_store_of_jobs_that_is_away_holds_up_nothing_of_requests_and_is_not_held_up_by_them(tmp_path, monkeypatch):
    go = threading.Event()

    async def scene():
        asyncio.get_running_loop().set_default_executor(one := ThreadPoolExecutor(1))
        bench = Bench(tmp_path)
        bench.hold.set()
        upload = asyncio.get_running_loop().run_in_executor(one, go.wait, 10)
        job = bench.jobs.submit(ASKED)
        worker = bench.worker()
        await bench.until(lambda: bench.jobs.read(job)["state"] == "done")
        go.set()
        await upload
        go.clear()
        monkeypatch.setattr(JobStore, "claim", lambda *_: go.wait(10) and None)
        for _ in range(3):
            bench.worker()
        await asyncio.wait_for(asyncio.to_thread(int), 5)
        go.set()
        worker.cancel()

    run(scene())


def test_two_ingresses_whose_clocks_differ_by_minutes_end_a_job_once(tmp_path):
    late, early = JobStore(str(tmp_path)), JobStore(str(tmp_path), clock=lambda: time.time() + 300)
    job = late.submit(ASKED)
    first = late.claim("late")
    second = early.claim("early")  # to whom the lease looks long over
    with pytest.raises(LeaseLostError):
        late.renew(first)
    assert late.claim("late") is None
    early.finish(second, {"by": "early"})
    with pytest.raises(LeaseLostError):
        late.finish(first, {"by": "late"})
    assert (late.read(job)["result"], late.claim("late")) == ({"by": "early"}, None)
