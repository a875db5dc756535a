"""The stages as plain callables, on real videos: what flows, what it costs, what fails alone."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from clipsum.config import Limits, Sampling
from clipsum.datasets.embedded import embedded_of
from clipsum.datasets.manifest import list_sources
from clipsum.errors import UsageError
from clipsum.models.bundle import load_bundle
from clipsum.records import VideoRef
from ray_jobs.embed_stages import RESULT_SCHEMA as EMBEDDED
from ray_jobs.embed_stages import DecodeAndEmbed, Embed
from ray_jobs.item import unpack
from ray_jobs.manifest import table_of
from ray_jobs.model_stages import RESULT_SCHEMA, DecodeAndEncode, Encode, Summarize
from ray_jobs.stages import Decode, StageSettings


@pytest.fixture(scope="module")
def settings(bundle: str) -> StageSettings:
    loaded = load_bundle(bundle)
    return StageSettings(
        bundle=bundle,
        bundle_id=loaded.bundle_id,
        fingerprint=loaded.manifest.fingerprint,
        preprocessing=loaded.manifest.encoder.preprocessing,
        sampling=Sampling(frames=8),
        seek="exact",
        limits=Limits(max_duration_s=600),
        thumbnails=3,
    )


@pytest.fixture(scope="module")
def listed(kitchen: Path) -> pa.Table:
    """Three videos, and one that is not there."""
    refs = list(list_sources([str(kitchen)]))
    return table_of([*refs[:1], VideoRef("/nowhere.mp4", "gone", ""), *refs[1:]], 0)


@pytest.fixture(scope="module")
def decoded(settings: StageSettings, listed: pa.Table) -> Iterator[pa.Table]:
    decode = Decode(settings)
    yield decode(listed)
    decode.close()


def test_every_video_becomes_one_row_and_a_missing_one_says_so(settings, decoded):
    results = Summarize(settings)(Encode(settings)(decoded))
    assert results.schema == RESULT_SCHEMA
    assert results["index"].to_pylist() == [0, 1, 2, 3]
    assert results["status"].to_pylist() == ["ok", "failed", "ok", "ok"]
    assert results["reason"].to_pylist()[1] == "not_found"
    good = [row for row in results.to_pylist() if row["status"] == "ok"]
    assert all(len(row["frame_times_s"]) == len(row["frame_exact"]) == 8 for row in good)
    assert all(len(row["thumbnails"]) == 3 for row in good)
    assert all(row["evidence"] == "both" and row["transcript_source"] == "sidecar" for row in good)
    costs = ("decode_cpu_s", "encode_s", "encode_cpu_s", "generate_s", "generate_cpu_s", "bytes_read")
    assert all(row[cost] > 0 for row in good for cost in costs)


def test_a_video_that_is_given_up_has_a_row_that_says_so_at_every_stage(settings, listed, decoded):
    decode, encode, summarize = Decode(settings), Encode(settings), Summarize(settings)
    encoded = encode(decoded)
    for results in (
        summarize(encode(decode(listed, died=(2,)))),
        summarize(encode(decoded, died=(2,))),
        summarize(encoded, died=(2,)),
        Embed(settings)(decoded, died=(2,)),
    ):
        assert results["reason"].to_pylist() == [None, "not_found", "worker_died", None]
    decode.close()


def test_another_bundle_on_a_worker_is_refused(settings, decoded):
    for make in (Encode, Summarize, Embed):
        with pytest.raises(UsageError, match=f"is {settings.bundle_id} on a worker, and another"):
            make(replace(settings, bundle_id="another"))


def test_what_leaves_the_decode_stage_is_uint8_at_the_encoders_size(settings, decoded):
    size_px = settings.preprocessing.size_px
    items = [item for item in unpack(decoded) if item.alive]
    assert {item.frames.pixels.shape for item in items} == {(8, size_px, size_px, 3)}
    assert {item.frames.pixels.dtype for item in items} == {np.dtype(np.uint8)}


def test_pixels_stop_at_the_encode_stage(settings, decoded):
    assert all(item.frames is None for item in unpack(Encode(settings)(decoded)))


def test_every_video_becomes_one_row_of_embeddings_and_its_pixels_stay_only_when_asked(settings, listed, decoded):
    for keep in (False, True):
        rows = Embed(replace(settings, keep_pixels=keep))(decoded)
        assert rows.schema == EMBEDDED
        assert (rows["index"].to_pylist(), rows["status"].to_pylist()) == ([0, 1, 2, 3], ["ok", "failed", "ok", "ok"])
        assert rows["reason"].to_pylist()[1] == "not_found"
        assert rows["pixels"].null_count == (1 if keep else 4)
        apart = embedded_of(rows)
        assert [len(item.embeddings.times_s) for item in apart] == [8, 8, 8]
    fused = DecodeAndEmbed(settings)
    for one, other in zip(apart, embedded_of(fused(listed)), strict=True):
        assert np.allclose(one.embeddings.vectors, other.embeddings.vectors, atol=1e-3)
        assert (one.transcript, one.thumbnails) == (other.transcript, other.thumbnails)
    fused.close()


def test_a_batch_across_videos_embeds_each_as_if_it_were_alone(settings, decoded):
    encode, items = Encode(settings), unpack(decoded)
    together = encode.encode(items)
    for item, alone in zip(together, (encode.encode([item])[0] for item in items), strict=True):
        if item.alive:
            assert item.embeddings.times_s.tolist() == alone.embeddings.times_s.tolist()
            assert np.allclose(item.embeddings.vectors, alone.embeddings.vectors, atol=1e-5)


def test_frames_in_many_calls_embed_as_in_one(settings, decoded, monkeypatch):
    encode, items = Encode(settings), unpack(decoded)
    whole = encode.encode(items)
    monkeypatch.setattr("ray_jobs.model_stages.FRAMES_PER_CALL", 5)
    for item, cut in zip(whole, encode.encode(items), strict=True):
        if item.alive:
            assert np.allclose(item.embeddings.vectors, cut.embeddings.vectors, atol=1e-5)


def test_decode_and_encode_in_one_actor_give_the_same(settings, listed, decoded):
    fused = DecodeAndEncode(settings)
    for apart, together in zip(unpack(Encode(settings)(decoded)), unpack(fused(listed)), strict=True):
        assert apart.outcome.frame_times_s == together.outcome.frame_times_s
        assert apart.outcome.failure == together.outcome.failure
        if apart.alive:
            assert np.allclose(apart.embeddings.vectors, together.embeddings.vectors, atol=1e-5)
    fused.close()


def test_a_video_that_the_model_cannot_take_fails_alone(settings, decoded, monkeypatch):
    summarize, items = Summarize(settings), Encode(settings).encode(unpack(decoded))
    real = summarize._summarizer.summarize
    bad = items[2].embeddings

    def choosy(batch, **followed):
        if any(embeddings is bad for embeddings, _, _ in batch):
            raise RuntimeError("shapes do not fit")
        return real(batch, **followed)

    monkeypatch.setattr(summarize._summarizer, "summarize", choosy)
    done = summarize.summarize(items)
    assert [item.outcome.failure and item.outcome.failure.reason for item in done] == [
        None,
        "not_found",
        "model_error",
        None,
    ]
    assert "shapes do not fit" in done[2].outcome.failure.detail
