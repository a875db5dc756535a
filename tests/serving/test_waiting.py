"""Waiting for what cannot be stopped."""

import asyncio
import threading
import time
from contextlib import AsyncExitStack
from pathlib import Path
from types import SimpleNamespace

import pytest

from clipsum.serving import reading
from clipsum.serving.sources import Sources
from clipsum.serving.waiting import LOOKUPS, Lookups, finished, looked_up
from tests.loops import run


class Slow:
    """Work that goes on until it is let go."""

    def __init__(self) -> None:
        self.begun, self.go, self.is_done = threading.Event(), threading.Event(), False

    def __call__(self, *_):
        self.begun.set()
        assert self.go.wait(20)
        self.is_done = True

    async def cancelled(self, waiting):
        """Begin, and be cancelled in the middle: the task, once the cancel has been heard."""
        task = asyncio.ensure_future(waiting)
        await asyncio.to_thread(self.begun.wait, 10)
        task.cancel()
        await asyncio.wait([task], timeout=0.05)
        return task


def test_what_is_to_be_finished_is_and_the_cancel_comes_after_it():
    async def scene():
        slow = Slow()
        task = await slow.cancelled(finished(slow))
        assert not task.done()
        slow.go.set()
        await asyncio.wait([task])
        return task.cancelled(), slow.is_done

    assert run(scene()) == (True, True)


def test_what_is_looked_up_is_left_behind():
    async def scene():
        slow = Slow()
        task = await slow.cancelled(looked_up(slow))
        seen = task.cancelled(), slow.is_done
        slow.go.set()
        return seen

    assert run(scene()) == (True, False)


def test_a_request_for_a_video_of_a_store_that_does_not_answer_ends_in_its_time(monkeypatch):
    slow = Slow()
    monkeypatch.setattr(reading, "named", slow)
    request = SimpleNamespace(headers={"content-type": "application/json"}, body=body)

    async def scene():
        async with AsyncExitStack() as held, asyncio.timeout(0.1):
            await reading.read_video(request, Sources(), Path("/nowhere"), looked_up, held)

    began = time.monotonic()
    with pytest.raises(TimeoutError):
        run(scene())
    assert (slow.is_done, time.monotonic() - began < 10) == (False, True)
    slow.go.set()


async def body():
    return b'{"uri": "s3://videos/a.mp4"}'


def test_stores_of_videos_that_are_away_hold_up_no_question_about_jobs():
    slow = Slow()

    async def scene():
        waiting = [asyncio.ensure_future(looked_up(slow)) for _ in range(LOOKUPS + 1)]
        told = await asyncio.wait_for(looked_up(lambda: "told", of_jobs=True), 10)
        slow.go.set()
        await asyncio.wait(waiting)
        return told

    assert run(scene()) == "told"


def test_a_caller_of_slow_hosts_keeps_no_other_from_a_lookup_though_it_leaves_and_comes_again():
    slow, lookups, threads = Slow(), Lookups(8), 8

    async def scene():
        told = []
        for callers in (["greedy"], ["other"]):
            asking = [asyncio.ensure_future(lookups.look(caller, slow)) for caller in callers * threads]
            await asyncio.sleep(0)
            for each in asking:
                each.cancel()  # what has begun goes on
            asking = [asyncio.ensure_future(lookups.look(caller, slow)) for caller in callers * threads]
            told.append(await asyncio.wait_for(lookups.look("quick", lambda: "told"), 10))
        held = dict(lookups._held)
        slow.go.set()
        await asyncio.wait(asking)
        return told, held

    told, held = run(scene())
    assert told == ["told"] * 2
    assert held == {"greedy": 4, "other": 2}


def test_a_caller_who_waits_for_its_share_gets_it_as_soon_as_one_of_its_own_ends():
    slow, lookups = Slow(), Lookups(2)

    async def scene():
        first, second = (asyncio.ensure_future(lookups.look("a", work)) for work in (slow, lambda: "told"))
        await asyncio.wait([second], timeout=0.05)
        was_done = second.done()
        slow.go.set()
        await asyncio.wait_for(asyncio.wait([first, second]), 10)
        return was_done, second.result()

    assert run(scene()) == (False, "told")
