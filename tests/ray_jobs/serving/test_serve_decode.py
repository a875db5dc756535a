"""A decode replica alone, in this process: its health is that it decodes."""

import asyncio

import pytest

from clipsum.config import Limits
from clipsum.rows import Outcome
from clipsum.serving.limits import Deadline
from clipsum.serving.sources import Sources
from clipsum.video import child
from clipsum.video.worker import VideoDecoder
from ray_jobs.item import StageItem
from ray_jobs.serve_bundle import described
from ray_jobs.serve_decode import PROBE, Decoder
from ray_jobs.stages import Decode, StageSettings
from tests.loops import run


@pytest.fixture(scope="module")
def settings(bundle: str) -> StageSettings:
    return StageSettings(**described(bundle), limits=Limits(deadline_s=20), thumbnails=0)


def test_a_replica_is_well_where_it_decodes_and_asks_no_more_of_itself_than_it_has_to(settings: StageSettings):
    async def scene():
        decoder, seen = Decoder(settings, Sources()), []
        decode_item = decoder._decode.decode_item
        decoder._decode.decode_item = lambda item: seen.append(decode_item(item)) or seen[-1]
        await decoder.check_health()
        await decoder.check_health()
        return seen

    [found] = run(scene())
    assert len(found.frames.times_s) == 8
    assert found.outcome.failure is None


def test_a_replica_that_cannot_decode_is_not_well(settings: StageSettings, monkeypatch: pytest.MonkeyPatch):
    async def scene():
        decoder = Decoder(settings, Sources())
        with pytest.raises(RuntimeError, match="health check"):
            await decoder.check_health()
        monkeypatch.undo()
        await decoder.check_health()

    monkeypatch.setattr(child, "__name__", "no.such.module")
    monkeypatch.setattr(Decode, "__init__", unstarted)
    run(scene())


def unstarted(self: Decode, settings: StageSettings) -> None:
    self._decoder = VideoDecoder(settings.preprocessing, settings.sampling, settings.seek, settings.limits)


def test_a_replica_at_work_is_not_asked_to_wait_for_it(settings: StageSettings):
    async def scene():
        decoder = Decoder(settings, Sources())
        item = StageItem(0, Outcome(PROBE.ref), PROBE.transcript)
        at_work = asyncio.ensure_future(decoder.decode(item, settings, Deadline(20)))
        await asyncio.sleep(0)
        assert decoder._turn.locked()
        await asyncio.wait_for(decoder.check_health(), 0.5)
        assert not at_work.done()
        return await at_work

    assert run(scene()).outcome.failure is None
