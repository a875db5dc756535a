"""What was seen of a video is used again for the same bytes and the same words, and for no others."""

import asyncio
import pickle
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from clipsum.records import Embeddings, Failure, Frames, Segment, Transcript, VideoRef
from clipsum.rows import Outcome
from clipsum.serving.limits import Deadline
from clipsum.serving.probe import PROBE
from clipsum.serving.refusals import RefusedError
from clipsum.serving.videos import Video
from ray_jobs.item import StageItem
from ray_jobs.serving.graph import Graph
from ray_jobs.serving.models import Done
from ray_jobs.serving.seen import Kept, held_bytes
from ray_jobs.stages import StageSettings
from tests.loops import run
from tests.reports.report_rows import ok_row

PLAIN = Video(VideoRef("s3://a/b.mp4", "v", "1"), Transcript(), "s3://a/b.mp4", "words-1")


class Parts:
    """Deployments that decode and write nothing, and count."""

    def __init__(self, settings: StageSettings) -> None:
        self.decoded: list[StageItem] = []
        self.written: list[StageItem] = []
        self.dies = 0
        self.figures: list[object] = []
        meters = SimpleNamespace(row=self.figures.append, failed=lambda *_: None)
        self.graph = Graph(self._call(self._decode), self._call(self._write), 2**20, meters)
        self.settings = settings

    def ask(self, video: Video) -> int:
        """How many were decoded by then."""
        run(self.graph.row_of(video, self.settings, Deadline(20)))
        return len(self.decoded)

    def _call(self, work):
        part = SimpleNamespace(remote=lambda *given: asyncio.ensure_future(work(*given)))
        return SimpleNamespace(decode=part, summarize=part)

    async def _decode(self, item, settings, deadline):
        self.decoded.append(item)
        failure = Failure("worker_died", "decode", "killed") if len(self.decoded) <= self.dies else None
        return replace(item, outcome=replace(item.outcome, failure=failure), frames=frames())

    async def _write(self, source, settings, deadline):
        item = await source if asyncio.isfuture(source) else source
        self.written.append(item)
        return Done(ok_row(), None if item.embeddings else embeddings())


def frames(count: int = 4) -> Frames:
    return Frames(np.arange(float(count)), np.zeros((count, 8, 8, 3), np.uint8), np.ones(count, bool))


def embeddings(frames: int = 4) -> Embeddings:
    return Embeddings(np.arange(float(frames)), np.ones((frames, 8), np.float32), "f", "s", "auto")


def test_the_same_question_again_decodes_nothing_and_other_words_beside_the_video_do(settings):
    parts = Parts(settings)
    assert [parts.ask(PLAIN), parts.ask(PLAIN)] == [1, 1]
    changed = replace(PLAIN, words_version="words-2")
    assert [parts.ask(changed), parts.ask(changed)] == [2, 2]


def test_of_a_video_that_was_seen_no_pixels_are_kept_and_no_embeddings_sent_back(settings):
    parts = Parts(settings)
    parts.ask(PLAIN), parts.ask(PLAIN)
    first, second = parts.written
    assert first.frames is not None
    assert second.frames is None
    assert np.array_equal(second.embeddings.vectors, embeddings().vectors)


def test_a_look_at_the_service_itself_is_no_figure_of_it(settings):
    parts = Parts(settings)
    assert parts.ask(PROBE) == 1
    assert (parts.figures, parts.graph._cache.misses) == ([], 0)
    parts.ask(PLAIN)
    assert (len(parts.figures), parts.graph._cache.misses) == (1, 1)


def test_a_bundle_that_keeps_more_pictures_looks_again(settings):
    parts = Parts(settings)
    parts.ask(PLAIN)
    run(parts.graph.row_of(PLAIN, replace(settings, thumbnails=3), Deadline(20)))
    assert len(parts.decoded) == 2


@pytest.mark.parametrize("version", ["", "12345-"])
def test_a_video_whose_server_tells_no_more_than_its_size_is_looked_at_each_time(settings, version):
    parts = Parts(settings)
    plain = replace(PLAIN, ref=replace(PLAIN.ref, version=version))
    assert [parts.ask(plain), parts.ask(plain)] == [1, 2]


def test_a_transcript_that_was_removed_is_used_no_more(settings):
    parts = Parts(settings)
    assert [parts.ask(PLAIN), parts.ask(replace(PLAIN, words_version=""))] == [1, 2]


def test_what_a_caller_says_needs_no_other_look_and_is_nothing_to_the_next(settings):
    parts = Parts(settings)
    said = replace(PLAIN, transcript=Transcript((Segment("we fry"),), "manifest"), words_version="")
    assert [parts.ask(PLAIN), parts.ask(said)] == [1, 1]
    fresh = Parts(settings)
    assert [fresh.ask(said), fresh.ask(said), fresh.ask(PLAIN)] == [1, 1, 2]


@pytest.mark.parametrize("frames", [1, 50, 2000])
def test_what_is_kept_is_counted_with_all_that_it_holds(frames):
    outcome = Outcome(PLAIN.ref, frame_times_s=tuple(map(float, range(frames))), frame_exact=(True,) * frames)
    words = Transcript(tuple(Segment("stir the soup " * 5, float(n), n + 1.0) for n in range(frames)), "sidecar")
    kept = Kept(StageItem(0, outcome, words, embeddings=embeddings(frames)), "words-1")
    assert len(pickle.dumps(kept)) <= held_bytes(kept)


def test_a_video_that_a_decoder_dies_of_is_tried_once_more_and_then_refused_for_good(settings):
    parts = Parts(settings)
    parts.dies = 1
    assert parts.ask(PLAIN) == 2
    parts = Parts(settings)
    parts.dies = 2
    with pytest.raises(RefusedError, match="422 worker_died") as caught:
        parts.ask(PLAIN)
    assert (len(parts.decoded), caught.value.retry_after_s) == (2, None)
