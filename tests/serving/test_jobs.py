"""Jobs in a folder: one owner at a time, nothing lost by a restart, nothing kept for ever."""

import threading

import pytest

from clipsum import storage
from clipsum.errors import ItemError, UsageError
from clipsum.serving import job_log, jobs
from clipsum.serving.job_log import ID_LETTERS, JobLog
from clipsum.serving.jobs import (
    MAX_ATTEMPTS,
    ORPHAN_S,
    PAUSE_S,
    SKEW_S,
    JobStore,
)
from clipsum.serving.leases import LeaseLostError
from clipsum.serving.refusals import RefusedError, refused_reason

REQUEST = {"uri": "s3://videos/a.mp4"}


@pytest.fixture
def store(tmp_path, clock):
    return JobStore(str(tmp_path / "new" / "jobs"), lease_s=60, keep_s=3600, clock=clock)


def test_a_job_goes_from_waiting_to_done_and_survives_a_restart(store, clock):
    job_id = store.submit(REQUEST, "app")
    assert store.read(job_id, "app")["state"] == "waiting"
    lease = store.renew(store.claim("w1"), "decoded")
    again = JobStore(store.place, clock=clock)
    assert (again.read(job_id, "app")["state"], again.read(job_id, "app")["stage"]) == ("running", "decoded")
    assert lease.request == REQUEST
    store.finish(lease, {"summary": "Cut it."})
    assert again.read(job_id, "app")["result"] == {"summary": "Cut it."}
    assert again.claim("w2") is None


def test_of_many_workers_at_once_one_alone_gets_each_job(store):
    ids = [store.submit(REQUEST) for _ in range(5)]
    start, leases = threading.Barrier(8), []

    def work(name):
        start.wait()
        while lease := store.claim(name):
            leases.append(lease.job_id)

    threads = [threading.Thread(target=work, args=(f"w{number}",)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(leases) == sorted(ids)


def test_a_lease_that_ran_out_is_taken_over_and_its_old_owner_can_do_nothing_more(store, clock):
    job_id = store.submit(REQUEST)
    old = store.claim("w1")
    clock.now += 60 + SKEW_S - 1
    assert store.claim("w2") is None
    clock.now += 2
    new = store.claim("w2")
    died = refused_reason("worker_died")
    for late in (lambda: store.renew(old), lambda: store.finish(old, {}), lambda: store.fail(old, died)):
        with pytest.raises(LeaseLostError):
            late()
    assert store.read(job_id)["worker"] == "w2"
    store.finish(new, {"by": "w2"})
    assert store.read(job_id)["result"] == {"by": "w2"}


def test_a_renewed_lease_is_not_taken_over(store, clock):
    store.submit(REQUEST)
    lease = store.claim("w1")
    for _ in range(5):
        clock.now += 50
        lease = store.renew(lease)
        assert store.claim("w2") is None


def test_a_job_that_takes_its_workers_down_fails_and_one_given_back_does_not(store, clock):
    job_id = store.submit(REQUEST)
    for _ in range(5):
        store.release(store.claim("drained"))
    for _ in range(MAX_ATTEMPTS):
        assert store.claim("killed")
        clock.now += 100
    assert store.claim("w") is None
    assert store.read(job_id)["error"]["reason"] == "worker_died"


def test_an_end_whose_writer_was_killed_at_once_is_tidied_by_the_next_claim(store, monkeypatch):
    job_id = store.submit(REQUEST)
    lease = store.claim("w1")
    with monkeypatch.context() as patch:
        patch.setattr(JobStore, "_close", lambda *_: None)
        store.finish(lease, {"ok": 1})
    assert list(store.log.marked("open"))
    assert store.claim("w2") is None
    assert not list(store.log.marked("open"))
    assert store.read(job_id)["result"] == {"ok": 1}


def test_results_are_kept_for_their_time_and_then_nothing_is_left(store, clock, tmp_path):
    job_id, other = store.submit(REQUEST), store.submit(REQUEST)
    store.finish(store.claim("w"), {})
    clock.now += 3599
    assert store.sweep() == 0
    clock.now += 2
    assert store.sweep() == 1
    kept = {job_id, other} - {each for each in (job_id, other) if store.read(each) is None}
    assert len(kept) == 1
    assert len(list(tmp_path.rglob("*.json"))) == 1


def test_a_job_is_seen_by_its_own_key_alone_and_no_id_is_a_path(store):
    job_id = store.submit(REQUEST, "app")
    assert store.read(job_id, "other") is None
    for odd in ("", "../../etc/passwd", "..", job_id.upper() + "/", f"../jobs/{job_id}"):
        assert store.read(odd, "app") is None


def test_the_queue_is_bounded(store):
    small = JobStore(store.place, max_open=2, clock=store.clock)
    small.submit(REQUEST)
    small.submit(REQUEST)
    with pytest.raises(RefusedError) as caught:
        small.submit(REQUEST)
    assert (caught.value.status, "Retry-After" in caught.value.headers) == (503, True)


def test_jobs_lie_on_s3_as_well(s3, clock):
    store = JobStore(f"{s3.uri}/jobs", keep_s=10, clock=clock)
    assert store.claim("w1") is None
    job_id = store.submit(REQUEST)
    lease = store.claim("w1")
    assert store.claim("w2") is None
    clock.now += 100
    taken = store.claim("w2")
    with pytest.raises(LeaseLostError):
        store.finish(lease, {})
    store.finish(taken, {"by": "w2"})
    assert store.read(job_id)["result"] == {"by": "w2"}
    clock.now += 100
    assert store.sweep() == 1
    assert store.read(job_id) is None


@pytest.mark.parametrize(
    ("reason", "is_its_own"), [("overloaded", False), ("storage_error", False), ("worker_died", True)]
)
def test_what_may_pass_gives_the_job_back_after_a_pause_and_counts_only_where_the_job_may_be_at_fault(
    store, clock, reason, is_its_own
):
    job_id, error = store.submit(REQUEST), RefusedError(503, reason, "not now")
    lease = store.claim("w1")
    store.put_back(lease, error)
    assert store.read(job_id)["state"] == "waiting"
    clock.now += PAUSE_S - 0.1
    assert store.claim("w2") is None
    clock.now += 0.2
    assert store.claim("w2").attempt == 1 + is_its_own
    with pytest.raises(LeaseLostError):
        store.put_back(lease, error)


def test_a_pause_doubles_up_to_a_bound_and_what_never_passes_fails_with_its_own_reason(store, clock, monkeypatch):
    monkeypatch.setattr(jobs, "LONGEST_PAUSE_S", 25)
    monkeypatch.setattr(jobs, "PATIENCE_S", 100)
    job_id, began_s, pauses = store.submit(REQUEST), clock.now, []
    while store.read(job_id)["state"] == "waiting":
        clock.now = max(clock.now, store.read(job_id).get("not_before_s", 0))
        pauses.append(clock.now - began_s)
        store.put_back(store.claim("w"), RefusedError(503, "storage_error", "not now"))
    assert pauses == [0, 5, 15, 35, 60, 85]
    assert store.read(job_id)["error"] == {"reason": "storage_error", "detail": "not now"}


def test_a_service_that_says_when_is_not_asked_before(store, clock):
    store.submit(REQUEST)
    store.put_back(store.claim("w"), RefusedError(503, "overloaded", "busy", 40))
    clock.now += 39
    assert store.claim("w") is None
    clock.now += 1
    assert store.claim("w")


@pytest.mark.parametrize("broken", [b"", b"[1]", b'{"state": "running"}', b"\xff"])
def test_a_record_that_cannot_be_read_holds_no_other_back_and_is_not_kept_for_ever(store, clock, broken, tmp_path):
    bad = store.submit(REQUEST)
    clock.now += 1
    good = store.submit(REQUEST)
    (tmp_path / "new" / "jobs" / "jobs" / bad / "000001.json").write_bytes(broken)
    assert store.claim("w").job_id == good
    clock.now += store.keep_s + 1
    store.claim("w")
    assert bad not in [job_id for _, job_id in store.log.marked("open")]
    clock.now += store.keep_s
    store.sweep()
    assert not (list((tmp_path / "new" / "jobs" / "jobs" / bad).iterdir()))


def test_one_record_that_the_store_does_not_give_holds_no_other_back_and_a_store_that_fails_is_told(
    store, clock, monkeypatch
):
    ids = [store.submit(REQUEST)]
    clock.now += 1
    ids.append(store.submit(REQUEST))
    real, away = JobLog.last, {ids[0]}

    def last(log, job_id):
        if job_id in away:
            raise ItemError("storage_error", "open", "away")
        return real(log, job_id)

    monkeypatch.setattr(JobLog, "last", last)
    assert store.claim("w").job_id == ids[1]
    away.add(ids[1])
    with pytest.raises(ItemError):
        store.claim("w")


def test_a_marker_whose_record_was_never_written_counts_no_more_once_nobody_can_be_writing_it(
    store, clock, monkeypatch
):
    small = JobStore(store.place, max_open=1, clock=clock)
    with monkeypatch.context() as patch:
        patch.setattr(JobLog, "append", lambda *_: (_ for _ in ()).throw(ItemError("storage_error", "open", "away")))
        with pytest.raises(ItemError):
            small.submit(REQUEST)
    assert small.claim("w") is None
    with pytest.raises(RefusedError):
        small.submit(REQUEST)  # another process may be writing that record
    clock.now += ORPHAN_S + 1
    assert small.claim("w") is None
    assert small.submit(REQUEST)


def test_a_record_that_took_so_long_to_write_that_its_marker_was_taken_away_is_found_all_the_same(
    store, clock, monkeypatch
):
    real = JobLog.append

    def slow(log, *entry):
        clock.now += ORPHAN_S + 1
        assert store.claim("other") is None
        return real(log, *entry)

    with monkeypatch.context() as patch:
        patch.setattr(JobLog, "append", slow)
        job_id = store.submit(REQUEST)
    assert store.claim("w").job_id == job_id


def test_a_store_without_conditional_writes_is_refused(tmp_path, s3, monkeypatch):
    for place in (str(tmp_path / "jobs"), f"{s3.uri}/jobs"):
        JobLog(place).check()
        assert not list(storage.list_files(place))
    monkeypatch.setattr(job_log.storage, "create_bytes", lambda uri, data: storage.write_bytes(uri, data) or True)
    with pytest.raises(UsageError, match="If-None-Match"):
        JobLog(f"{s3.uri}/jobs").check()
    monkeypatch.undo()
    with pytest.raises(UsageError, match=r"no jobs can be kept in '/proc/nowhere'"):
        JobLog("/proc/nowhere").check()


@pytest.mark.parametrize("then", ["renew", "finish", "release"])
def test_a_renewal_that_was_written_though_its_answer_was_lost_loses_no_lease(store, clock, monkeypatch, then):
    job_id = store.submit(REQUEST)
    lease, real = store.claim("w"), JobLog.append

    def unheard(log, *entry):
        if real(log, *entry):
            raise ItemError("storage_error", "open", "the answer was lost")
        return False

    with monkeypatch.context() as patch:
        patch.setattr(JobLog, "append", unheard)
        for _ in range(2):
            with pytest.raises(ItemError):
                store.renew(lease)
    if then == "renew":
        lease = store.renew(lease, "decoded")
        store.finish(lease, {"ok": 1})
    elif then == "finish":
        store.finish(lease, {"ok": 1})
    else:
        store.release(lease)
    assert store.read(job_id)["state"] == ("waiting" if then == "release" else "done")


def test_what_was_given_back_is_not_ended_by_who_gave_it_back(store):
    store.submit(REQUEST)
    lease = store.claim("w1")
    store.release(lease)
    for late in (lambda: store.finish(lease, {}), lambda: store.renew(lease)):
        with pytest.raises(LeaseLostError):
            late()
    assert store.claim("w2")


def test_jobs_that_pause_cost_no_look_at_each(store, clock, monkeypatch):
    for _ in range(5):
        store.submit(REQUEST)
        store.put_back(store.claim("w"), RefusedError(503, "storage_error", "not now"))
    read, real = [], JobLog.last
    monkeypatch.setattr(JobLog, "last", lambda log, job_id: read.append(job_id) or real(log, job_id))
    assert (store.claim("w"), read) == (None, [])
    clock.now += PAUSE_S
    assert store.claim("w")
    assert len(list(store.log.marked("open"))) == 5


def test_a_job_is_found_where_its_new_marker_could_not_be_written(store, clock, monkeypatch):
    store.submit(REQUEST)
    lease = store.claim("w")

    def fails(*_):
        raise ItemError("storage_error", "open", "away")

    with monkeypatch.context() as patch:
        patch.setattr(JobLog, "mark", fails)
        store.put_back(lease, RefusedError(503, "storage_error", "not now"))
    assert store.claim("w") is None
    clock.now += PAUSE_S
    lease = store.claim("w")
    store.finish(lease, {})
    assert not list(store.log.marked("open"))


def test_a_marker_is_not_of_the_future_and_is_known_again_by_its_time(store, clock):
    job_id = "0" * ID_LETTERS
    for number in range(200):
        clock.now = 1_763_000_000 + number * 0.37193
        store.log.mark("open", clock.now, job_id)
        [(marked_s, _)] = store.log.marked("open")
        assert clock.now - 0.00101 <= marked_s <= clock.now + 2e-6
        store.log.unmark("open", marked_s, job_id)
        assert not list(store.log.marked("open"))
