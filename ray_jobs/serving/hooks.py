"""Webhooks behind jobs: each ingress tells those that are due, whichever of them has done the job."""

import asyncio
import logging
import time
from collections.abc import Callable

from clipsum.errors import ItemError
from clipsum.serving.deliveries import Deliveries, Delivery
from clipsum.serving.waiting import in_background
from clipsum.serving.webhooks import IDEMPOTENCY, SIGNATURE, signature

HEARD = range(200, 300)
Post = Callable[[str, bytes, dict[str, str]], int]
log = logging.getLogger(__name__)


class Teller:
    """Tells one webhook after another, for as long as `run` is not cancelled. `post` gives the status of the answer."""

    def __init__(self, deliveries: Deliveries, post: Post, secret: str, idle_s: float) -> None:
        self._deliveries, self._post, self._secret, self._idle_s = deliveries, post, secret, idle_s
        self._news = asyncio.Event()

    def wake(self) -> None:
        """A job has ended: look at once."""
        self._news.set()

    async def run(self) -> None:
        """Tell; a store that fails is asked again. What has begun when this is cancelled comes to its end."""
        while True:
            self._news.clear()
            try:
                is_more = await in_background(self._tell_one)
            except ItemError as error:
                log.warning("the store of jobs fails: %s", error.reason)
                is_more = False
            except Exception as error:  # one that cannot be told ends no teller
                log.error("a webhook could not be told", exc_info=error)
                is_more = False
            if not is_more:
                await self._idle()

    async def _idle(self) -> None:
        try:
            await asyncio.wait_for(self._news.wait(), self._idle_s)
        except TimeoutError:
            return

    def _tell_one(self) -> bool:
        """Whether there was one to tell."""
        delivery = self._deliveries.claim()
        if delivery is None:
            return False
        if self._is_heard(delivery):
            self._deliveries.end(delivery, "told")
        else:
            self._deliveries.again(delivery)
        return True

    def _is_heard(self, delivery: Delivery) -> bool:
        headers = {
            "Content-Type": "application/json",
            IDEMPOTENCY: delivery.job_id,
            SIGNATURE: signature(self._secret, delivery.body, time.time()),
        }
        try:
            return self._post(delivery.url, delivery.body, headers) in HEARD
        except Exception as error:
            log.warning("the webhook of job %s does not answer: %s", delivery.job_id, type(error).__name__)
            return False
