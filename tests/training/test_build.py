import pytest
import torch

from clipsum.config import Sampling
from clipsum.errors import UsageError
from clipsum.models.bundle import load_bundle
from clipsum.models.config import ModelConfig, ScorerConfig
from clipsum.training.build import build_model, model_config
from clipsum.training.config import TrainConfig
from clipsum.training.objective import Objective
from clipsum.training.recipes import configure, recipe
from tests.models.tiny import tiny_model, write_bundle
from tests.training.runs import PLAIN, WIDTH, changed


def built(base, width=WIDTH, **changes):
    return build_model(changed(**changes), base, width)


def model_of(**changes):
    return {"model": {**PLAIN.model.model_dump(), **changes}}


def equal(one, other):
    return {name for name, weight in one.named_parameters() if torch.equal(weight, other.get_parameter(name))}


def test_without_changes_all_weights_are_the_bases(base):
    model, said = built(base)
    assert said == "all weights are the base bundle's"
    assert equal(model, base.model) == {name for name, _ in model.named_parameters()}


def test_a_random_start_has_the_bases_architecture_and_weights_of_the_seed_alone(base):
    one, said = built(base, init="random")
    assert said.endswith("weights are new, drawn from seed 0")
    torch.randn(3)
    again, other = built(base, init="random")[0], built(base, init="random", seed=1)[0]
    matrices = {name for name, weight in one.named_parameters() if weight.ndim > 1}
    assert matrices <= equal(one, again)
    assert not matrices & equal(one, other)
    assert not matrices & equal(other, base.model)
    assert [(n, w.shape) for n, w in one.named_parameters()] == [(n, w.shape) for n, w in base.model.named_parameters()]


@pytest.mark.parametrize("initial_sd", [0.02, 0.3])
def test_the_spread_of_initial_weights_is_that_of_the_configuration(base, initial_sd):
    model, _ = built(base, init="random", initial_sd=initial_sd)
    assert float(model.bart.model.shared.weight.detach().std()) == pytest.approx(initial_sd, rel=0.05)


@pytest.mark.parametrize(
    "name", ["clipsum-paper", "clip-it", "clip-it-unsupervised", "videoxum-tt", "videoxum-tt-ca-la"]
)
def test_a_published_system_is_the_same_from_any_base(name):
    odd = recipe("videoxum-tt-ca-la").model.model_dump(exclude_none=True, exclude={"others", "scorer", "generation"})
    odd = {**odd, "fusion": "gated", "fusion_after_layer": 2, "scorer": {"layers": 1}, "dropout": 0.3}
    from_plain, from_odd = (
        model_config(ModelConfig(**changes), recipe(name).model, "both", 768) for changes in ({}, odd)
    )
    assert from_odd == from_plain
    assert (from_plain.temporal_norm == "pre") is name.startswith("videoxum")


def test_what_a_recipe_of_ours_leaves_open_is_as_the_base_has_it():
    odd = ModelConfig(temporal_norm="pre", fusion="gated", visual_width=768)
    assert model_config(odd, recipe("clipsum").model, "both", 768) == odd


def test_weights_that_fit_are_kept_and_the_others_are_named_as_new(base):
    model, said = built(base, **model_of(fusion="residual", temporal_layers=3))
    assert said.endswith("new, drawn from seed 0: fusion.add, temporal.layers")
    kept = set()
    for name, weight in base.model.named_parameters():
        if name in dict(model.named_parameters()):
            assert torch.equal(weight, model.get_parameter(name)), name
            kept.add(name)
    assert {"project.weight", "bart.model.shared.weight", "temporal.layers.1.linear1.weight"} <= kept


def test_the_model_takes_the_width_of_the_data(base):
    model, said = built(base, width=32)
    assert model.config.visual_width == 32
    assert "project.weight" in said
    assert torch.equal(model.bart.model.shared.weight, base.model.bart.model.shared.weight)


def test_a_model_of_frames_alone_hands_them_to_the_decoder_unless_told_not_to(base):
    assert built(base)[0].config.context == "text"
    assert built(base, sees="frames")[0].config.context == "append"
    assert built(base, sees="frames", **model_of(context="text"))[0].config.context == "text"


def test_changes_reach_model_bart_and_generation_and_what_is_not_said_stays(base):
    model, _ = built(base, **model_of(context="append", bart_dropout=0.25, generation={"num_beams": 2}))
    assert model.config.context == "append"
    assert model.config.generation.num_beams == 2
    assert model.config.generation.max_tokens == base.manifest.model.generation.max_tokens
    sizes = model.bart.config
    assert sizes.dropout == sizes.attention_dropout == sizes.activation_dropout == 0.25
    assert model.bart.model.encoder.dropout == 0.25


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"temporal_heads": 5}, "temporal width 24 is not a multiple of temporal_heads=5"),
        ({"max_text_tokens": 512}, "max_text_tokens=512 is more than this BART reads: 160"),
        ({"fusion_after_layer": 9}, "fusion_after_layer=9 is past layer 3"),
    ],
)
def test_a_model_that_cannot_be_is_refused_in_one_line(base, changes, message):
    with pytest.raises(UsageError, match=f"model: .*{message}"):
        built(base, **model_of(**changes))


def test_a_scorer_of_the_base_comes_along_uncalibrated_where_one_is_trained_and_is_left_out_elsewhere(tmp_path):
    scorer = ScorerConfig(ffn=48, match_threshold=0.5)
    write_bundle(str(tmp_path / "b"), tmp_path / "clip", sampling=Sampling(frames=8), model=tiny_model(scorer=scorer))
    scoring = load_bundle(str(tmp_path / "b"))
    config = TrainConfig()
    assert build_model(config, scoring, 24)[0].scorer is None
    learns = config.model_copy(update={"objective": Objective(lambda_video=1.0)})
    model, said = build_model(learns, scoring, 24)
    assert model.config.scorer == scorer.model_copy(update={"match_threshold": None})
    assert said == "all weights are the base bundle's"


def test_a_scorer_that_joins_a_trained_summarizer_may_not_change_how_it_attends(base):
    model, _ = build_model(recipe("scorer"), base, WIDTH)
    assert (model.config.attention, model.config.cross_attention) == ("global", "global")
    with pytest.raises(UsageError, match=r"model\.attention=local would change them: the base has global"):
        build_model(configure("scorer", None, ["model.attention=local"]), base, WIDTH)
