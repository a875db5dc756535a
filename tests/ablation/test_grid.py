"""Which rows a grid stands for, and what is refused."""

import pytest

from clipsum.ablation.grid import read_grid
from clipsum.ablation.rows import rows_of
from clipsum.errors import UsageError
from clipsum.training.recipes import recipe

ENCODERS = """
[[encoders]]
name = "CLIP"
data = "emb-clip"

[[encoders]]
name = "CLIP"
data = "emb-pixels"
finetune = {layers = 3}

[[encoders]]
name = "ResNet"
data = "emb-cnn"
bundle = "base-cnn"
"""
PRODUCT = 'temporal = ["none", "local"]\nfusion = ["concat", "gated"]\nsees = ["text", "both"]\n'


@pytest.fixture
def rows(tmp_path):
    def read(text, *overrides):
        path = tmp_path / "grid.toml"
        path.write_text(text)
        return rows_of(read_grid(str(path), overrides))

    return read


def labels(rows):
    return [row.label for row in rows]


def test_a_grid_is_the_product_of_its_lists_with_text_alone_as_one_row(rows):
    found = rows(PRODUCT + ENCODERS)
    expected = [
        f"{encoder}/{temporal}/{fusion}/both"
        for encoder in ("CLIP", "CLIP fine-tuned", "ResNet")
        for temporal in ("none", "local")
        for fusion in ("concat", "gated")
    ]
    assert sorted(labels(found)) == sorted([*expected, "text"])
    by_label = {row.label: row for row in found}
    gated = by_label["ResNet/local/gated/both"]
    assert (gated.config.model.fusion, gated.config.model.attention) == ("gated", "local")
    assert (gated.encoder.data, gated.config.encoder_finetune.layers) == ("emb-cnn", 0)
    assert by_label["CLIP/none/concat/both"].config.model.temporal_layers == 0
    assert by_label["CLIP fine-tuned/local/concat/both"].config.encoder_finetune.layers == 3
    assert by_label["text"].config.sees == "text"
    assert by_label["text"].encoder.name == "CLIP"


def test_a_list_that_is_left_out_is_as_the_base_has_it(rows):
    found = rows('fusion = ["gated"]\n[base]\nsees = "frames"\nmodel = {temporal_layers = 1}\n' + ENCODERS)
    assert labels(found) == ["CLIP/gated", "CLIP fine-tuned/gated", "ResNet/gated"]
    assert {(row.config.sees, row.config.model.temporal_layers) for row in found} == {("frames", 1)}


def test_only_keeps_those_parts_of_the_product_that_are_named(rows):
    only = '[[only]]\nsees = ["text"]\n[[only]]\nencoder = ["ResNet"]\nfusion = ["gated"]\nsees = ["both"]\n'
    found = rows(PRODUCT + ENCODERS + only)
    assert labels(found) == ["text", "ResNet/none/gated/both", "ResNet/local/gated/both"]


def test_a_row_of_its_own_is_the_base_with_a_difference(rows):
    base = '[base]\nrecipe = "kitchen"\nmax_steps = 7\n'
    own = '[[rows]]\nlabel = "slow"\nencoder = "ResNet"\nset = {optimizer.learning_rate = 1e-5}\n'
    [row] = rows(base + ENCODERS + own)
    kitchen = recipe("kitchen")
    slow = kitchen.optimizer.model_copy(update={"learning_rate": 1e-5})
    assert row.config == kitchen.model_copy(update={"max_steps": 7, "optimizer": slow})
    assert row.encoder.name == "ResNet"


def test_words_change_what_the_file_says_and_the_recipe_stays_below_both(rows):
    text = 'sees = ["both"]\n[base]\nrecipe = "clipsum-paper"\nbatch_size = 8\n' + ENCODERS
    row = rows(text, "base.batch_size=4", "base.model.dropout=0.5")[0]
    assert (row.config.batch_size, row.config.model.dropout) == (4, 0.5)
    assert row.config.optimizer == recipe("clipsum-paper").optimizer


def test_the_kitchens_grid_comes_with_the_package():
    found = rows_of(read_grid("kitchen"))
    assert labels(found)[0] == "text"
    assert {"CLIP/global/concat/both", "ResNet/global/concat/both"} <= set(labels(found))
    assert all(row.config.max_steps == recipe("kitchen").max_steps for row in found)


@pytest.mark.parametrize(("text", "said"), [
    (ENCODERS, "the grid has no row"),
    ('sees = ["both"]\nseed = [1]\n' + ENCODERS, r"'seed' is not known.*did you mean 'seeds'\?"),
    ('sees = ["both"]\n[[encoders]]\nnam = "CLIP"\ndata = "x"\n', r"did you mean 'encoders.name'\?"),
    ('sees = ["both"]\n[base]\nmodel = {fusin = "gated"}\n' + ENCODERS, r"did you mean 'base.model.fusion'\?"),
    (ENCODERS + '[[rows]]\nlabel = "a"\nset = {model.fusin = "gated"}\n', "row 'a': .*did you mean 'model.fusion'"),
    (ENCODERS + '[[rows]]\nlabel = "a"\nset = {sees = "both", batch_size = 0}\n', "row 'a': batch_size '0'"),
    (ENCODERS + '[[rows]]\nlabel = "a"\nencoder = "ResNett"\n', "row 'a': encoder .*did you mean 'ResNet'"),
    (ENCODERS + '[[rows]]\nlabel = "a b"\n[[rows]]\nlabel = "a-B"\n', "two rows have the label 'a b', or nearly so"),
    (PRODUCT + ENCODERS + '[[only]]\ntemporal = ["global"]\n', "only.temporal 'global' is not known"),
    ('sees = ["both"]\nseeds = [-1]\n' + ENCODERS, "seeds.0 '-1': "),
    ('sees = ["both"]\nseeds = [1, 1]\n' + ENCODERS, "seeds has the same twice: 1, 1"),
    ('sees = ["both"]\nsplit = "ood"\n[base]\nvalidation_split = "test"\n' + ENCODERS, "by what it is tested on"),
    ('sees = ["both"]\n[base]\nvalidation_split = "train"\n' + ENCODERS, "are both 'train'"),
    ('sees = ["both"]\nsplit = "train"\n' + ENCODERS, "split 'train' is trained on, or chooses the best"),
    ('sees = ["both"]\nreference = "CLIP/botj"\n' + ENCODERS, r"did you mean 'CLIP/both'\?"),
])  # fmt: skip
def test_what_makes_no_grid_is_refused_in_one_line(rows, text, said):
    with pytest.raises(UsageError, match=said) as caught:
        rows(text)
    assert "\n" not in str(caught.value)


def test_a_grid_that_is_not_there_is_refused_with_those_that_are():
    with pytest.raises(UsageError, match=r"did you mean 'kitchen'\?"):
        read_grid("kitchn")
