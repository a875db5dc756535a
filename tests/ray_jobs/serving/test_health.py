"""What GET /healthz asks of an ingress: one look for all who ask, and a service that is full is well."""

import asyncio
import os
import time

import pytest
from ray import serve
from ray.exceptions import RayError

from clipsum.rows import Outcome
from clipsum.serving.limits import Deadline
from clipsum.serving.probe import PROBE
from clipsum.serving.refusals import RefusedError, refused_reason
from ray_jobs.item import StageItem
from ray_jobs.pools import Machine
from ray_jobs.serving import health as serve_health
from ray_jobs.serving import summarize as serve_summarize
from ray_jobs.serving.app import stage_settings
from ray_jobs.serving.bundle import pointer_of
from ray_jobs.serving.config import ServeConfig, options
from ray_jobs.serving.health import Health
from ray_jobs.serving.places import located
from ray_jobs.serving.summarize import Writer
from tests.loops import run
from tests.ray_jobs.serving.asking import eventually


class Looked:
    """Parts that answer as a test says."""

    def __init__(self, error: Exception | None = None, answered_s_ago: float = 1e6, takes_s: float = 0.05) -> None:
        self.looks, self._error, self._takes_s = 0, error, takes_s
        self.health = Health(self._probe)
        self.health._well_at = time.monotonic() - answered_s_ago

    async def _probe(self, _: Deadline) -> None:
        self.looks += 1
        await asyncio.sleep(self._takes_s)
        if self._error:
            raise self._error


def test_all_who_ask_at_once_share_one_look_and_one_who_goes_ends_it_for_nobody():
    async def scene() -> Looked:
        looked = Looked()
        asking = [asyncio.ensure_future(looked.health.check()) for _ in range(20)]
        await asyncio.sleep(0)
        asking[0].cancel()
        results = await asyncio.gather(*asking, return_exceptions=True)
        assert [type(each) for each in results] == [asyncio.CancelledError, *[type(None)] * 19]
        await looked.health.check()
        return looked

    assert run(scene()).looks == 1


@pytest.mark.parametrize(
    "error", [refused_reason("timeout"), RefusedError(503, "overloaded", "x", 1.0), TimeoutError()]
)
def test_a_service_that_is_full_and_answers_is_well_and_one_that_answers_nobody_is_not(error):
    run(Looked(error, answered_s_ago=5.0).health.check())
    with pytest.raises(type(error)):
        run(Looked(error, answered_s_ago=2 * serve_health.CHECK_S).health.check())


def test_a_part_that_fails_is_told_whatever_was_answered_before():
    with pytest.raises(RefusedError, match="503 model_error"):
        run(Looked(refused_reason("model_error"), answered_s_ago=5.0).health.check())


def test_one_look_that_hangs_is_given_up_by_all_in_its_time(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(serve_health, "CHECK_S", 0.1)

    async def scene() -> None:
        looked = Looked(takes_s=60)
        began = time.monotonic()
        results = await asyncio.gather(*(looked.health.check() for _ in range(5)), return_exceptions=True)
        assert [type(each) for each in results] == [TimeoutError] * 5
        assert time.monotonic() - began < 2

    run(scene())


@pytest.mark.slow
def test_a_replica_whose_model_hangs_is_replaced_and_the_next_one_writes(service, bundle, tmp_path):
    class Hanging(Writer):
        """Told to, its model never comes back."""

        def __init__(self, *given: object) -> None:
            super().__init__(*given)
            serve_summarize.WELL_S = 0

        async def hang(self) -> int:
            self._thread.submit(time.sleep, 3600)
            return os.getpid()

        async def pid(self) -> int:
            return os.getpid()

    config = located(ServeConfig(bundle=bundle, state=str(tmp_path), drain_s=1))
    usual = options(config, "summarize", Machine(2)) | {"health_check_period_s": 1, "health_check_timeout_s": 2}
    settings = stage_settings(config, bundle, Machine(2))
    parts = serve.deployment(Hanging, name="Hanging", **usual).bind(settings, pointer_of(config))
    handle = serve.run(parts, name="hanging", route_prefix=None)
    try:
        before = handle.hang.remote().result(timeout_s=20)
        took_s = eventually(lambda: replaced(handle, before), 60, "another process")
        item = StageItem(0, Outcome(PROBE.ref, duration_s=1.0), PROBE.transcript)
        row = handle.summarize.remote(item, settings, Deadline(20)).result(timeout_s=30).row
        print(f"replaced after {took_s:.0f} s")
        assert row["status"] == "ok"
    finally:
        serve.delete("hanging")


def replaced(handle, before: int) -> bool:
    """Whether whoever answers is another process than `before`."""
    try:
        return handle.pid.remote().result(timeout_s=20) != before
    except RayError:  # it is being killed
        return False
