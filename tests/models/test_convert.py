"""What is converted summarises texts as the BART it was made of, and says how it differs."""

import shutil

import numpy as np
import pytest
import torch
from transformers import BartForConditionalGeneration
from transformers.utils.logging import enable_progress_bar

from clipsum import storage
from clipsum.errors import UsageError
from clipsum.models.bundle import load_bundle
from clipsum.models.convert import convert
from clipsum.models.pretrained import read_bart
from clipsum.models.summarize import Summarizer
from clipsum.records import Segment, Transcript
from tests.encoders.tiny_clips import write_tiny_clip
from tests.encoders.tiny_others import write_tiny_blip, write_tiny_resnet
from tests.models.tiny import PROSE, bart_tokenizer, embeddings_of, frames, tiny_bart

OWN = {"num_beams": 4, "max_length": 30, "min_length": 5, "length_penalty": 2.0, "no_repeat_ngram_size": 3}


@pytest.fixture
def bart(tmp_path):
    """A folder as a hub has it: `facebook/bart-base` is of the class without a head, too."""
    model = tiny_bart()
    model.final_logits_bias.zero_()
    model.generation_config.update(**OWN)
    model.model.save_pretrained(tmp_path / "bart")
    model.generation_config.save_pretrained(tmp_path / "bart")
    bart_tokenizer().save_pretrained(tmp_path / "bart")
    return str(tmp_path / "bart")


@pytest.fixture
def clip(tmp_path):
    return str(write_tiny_clip(tmp_path / "clip"))


def _made(tmp_path, bart, clip, *settings):
    convert(bart, clip, None, str(tmp_path / "base"), settings=settings)
    return load_bundle(str(tmp_path / "base"))


def _texts():
    return [Transcript((Segment(text),)) for text in PROSE]


@pytest.mark.parametrize("beams", [None, 1, 5])
def test_its_text_summaries_are_stock_barts_in_greedy_and_in_beam_search(tmp_path, bart, clip, beams):
    stock = BartForConditionalGeneration.from_pretrained(bart).eval()
    words = bart_tokenizer()(list(PROSE), return_tensors="pt", padding=True)
    changes = {} if beams is None else {"num_beams": beams}
    with torch.inference_mode():
        ids = stock.generate(**{name: words[name] for name in ("input_ids", "attention_mask")}, **changes)
    expected = [text.strip() for text in bart_tokenizer().batch_decode(ids, skip_special_tokens=True)]
    bundle = _made(tmp_path, bart, clip, *(f"model.generation.num_beams={beams}" for beams in changes.values()))
    found = Summarizer(bundle).summarize([(None, text, 10.0) for text in _texts()])
    assert [summary.text for summary in found] == expected
    assert len(set(expected)) > 1


def test_reading_a_bart_draws_no_bar_into_a_file(bart, capsys):
    enable_progress_bar()
    capsys.readouterr()
    read_bart(bart)
    assert capsys.readouterr().err == ""


def test_frames_change_nothing_before_training(tmp_path, bart, clip):
    bundle = _made(tmp_path, bart, clip)
    seen = embeddings_of(frames(8), bundle.manifest.fingerprint, "uniform:50")
    alone, together = (
        Summarizer(bundle).summarize([(given, text, 30.0) for text in _texts()]) for given in (None, seen)
    )
    assert [summary.text for summary in alone] == [summary.text for summary in together]
    assert {summary.evidence for summary in together} == {"both"}


def test_barts_own_generation_settings_are_kept_and_overrides_recorded(tmp_path, bart, clip):
    kept = _made(tmp_path, bart, clip)
    assert kept.manifest.model.generation.model_dump(exclude_none=True) == {"max_tokens": OWN["max_length"] - 1}
    settings = kept.model.generation_settings(kept.manifest.model.generation)
    assert {name: getattr(settings, name) for name in OWN} == OWN
    card = (tmp_path / "base" / "README.md").read_text()
    assert "the checkpoint's: early_stopping" in card or "num_beams 4" in card
    changed = _made(tmp_path, bart, clip, "model.generation.num_beams=2")
    assert changed.manifest.model.generation.num_beams == 2
    assert "set by the bundle: num_beams 2, max_tokens 29" in (tmp_path / "base" / "README.md").read_text()


def test_a_checkpoint_without_a_length_of_its_own_gets_the_papers(tmp_path, clip):
    tiny_bart().save_pretrained(tmp_path / "bart")
    bart_tokenizer().save_pretrained(tmp_path / "bart")
    assert _made(tmp_path, str(tmp_path / "bart"), clip).manifest.model.generation.max_tokens == 128


@pytest.mark.parametrize(("kind", "write", "width"), [("blip", write_tiny_blip, 32), ("timm", write_tiny_resnet, 24)])
def test_any_kind_of_encoder_makes_a_bundle_that_carries_it(tmp_path, bart, kind, write, width):
    folder = write(tmp_path / "encoder")
    bundle = _made(tmp_path, bart, f"{kind}:{folder}")
    for path in folder.iterdir():
        path.unlink()
    encoder = bundle.encoder()
    side = encoder.preprocessing.size_px
    assert encoder.fingerprint == bundle.manifest.fingerprint
    assert encoder.encode_frames(np.zeros((2, side, side, 3), np.uint8)).shape == (2, width)
    assert (bundle.manifest.encoder.kind, bundle.manifest.model.visual_width) == (kind, width)


def test_heads_that_divide_the_encoders_width_and_no_usual_one_are_taken(tmp_path, bart, clip):
    assert _made(tmp_path, bart, clip, "model.temporal_heads=12").manifest.model.temporal_heads == 12


def test_the_same_call_makes_the_same_bundle(tmp_path, bart, clip):
    assert convert(bart, clip, None, str(tmp_path / "a")) == convert(bart, clip, None, str(tmp_path / "b"))


def test_the_text_side_of_a_bundle_may_meet_another_encoder(tmp_path, bart, clip):
    first = _made(tmp_path, bart, clip)
    convert(str(tmp_path / "base"), f"timm:{write_tiny_resnet(tmp_path / 'cnn')}", None, str(tmp_path / "other"))
    second = load_bundle(str(tmp_path / "other"))
    ours, theirs = (bundle.model.bart.state_dict() for bundle in (first, second))
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
    assert second.tokenizer.get_vocab() == first.tokenizer.get_vocab()
    assert second.manifest.encoder.kind == "timm"
    assert f"BART is that of bundle {first.bundle_id}" in second.manifest.trained_on


def test_bart_and_bundle_may_lie_on_s3(tmp_path, bart, clip, s3):
    for file in (tmp_path / "bart").iterdir():
        storage.write_bytes(f"{s3.uri}/bart/{file.name}", file.read_bytes())
    convert(f"{s3.uri}/bart", clip, None, f"{s3.uri}/base")
    there = load_bundle(f"{s3.uri}/base").model.state_dict()
    here = _made(tmp_path, bart, clip).model.state_dict()
    assert all(torch.equal(there[name], here[name]) for name in here)


@pytest.mark.parametrize(("settings", "message"), [
    (("model.fusin=concat",), r"'model.fusin' is not known.*did you mean 'model.fusion'\?"),
    (("model.visual_width=8",), "model.visual_width=8, but .* gives 24: leave it out"),
    (("model.max_text_tokens=999",), "the model cannot be built: max_text_tokens=999"),
    (("model.fusion_after_layer=9",), "the model cannot be built: fusion_after_layer=9"),
])  # fmt: skip
def test_what_does_not_fit_together_is_refused_in_one_line(tmp_path, bart, clip, settings, message):
    with pytest.raises(UsageError, match=message) as caught:
        _made(tmp_path, bart, clip, *settings)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "base").exists()


def test_a_bart_that_is_none_or_not_there_or_not_whole_is_refused_in_one_line(tmp_path, bart):
    (tmp_path / "t5").mkdir()
    (tmp_path / "t5/config.json").write_text('{"model_type": "t5"}')
    (tmp_path / "empty").mkdir()
    from safetensors.torch import load_file, save_file

    kept = {name: value for name, value in load_file(f"{bart}/model.safetensors").items() if "layers.1" not in name}
    save_file(kept, f"{bart}/model.safetensors", metadata={"format": "pt"})
    half = shutil.copytree(bart, tmp_path / "cut") / "model.safetensors"
    half.write_bytes(half.read_bytes()[: half.stat().st_size // 2])
    for place, message in (
        (str(tmp_path / "cut"), "does not load"),
        (str(tmp_path / "t5"), "is a model of type 't5': a BART is needed"),
        (str(tmp_path / "none"), "is not there"),
        (str(tmp_path / "empty"), "does not load"),
        (bart, r"lacks \d+ of its weights, the first"),
        ("facebook/bart-base", "'facebook/bart-base' is not here, and the hub is not in reach"),
    ):
        with pytest.raises(UsageError, match=message) as caught:
            read_bart(place)
        assert "\n" not in str(caught.value)


def test_a_bart_on_s3_that_the_keys_do_not_open_is_a_wrong_call(s3, tmp_path, monkeypatch):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    with pytest.raises(UsageError, match=r"BART '.*/bart' cannot be read: .*403"):
        convert(f"{s3.uri}/bart", "ViT-B-32", None, str(tmp_path / "out"))
