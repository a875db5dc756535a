from dataclasses import replace

import pytest

from clipsum.datasets.kitchen.language import summary
from clipsum.datasets.kitchen.recipe import make_video
from clipsum.datasets.kitchen.vocabulary import VALUES
from clipsum.training.quality_figures import figures, score
from clipsum.training.quality_table import markdown

LONG = ("long", "long_ood")
PARTS = {name: [make_video(name, index, 0) for index in range(30)] for name in ("validation", "test", "ood", *LONG)}
SOUGHT = [f"{split}.{seek}" for split in LONG for seek in ("keyframe", "exact")]
PARTS |= {name: PARTS[name.partition(".")[0]] for name in SOUGHT}


def other(step):
    """The step with wrong values in its hidden slots."""
    wrong = {slot: next(v for v in VALUES[slot] if v != step.value(slot)) for slot in step.hidden}
    return replace(step, **wrong)


def right(video):
    return summary(video.steps)


def blind(video):
    """What text alone can give: the order of the narration, wrong hidden values."""
    return summary(other(video.steps[number]) for number in video.spoken_order)


def unordered(video):
    return summary(video.steps[number] for number in video.spoken_order)


def told(part, write):
    return {video.video_id: write(video) for video in PARTS[part]}


def row(condition, seed, **texts):
    recipe = {"training": {"max_steps": 7, "batch_size": 2}}
    fixed = {"cpu_s": 30.0, "parameters": 5, "fingerprint": "f", "recipe": recipe}
    return {"condition": condition, "seed": seed, "texts": texts, **fixed}


def runs(seed):
    splits = ("validation", "test", "ood")
    every = {
        name: {split: told(split, write) for split in splits}
        for name, write in (("text", blind), ("frames", unordered), ("no-temporal", unordered), ("oracle", right))
    }
    both = {part: told(part, right) for part in (*splits, *LONG, *SOUGHT)}
    both |= {f"{split}|mismatched": told(split, blind) for split in ("test", "ood")}
    both |= {f"test|{view}": told("test", blind) for view in ("text", "frames")}
    return [row(name, seed, **texts) for name, texts in (*every.items(), ("both", both))]


@pytest.fixture(scope="module")
def found():
    return figures([*runs(0), *runs(1)], PARTS)


def test_perfect_summaries_meet_every_target(found):
    assert [line["met"] for line in found["targets"]] == [True] * len(found["targets"])
    by_name = {line["target"]: line for line in found["targets"]}
    assert by_name["Q1 hidden slots right, %"]["test"] == 100
    assert by_name["Q1 share of the ROUGE-L gap from text only to oracle, %"]["test"] == pytest.approx(100)
    assert by_name["Q1 ROUGE-L over text only, given another video's frames"]["test"]["mean"] == 0
    assert by_name["Q2 Kendall tau, shuffled narration"]["ood"] == 1
    assert by_name["Q3 seek keyframe against exact on long GOPs, ROUGE-L"]["test"]["mean"] == 0
    assert by_name["Q3 seek keyframe against exact on long GOPs, ROUGE-L"]["ood"]["mean"] == 0


def test_summaries_of_text_alone_miss_the_targets_that_ask_for_frames():
    rows = [dict(entry) for entry in runs(0)]
    both = next(entry for entry in rows if entry["condition"] == "both")
    both["texts"] = {**both["texts"], "test": told("test", blind)}
    lines = figures(rows, PARTS)["targets"]
    missed = [line["target"].split(",")[0] for line in lines if not line["met"]]
    assert missed == [
        "Q1 hidden slots right",
        "Q1 share of the ROUGE-L gap from text only to oracle",
        "Q1 the same where the narration is in order",
        "Q1 ROUGE-L over frames only",
        "Q2 Kendall tau",
        "Q2 ROUGE-L over no temporal encoder",
    ]


def test_figures_are_means_over_seeds_with_their_spread():
    videos = PARTS["test"]
    scores = score(videos, [told("test", right), told("test", blind)])
    hidden = scores.row()["hidden"]
    assert hidden["mean"] == 50
    assert hidden["sd"] == pytest.approx(70.71, abs=0.01)
    counted = {slot: int(asked.sum()) for slot, asked in scores.asked.items()}
    truth = [slot for video in videos for step in video.steps for slot in step.hidden]
    assert counted == {slot: truth.count(slot) for slot in VALUES}


def test_order_is_scored_on_videos_with_shuffled_narration_only():
    scores = score(PARTS["test"], [told("test", unordered)])
    assert (scores.tau[0, ~scores.shuffled] == 1).all()
    assert scores.row()["tau_shuffled"]["mean"] == pytest.approx(scores.tau[0, scores.shuffled].mean())
    assert scores.row()["tau_shuffled"]["mean"] < 0.6


def test_chance_of_each_slot_and_the_protocol_stand_in_the_table(found):
    table = markdown(found)
    assert "action (chance 12.5) | ingredient (chance 4.2) | tool (chance 10.0)" in table
    assert "rouge-score 0.1.2" in table
    assert "2 training seeds" in table
    assert "| Q1 hidden slots right, % | >= 80 | 100.0 | 100.0 | yes |" in table
    widths = {line.count("|") for line in table.splitlines() if line.startswith("| text")}
    assert widths == {9}
