"""From cells to the table: over the seeds, against the reference, and in every layout."""

import csv
import io

import pytest

from clipsum.ablation.grid import Encoder
from clipsum.ablation.layout import csv_table, markdown
from clipsum.ablation.page import render_ablation
from clipsum.ablation.rows import Row
from clipsum.ablation.table import Cell, compose, spread
from clipsum.training.config import TrainConfig

CLIP = Encoder(name="CLIP", data="emb")
BOTH, TEXT = (Row(sees, CLIP, TrainConfig(sees=sees)) for sees in ("both", "text"))
BASE = {**TrainConfig().model_dump(mode="json"), "recipe": "clipsum", "validation_split": "validation"}
TUNED = Encoder(name="CLIP", data="emb", finetune={"layers": 2, "frozen_steps": 7})
ENCODERS = [encoder.model_dump(mode="json") for encoder in (CLIP, TUNED)]
FACTS = {"grid": {"base": BASE, "seeds": [0, 1], "encoders": ENCODERS}, "data": {"CLIP": "emb"}}


def estimate(value):
    return {"value": value, "low": value - 1, "high": value + 1}


def result(rouge, split="test", **kitchen):
    figures = {name: estimate(rouge) for name in ("rouge1", "rouge2", "rougeL", "bleu4", "cider")}
    seconds = {stage: {"mean": 0.1, "median": 0.1} for stage in ("decode", "encode", "generate")}
    told = {"videos": 4, "figures": figures, "seconds_per_video": seconds}
    if kitchen:
        told["kitchen"] = {**{name: estimate(value) for name, value in kitchen.items()}, "hidden_slots_chance": 5.0}
    return {
        "status": "ok",
        "splits": {split: told},
        "model": {"temporal_layers": 2, "attention": "local", "fusion": "gated"},
        "training": {"steps": 100, "trained_parameters": 1_250_000},
        "parameters": {"encoder": 151_277_313},
        "machine": "a machine",
        "protocol": {"ROUGE": "rouge-score, stemmed"},
        "generation": {"num_beams": 5, "min_length": None},
    }


def cell(seed, rouge, ids="abcd", **kitchen):
    scores = {name: {"rouge1": rouge, "rouge2": rouge, "rougeL": rouge + place} for place, name in enumerate(ids)}
    return Cell(seed, result(rouge, **kitchen), {"test": scores})


def table(both, text, reference="text"):
    return compose([BOTH, TEXT], {"both": both, "text": text}, ["test"], reference, FACTS)


def test_a_figure_is_the_mean_over_seeds_with_the_sample_deviation():
    found = table([cell(0, 30.0), cell(1, 34.0)], [cell(0, 20.0)])["rows"][0]["splits"]["test"]["figures"]["rougeL"]
    assert found["mean"] == 32.0
    assert found["sd"] == pytest.approx(8**0.5)
    assert found["values"] == [30.0, 34.0]
    assert spread([3.0])["sd"] is None


def test_a_row_is_compared_with_the_reference_on_the_videos_that_both_have():
    rows = table([cell(0, 30.0), cell(1, 32.0)], [cell(0, 20.0, ids="abc")])["rows"]
    found = rows[0]["splits"]["test"]["difference"]
    assert found["videos"] == 3
    assert found["rougeL"] == {"mean": 11.0, "low": 11.0, "high": 11.0, "p": 0.0}
    assert rows[1]["splits"]["test"]["difference"] is None


def test_without_a_reference_or_without_a_common_video_nothing_is_compared():
    alone = table([cell(0, 30.0)], [cell(0, 20.0)], reference=None)
    apart = table([cell(0, 30.0)], [cell(0, 20.0, ids="xyz")])
    assert {row["splits"]["test"]["difference"] for made in (alone, apart) for row in made["rows"]} == {None}
    assert "Δ R-L" not in markdown(alone)


def test_text_alone_needs_no_encoder():
    both, text = table([cell(0, 30.0)], [cell(0, 20.0)])["rows"]
    assert (both["encoder"], both["temporal"], both["fusion"]) == ("CLIP", "local", "gated")
    assert both["parameters"] == {"trained": 1_250_000, "encoder": 151_277_313}
    assert (text["encoder"], text["temporal"], text["parameters"]["encoder"]) == (None, "none", None)


def test_the_markdown_table_states_the_protocol_above_it_and_what_failed_below():
    failed = Cell(1, {"status": "failed", "reason": "the loss is not finite"})
    made = markdown(table([cell(0, 30.0), cell(1, 31.0)], [cell(0, 20.0), failed]))
    head = made.index("| encoder |")
    for word in (
        "seeds 0, 1",
        "recipe clipsum, 100 steps of 32",
        "rouge-score",
        "num_beams 5",
        "a machine",
        "its last 2 blocks",
        "0 for 7",
    ):
        assert 0 <= made.index(word) < head
    assert "| CLIP | frozen | local | gated | text + frames | 30.50 ± 0.71 | 30.50 ± 0.71 |" in made
    assert "| 1.25 M | 151 M | 0.3 | +10.50 [+10.50, +10.50] |" in made
    assert "| – | – | none | – | text | 20.00 | 20.00 | 20.00 |" in made
    assert made.index("- text, seed 1, failed: the loss is not finite") > head


def test_what_the_data_lack_stands_below_the_table():
    facts = {**FACTS, "left_out": {"CLIP": ["2 videos of split 'train' could not be embedded: 2 corrupt"]}}
    made = markdown(compose([BOTH], {"both": [cell(0, 30.0)]}, ["test"], None, facts))
    assert made.index("- CLIP: 2 videos of split 'train' could not be embedded: 2 corrupt") > made.index("| encoder |")


def test_kitchen_figures_are_columns_of_their_own_where_there_are_any():
    kitchen = {"hidden_slots": 90.0, "tau_shuffled": 0.8, "unsupported_words": 0.1}
    made = markdown(table([cell(0, 30.0, **kitchen)], [cell(0, 20.0)]))
    assert "| hidden slots, % | order τ | unsupported words |" in made
    assert "| 90.00 | 0.80 | 0.10 |" in made
    assert "hidden slots" not in markdown(table([cell(0, 30.0)], [cell(0, 20.0)]))


def test_cells_that_are_not_done_are_told():
    made = table([cell(0, 30.0), Cell(1)], [Cell(0), Cell(1)])
    assert "- both: not done yet from seed 1" in markdown(made)
    assert "- text: not done yet from seed 0, 1" in markdown(made)
    assert "1 of 4 trainings" in render_ablation(made)


def test_the_csv_has_a_line_for_each_row_with_figures_in_full():
    lines = list(csv.DictReader(io.StringIO(csv_table(table([cell(0, 30.0), cell(1, 34.0)], [cell(0, 20.0)])))))
    assert [line["label"] for line in lines] == ["both", "text"]
    assert float(lines[0]["rouge1_sd"]) == pytest.approx(8**0.5)
    assert (lines[0]["rougeL_difference_mean"], lines[1]["rougeL_difference_mean"]) == ("12.0", "")
    assert (lines[0]["encoder_parameters"], lines[1]["encoder_parameters"]) == ("151277313", "")


def test_the_page_holds_the_table_marks_the_reference_and_loads_nothing():
    hostile = Row("<script>", CLIP, TrainConfig(), is_explicit=True)
    cells = {"both": [cell(0, 30.0)], "text": [cell(0, 20.0)], "<script>": [cell(0, 25.0)]}
    page = render_ablation(compose([BOTH, TEXT, hostile], cells, ["test"], "text", FACTS))
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    assert page.count('class="reference') == 1
    assert "+10.00<small>+10.00 to +10.00</small>" in page
    assert 'class="sure"' in page
    assert "http" not in page.replace("http-equiv", "")
