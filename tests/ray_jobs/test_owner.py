"""Two starts on one output at the same time: who owns it, who is refused, who succeeds."""

import json
import subprocess
import threading
import time
from functools import partial

import pytest

from clipsum import storage
from clipsum.errors import UsageError
from ray_jobs import owner as owning
from ray_jobs.owner import Owner

owned = partial(owning.owned, say=pytest.fail)


@pytest.fixture(params=["local", "s3"])
def output(request, tmp_path):
    return str(tmp_path / "run") if request.param == "local" else f"{request.getfixturevalue('s3').uri}/run"


def leave(output, number=3, **sign):
    """What a start that is not at work any more left behind."""
    whole = {"id": "another", "machine": "elsewhere pid:[1]", "pid": 7, "began": 1, "beats": 2, **sign}
    storage.write_bytes(f"{output}/owner/{number:06d}.json", json.dumps(whole).encode())


def test_a_second_start_is_refused_while_the_first_works_and_free_once_it_has_ended(output):
    said = []
    with owned(output, beat_s=0.02), pytest.raises(UsageError, match="is at work on") as caught:
        Owner(output).take(said.append)
    assert "\n" not in str(caught.value)
    assert "watching it for 30 s" in said[0]
    with owned(output):
        pass
    assert not storage.exists(f"{output}/owner")


def test_a_process_of_this_machine_that_is_gone_is_succeeded_at_once(tmp_path):
    process = subprocess.Popen(["true"])
    process.wait()
    leave(str(tmp_path), machine=owning._machine(), pid=process.pid)
    with owned(str(tmp_path)):
        assert [path.name for path in tmp_path.glob("owner/*")] == ["000004.json"]


def test_another_machine_that_gives_no_sign_of_life_is_succeeded_after_a_while(output):
    leave(output)
    said = []
    with owning.owned(output, said.append, patience_s=0.05):
        assert len(said) == 1


def test_of_those_that_succeed_at_once_one_alone_owns(tmp_path):
    leave(str(tmp_path))
    owners, came = [Owner(str(tmp_path), patience_s=1.0) for _ in range(4)], []

    def take(owner):
        try:
            owner.take(str)
        except UsageError as error:
            came.append(str(error))

    threads = [threading.Thread(target=take, args=[owner]) for owner in owners]
    for step in (threading.Thread.start, threading.Thread.join):
        for thread in threads:
            step(thread)
    assert len(came) == 3
    for owner in owners:
        owner.release()


def test_an_owner_that_was_succeeded_learns_of_it(tmp_path):
    with owned(str(tmp_path), beat_s=0.02) as owner:
        leave(str(tmp_path))
        deadline = time.monotonic() + 30
        while not owner.is_lost:
            assert time.monotonic() < deadline
            threading.Event().wait(0.01)


def test_an_owner_whose_successor_has_ended_too_learns_of_it_and_leaves_no_sign(tmp_path):
    with owned(str(tmp_path), beat_s=0.02) as owner:
        [own] = (tmp_path / "owner").iterdir()
        own.unlink()
        deadline = time.monotonic() + 30
        while not owner.is_lost:
            assert time.monotonic() < deadline
            threading.Event().wait(0.01)
        assert list((tmp_path / "owner").iterdir()) == []


def test_an_owner_that_was_killed_before_it_signed_is_succeeded(tmp_path):
    storage.write_bytes(str(tmp_path / "owner/000001.json"), b"")
    with owning.owned(str(tmp_path), print, patience_s=0.05):
        assert [path.name for path in tmp_path.glob("owner/*")] == ["000002.json"]
