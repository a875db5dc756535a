"""The page in a real browser on the real service: from a file to the moment that is played."""

from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.browser import DESK, until
from tests.ray_jobs.serving.asking import Asking

DONE = "#facts-part:not([hidden])"


@pytest.fixture(params=["kitchen", "pancake"])
def film(request: pytest.FixtureRequest) -> Path:
    if request.param == "kitchen":
        return min(request.getfixturevalue("kitchen").glob("*.mp4"))
    return request.getfixturevalue("shared_dir") / "videos" / "flipping_a_pancake.mkv"


def test_a_file_becomes_summary_curve_and_chapters_and_a_click_plays_the_highlight(
    service: Asking,
    browser: Browser,
    film: Path,
) -> None:
    context = browser.new_context(viewport=DESK)
    page = context.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(service.url)
    page.set_input_files("#file", film)
    page.fill("#query", "when is it flipped?")
    page.click("#more summary")
    page.fill("#key", service.keys["user"])
    page.click("#start")
    page.wait_for_selector(DONE, timeout=60_000)
    row = service.upload(film, query="when is it flipped?").json()
    assert page.locator("#summary").inner_text() == " ".join(row["summary"].split())
    assert page.locator("#scores .line").get_attribute("d").count("L") == len(row["frame_times_s"]) - 1  # type: ignore[union-attr]
    assert page.locator("#chapters li").count() == len(row["chapters"]) >= 1
    assert page.locator(".query q").all_inner_texts() == ["when is it flipped?"]
    assert page.locator("#highlights .moment").count() == len(row["highlights"]) >= 1
    last = row["highlights"][-1]
    page.locator("#highlights .moment").last.click()
    until(page, f"!video.seeking && video.currentTime >= {last['start_s'] - 0.001} && !video.error")
    page.evaluate("video.pause()")
    assert page.evaluate("video.currentTime") <= last["start_s"] + 5
    assert page.locator("video").evaluate("(v) => v.videoWidth") > 0
    context.close()
    assert complaints == []
