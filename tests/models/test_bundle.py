"""The bundle: what comes back is what went in, what is wrong is said in one line, and nothing in it is run."""

import contextlib
import json
import math
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch

from clipsum.config import Preprocessing, Sampling
from clipsum.encoders.clip import load_clip
from clipsum.errors import ItemError, UsageError
from clipsum.models import bundle as bundles
from clipsum.models.bundle import load_bundle, read_manifest
from tests.encoders.tiny_clips import write_tiny_clip
from tests.models.tiny import PROSE, bart_tokenizer, batch_of, item, tiny_bart, tiny_model, write_bundle

LABELS = (0, 7, 8, 9, 2)
SAMPLING = Sampling(frames=8)


@pytest.fixture
def folder(tmp_path) -> Path:
    write_bundle(str(tmp_path / "bundle"), tmp_path / "clip", sampling=SAMPLING, metrics={"rougeL": 61.5})
    return tmp_path / "bundle"


def _change_manifest(folder: Path, **changes) -> None:
    path = folder / "bundle.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def _refusal(name: str | Path) -> str:
    with pytest.raises(UsageError) as caught:
        load_bundle(str(name))
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("fusion", ["concat", "gated", "residual"])
def test_a_loaded_bundle_has_the_logits_and_tokens_of_the_saved_model(tmp_path, fusion):
    bart = tiny_bart()
    bart.generation_config.update(length_penalty=1.5, min_length=3)
    model = tiny_model(bart=bart, fusion=fusion)
    write_bundle(str(tmp_path / "b"), tmp_path / "clip", sampling=SAMPLING, model=model)
    loaded = load_bundle(str(tmp_path / "b"))
    batch = batch_of(item(9, 5, 1, labels=LABELS), item(3, 8, 2, labels=LABELS))
    with torch.inference_mode():
        assert torch.equal(loaded.model(**batch).logits, model(**batch).logits)
    batch.pop("labels")
    assert torch.equal(loaded.model.generate(**batch), model.generate(**batch))
    assert loaded.model.bart.generation_config.length_penalty == 1.5
    assert not loaded.model.training


def test_a_loaded_bundle_tokenizes_as_the_saved_one_did(folder):
    ids = load_bundle(str(folder)).tokenizer(list(PROSE)).input_ids
    assert ids == bart_tokenizer()(list(PROSE)).input_ids


def test_a_bundle_carries_an_encoder_that_embeds_as_the_original(folder, tmp_path):
    original = load_clip(str(tmp_path / "clip"), precision="fp32")
    carried = load_bundle(str(folder)).encoder(precision="fp32")
    pixels = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), dtype=np.uint8)
    assert carried.fingerprint == original.fingerprint == load_bundle(str(folder)).manifest.fingerprint
    np.testing.assert_array_equal(carried.encode_frames(pixels), original.encode_frames(pixels))
    np.testing.assert_array_equal(carried.encode_text(["cut the onion"]), original.encode_text(["cut the onion"]))


def test_the_manifest_says_what_the_bundle_is(folder):
    manifest, identity = read_manifest(str(folder))
    assert (manifest.sampling, manifest.seek, manifest.metrics) == (SAMPLING, "auto", {"rougeL": 61.5})
    assert manifest.encoder.preprocessing == Preprocessing(size_px=32)
    assert manifest.encoder.weights == "encoder"
    assert identity == load_bundle(str(folder)).bundle_id
    assert (folder / "README.md").read_text() == "# A toy\n"


def test_a_metric_of_nothing_is_left_out_and_the_bundle_can_be_read(tmp_path):
    metrics = {"rougeL": 61.5, "tau_shuffled": math.nan}
    write_bundle(str(tmp_path / "bundle"), tmp_path / "clip", sampling=SAMPLING, metrics=metrics)
    assert read_manifest(str(tmp_path / "bundle"))[0].metrics == {"rougeL": 61.5}


def test_the_bundle_id_changes_with_anything_in_the_bundle(folder, tmp_path):
    seen = {read_manifest(str(folder))[1]}
    for changes in ({"card": "# Other\n"}, {"model": tiny_model(9)}, {"seek": "exact"}, {"metrics": {"rougeL": 1.0}}):
        seen.add(write_bundle(str(tmp_path / "other"), tmp_path / "clip2", sampling=SAMPLING, **changes))
    assert len(seen) == 5
    again = write_bundle(str(tmp_path / "other"), tmp_path / "clip2", sampling=SAMPLING, metrics={"rougeL": 61.5})
    assert again in seen


def test_an_unknown_name_is_refused_with_what_is_allowed_and_the_nearest(monkeypatch, folder):
    monkeypatch.setattr(bundles, "BUNDLED", folder.parent)
    assert load_bundle("bundle").folder == folder
    message = _refusal("bundel")
    assert "'bundel'" in message
    assert "use one of bundle, a folder, s3://" in message
    assert "did you mean 'bundle'?" in message


def test_a_folder_that_is_no_bundle_is_refused_with_what_it_lacks(tmp_path):
    message = _refusal(tmp_path)
    assert str(tmp_path) in message
    assert "bundle.json" in message


def test_another_schema_version_is_refused_with_both_versions(folder):
    _change_manifest(folder, schema_version=7)
    assert "has schema version 7, this ClipSum reads 1" in _refusal(folder)


@pytest.mark.parametrize("text", ["", "{", "[]", "\x00"])
def test_a_manifest_that_is_not_one_is_refused(folder, text):
    (folder / "bundle.json").write_text(text)
    assert str(folder) in _refusal(folder)


def test_an_unknown_key_in_the_manifest_is_refused_by_name(folder):
    _change_manifest(folder, colour="red")
    assert "'colour'" in _refusal(folder)


@pytest.mark.parametrize("name", ["model.safetensors", "bart/config.json", "tokenizer/tokenizer.json", "README.md"])
def test_a_missing_or_altered_file_is_refused_by_name(folder, name):
    data = (folder / name).read_bytes()
    (folder / name).write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    assert f"file '{name}' has sha256" in _refusal(folder)
    (folder / name).unlink()
    assert f"lacks its file '{name}'" in _refusal(folder)


def test_a_bundle_that_was_written_over_half_way_is_no_bundle(folder, tmp_path, monkeypatch):
    upload = bundles.storage.upload

    def fail_at_the_model(path, uri):
        if uri.endswith("model.safetensors"):
            raise ItemError("storage_error", "open", "disk full")
        upload(path, uri)

    monkeypatch.setattr(bundles.storage, "upload", fail_at_the_model)
    with pytest.raises(ItemError, match="disk full"):
        write_bundle(str(folder), tmp_path / "clip2", sampling=SAMPLING)
    with pytest.raises(UsageError, match=r"bundle\.json"):
        read_manifest(str(folder))


def test_an_encoder_of_another_fingerprint_is_refused_with_both(folder):
    other = "f" * 64
    manifest = json.loads((folder / "bundle.json").read_text())
    _change_manifest(folder, encoder=manifest["encoder"] | {"fingerprint": other})
    with pytest.raises(UsageError, match=f"{manifest['encoder']['fingerprint'][:16]}, expected {other[:16]}"):
        load_bundle(str(folder)).encoder()


def test_other_preprocessing_under_the_same_weights_is_another_fingerprint(folder, tmp_path):
    other = write_tiny_clip(tmp_path / "clip3", prep=Preprocessing(size_px=32, interpolation="bilinear"))
    for file in other.iterdir():
        (folder / "encoder" / file.name).write_bytes(file.read_bytes())
    bundle = bundles.Bundle(folder, *read_manifest(str(folder)))
    with pytest.raises(UsageError, match="expected"):
        bundle.encoder()


class _Trap:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return (Path.touch, (self.path,))


def test_no_pickle_in_a_bundle_is_ever_run(folder, tmp_path):
    sprung = tmp_path / "sprung"
    trap = pickle.dumps(_Trap(sprung))
    for name in ("encoder/open_clip_pytorch_model.bin", "model.bin", "bart/pytorch_model.bin", "tokenizer/a.pkl"):
        (folder / name).write_bytes(trap)
    bundle = load_bundle(str(folder))
    assert bundle.model
    assert bundle.tokenizer
    assert bundle.encoder()
    assert not sprung.exists()


@pytest.mark.parametrize(("name", "message"), [
    ("encoder/model.bin", "pickles are not read"),
    ("../outside.json", "lies outside the bundle"),
    ("/etc/passwd.json", "lies outside the bundle"),
])  # fmt: skip
def test_a_manifest_that_names_a_pickle_or_a_file_elsewhere_is_refused(folder, name, message):
    manifest = json.loads((folder / "bundle.json").read_text())
    _change_manifest(folder, files=manifest["files"] | {name: "0" * 64})
    assert message in _refusal(folder)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"files": {}}, "files lacks README.md, model.safetensors, bart/config.json"),
        ({"encoder": {"weights": "/tmp/elsewhere"}}, "encoder.weights is '/tmp/elsewhere'"),
        ({"encoder": {"weights": "../encoder"}}, "encoder.weights is '../encoder'"),
        ({"encoder": {"width": 25}}, "encoder.width is 25, model.visual_width 24"),
    ],
)
def test_a_manifest_that_does_not_cover_what_is_read_is_refused(folder, changes, message):
    manifest = json.loads((folder / "bundle.json").read_text())
    changed = {key: manifest[key] | value if value else value for key, value in changes.items()}
    _change_manifest(folder, **changed)
    assert message in _refusal(folder)


@pytest.mark.parametrize("lost", ["encoder/", "tokenizer/"])
def test_a_manifest_without_the_files_of_a_folder_is_refused(folder, lost):
    files = json.loads((folder / "bundle.json").read_text())["files"]
    _change_manifest(folder, files={name: value for name, value in files.items() if not name.startswith(lost)})
    assert f"files lacks {lost}…" in _refusal(folder)


def test_an_encoder_that_is_described_otherwise_than_it_is_is_refused_with_both(folder):
    encoder = json.loads((folder / "bundle.json").read_text())["encoder"]
    _change_manifest(folder, encoder=encoder | {"preprocessing": encoder["preprocessing"] | {"size_px": 48}})
    with pytest.raises(UsageError, match=r"has preprocessing size_px=32 .*, expected size_px=48 "):
        load_bundle(str(folder)).encoder()


@pytest.mark.parametrize("changes", [{"temporal_layers": 3}, {"temporal_ffn": 64}, {"fusion": "gated"}])
def test_weights_of_another_model_are_refused_in_one_line(folder, changes):
    model = json.loads((folder / "bundle.json").read_text())["model"]
    _change_manifest(folder, model=model | changes)
    with pytest.raises(UsageError, match=r"model\.safetensors does not fit its configuration: ") as caught:
        assert load_bundle(str(folder)).model
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 500


def test_tokenizer_code_in_a_bundle_is_not_run(folder, tmp_path):
    config = folder / "tokenizer/tokenizer_config.json"
    named = {"auto_map": {"AutoTokenizer": ["trap.Trap", None]}, "tokenizer_class": "Trap"}
    config.write_text(json.dumps(json.loads(config.read_text()) | named))
    (folder / "tokenizer/trap.py").write_text(f"open({str(tmp_path / 'sprung')!r}, 'w')\nclass Trap: pass\n")
    bundle = bundles.Bundle(folder, *read_manifest(str(folder)))
    with contextlib.suppress(UsageError):
        assert bundle.tokenizer
    assert not (tmp_path / "sprung").exists()


def test_a_bundle_goes_to_s3_and_comes_back_through_the_cache(s3, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    model = tiny_model(5)
    identity = write_bundle(f"{s3.uri}/models/toy", tmp_path / "clip", sampling=SAMPLING, model=model)
    loaded = load_bundle(f"{s3.uri}/models/toy")
    assert loaded.bundle_id == identity
    batch = batch_of(item(4, 4, labels=LABELS))
    with torch.inference_mode():
        assert torch.equal(loaded.model(**batch).logits, model(**batch).logits)
    assert loaded.encoder().fingerprint == loaded.manifest.fingerprint
    monkeypatch.setattr(bundles.storage, "download", None)
    assert load_bundle(f"{s3.uri}/models/toy").folder == loaded.folder
    assert "lies" not in _refusal(f"{s3.uri}/models/none")


def test_a_bundle_on_s3_that_is_not_whole_yet_is_refused_and_read_once_it_is(s3, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    write_bundle(f"{s3.uri}/toy", tmp_path / "clip", sampling=SAMPLING)
    file = f"{s3.uri}/toy/README.md"
    card = bundles.storage.read_bytes(file)
    bundles.storage.delete(file)
    assert "lacks its file 'README.md'" in _refusal(f"{s3.uri}/toy")
    bundles.storage.write_bytes(file, b"# of the bundle before\n")
    assert "file 'README.md' has sha256" in _refusal(f"{s3.uri}/toy")
    assert list((tmp_path / "cache/clipsum/bundles").iterdir()) == []
    bundles.storage.write_bytes(file, card)
    folder = load_bundle(f"{s3.uri}/toy").folder
    (folder / "README.md").write_text("# damaged on this disk\n")
    assert (load_bundle(f"{s3.uri}/toy").folder / "README.md").read_bytes() == card
