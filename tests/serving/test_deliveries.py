"""Webhooks that are to be told: by one at a time, again until they are heard, and not for ever."""

import json

import pytest

from clipsum.serving.deliveries import HOLD_S, PAUSES_S, Deliveries
from clipsum.serving.job_log import JobLog
from clipsum.serving.jobs import MAX_ATTEMPTS, JobStore
from clipsum.serving.refusals import refused_reason

REQUEST = {"uri": "s3://videos/a.mp4", "webhook": "https://app.example/done"}


@pytest.fixture
def store(tmp_path, clock):
    return JobStore(str(tmp_path / "jobs"), keep_s=1e6, clock=clock)


@pytest.fixture
def deliveries(store, clock):
    return Deliveries(store.log, clock)


def ended(store):
    job_id = store.submit(REQUEST)
    store.finish(store.claim("w"), {"summary": "Cut it."})
    return job_id


def test_the_end_of_a_job_is_told_once_and_the_record_says_so(store, deliveries):
    job_id = ended(store)
    assert store.read(job_id)["webhook"] == "pending"
    delivery = deliveries.claim()
    assert deliveries.claim() is None
    assert (delivery.job_id, delivery.url) == (job_id, REQUEST["webhook"])
    assert json.loads(delivery.body) == {"id": job_id, "state": "done", "result": {"summary": "Cut it."}}
    deliveries.end(delivery, "told")
    job = store.read(job_id)
    assert (job["webhook"], job["state"], job["result"]) == ("told", "done", {"summary": "Cut it."})
    assert (deliveries.claim(), list(store.log.marked("hooks"))) == (None, [])


def test_what_its_teller_left_by_dying_is_told_by_another_with_the_same_words(store, clock):
    ended(store)
    first = Deliveries(store.log, clock).claim()
    clock.now += HOLD_S - 1
    assert Deliveries(store.log, clock).claim() is None
    clock.now += 2
    again = Deliveries(store.log, clock).claim()
    assert (again.job_id, again.body, again.tries) == (first.job_id, first.body, 2)


def test_who_does_not_hear_is_told_again_with_growing_pauses_and_given_up_in_the_end(store, deliveries, clock):
    job_id, began_s = ended(store), clock.now
    for pause_s in PAUSES_S:
        deliveries.again(deliveries.claim())
        clock.now += pause_s - 1
        assert deliveries.claim() is None
        clock.now += 1
    assert store.read(job_id)["webhook"] == "pending"
    deliveries.again(deliveries.claim())
    assert store.read(job_id)["webhook"] == "given_up"
    assert store.read(job_id)["result"]
    assert clock.now - began_s == sum(PAUSES_S)
    assert not list(store.log.marked("hooks"))


def test_the_webhook_of_a_job_that_took_its_workers_down_is_told_too(store, deliveries, clock):
    store.submit(REQUEST)
    for _ in range(MAX_ATTEMPTS):
        assert store.claim("killed")
        clock.now += 100
    assert store.claim("w") is None
    assert json.loads(deliveries.claim().body)["error"]["reason"] == "worker_died"


def test_a_webhook_that_is_pending_takes_no_place_of_a_job_and_goes_with_its_job(store, deliveries, clock):
    small = JobStore(store.place, max_open=1, keep_s=50, clock=clock)
    ended(small)
    small.submit(REQUEST)
    small.fail(small.claim("w"), refused_reason("corrupt"))
    clock.now += 51
    assert small.sweep() == 2
    assert (deliveries.claim(), list(store.log.marked("hooks"))) == (None, [])


def test_a_job_that_names_no_webhook_has_none_pending(store, deliveries):
    job_id = store.submit({"uri": "s3://videos/a.mp4", "webhook": None})
    store.finish(store.claim("w"), {})
    assert "webhook" not in store.read(job_id)
    assert deliveries.claim() is None


def test_webhooks_that_are_not_due_cost_no_look_at_each(store, deliveries, monkeypatch):
    for _ in range(5):
        ended(store)
        deliveries.again(deliveries.claim())
    read, real = [], JobLog.last
    monkeypatch.setattr(JobLog, "last", lambda log, job_id: read.append(job_id) or real(log, job_id))
    assert (deliveries.claim(), read) == (None, [])
    assert len(list(store.log.marked("hooks"))) == 5
