import numpy as np
import pytest

from clipsum.config import Limits, Sampling
from clipsum.datasets.kitchen.corpus import write_split
from clipsum.encoders.clip import load_clip
from clipsum.errors import UsageError
from clipsum.records import Embeddings
from clipsum.training.embed import embed_manifest, load_embeddings, save_embeddings
from clipsum.training.frames import read_manifest
from clipsum.video.decode import decode_video
from tests.encoders.tiny_clips import write_tiny_clip


def embeddings(count, fingerprint="f"):
    vectors = np.random.default_rng(count).standard_normal((count, 4)).astype(np.float32)
    return Embeddings(np.arange(count) + 0.25, vectors, fingerprint, "uniform:50", "auto")


def test_what_is_saved_is_loaded_video_by_video_to_half_precision(tmp_path):
    saved = {"a": (embeddings(3), 3.5), "b": (embeddings(1), 1.25), "c": (embeddings(2), 2.0)}
    save_embeddings(tmp_path / "deep" / "train.npz", saved)
    loaded = load_embeddings(tmp_path / "deep" / "train.npz")
    assert list(loaded) == ["a", "b", "c"]
    for name, (expected, duration_s) in saved.items():
        found, found_s = loaded[name]
        assert found_s == duration_s
        assert (found.fingerprint, found.sampling, found.seek) == ("f", "uniform:50", "auto")
        np.testing.assert_array_equal(found.times_s, expected.times_s)
        np.testing.assert_allclose(found.vectors, expected.vectors, rtol=1e-3)


def test_embeddings_of_two_encoders_do_not_go_into_one_file(tmp_path):
    with pytest.raises(ValueError, match="2 kinds"):
        save_embeddings(tmp_path / "x.npz", {"a": (embeddings(1, "f"), 1.0), "b": (embeddings(1, "g"), 1.0)})
    assert not (tmp_path / "x.npz").exists()


def test_a_missing_file_is_one_line(tmp_path):
    with pytest.raises(UsageError, match="do not exist"):
        load_embeddings(tmp_path / "train.npz")


def test_a_split_is_embedded_from_its_decoded_files(tmp_path):
    manifest = write_split(tmp_path / "validation", "validation", 2, seed=5, workers=1)
    encoder = load_clip(str(write_tiny_clip(tmp_path / "clip")))
    embed_manifest(manifest, encoder, Sampling(frames=7), "exact", tmp_path / "validation.npz")
    loaded = load_embeddings(tmp_path / "validation.npz")
    assert list(loaded) == ["validation-5-00000", "validation-5-00001"]
    for row in read_manifest(manifest):
        found, duration_s = loaded[row["video_id"]]
        decoded = decode_video(row["video"], encoder.preprocessing, Sampling(frames=7), "exact", Limits())
        assert duration_s == row["duration_s"]
        assert (found.fingerprint, found.sampling, found.seek) == (encoder.fingerprint, "uniform:7", "exact")
        np.testing.assert_array_equal(found.times_s, decoded.frames.times_s)
        np.testing.assert_allclose(found.vectors, encoder.encode_frames(decoded.frames.pixels), atol=1e-3)
