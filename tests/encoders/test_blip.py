import json

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import BlipImageProcessor

from clipsum import storage
from clipsum.config import Preprocessing
from clipsum.encoders.base import EncoderSpec
from clipsum.encoders.blip import load_blip
from clipsum.encoders.blip_files import PREPROCESSING_FILE
from clipsum.errors import UsageError
from tests.encoders.tiny_clips import write_tiny_clip
from tests.encoders.tiny_others import tiny_blip, write_tiny_blip


@pytest.fixture
def folder(tmp_path):
    return write_tiny_blip(tmp_path / "blip")


def _pictures(count: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, 32, 32, 3), dtype=np.uint8)


def test_a_frame_is_the_class_token_after_one_final_norm_as_blips_own_decoder_reads_it(folder):
    processor = BlipImageProcessor.from_pretrained(folder)
    prepared = processor([Image.fromarray(picture) for picture in _pictures(3)], return_tensors="pt")
    with torch.inference_mode():
        out = tiny_blip().vision_model(**prepared)
    expected = torch.nn.functional.normalize(out.last_hidden_state[:, 0], dim=-1).numpy()
    twice_normed = torch.nn.functional.normalize(out.pooler_output, dim=-1).numpy()
    vectors = load_blip(str(folder), precision="fp32").encode_frames(_pictures(3))
    np.testing.assert_allclose(vectors, expected, atol=1e-5)
    assert np.abs(vectors - twice_normed).max() > 1e-2


def test_blips_own_preprocessing_is_read_where_it_squashes_and_where_it_crops(folder):
    assert load_blip(str(folder)).preprocessing == Preprocessing(size_px=32, resize="squash")
    described = json.loads((folder / PREPROCESSING_FILE).read_text())
    cropped = {"size": {"shortest_edge": 36}, "crop_size": {"height": 32, "width": 32}, "do_center_crop": True}
    (folder / PREPROCESSING_FILE).write_text(json.dumps(described | cropped | {"resample": 2}))
    found = load_blip(str(folder)).preprocessing
    assert (found.size_px, found.scaled_px, found.resize, found.interpolation) == (32, 36, "shortest", "bilinear")


@pytest.mark.parametrize("changes", [{"size": {"height": 32, "width": 48}}, {"resample": 1}])
def test_preprocessing_that_the_decoder_does_not_have_is_refused(folder, changes):
    described = json.loads((folder / PREPROCESSING_FILE).read_text())
    (folder / PREPROCESSING_FILE).write_text(json.dumps(described | changes))
    with pytest.raises(UsageError, match="is not supported"):
        load_blip(str(folder))


def test_preprocessing_that_says_too_little_is_refused_by_what_it_lacks(folder):
    described = json.loads((folder / PREPROCESSING_FILE).read_text())
    del described["resample"]
    (folder / PREPROCESSING_FILE).write_text(json.dumps(described))
    with pytest.raises(UsageError, match=f"its {PREPROCESSING_FILE} has no 'resample'"):
        load_blip(str(folder))


def test_a_bundle_carries_the_tower_without_the_text_decoder(folder, tmp_path):
    whole = load_blip(str(folder))
    whole.save(tmp_path / "copy")
    sizes = [(place / "model.safetensors").stat().st_size for place in (tmp_path / "copy", folder)]
    assert sizes[0] < sizes[1] / 1.5
    assert load_blip(str(tmp_path / "copy")).fingerprint == whole.fingerprint


def test_a_tower_that_lacks_weights_is_refused_and_never_random(folder):
    from safetensors.torch import load_file, save_file

    path = folder / "model.safetensors"
    kept = {name: tensor for name, tensor in load_file(path).items() if "post_layernorm" not in name}
    save_file(kept, path, metadata={"format": "pt"})
    with pytest.raises(UsageError, match=r"lacks weights of its frame tower.*post_layernorm"):
        load_blip(str(folder))


def test_a_model_of_another_type_a_missing_folder_and_an_unreachable_hub_are_one_line_each(tmp_path):
    other = write_tiny_clip(tmp_path / "clip")
    (other / "config.json").write_text('{"model_type": "bart"}')
    for place, message in (
        (str(other), "is a model of type 'bart'"),
        (str(tmp_path / "none"), "is not there"),
        ("Salesforce/blip-image-captioning-base", "is not here, and the hub is not in reach: name a local folder"),
    ):
        with pytest.raises(UsageError, match=message) as caught:
            load_blip(place)
        assert "\n" not in str(caught.value)


def test_a_spec_by_hub_name_and_one_by_folder_are_told_apart(folder):
    spec = load_blip(str(folder)).spec
    assert (spec.kind, spec.name, spec.pretrained, spec.weights) == ("blip", "BLIP", None, str(folder))
    assert EncoderSpec(**json.loads(spec.model_dump_json())) == spec


def test_a_blip_on_s3_is_the_local_one(folder, s3):
    for file in folder.iterdir():
        storage.write_bytes(f"{s3.uri}/blip/{file.name}", file.read_bytes())
    assert load_blip(f"{s3.uri}/blip").fingerprint == load_blip(str(folder)).fingerprint
    with pytest.raises(UsageError, match=f"{s3.uri}/none"):
        load_blip(f"{s3.uri}/none")
