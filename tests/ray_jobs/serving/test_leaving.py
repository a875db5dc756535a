"""Callers who go away, whatever their request is just at: what was done for them ends, and their place is free."""

import asyncio
import pickle
import socket
import threading
import time
from dataclasses import replace
from http.client import HTTPConnection
from pathlib import Path
from unittest.mock import MagicMock

import numpy as np
import pytest
import requests

from clipsum.records import Frames, Segment, Transcript, VideoRef
from clipsum.rows import Outcome, Thumbnail
from clipsum.serving.limits import Deadline
from clipsum.serving.pointer import BundlePointer
from ray_jobs.item import StageItem
from ray_jobs.model_stages import FOLLOWED_FRAMES
from ray_jobs.serving import summarize as serve_summarize
from ray_jobs.serving.models import Asker, Done, Models
from ray_jobs.serving.summarize import Writer
from ray_jobs.stages import StageSettings
from tests.loops import run
from tests.ray_jobs.serving.asking import Asking, decoding, eventually, has_decoded
from tests.ray_jobs.serving.conftest import MOST_REQUESTS
from tests.ray_jobs.serving.test_load import CANCELLED_WITHIN_S, WINDOW_S, is_idle, outcome

UNHEEDED = {"X-Request-Disconnect-Disabled": "?1", "X-Request-Timeout-Seconds": "-1"}
"""What would have Serve go on, were it passed on."""


@pytest.fixture(scope="module")
def video(kitchen: Path) -> Path:
    return min(kitchen.glob("*.mp4"))


def half_an_upload(service: Asking) -> socket.socket:
    host, _, port = service.url.removeprefix("http://").partition(":")
    connection = socket.create_connection((host, int(port)), timeout=20)
    lines = [
        "POST /v1/summaries HTTP/1.1",
        "Host: 127.0.0.1",
        f"Authorization: Bearer {service.keys['user']}",
        "Content-Type: multipart/form-data; boundary=x",
        "Content-Length: 9000000",
    ]
    part = '--x\r\nContent-Disposition: form-data; name="file"; filename="a.mp4"\r\n\r\n'
    connection.sendall("\r\n".join([*lines, "", part]).encode() + bytes(2_000_000))
    return connection


def is_full(service: Asking) -> bool:
    return service.post(json={}).status_code == 503


def test_who_leaves_in_the_middle_of_an_upload_leaves_its_place_and_no_file(service: Asking, video: Path) -> None:
    sending = [half_an_upload(service) for _ in range(MOST_REQUESTS)]
    eventually(lambda: is_full(service), 10, "all places taken")
    for connection in sending:
        connection.close()
    took_s = eventually(lambda: service.post(json={}).status_code == 422, 10, "a place")
    assert took_s < CANCELLED_WITHIN_S
    eventually(lambda: outcome(service.upload(video)) == (200, "ok"), 5, "a summary")
    assert list(Path(service.config.uploads).iterdir()) == []


@pytest.mark.parametrize("kind", ["text/event-stream", "application/json"])
def test_who_leaves_while_others_are_decoded_is_never_decoded(service, video, slow_video, kind) -> None:
    """One is at the decoder, the others wait for it; all leave at once, though they tell Serve to go on."""
    before, sent = decoding(), slow_video.read_bytes()
    leaving = threading.Event()

    def ask(number: int) -> None:
        own = sent + bytes([number])
        headers = {"Accept": kind, "Authorization": f"Bearer {service.keys['user']}", **UNHEEDED}
        form = requests.Request("POST", service.url, headers, files={"file": ("a.mp4", own)}).prepare()
        connection = HTTPConnection(service.url.removeprefix("http://"), timeout=20)
        connection.request("POST", "/v1/summaries", form.body, dict(form.headers))
        leaving.wait(40)
        connection.close()

    asking = [threading.Thread(target=ask, args=(number,)) for number in range(MOST_REQUESTS)]
    for each in asking:
        each.start()
    eventually(lambda: has_decoded(before), 20, "decoding")
    eventually(lambda: is_full(service), 10, "all places taken")
    leaving.set()
    for each in asking:
        each.join()
    took_s = eventually(is_idle, 10, "no decoding")
    assert took_s - WINDOW_S < CANCELLED_WITHIN_S
    assert outcome(service.upload(video)) == (200, "ok")
    assert list(Path(service.config.uploads).iterdir()) == []


def seen_video(settings: StageSettings, frames: int) -> StageItem:
    size_px = settings.preprocessing.size_px
    pixels = np.zeros((frames, size_px, size_px, 3), np.uint8)
    times_s = np.arange(frames, dtype=np.float64)
    words = Transcript((Segment("stir the soup"),), "manifest")
    outcome = Outcome(VideoRef("a", "a", ""), duration_s=float(frames))
    return StageItem(0, outcome, words, Frames(times_s, pixels, np.ones(frames, bool)))


def test_an_answer_brings_back_nothing_that_who_asked_sent(settings: StageSettings) -> None:
    asked = seen_video(settings, 50)
    pictures = tuple(Thumbnail(float(number), b"a picture") for number in range(24))
    [done] = Models(settings).run([replace(asked, outcome=replace(asked.outcome, thumbnails=pictures))], [Asker()])
    assert (done.row["status"], len(done.embeddings.vectors)) == ("ok", 50)
    assert b"a picture" not in pickle.dumps(done)
    again = replace(asked, frames=None, embeddings=done.embeddings)
    assert Models(settings).run([again], [Asker()])[0].embeddings is None


def test_who_leaves_while_frames_are_encoded_ends_that_within_one_call_of_the_encoder(settings: StageSettings) -> None:
    models, calls = Models(settings), []
    encode_frames = models._encode._encoder.encode_frames
    askers = [Asker(), Asker()]

    def counted(pixels):
        calls.append(len(pixels))
        askers[len(calls) - 1].gone = True
        return encode_frames(pixels)

    models._encode._encoder.encode_frames = counted
    done = models.run([seen_video(settings, 3 * FOLLOWED_FRAMES), seen_video(settings, 3 * FOLLOWED_FRAMES)], askers)
    assert calls == [FOLLOWED_FRAMES] * 2  # after the first somebody still waited
    assert [each.row["status"] for each in done] == ["failed", "failed"]
    assert all(each.embeddings is None for each in done)


class Endless:
    """Models that write for as long as anybody waits."""

    def __init__(self, *_: object) -> None:
        self.pause = threading.Event()

    def run(self, items, askers):
        while not all(asker.gone for asker in askers):
            for asker in askers:
                asker.tell and asker.tell("text", {"text": "stir"})
            self.pause.wait(0.01)
        return [Done({"status": "failed"}, None) for _ in items]


async def alone(writer: Writer, *each: object) -> Done:
    """One request as a batch: Serve gathers them only in its own replicas."""
    [done] = await batched(writer, *([one] for one in each))
    return done


batched = Writer._together.__wrapped__  # type: ignore[attr-defined]


@pytest.mark.parametrize("is_followed", [True, False])
def test_who_leaves_while_the_summary_is_written_frees_the_model(
    settings: StageSettings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, is_followed: bool
) -> None:
    monkeypatch.setattr(serve_summarize, "Models", Endless)
    monkeypatch.setattr(serve_summarize, "Meters", MagicMock)
    monkeypatch.setattr(Writer, "_together", alone)

    async def scene() -> float:
        writer = Writer(settings, BundlePointer(str(tmp_path / "pointer.json"), settings.bundle))
        item = seen_video(settings, 1)
        if is_followed:
            stream = writer.follow(item, settings, Deadline(20))
            assert (await anext(stream))[0] == "text"
            await stream.aclose()
        else:
            asking = asyncio.ensure_future(writer.summarize(item, settings, Deadline(20)))
            while writer._free.is_set():
                await asyncio.sleep(0.01)
            asking.cancel()
        began = time.monotonic()
        await asyncio.wait_for(writer._free.wait(), 10)
        return time.monotonic() - began

    assert run(scene()) < CANCELLED_WITHIN_S


def test_at_its_deadline_a_summary_ends_and_frees_the_model_though_nobody_cancels_it(
    settings: StageSettings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(serve_summarize, "Models", Endless)
    monkeypatch.setattr(serve_summarize, "Meters", MagicMock)
    monkeypatch.setattr(Writer, "_together", alone)

    async def scene() -> bool:
        writer = Writer(settings, BundlePointer(str(tmp_path / "pointer.json"), settings.bundle))
        with pytest.raises(TimeoutError):
            await writer.summarize(seen_video(settings, 1), settings, Deadline(0.1))
        await asyncio.wait_for(writer._free.wait(), CANCELLED_WITHIN_S)
        return writer._free.is_set()

    assert run(scene())


def test_a_writer_whose_model_fails_is_not_well(
    settings: StageSettings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(serve_summarize, "Meters", MagicMock)
    monkeypatch.setattr(serve_summarize, "WELL_S", 0)

    async def scene() -> None:
        writer = Writer(settings, BundlePointer(str(tmp_path / "pointer.json"), settings.bundle))
        await writer.check_health()
        [models] = writer._models.values()
        monkeypatch.setattr(models._summarize._summarizer._model.bart, "generate", MagicMock(side_effect=RuntimeError))
        with pytest.raises(RuntimeError, match="the model failed on the health check"):
            await writer.check_health()

    run(scene())
