"""A summary in the making as server-sent events: `stage`, `text`, and last `row` or `error`."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from clipsum.serving.refusals import refusal_of
from clipsum.serving.schemas import answer_of

PING_S = 10.0
"""How often something is sent at the least, so that who waits in between does not take the connection for dead."""
HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
Work = Callable[[Callable[[str, dict[str, Any]], None]], Awaitable[dict[str, Any]]]


class Events(StreamingResponse):
    """Does `work`, which gives a row, and says how far it is. `held` is closed at the end, or when nobody hears."""

    def __init__(self, work: Work, held: AsyncExitStack) -> None:
        self._held = held
        super().__init__(_told(work), media_type="text/event-stream", headers=HEADERS)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer."""
        async with self._held:
            await super().__call__(scope, receive, send)


async def _told(work: Work) -> AsyncIterator[str]:
    events: asyncio.Queue[tuple[str, Any]] = asyncio.Queue()
    task = asyncio.ensure_future(_whole(work, lambda name, data: events.put_nowait((name, data))))
    task.add_done_callback(lambda _: events.put_nowait(("end", None)))
    try:
        yield event("stage", {"stage": "queued"})
        while True:
            try:
                name, data = await asyncio.wait_for(events.get(), PING_S)
            except TimeoutError:
                yield ": ping\n\n"
                continue
            if name == "end":
                yield task.result()
                return
            yield event(name, data)
    finally:
        task.cancel()
        await asyncio.wait([task])  # its file and its place are there until nothing works on it


async def _whole(work: Work, tell: Callable[[str, dict[str, Any]], None]) -> str:
    """Do the work; the last event."""
    try:
        row = await work(tell)
    except Exception as error:
        refused = refusal_of(error)
        wait = {} if refused.retry_after_s is None else {"retry_after_s": refused.retry_after_s}
        return event("error", refused.body | wait)
    return f"event: row\ndata: {answer_of(row).model_dump_json()}\n\n"


def event(name: str, data: dict[str, Any]) -> str:
    """One event as it is sent."""
    return f"event: {name}\ndata: {json.dumps(data)}\n\n"
