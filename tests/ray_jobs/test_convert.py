"""`clipsum convert` by the names that people type, from a hub's cache that holds small models under those names."""

from pathlib import Path

import huggingface_hub
import open_clip
import torch
from open_clip.model import CLIP

from clipsum.config import Preprocessing
from clipsum.encoders.clip_files import write_clip
from clipsum.models.bundle import load_bundle
from ray_jobs.cli import run
from tests.encoders.tiny_others import write_tiny_blip
from tests.hub_cache import put_in_cache
from tests.models.tiny import bart_tokenizer, tiny_bart

# The real architectures are too large for a test: their names stand for small ones of the same classes.
TINY_CLIP = {
    "embed_dim": 16,
    "quick_gelu": True,
    "vision_cfg": {"image_size": 224, "layers": 1, "width": 32, "head_width": 16, "patch_size": 32},
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 1},
}
CALLS = {
    "clip": ["--encoder", "ViT-B-32", "--pretrained", "openai"],
    "blip": ["--encoder", "blip:Salesforce/blip-image-captioning-base", "--frames", "20"],
    "timm": ["--encoder", "timm:resnet18.tv_in1k", "--fusion", "gated"],
}


def _fill_cache(home: Path, tmp_path: Path) -> CLIP:
    """A BART of the class that facebook/bart-base is of, a CLIP for its tag of open_clip, a BLIP and a ResNet."""
    bart = tiny_bart()
    bart.model.save_pretrained(tmp_path / "bart")
    bart_tokenizer().save_pretrained(tmp_path / "bart")
    torch.manual_seed(0)
    clip = CLIP(**TINY_CLIP).eval()
    write_clip(tmp_path / "clip", clip, TINY_CLIP, Preprocessing(), open_clip.get_tokenizer("ViT-B-32"))
    for repository, folder in (
        ("facebook/bart-base", tmp_path / "bart"),
        ("timm/vit_base_patch32_clip_224.openai", tmp_path / "clip"),
        ("Salesforce/blip-image-captioning-base", write_tiny_blip(tmp_path / "blip")),
        ("timm/resnet18.tv_in1k", _full_resnet(tmp_path / "resnet")),
    ):
        put_in_cache(home, repository, folder)
    return clip


def _full_resnet(folder: Path) -> Path:
    import timm

    timm.models.save_for_hf(timm.create_model("resnet18", num_classes=1000), str(folder), safe_serialization=True)
    return folder


def test_published_names_take_the_way_through_the_hubs_own_layout(tmp_path, monkeypatch):
    clip = _fill_cache(tmp_path / "home", tmp_path)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "home" / "hub"))
    monkeypatch.setitem(open_clip.factory._MODEL_CONFIGS, "ViT-B-32", TINY_CLIP)
    for name, words in CALLS.items():
        assert run(["convert", "--bart", "facebook/bart-base", *words, "--output", str(tmp_path / name)]) == 0
    specs = {name: load_bundle(str(tmp_path / name)).manifest.encoder for name in CALLS}
    assert {name: (spec.kind, spec.name, spec.pretrained, spec.width) for name, spec in specs.items()} == {
        "clip": ("clip", "ViT-B-32", "openai", clip.visual.output_dim),
        "blip": ("blip", "BLIP", "Salesforce/blip-image-captioning-base", 32),
        "timm": ("timm", "resnet18", "tv_in1k", 512),
    }
    made = load_bundle(str(tmp_path / "blip"))
    assert (made.manifest.sampling.frames, made.manifest.model.fusion) == (20, "residual")
    ours, theirs = made.model.bart.state_dict(), tiny_bart().state_dict()
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs if name != "final_logits_bias")
    assert not (tmp_path / "clip" / "encoder").exists()


def test_a_hub_that_is_not_in_reach_is_one_line(tmp_path, capsys):
    call = ["--encoder", "ViT-B-32", "--pretrained", "openai", "--output", str(tmp_path / "base")]
    assert run(["convert", "--bart", "facebook/bart-large-cnn", *call]) == 2
    said = capsys.readouterr().err.strip().splitlines()[-1]
    assert said.startswith("clipsum: BART 'facebook/bart-large-cnn' is not here, and the hub is not in reach")
    assert not (tmp_path / "base" / "bundle.json").exists()
