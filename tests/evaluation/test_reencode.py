import json

import numpy as np
import pytest

from clipsum.config import Sampling
from clipsum.datasets.embedded import open_embedded
from clipsum.datasets.embedding_rows import Kind
from clipsum.errors import ItemError
from clipsum.evaluation.reencode import as_seen_by
from clipsum.models.bundle import load_bundle
from tests.datasets.embedded_folder import KIND, video, write_part
from tests.models.tiny import write_bundle


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bundle")
    write_bundle(str(folder / "bundle"), folder / "clip", sampling=Sampling(frames=8))
    return load_bundle(str(folder / "bundle"))


def stored(place, size_px=32, kind=KIND, prepared=None):
    rows = [video("a", size_px=size_px, kind=kind), video("none", frames=0, kind=kind)]
    write_part(str(place), 0, rows, kind)
    if prepared:
        (place / "run.json").write_text(json.dumps({"encoder": {"preprocessing": prepared}}))
    return open_embedded(str(place))


def test_stored_frames_are_seen_by_the_bundles_own_encoder(bundle, tmp_path):
    videos = stored(tmp_path)
    seen, costs = as_seen_by(bundle, videos, {"a": {"decode": 2.0, "encode": 9.0}}, "cpu")
    shown, none = seen[:2]
    expected = bundle.encoder().encode_frames(videos[0].frames.pixels)
    assert np.array_equal(shown.embeddings.vectors, expected.astype(np.float16))
    assert shown.embeddings.fingerprint == none.embeddings.fingerprint == bundle.manifest.fingerprint
    assert shown.frames is None
    assert none.embeddings.vectors.shape == (0, 24)
    assert costs["a"]["decode"] == 2.0
    assert 0 < costs["a"]["encode"] < 9


def test_embeddings_of_the_bundles_own_encoder_stay_and_their_pixels_are_not_read(bundle, tmp_path):
    kind = Kind(bundle.manifest.fingerprint, "uniform:8", "auto")
    videos = stored(tmp_path, kind=kind)
    seen, _ = as_seen_by(bundle, videos, {}, "cpu")
    assert np.array_equal(seen[0].embeddings.vectors, videos[0].embeddings.vectors)
    assert seen[0].frames is None


@pytest.mark.parametrize(
    "given", [{"size_px": None}, {"size_px": 16}, {"prepared": {"size_px": 32, "resize": "squash"}}]
)
def test_pixels_that_are_missing_or_prepared_otherwise_are_left_as_they_are(bundle, tmp_path, given):
    seen, _ = as_seen_by(bundle, stored(tmp_path, **given), {}, "cpu")
    assert seen[0].embeddings.fingerprint == KIND.fingerprint


def test_another_mean_does_not_matter_since_pixels_are_stored_before_it(bundle, tmp_path):
    videos = stored(tmp_path, prepared={"size_px": 32, "mean": [0, 0, 0]})
    seen, _ = as_seen_by(bundle, videos, {}, "cpu")
    assert seen[0].embeddings.fingerprint == bundle.manifest.fingerprint


def test_a_record_that_cannot_be_fetched_does_not_stand_for_the_same_preparation(bundle, tmp_path, monkeypatch):
    def away(uri):
        raise ItemError("storage_error", "open", f"{uri}: HTTP 503")

    videos = stored(tmp_path)
    monkeypatch.setattr("clipsum.storage.local.read_bytes", away)
    with pytest.raises(ItemError, match=r"run\.json: HTTP 503"):
        as_seen_by(bundle, videos, {}, "cpu")
