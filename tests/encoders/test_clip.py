import json
import shutil

import numpy as np
import open_clip
import pytest
import torch
from open_clip.transformer import VisionTransformer
from PIL import Image

from clipsum.config import Preprocessing
from clipsum.encoders import clip_files
from clipsum.encoders.base import EncoderSpec
from clipsum.encoders.clip import load_clip
from clipsum.encoders.load import load_encoder
from clipsum.encoders.patches import Patches, takes_raw_pixels
from clipsum.encoders.precision import choose_dtype
from clipsum.errors import UsageError
from tests.encoders.tiny_clips import write_tiny_clip


@pytest.fixture
def folder(tmp_path):
    return write_tiny_clip(tmp_path / "clip")


@pytest.fixture
def small_architecture(monkeypatch, folder):
    """The tiny CLIP under a name of its own among open_clip's architectures."""
    config = json.loads((folder / "open_clip_config.json").read_text())["model_cfg"]
    del config["text_cfg"]["hf_tokenizer_name"]
    monkeypatch.setitem(open_clip.factory._MODEL_CONFIGS, "ViT-Tiny-8", config)
    return "ViT-Tiny-8"


def _pictures(count: int, size: int = 32) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, size, size, 3), dtype=np.uint8)


def test_frames_are_embedded_as_open_clip_itself_does_by_its_own_transform(folder):
    model, transform = open_clip.create_model_from_pretrained(f"local-dir:{folder}")
    pixels = _pictures(4)
    with torch.inference_mode():
        batch = torch.stack([transform(Image.fromarray(picture)) for picture in pixels])
        theirs = model.eval().encode_image(batch, normalize=True).numpy()
    np.testing.assert_allclose(load_clip(str(folder), precision="fp32").encode_frames(pixels), theirs, atol=1e-5)


def test_texts_are_embedded_as_open_clip_itself_does(folder):
    model = open_clip.create_model(f"local-dir:{folder}").eval()
    texts = ["cut the onion", "stir"]
    with torch.inference_mode():
        tokens = open_clip.get_tokenizer(f"local-dir:{folder}")(texts)
        theirs = model.encode_text(tokens, normalize=True).numpy()
    np.testing.assert_allclose(load_clip(str(folder), precision="fp32").encode_text(texts), theirs, atol=1e-5)


def test_bf16_stays_near_fp32(folder):
    pixels = _pictures(16)
    half, full = (load_clip(str(folder), precision=precision).encode_frames(pixels) for precision in ("bf16", "fp32"))
    assert (half * full).sum(1).min() > 0.999


def test_an_architecture_with_a_file_of_weights_is_the_folder_with_the_same_weights(folder, small_architecture):
    weights = folder / "open_clip_model.safetensors"
    named = load_clip(small_architecture, str(weights), precision="fp32")
    np.testing.assert_allclose(
        named.encode_frames(_pictures(3)),
        load_clip(str(folder), precision="fp32").encode_frames(_pictures(3)),
        atol=1e-6,
    )
    assert named.name == f"{small_architecture}/{weights}"


def test_a_folder_with_one_file_of_weights_and_no_configuration_needs_the_architectures_name(
    folder, small_architecture
):
    (folder / "open_clip_config.json").unlink()
    assert load_clip(small_architecture, str(folder)).width == 24
    (folder / "second.safetensors").write_bytes(b"")
    with pytest.raises(UsageError, match=r"holds 2 \.safetensors files"):
        load_clip(small_architecture, str(folder))


def test_an_encoder_from_an_architecture_and_a_file_saves_itself_in_hub_layout(folder, small_architecture, tmp_path):
    named = load_clip(small_architecture, str(folder / "open_clip_model.safetensors"))
    named.save(tmp_path / "copy")
    assert load_clip(str(tmp_path / "copy")).fingerprint == named.fingerprint


def test_saving_leaves_pickles_behind(folder, tmp_path):
    (folder / "open_clip_pytorch_model.bin").write_bytes(b"not read")
    load_clip(str(folder)).save(tmp_path / "copy")
    assert not list((tmp_path / "copy").glob("*.bin"))


def test_a_tag_that_was_trained_with_quickgelu_gets_it(folder, small_architecture, monkeypatch):
    calls = {}

    def create(source, checkpoint, **options):
        calls.update(options)
        return open_clip_create(f"local-dir:{folder}")

    open_clip_create = open_clip.create_model
    tags = {"quick": {"quick_gelu": True}, "plain": {}}
    monkeypatch.setattr(open_clip, "list_pretrained_tags_by_model", lambda name: list(tags))
    monkeypatch.setattr(clip_files, "get_pretrained_cfg", lambda name, tag: tags[tag])
    monkeypatch.setattr(open_clip, "create_model", create)
    for tag in tags:
        loaded = clip_files.read_clip(small_architecture, tag)
        assert calls["force_quick_gelu"] is (tag == "quick")
        assert loaded.model_cfg.get("quick_gelu", False) is (tag == "quick")
        assert (loaded.tag, loaded.weights) == (tag, None)


@pytest.mark.parametrize(("name", "pretrained", "message"), [
    ("ViT-B-23", "openai", r"CLIP model 'ViT-B-23' is not known.*did you mean 'ViT-B-32'\?"),
    ("ViT-B-32", "opena", r"'opena' is not known: did you mean 'openai'\? All there are: .*laion2b"),
    ("ViT-B-32", None, "CLIP 'ViT-B-32' has no weights named: give a tag, or a local or s3:// file"),
])  # fmt: skip
def test_what_is_not_known_is_refused_in_one_line_with_what_is(name, pretrained, message):
    with pytest.raises(UsageError, match=message) as caught:
        load_clip(name, pretrained)
    assert "\n" not in str(caught.value)


def test_a_folder_without_weights_is_refused_and_never_random(folder):
    (folder / "open_clip_model.safetensors").unlink()
    with pytest.raises(UsageError, match="does not load: Required pretrained weights"):
        load_clip(str(folder))


def test_weights_that_were_half_copied_are_refused_in_one_line(folder):
    weights = folder / "open_clip_model.safetensors"
    weights.write_bytes(weights.read_bytes()[: weights.stat().st_size // 2])
    with pytest.raises(UsageError, match="does not load") as caught:
        load_clip(str(folder))
    assert "\n" not in str(caught.value)


def test_weights_of_another_architecture_are_refused_in_one_line(folder, tmp_path, small_architecture):
    other = write_tiny_clip(tmp_path / "other", "convolutions") / "open_clip_model.safetensors"
    with pytest.raises(UsageError, match=f"'{small_architecture}' with weights .* does not load") as caught:
        load_clip(small_architecture, str(other))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("changes", [{"resize_mode": "longest"}, {"size": [32, 48]}])
def test_preprocessing_that_the_decoder_does_not_have_is_refused(folder, changes):
    described = json.loads((folder / "open_clip_config.json").read_text())["preprocess_cfg"]
    with pytest.raises(UsageError, match="is not supported: square pictures"):
        clip_files._preprocessing(described | changes)


def test_an_encoder_on_s3_is_the_local_one(folder, s3, tmp_path):
    from clipsum import storage

    for file in folder.iterdir():
        storage.write_bytes(f"{s3.uri}/clips/tiny/{file.name}", file.read_bytes())
    remote = load_clip("tiny", f"{s3.uri}/clips/tiny")
    assert remote.fingerprint == load_clip(str(folder)).fingerprint
    remote.save(tmp_path / "copy")
    assert load_clip(str(tmp_path / "copy")).fingerprint == remote.fingerprint
    with pytest.raises(UsageError, match=f"{s3.uri}/clips/none"):
        load_clip("tiny", f"{s3.uri}/clips/none")


def test_a_spec_loads_the_encoder_it_was_made_from_and_refuses_another_with_both_fingerprints(folder, tmp_path):
    spec = load_clip("tiny", str(folder)).spec
    assert load_encoder(spec).fingerprint == spec.fingerprint
    assert EncoderSpec(**json.loads(spec.model_dump_json())) == spec
    other = write_tiny_clip(tmp_path / "other", seed=1)
    shutil.copyfile(other / "open_clip_model.safetensors", folder / "open_clip_model.safetensors")
    found = load_clip(str(folder)).fingerprint
    with pytest.raises(UsageError, match=f"fingerprint {found[:16]}, expected {spec.fingerprint[:16]}"):
        load_encoder(spec)


def test_a_spec_names_exactly_one_source_of_weights(folder):
    spec = load_clip("tiny", str(folder)).spec.model_dump()
    for pretrained, weights in ((None, None), ("openai", "folder")):
        with pytest.raises(ValueError, match="exactly one is needed"):
            EncoderSpec(**spec | {"pretrained": pretrained, "weights": weights})


@pytest.mark.parametrize("able", [True, False])
def test_auto_is_bf16_only_for_a_transformer_on_a_processor_that_has_it(folder, tmp_path, monkeypatch, able):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": able})
    transformer = clip_files.read_clip(str(folder), None).model
    convolutions = clip_files.read_clip(str(write_tiny_clip(tmp_path / "c", "convolutions")), None).model
    cpu = torch.device("cpu")
    assert choose_dtype("auto", cpu, transformer) == (torch.bfloat16 if able else torch.float32)
    assert choose_dtype("auto", cpu, convolutions) == torch.float32
    assert choose_dtype("fp32", cpu, transformer) == torch.float32
    assert choose_dtype("bf16", cpu, convolutions) == torch.bfloat16


def test_one_product_over_raw_pixels_is_normalisation_and_convolution():
    prep = Preprocessing(size_px=24, mean=(0.1, 0.5, 0.8), std=(0.2, 0.3, 0.4))
    torch.manual_seed(0)
    convolution = torch.nn.Conv2d(3, 10, 8, 8, bias=False)
    pixels = torch.from_numpy(_pictures(3, 24))
    normal = (pixels / 255 - torch.tensor(prep.mean)) / torch.tensor(prep.std)
    expected = convolution(normal.permute(0, 3, 1, 2))
    torch.testing.assert_close(Patches(convolution, prep)(pixels), expected, atol=1e-5, rtol=0)


def test_pixels_stay_exact_in_bf16():
    pixels = torch.arange(256, dtype=torch.uint8)
    assert torch.equal(pixels.bfloat16().sub(128), pixels.float() - 128)


def test_a_frame_that_is_no_whole_number_of_patches_is_left_to_open_clip():
    visual = VisionTransformer(20, 8, 16, 1, 2, 4.0, output_dim=8)
    assert not takes_raw_pixels(visual, Preprocessing(size_px=20))
    assert isinstance(visual.conv1, torch.nn.Conv2d)
