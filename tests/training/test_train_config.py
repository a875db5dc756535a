import pytest
from pydantic import ValidationError

from clipsum.errors import UsageError
from clipsum.training.config import OptimizerConfig, ScheduleConfig, TrainConfig
from clipsum.training.recipes import RECIPES, configure, recipe


def test_the_papers_recipe_is_what_the_paper_says():
    paper = recipe("clipsum-paper")
    assert paper.optimizer == OptimizerConfig(name="adam", learning_rate=3e-5, weight_decay=1e-5, clip_norm=1.0)
    assert (paper.optimizer.beta1, paper.optimizer.beta2) == (0.9, 0.999)
    assert (paper.micro_batch_size, paper.batch_size, paper.epochs) == (16, 64, 100)
    assert [paper.schedule.share(step, epoch, 1) for step, epoch in ((0, 0), (50, 9), (99, 10), (999, 25))] == [
        1.0,
        1.0,
        0.95,
        0.95**2,
    ]
    assert (paper.validation.metric, paper.validation.every_epochs, paper.validation.patience) == ("rouge2", 1, 10)
    assert paper.augmentation.drop_text == paper.augmentation.drop_frames == paper.label_smoothing == 0
    model = paper.model
    assert (model.fusion, model.context, model.text_over_limit) == ("concat", "text", "truncate")
    assert (model.temporal_layers, model.temporal_heads, model.temporal_ffn) == (2, 4, 1024)
    assert model.max_text_tokens == 512
    generation = model.generation
    assert (generation.num_beams, generation.no_repeat_ngram_size, generation.max_tokens) == (5, 3, 128)


def test_the_rate_warms_up_in_a_line_and_falls_in_half_a_cosine_to_nothing():
    schedule = ScheduleConfig(shape="cosine", warmup_steps=10)
    assert schedule.share(0, 0, 110) == pytest.approx(1 / 11)
    assert schedule.share(10, 0, 110) == 1.0
    assert schedule.share(60, 0, 110) == pytest.approx(0.5)
    assert 0 < schedule.share(109, 0, 110) < 0.001


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_can_be_changed_key_by_key(name):
    found = configure(name, overrides=["optimizer.learning_rate=1e-4", "model.generation.num_beams=2", "seed=7"])
    assert (found.optimizer.learning_rate, found.model.generation.num_beams, found.seed) == (1e-4, 2, 7)
    unchanged = {"optimizer", "model", "seed"}
    assert found.model_dump(exclude=unchanged) == recipe(name).model_dump(exclude=unchanged)
    assert found.optimizer.weight_decay == recipe(name).optimizer.weight_decay
    assert found.model.fusion == recipe(name).model.fusion


def test_an_unknown_recipe_is_refused_with_the_nearest_known_one():
    with pytest.raises(UsageError, match="recipe 'clipsum-papr' is not known: did you mean 'clipsum-paper'"):
        recipe("clipsum-papr")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"epochs": None}, "epochs and max_steps are both None"),
        ({"validation": {"every_epochs": None, "patience": 3}}, "validation.patience needs validations"),
        ({"lora": {"rank": 4}, "init": "random"}, "lora.rank=4 adapts a trained BART"),
    ],
)
def test_fields_that_do_not_go_together_are_refused(changes, message):
    with pytest.raises(ValidationError, match=message):
        TrainConfig(**changes)
