"""Two ways to wait for what cannot be stopped: to its end, or only for as long as somebody wants it."""

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Result = TypeVar("Result")
LOOKUPS, OF_JOBS, BACKGROUND = 32, 16, 16
"""Threads for questions of requests to stores of videos and to that of jobs, and for work behind requests: each of
them holds up no others where it is away."""
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
