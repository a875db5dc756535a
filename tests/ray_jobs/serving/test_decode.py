"""A decode replica alone, in this process: its health is that it decodes."""

import asyncio
import shutil
import threading
from dataclasses import replace

import pytest

from clipsum.config import Limits
from clipsum.errors import ItemError
from clipsum.records import Segment, Transcript, VideoRef
from clipsum.rows import Outcome
from clipsum.serving.limits import Deadline
from clipsum.serving.sources import Sources
from clipsum.video import child
from clipsum.video.worker import VideoDecoder
from ray_jobs import stages
from ray_jobs.item import StageItem
from ray_jobs.serving import decode as serve_decode
from ray_jobs.serving.bundle import described
from ray_jobs.serving.decode import PROBE, Decoder
from ray_jobs.stages import Decode, StageSettings
from tests.loops import run


@pytest.fixture(scope="module")
def settings(bundle: str) -> StageSettings:
    return StageSettings(**described(bundle), limits=Limits(deadline_s=20), thumbnails=0)


def test_a_replica_is_well_where_it_decodes_and_asks_no_more_of_itself_than_it_has_to(settings: StageSettings):
    async def scene():
        decoder, seen = Decoder(settings, Sources()), []
        [child] = decoder._children.values()
        decode_item = child.decode_item
        child.decode_item = lambda item: seen.append(decode_item(item)) or seen[-1]
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


def test_a_store_that_does_not_give_the_words_keeps_neither_its_caller_nor_the_replica(settings, kitchen, monkeypatch):
    begun, go = threading.Event(), threading.Event()

    def slow(_):
        begun.set()
        assert go.wait(20)
        return Transcript(), ()

    video = str(sorted(kitchen.glob("*.mp4"))[0])
    asked = StageItem(0, Outcome(VideoRef(video, "v", "1", transcript_uri=f"{video}.vtt")))

    async def scene():
        decoder = Decoder(settings, Sources())
        monkeypatch.setattr(stages, "find_transcript", slow)
        waiting = asyncio.ensure_future(decoder.decode(asked, settings, Deadline(20)))
        await asyncio.to_thread(begun.wait, 10)
        with_words = replace(asked, transcript=Transcript((Segment("stir"),), "manifest"))
        other = await decoder.decode(with_words, settings, Deadline(20))
        waiting.cancel()
        await asyncio.wait([waiting], timeout=10)
        return other, waiting.cancelled(), go.is_set()

    other, is_cancelled, is_over = run(scene())
    go.set()
    assert (other.outcome.failure, is_cancelled, is_over) == (None, True, False)


def test_words_beside_a_video_are_found_once_and_their_warnings_stay(settings, kitchen, tmp_path):
    video = shutil.copy(sorted(kitchen.glob("*.mp4"))[0], tmp_path / "a.mp4")
    for name, words in (("a.vtt", b"\x00\xff" * 100), ("b.txt", b"stir")):
        (tmp_path / name).write_bytes(words)

    async def scene():
        decoder, found = Decoder(settings, Sources()), []
        for words in ("a.vtt", "b.txt"):
            ref = VideoRef(str(video), "v", "1", transcript_uri=str(tmp_path / words))
            found.append(await decoder.decode(StageItem(0, Outcome(ref)), settings, Deadline(20)))
        return found

    broken, other = run(scene())
    assert [warning for warning in broken.outcome.warnings if "a.vtt" in warning]
    assert (other.transcript.text, other.outcome.warnings) == ("stir", ())


def test_a_store_that_fails_for_the_words_fails_the_video(settings, monkeypatch):
    def fails(_):
        raise ItemError("storage_error", "open", "away")

    async def scene():
        decoder = Decoder(settings, Sources())
        return await decoder.decode(StageItem(0, Outcome(VideoRef("s3://a/b.mp4", "v", "1"))), settings, Deadline(20))

    monkeypatch.setattr(stages, "find_transcript", fails)
    assert run(scene()).outcome.failure.reason == "storage_error"


class Child:
    """Stands for a decoding process; that for sampling 3 begins once it is let go."""

    begun, go, started, closed = threading.Event(), threading.Event(), [], []

    def __init__(self, settings: StageSettings) -> None:
        self.frames, self.is_closed = settings.sampling.frames, False
        if self.frames == 3:
            self.begun.set()
            assert self.go.wait(20)
        self.started.append(self.frames)

    def decode_item(self, item):
        assert not self.is_closed
        return replace(item, index=self.frames)

    def close(self) -> None:
        self.is_closed = True
        self.closed.append(self.frames)


@pytest.fixture
def children(settings, monkeypatch):
    """A replica whose children are no processes, and how a video is decoded as one of several bundles wants it."""
    monkeypatch.setattr(serve_decode, "Decode", Child)
    monkeypatch.setattr(Child, "started", [])
    monkeypatch.setattr(Child, "closed", [])
    item = StageItem(0, Outcome(PROBE.ref), PROBE.transcript)
    decoder = Decoder(settings, Sources())

    async def decoded(frames: int, bundle: str = "other") -> int:
        looks = replace(settings, bundle_id=bundle, sampling=settings.sampling.model_copy(update={"frames": frames}))
        return (await decoder.decode(item, looks, Deadline(20))).index

    return settings.sampling.frames, decoded


def test_while_a_child_for_another_bundle_begins_videos_for_the_first_are_decoded(children):
    first, decoded = children

    async def scene():
        waiting = asyncio.ensure_future(decoded(3))
        await asyncio.to_thread(Child.begun.wait, 10)
        found = [await asyncio.wait_for(decoded(first), 5) for _ in range(2)]
        assert not waiting.done()
        waiting.cancel()  # who was the first to ask is gone: others will have it
        Child.go.set()
        await asyncio.wait([waiting])
        return [*found, await decoded(3)]

    assert run(scene()) == [first, first, 3]
    assert (Child.started, Child.closed) == ([first, 3], [])


def test_bundles_in_turn_cost_one_child_each_and_none_where_they_look_at_videos_alike(children):
    first, decoded = children

    async def scene():
        return [await decoded(*asked) for asked in ((first, "a"), (5, "b"), (first, "c"), (5, "b"), (first, "a"))]

    assert run(scene()) == [first, 5, first, 5, first]
    assert (Child.started, Child.closed) == ([first, 5], [])


def test_of_three_bundles_the_child_of_the_one_least_lately_used_ends_and_is_started_again(children):
    first, decoded = children

    async def scene():
        return [await decoded(frames) for frames in (first, 5, 6, first)]

    assert run(scene()) == [first, 5, 6, first]
    assert (Child.started, Child.closed) == ([first, 5, 6, first], [first, 5])
