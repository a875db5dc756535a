from html import escape

import pytest

from clipsum.evaluation import pictured
from clipsum.evaluation.evaluate import evaluate
from clipsum.evaluation.page import render_evaluation
from clipsum.evaluation.record import compose
from clipsum.rows import Thumbnail
from tests.browser import BAD, overflow
from tests.evaluation.test_evaluate import FACTS
from tests.evaluation.toy import case_of
from tests.reports.report_rows import jpeg

SIDEWAYS = """() => {
  const box = document.querySelector('.wide'), label = box.querySelector('tbody th');
  const scrolls = box.scrollWidth > box.clientWidth;
  box.scrollLeft = 1000;
  const stays = Math.abs(label.getBoundingClientRect().left - box.getBoundingClientRect().left) < 3;
  return [scrolls, stays, getComputedStyle(box).backgroundAttachment === 'local, scroll'];
}"""


def page_of(cases):
    results = evaluate(cases, draws=50)
    pictures = {video_id: [Thumbnail(2.0, jpeg(160, 90))] for video_id in pictured.shown_ids(results)}
    return render_evaluation(compose(results, FACTS), pictured.page_cases(results, pictures))


@pytest.fixture(scope="module")
def page():
    cases = [case_of(index) for index in range(4)]
    cases += [case_of(4, "stir the salad."), case_of(0, split="ood"), case_of(1, split="ood")]
    cases += [case_of(0, split="validation")]
    return page_of(cases)


def test_the_page_has_every_split_its_figures_and_their_protocol(page):
    for words in (
        "ood (out of distribution)",
        "ROUGE-1, unstemmed",
        "hidden slots right",
        "stemming on",
        "num_beams 5",
    ):
        assert words in page


def test_the_test_split_leads():
    page = page_of([case_of(0, split="validation"), case_of(1, split="ood", told=""), case_of(2, split="test")])
    assert "<h1>ROUGE-L 100.0 on test</h1>" in page
    assert page.index(">test<small>1 video</small>") < page.index(">ood (out") < page.index(">validation<small>")
    assert "3 videos with a reference: test, ood (out of distribution), validation." in page


def test_best_middle_and_worst_are_shown_with_pictures_and_both_texts(page):
    for title in ("Best", "In the middle", "Worst"):
        assert f">{title}</h2>" in page
    assert page.count("<article") == page.count("data:image/jpeg") == 6
    assert page.count(">Summary<") == page.count(">Reference<") == 6


def test_what_is_not_scored_is_told(page):
    assert "1 without a reference, 2 failed (corrupt)" in page


def test_words_out_of_order_are_marked_and_a_whole_match_is_not():
    page = page_of([case_of(0, "a b c d", reference="c d a b e")])
    assert "a b <i>c</i> <i>d</i>" in page
    assert "<i>" not in page_of([case_of(0)])


def test_words_that_the_video_does_not_support_are_named():
    assert "Neither shown nor said: roller, roller" in page_of([case_of(0, "press it with the roller, roller.")])


def test_hostile_texts_stay_texts():
    page = page_of([case_of(0, BAD, reference=BAD)])
    assert "<script>" not in page
    assert "<img src=x" not in page
    assert escape("<img") in page


def test_the_page_fits_a_phone_loads_nothing_and_its_policy_allows_its_own_style(page, browser, tmp_path):
    path, seen = tmp_path / "report.html", []
    path.write_text(page)
    for width in (320, 390, 1280):
        view = browser.new_page(viewport={"width": width, "height": 800})
        view.on("console", lambda message: seen.append(message.text))
        view.on("request", lambda request: request.url.startswith(("data:", "file:")) or seen.append(request.url))
        view.goto(path.as_uri())
        assert (overflow(view), seen) == (0, []), width
        assert view.evaluate("getComputedStyle(document.querySelector('.case')).display") == "grid"
        assert view.evaluate(SIDEWAYS) == ([True, True, True] if width < 500 else [False, True, True]), width
        view.close()
