"""Whether all parts of the service are well: anybody may ask, and costs no more than one look at a time."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

from clipsum.serving.limits import Deadline
from clipsum.serving.refusals import RETRY_S, RefusedError

CHECK_S, WELL_S = 30.0, 2.0
"""How long a look at all parts may take, and how long it counts."""


class Health:
    """What was last seen of all parts; `probe` sends something through every one of them."""

    def __init__(self, probe: Callable[[Deadline], Awaitable[Any]]) -> None:
        self._probe, self._well_at = probe, -CHECK_S
        self._look: asyncio.Future[None] | None = None

    def seen(self) -> None:
        """A request went through every part."""
        self._well_at = time.monotonic()

    async def check(self) -> None:
        """Raises what went wrong: RefusedError, 503; TimeoutError. All who ask share one look.

        To be full is not to be ill: then a request that has just been answered stands for the look.
        """
        asked_at = time.monotonic()
        if asked_at - self._well_at <= WELL_S:
            return
        if self._look is None or self._look.done():
            self._look = asyncio.ensure_future(self._look_at_all())
        try:
            async with asyncio.timeout(CHECK_S):
                await asyncio.shield(self._look)
        except (TimeoutError, RefusedError) as error:
            is_full = isinstance(error, TimeoutError) or error.reason in ("overloaded", "timeout")
            if not is_full or self._well_at < asked_at - CHECK_S:
                raise

    async def _look_at_all(self) -> None:
        try:
            async with asyncio.timeout(CHECK_S):
                await self._probe(Deadline(CHECK_S))
        except RefusedError as error:  # it is not the probe's fault, whatever is said of a caller's video
            raise RefusedError(503, error.reason, "a part of the service fails", RETRY_S) from error
        self.seen()
