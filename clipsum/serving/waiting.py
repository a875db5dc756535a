"""Two ways to wait for what cannot be stopped: to its end, or only for as long as somebody wants it."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import TypeVar

Result = TypeVar("Result")
LOOKUPS, OF_JOBS, BACKGROUND = 32, 16, 16
"""Threads for questions to stores of videos and to that of jobs, and for work behind requests: each of them holds up
no others where it is away."""
_lookups, _of_jobs = ThreadPoolExecutor(LOOKUPS, "lookup"), ThreadPoolExecutor(OF_JOBS, "of-jobs")
_background = ThreadPoolExecutor(BACKGROUND, "background")


async def to_its_end(work: Awaitable[Result]) -> Result:
    """Wait for `work`; where this is cancelled it goes on, and this ends, cancelled, after it."""
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        if not task.cancelled():
            task.exception()  # seen: nobody is there to be told
        raise


async def finished(work: Callable[[], Result]) -> Result:
    """Do blocking work in a thread, to its end even where this is cancelled: what it opens can then be closed."""
    return await to_its_end(asyncio.to_thread(work))


async def looked_up(work: Callable[[], Result], *, of_jobs: bool = False) -> Result:
    """Do blocking work in a thread, which is left behind where this is cancelled: it must hold nothing."""
    return await asyncio.get_running_loop().run_in_executor(_of_jobs if of_jobs else _lookups, work)


async def in_background(work: Callable[[], Result]) -> Result:
    """Do blocking work behind requests in a thread, to its end even where this is cancelled."""
    return await to_its_end(asyncio.get_running_loop().run_in_executor(_background, work))


class Lookups:
    """Threads for what callers have looked up, of which no caller can take all, however slow their hosts are.

    Who holds as many as are free waits until there are more: a caller alone has half of them, two have a third each,
    and one is left for whoever comes next. A thread that is left behind counts until it ends.
    """

    def __init__(self, threads: int = LOOKUPS) -> None:
        self._threads, self._pool = threads, ThreadPoolExecutor(threads, "lookup-of")
        self._held: Counter[str] = Counter()
        self._freed = asyncio.Event()

    async def look(self, caller: str, work: Callable[[], Result]) -> Result:
        """As `looked_up`, within the share of the caller."""
        while self._held[caller] >= self._threads - self._held.total():
            await self._freed.wait()
        self._held[caller] += 1
        looking, loop = self._pool.submit(work), asyncio.get_running_loop()
        looking.add_done_callback(partial(self._told, loop, caller))
        return await asyncio.wrap_future(looking)

    def _told(self, loop: asyncio.AbstractEventLoop, caller: str, _: Future[Result]) -> None:
        with suppress(RuntimeError):  # the loop has ended, and nobody waits
            loop.call_soon_threadsafe(self._free, caller)

    def _free(self, caller: str) -> None:
        self._held[caller] -= 1
        self._held += Counter()  # who holds none is forgotten
        self._freed.set()
        self._freed = asyncio.Event()
