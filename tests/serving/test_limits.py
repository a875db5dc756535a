"""What is let in under load, and until when."""

import pickle
from contextlib import ExitStack

import pytest

from clipsum.serving.limits import Admission, Deadline
from clipsum.serving.refusals import RefusedError


def test_a_deadline_ends_in_a_timeout_and_crosses_processes_as_what_is_left(clock):
    deadline = Deadline(10, clock)
    clock.now += 7
    assert deadline.left_s == 3
    assert 2.5 < pickle.loads(pickle.dumps(deadline)).left_s <= 3
    clock.now += 4
    with pytest.raises(RefusedError, match="504 timeout"):
        deadline.check()


def test_the_queue_is_bounded_and_says_when_to_come_again():
    admission = Admission(4, {"work": 2}, first_s=6)
    with ExitStack() as stack:
        for _ in range(4):
            stack.enter_context(admission.enter(Deadline(100)))
        with pytest.raises(RefusedError) as caught, admission.enter(Deadline(100)):
            pass
        assert (caught.value.status, caught.value.headers["Retry-After"]) == (503, "9")  # 3 before it, 2 at a time
    assert admission.inside == 0


def test_a_request_that_would_wait_past_its_deadline_is_refused_at_once():
    admission = Admission(10, {"work": 1}, first_s=1)
    for _ in range(30):
        admission.worked({"work": 20})
    with admission.enter(Deadline(5)):
        with pytest.raises(RefusedError, match="503 overloaded"), admission.enter(Deadline(5)):
            pass
        with admission.enter(Deadline(60)):
            assert admission.inside == 2


def test_a_request_that_fails_gives_its_place_back():
    admission = Admission(1, {"work": 1})
    for _ in range(3):
        with pytest.raises(ZeroDivisionError), admission.enter(Deadline(5)):
            _ = 1 / 0
    assert admission.inside == 0


@pytest.mark.parametrize(
    ("worked", "servers", "wait_s"),
    [
        ({"decode": 4, "summarize": 1}, {"decode": 1, "summarize": 1}, 8),  # 2 before it, 4 s each
        ({"decode": 4, "summarize": 1}, {"decode": 2, "summarize": 1}, 2),  # one of the 2 must go first
        ({"decode": 1, "summarize": 4}, {"decode": 1, "summarize": 1}, 8),
        ({"decode": 1, "summarize": 1}, {"decode": 3, "summarize": 3}, 0),
    ],
)
def test_the_wait_is_that_for_the_slowest_stage_and_those_at_work_there(worked, servers, wait_s):
    admission = Admission(10, dict.fromkeys(servers, 1))
    for _ in range(100):
        admission.worked(worked)
    admission.share(servers, processes=1)
    with admission.enter(Deadline(100)), admission.enter(Deadline(100)):
        assert admission.wait_s == pytest.approx(wait_s)


def test_a_process_of_several_takes_the_others_to_be_as_full_as_itself():
    admission = Admission(10, {"work": 2}, processes=4, first_s=1)
    with admission.enter(Deadline(100)):
        assert admission.wait_s == pytest.approx(1.5)  # 4 before it, of which 2 at a time
        admission.share({"work": 2}, processes=1)
        assert admission.wait_s == 0
