"""A cell: what its model is shown when it is scored, and that the scored bundle is the one that validation chose."""

import json
from dataclasses import replace

import numpy as np
import pytest

from clipsum.ablation.cell import CellData, hidden, run_cell
from clipsum.models.bundle import load_bundle
from clipsum.models.summarize import Summarizer
from clipsum.records import Frames, Transcript
from tests.training.runs import changed, data_of, make_base, videos

SMALL = changed(max_steps=4, validation={"every_epochs": None, "every_steps": 2, "patience": None, "batch_size": 3})


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return make_base(tmp_path_factory.mktemp("base"))


def cell(base, config, folder, scored):
    data = data_of(base, 6, 3)
    costs = {video.video_id: {"decode": 2.0, "encode": 1.0} for video in scored}
    return run_cell(config, base, CellData(data, {"test": scored}, costs), folder)


def summaries(found):
    return [json.loads(line)["summary"] for line in found.lines]


def test_what_is_scored_is_written_by_the_bundle_that_is_left(base, tmp_path):
    scored = videos(base, 4, "test")
    found = cell(base, SMALL, tmp_path / "best", scored)
    told = Summarizer(load_bundle(str(tmp_path / "best"))).summarize(
        [(video.embeddings, video.transcript, video.duration_s) for video in scored]
    )
    assert summaries(found) == [summary.text for summary in told]
    record = found.record
    assert record["training"]["steps"] == 4
    assert record["training"]["best_step"] in (2, 4)
    assert record["training"]["trained_parameters"] == sum(
        count for name, count in record["parameters"].items() if name in ("temporal", "fusion", "bart")
    )
    seconds = record["splits"]["test"]["seconds_per_video"]
    assert (seconds["decode"]["mean"], seconds["encode"]["mean"]) == (2.0, 1.0)


def test_text_alone_is_scored_without_frames_and_pays_for_none(base, tmp_path):
    scored = videos(base, 4, "test")
    found = cell(base, changed(SMALL, sees="text"), tmp_path / "best", scored)
    blind = Summarizer(load_bundle(str(tmp_path / "best")))
    told = blind.summarize([(None, video.transcript, video.duration_s) for video in scored])
    assert summaries(found) == [summary.text for summary in told]
    assert list(found.record["splits"]["test"]["seconds_per_video"]) == ["generate"]
    assert found.record["splits"]["test"]["evidence"] == {"text": 4}


def test_frames_alone_are_scored_without_words(base):
    [video] = videos(base, 1)
    shown = hidden(video, "frames")
    assert shown.transcript == Transcript()
    assert shown.embeddings is video.embeddings
    assert hidden(video, "both") is video


def test_an_encoder_that_learned_sees_the_scored_videos_anew(base, tmp_path):
    size = base.manifest.encoder.preprocessing.size_px

    def with_pixels(video):
        rng = np.random.default_rng(len(video.embeddings.times_s))
        pixels = rng.integers(0, 256, (len(video.embeddings.times_s), size, size, 3), dtype=np.uint8)
        return replace(video, frames=Frames(video.embeddings.times_s, pixels, np.ones(len(pixels), bool)))

    data = data_of(base, 6, 3)
    data = replace(
        data, **{part: [with_pixels(video) for video in getattr(data, part)] for part in ("train", "validation")}
    )
    scored = [with_pixels(video) for video in videos(base, 3, "test")]
    config = changed(SMALL, encoder_finetune={"layers": 1, "learning_rate": 1e-2, "warmup_steps": 0})
    found = run_cell(config, base, CellData(data, {"test": scored}, {}), tmp_path / "best")
    tuned = load_bundle(str(tmp_path / "best"))
    assert tuned.manifest.fingerprint != base.manifest.fingerprint
    encoder = tuned.encoder()
    sources = []
    for video in scored:
        vectors = encoder.encode_frames(video.frames.pixels).astype(np.float16).astype(np.float32)
        seen = replace(video.embeddings, vectors=vectors, fingerprint=encoder.fingerprint)
        sources.append((seen, video.transcript, video.duration_s))
    assert summaries(found) == [summary.text for summary in Summarizer(tuned).summarize(sources)]
    assert found.record["splits"]["test"]["seconds_per_video"]["encode"]["mean"] > 0
    learned = found.record["training"]["trained_parameters"]
    assert learned > sum(found.record["parameters"][part] for part in ("temporal", "fusion", "bart"))
