"""The report of a training run: what it says, and how it fits, in a real browser."""

import pytest

from clipsum.reports.training_charts import charts_of, history_of
from clipsum.reports.training_page import render_training, samples_of
from tests.browser import BAD, overflow

RUN = {"name": "run", "metric": "rouge2", "total_steps": 40, "videos": {"train": 80}, "wall_s": 61.0, "workers": 2}


def validation(step, rouge2, best, summary="Stir the soup.", video_id="v1"):
    metrics = {"rouge1": 2 * rouge2, "rouge2": rouge2, "rougeL": 1.5 * rouge2, "loss": 3.0}
    sample = {"video_id": video_id, "reference": "Stir two carrots.", "summary": summary}
    return {"kind": "validation", "step": step, "epoch": 0, "metrics": metrics, "best": best, "samples": [sample]}


def step(number):
    return {
        **{"kind": "step", "step": number, "epoch": 0, "loss": 9.0 / number, "tokens": 50, "gradient_norm": 1.0},
        **{"learning_rate": 1e-4, "examples_per_s": 12.0},
    }


def records(validations=3):
    made = [{"kind": "start", "step": 0}]
    for number in range(1, 41):
        made.append(step(number))
        if number == 20:
            made.append({"kind": "start", "step": 20})
        if number % 5 == 0 and number // 5 <= validations:
            made.append(validation(number, float(number), number <= 10, summary=f"Stir at {number}."))
    return made


def test_the_page_says_the_best_score_the_speed_and_that_it_was_started_again():
    page = render_training({**RUN, "ending": "stopped_early"}, records())
    for words in ("ROUGE-2 10.0, at step 10", "40 of 40 steps on 80 videos in 1 min 1 s", "12", "stopped early"):
        assert words in page
    assert "started again from a checkpoint" in page
    assert page.count('class="mark"') == 4


def test_where_a_scorer_learns_the_losses_of_the_heads_and_their_parts_have_charts_of_their_own():
    losses = {"text": 2.0, "video": 1.5, "keyframes": 0.6, "diversity": 0.25, "reconstruction": 9.0}
    both = [{**step(number), "losses": losses} for number in (1, 2)]
    metrics = {"tau": 14.7, "frame_loss": 1.62}
    chosen = {**validation(2, 3.0, True), "metrics": metrics, "samples": []}
    page = render_training({**RUN, "metric": "tau"}, [*both, chosen])
    assert "100 τ of frame scores 14.7, at step 2" in page
    titles = [chart.title for chart in charts_of(history_of([*both, chosen]), 2)]
    assert titles[:4] == [
        "Loss",
        "Loss of summaries",
        "Loss of frame scores",
        "What the loss of frame scores is made of",
    ]
    made_of = charts_of(history_of(both), 2)[3]
    assert [(line.label, line.value) for line in made_of.lines] == [
        ("keyframes", "0.6"),
        ("diversity", "0.25"),
        ("reconstruction", "9"),
    ]
    alone = [{**each, "losses": {name: loss for name, loss in losses.items() if name != "text"}} for each in both]
    assert "Loss of summaries" not in [chart.title for chart in charts_of(history_of(alone), 2)]
    assert [chart.title for chart in charts_of(history_of(records()), 40)][:2] == ["Loss", "ROUGE on validation"]


def test_the_page_says_what_a_stream_lost_over_all_epochs():
    lost = [{"corrupt": 1}, {}, {"corrupt": 2, "timeout": 1}]
    told = [{**validation(place, 5.0, False), "failures": each} for place, each in enumerate(lost)]
    assert "Videos that failed <bdi>3 corrupt, 1 timeout</bdi>" in render_training(RUN, told)
    assert "Videos that failed" not in render_training(RUN, records())


def test_a_run_without_validations_or_steps_has_a_page_too():
    assert "Nothing trained yet" in render_training({}, [])
    assert "2 steps, not validated yet" in render_training({}, [step(1), step(2)])


def test_all_settings_are_folded_and_those_that_differ_from_the_recipe_are_open():
    settings = {"epochs": 3, "batch_size": 16, "seed": 0}
    page = render_training({**RUN, "recipe": "kitchen", "settings": settings, "changed": ["batch_size"]}, records())
    opened, folded = page.split('id="settings"')[1].split("<details>")
    assert "As recipe <code>kitchen</code> has them, but for:" in opened
    assert ("batch_size" in opened, "epochs" in opened) == (True, False)
    assert "All 3 settings" in folded
    assert all(f"<code>{key}</code>" in folded for key in settings)
    unchanged = render_training({**RUN, "recipe": "kitchen", "settings": settings, "changed": []}, [])
    assert "As recipe <code>kitchen</code> has them.</p>" in unchanged


def test_one_of_anything_is_not_told_in_the_plural():
    page = render_training({**RUN, "videos": {"train": 1}, "workers": 1}, [step(1), validation(1, 3.0, True)])
    for words in ("on 1 video ", ">1 validation<", "on 1 worker,"):
        assert words in page


def test_samples_show_the_first_the_best_and_the_last_summary_and_which_words_the_reference_has():
    made = records() + [validation(100 + number, 1.0, False, summary="Stir no carrots!") for number in range(20)]
    [sample] = samples_of(history_of(made))
    labels = [stage.label for stage in sample.stages]
    assert (labels[0], labels[-1], len(labels)) == ("step 5", "step 119", 5)
    assert [stage.label for stage in sample.stages if stage.is_best] == ["step 10"]
    assert sample.stages[-1].words == [("Stir", True), ("no", False), ("carrots!", True)]


@pytest.mark.parametrize("width", [320, 390, 1280])
def test_the_page_loads_nothing_fits_its_width_and_hostile_words_stay_words(browser, tmp_path, width):
    hostile = [*records(), validation(38, 1.0, False, summary=BAD + "x" * 5000, video_id=BAD)]
    (tmp_path / "report.html").write_text(render_training({**RUN, "settings": {BAD: BAD}, "name": BAD}, hostile))
    page = browser.new_page(viewport={"width": width, "height": 800})
    seen = []
    page.on("request", lambda request: seen.append(request.url))
    page.on("console", lambda message: seen.append(message.text))
    page.goto((tmp_path / "report.html").as_uri())
    assert seen == [(tmp_path / "report.html").as_uri()]
    assert overflow(page) == 0
    assert page.locator("script").count() == 0
    assert page.locator(".chart").count() == 4
    for plot in page.locator(".plot svg").all():
        assert plot.bounding_box()["height"] > 100
    page.close()
