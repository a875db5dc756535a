"""What GET /healthz asks of an ingress: one look for all who ask, and a service that is full is well."""

import asyncio
import time
from types import SimpleNamespace

import pytest

from clipsum.serving.refusals import RefusedError, refused_reason
from ray_jobs import serve_ingress
from ray_jobs.serve_ingress import Ingress
from tests.loops import run


class Looked:
    """An ingress whose graph answers as a test says."""

    def __init__(self, error: Exception | None = None, answered_s_ago: float = 1e6, takes_s: float = 0.05) -> None:
        self.looks, self._error, self._takes_s = 0, error, takes_s
        self.ingress = object.__new__(Ingress)
        self.ingress._look, self.ingress._well_at = None, time.monotonic() - answered_s_ago
        self.ingress._follower = SimpleNamespace(settings=None)  # type: ignore[assignment]
        self.ingress._graph = self  # type: ignore[assignment]

    async def row_of(self, *_: object) -> dict[str, str]:
        self.looks += 1
        await asyncio.sleep(self._takes_s)
        if self._error:
            raise self._error
        return {"status": "ok"}


def test_all_who_ask_at_once_share_one_look_and_one_who_goes_ends_it_for_nobody():
    async def scene() -> Looked:
        looked = Looked()
        asking = [asyncio.ensure_future(looked.ingress.check()) for _ in range(20)]
        await asyncio.sleep(0)
        asking[0].cancel()
        results = await asyncio.gather(*asking, return_exceptions=True)
        assert [type(each) for each in results] == [asyncio.CancelledError, *[type(None)] * 19]
        await looked.ingress.check()
        return looked

    assert run(scene()).looks == 1


@pytest.mark.parametrize(
    "error", [refused_reason("timeout"), RefusedError(503, "overloaded", "x", 1.0), TimeoutError()]
)
def test_a_service_that_is_full_and_answers_is_well_and_one_that_answers_nobody_is_not(error):
    run(Looked(error, answered_s_ago=5.0).ingress.check())
    with pytest.raises(type(error)):
        run(Looked(error, answered_s_ago=2 * serve_ingress.CHECK_S).ingress.check())


def test_a_part_that_fails_is_told_whatever_was_answered_before():
    with pytest.raises(RefusedError, match="503 model_error"):
        run(Looked(refused_reason("model_error"), answered_s_ago=5.0).ingress.check())


def test_one_look_that_hangs_is_given_up_by_all_in_its_time(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(serve_ingress, "CHECK_S", 0.1)

    async def scene() -> None:
        looked = Looked(takes_s=60)
        began = time.monotonic()
        results = await asyncio.gather(*(looked.ingress.check() for _ in range(5)), return_exceptions=True)
        assert [type(each) for each in results] == [TimeoutError] * 5
        assert time.monotonic() - began < 2

    run(scene())
