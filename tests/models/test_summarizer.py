"""The whole model: what must not change its output, what must, and that it is BART where it should be."""

import numpy as np
import pytest
import torch
from transformers import AutoTokenizer, BartForConditionalGeneration
from transformers.modeling_outputs import BaseModelOutput

from clipsum.models.config import Generation, ModelConfig
from clipsum.models.fusion import FUSIONS
from clipsum.models.pretrained import read_bart
from clipsum.models.summarizer import ClipSum
from tests.models.tiny import PROSE, bart_tokenizer, batch_of, item, tiny_bart, tiny_config, tiny_model

LABELS = (0, 7, 8, 9, 2)
GREEDY = Generation(num_beams=1, no_repeat_ngram_size=0, max_tokens=12)
VARIANTS = [
    {"fusion": fusion, "context": context, "temporal_layers": layers}
    for fusion in FUSIONS
    for context in ("text", "append")
    for layers in (0, 2)
]


@pytest.fixture(params=VARIANTS, ids=lambda variant: "-".join(str(value) for value in variant.values()))
def model(request) -> ClipSum:
    """Every variant, with the residual one no longer at its start, where it sees nothing."""
    built = tiny_model(**request.param)
    if request.param["fusion"] == "residual":
        torch.nn.init.normal_(built.fusion.add.weight, std=0.3)
    return built


def _logits(model: ClipSum, *items) -> torch.Tensor:
    with torch.inference_mode():
        return model(**batch_of(*items)).logits


def test_an_item_alone_and_in_any_batch_has_the_same_logits_and_greedy_tokens(model):
    mixed = [item(9, 5, 1, labels=LABELS), item(3, 11, 2, labels=LABELS)]
    mixed += [item(14, 0, 3, labels=LABELS), item(0, 4, 4, labels=LABELS)]
    together = _logits(model, *mixed)
    written = model.generate(**{k: v for k, v in batch_of(*mixed).items() if k != "labels"}, generation=GREEDY)
    for row, single in enumerate(mixed):
        torch.testing.assert_close(together[row], _logits(model, single)[0], rtol=0, atol=1e-5)
        alone = {k: v for k, v in batch_of(single).items() if k != "labels"}
        tokens = model.generate(**alone, generation=GREEDY)[0]
        assert written[row, : len(tokens)].tolist() == tokens.tolist()
        assert set(written[row, len(tokens) :].tolist()) <= {1}


def test_frames_change_the_output(model):
    seen, other = item(6, 8, 1, labels=LABELS), item(6, 8, 2, labels=LABELS)
    swapped = type(seen)(seen.input_ids, other.vectors, seen.relative, LABELS)
    assert (_logits(model, seen) - _logits(model, swapped)).abs().max() > 1e-3


def test_words_change_the_output(model):
    first = item(6, 8, 1, labels=LABELS)
    second = type(first)((0, 20, 30, 2), first.vectors, first.relative, LABELS)
    assert (_logits(model, first) - _logits(model, second)).abs().max() > 1e-3


def test_frame_order_changes_the_output_only_with_a_temporal_encoder(model):
    forward = item(6, 8, 1, labels=LABELS)
    backward = type(forward)(forward.input_ids, forward.vectors[::-1].copy(), forward.relative, LABELS)
    difference = (_logits(model, forward) - _logits(model, backward)).abs().max()
    assert difference > 1e-3 if model.config.temporal_layers else difference < 1e-5


def test_every_parameter_that_is_not_barts_learns(model):
    out = model.train()(**batch_of(item(6, 50, 1, labels=LABELS), item(4, 9, 2, labels=LABELS)))
    out.loss.backward()
    own = [(name, weight) for name, weight in model.named_parameters() if not name.startswith("bart.")]
    assert [name for name, weight in own if weight.grad is None or not weight.grad.abs().sum() > 0] == []


@pytest.mark.parametrize("fusion", FUSIONS)
def test_no_text_no_frames_or_neither_is_finite_and_the_same_as_an_absent_modality(fusion):
    model = tiny_model(fusion=fusion, context="append")
    for tokens, shown in ((0, 5), (5, 0), (0, 0)):
        single = item(tokens, shown, labels=LABELS)
        assert single.input_ids == (0, 2) or tokens
        assert torch.isfinite(_logits(model, single)).all()
        beside_full = _logits(model, single, item(7, 9, 5, labels=LABELS))
        torch.testing.assert_close(beside_full[0], _logits(model, single)[0], rtol=0, atol=1e-5)


@pytest.mark.parametrize("width", [512, 768, 2048])
def test_embeddings_of_any_encoders_width_go_in(width):
    model = tiny_model(visual_width=width, temporal_ffn=64)
    assert _logits(model, item(4, 6, width=width, labels=LABELS)).shape == (1, len(LABELS), 320)


def test_residual_at_step_zero_is_plain_bart_to_the_bit():
    bart = tiny_bart(3)
    model = tiny_model(bart=bart, fusion="residual")
    batch = batch_of(item(9, 5, 1, labels=LABELS), item(3, 11, 2, labels=(0, 5, 2)))
    with torch.inference_mode():
        plain = bart(input_ids=batch["input_ids"], attention_mask=batch["text_mask"], labels=batch["labels"])
        ours = model(**batch)
    assert torch.equal(ours.logits, plain.logits)
    assert torch.equal(ours.loss, plain.loss)


def test_residual_without_frames_stays_plain_bart_after_training():
    bart = tiny_bart(3)
    model = tiny_model(bart=bart, fusion="residual")
    torch.nn.init.normal_(model.fusion.add.weight)
    batch = batch_of(item(9, 0, 1, labels=LABELS), item(3, 0, 2, labels=LABELS))
    with torch.inference_mode():
        plain = bart(input_ids=batch["input_ids"], attention_mask=batch["text_mask"], labels=batch["labels"]).logits
    assert torch.equal(_logits(model, item(9, 0, 1, labels=LABELS), item(3, 0, 2, labels=LABELS)), plain)


def test_files_that_stock_save_pretrained_wrote_load_to_stocks_logits(tmp_path):
    tiny_bart(4).save_pretrained(tmp_path)
    bart_tokenizer().save_pretrained(tmp_path)
    tokenizer, stock = AutoTokenizer.from_pretrained(tmp_path), BartForConditionalGeneration.from_pretrained(tmp_path)
    model = ClipSum(tiny_config(fusion="residual"), read_bart(str(tmp_path))[0]).eval()
    words = tokenizer(list(PROSE), return_tensors="pt", padding=True)
    labels = tokenizer(list(PROSE[::-1]), return_tensors="pt", padding=True).input_ids
    with torch.inference_mode():
        plain = stock.eval()(**words, labels=labels).logits
        ours = model(words.input_ids, words.attention_mask.bool(), labels=labels).logits
    assert torch.equal(ours, plain)


@pytest.mark.parametrize("layer", [1, 2, 3])
def test_the_fusion_follows_the_layer_counted_from_one(layer, monkeypatch):
    model = tiny_model(fusion_after_layer=layer)
    calls = []
    for number, block in enumerate(model.bart.model.encoder.layers, start=1):
        block.register_forward_hook(lambda *_, number=number: calls.append(number))
    model.fusion.register_forward_hook(lambda *_: calls.append("fusion"))
    _logits(model, item(4, 4, labels=LABELS))
    assert calls.index("fusion") == layer
    assert [call for call in calls if call != "fusion"] == [1, 2, 3]


def test_by_default_one_layer_refines_what_was_fused():
    assert tiny_config().fusion_layer(6) == 5


@pytest.mark.parametrize(("changes", "layers", "message"), [
    ({"fusion_after_layer": 4}, 3, "fusion_after_layer=4 is past layer 3"),
    ({"fusion_after_layer": 3, "context": "append"}, 3, "allow 1 to 2"),
    ({"max_text_tokens": 161}, 3, "max_text_tokens=161 is more than this BART reads: 160"),
    ({"generation": Generation(max_tokens=170)}, 3, "generation.max_tokens=170 is more than BART's 160"),
])  # fmt: skip
def test_a_configuration_that_this_bart_cannot_have_is_refused_with_both_numbers(changes, layers, message):
    with pytest.raises(ValueError, match=message):
        ClipSum(tiny_config(**changes), tiny_bart(layers=layers))


def test_heads_that_do_not_divide_the_width_are_refused_with_both_numbers():
    with pytest.raises(ValueError, match="temporal width 50 is not a multiple of temporal_heads=4"):
        ModelConfig(visual_width=50)


def test_append_hands_the_decoder_one_more_state_for_each_real_frame():
    model = tiny_model(context="append")
    batch = batch_of(item(6, 3, 1), item(2, 8, 2))
    states, mask = model.encode(**batch)
    assert states.shape == (2, 8 + 8, 32)
    assert mask.sum(1).tolist() == [8 + 3, 4 + 8]


def test_teacher_forced_and_generated_log_probabilities_agree():
    model = tiny_model(context="append")
    batch = batch_of(item(6, 5, 1), item(3, 8, 2))
    settings = model.generation_settings(GREEDY)
    settings.update(output_logits=True, return_dict_in_generate=True)
    states, mask = model.encode(**batch)
    out = model.bart.generate(encoder_outputs=BaseModelOutput(states), attention_mask=mask, generation_config=settings)
    generated = torch.stack(out.logits, 1).log_softmax(-1)
    labels = out.sequences[:, 1:].contiguous()
    forced = model(**batch, labels=labels).logits.log_softmax(-1)
    real = labels != 1
    chosen = labels.unsqueeze(-1)
    torch.testing.assert_close(forced.gather(-1, chosen)[real], generated.gather(-1, chosen)[real], rtol=0, atol=1e-4)


def test_labels_are_shifted_right_from_the_checkpoints_start_token():
    model = tiny_model(bart=tiny_bart(decoder_start_token_id=9))
    seen = []
    model.bart.model.decoder.register_forward_pre_hook(
        lambda _, __, given: seen.append(given["input_ids"]), with_kwargs=True
    )
    _logits(model, item(4, 4, labels=LABELS), item(4, 4, labels=(0, 5, 2)))
    assert seen[0].tolist() == [[9, 0, 7, 8, 9], [9, 0, 5, 2, 1]]


def test_padding_of_labels_counts_for_no_loss():
    model = tiny_model()
    short, long = item(4, 4, 1, labels=(0, 5, 2)), item(4, 4, 2, labels=LABELS)
    with torch.inference_mode():
        losses = [model(**batch_of(single)).loss.item() for single in (short, long)]
        together = model(**batch_of(short, long)).loss.item()
    assert together == pytest.approx((3 * losses[0] + 5 * losses[1]) / 8, abs=1e-5)


def test_the_checkpoints_generation_settings_are_kept_and_only_the_named_overridden():
    bart = tiny_bart()
    bart.generation_config.update(length_penalty=2.0, min_length=5, num_beams=4, max_new_tokens=40)
    model = tiny_model(bart=bart)
    settings = model.generation_settings(Generation(no_repeat_ngram_size=0, max_tokens=30))
    assert (settings.length_penalty, settings.min_length) == (2.0, 5)
    assert (settings.num_beams, settings.no_repeat_ngram_size) == (5, 0)
    assert (settings.max_length, settings.max_new_tokens) == (31, None)
    assert model.generation_settings(Generation(num_beams=None)).num_beams == 4
    assert bart.generation_config.num_beams == 4


def test_the_published_decoding_is_the_default():
    assert Generation() == Generation(num_beams=5, no_repeat_ngram_size=3, max_tokens=128)


def test_a_summary_has_at_most_max_tokens_tokens_after_the_start_token():
    model = tiny_model()
    ids = model.generate(**batch_of(item(6, 5, 1)), generation=Generation(num_beams=2, max_tokens=7))
    assert ids.shape[1] <= 1 + 7


def test_collate_leaves_frames_out_where_no_item_has_any_and_masks_what_is_padding():
    assert set(batch_of(item(3, 0), item(5, 0))) == {"input_ids", "text_mask"}
    batch = batch_of(item(3, 2), item(5, 0))
    assert batch["text_mask"].sum(1).tolist() == [5, 7]
    assert batch["frame_mask"].tolist() == [[True, True], [False, False]]
    assert batch["input_ids"][0, 5:].tolist() == [1, 1]
    assert np.isclose(batch["positions"][0].tolist(), [0.25, 0.75]).all()
