"""The documentation in a real browser: all of openapi.json is there, and nothing comes from elsewhere."""

from collections.abc import Callable, Iterator
from pathlib import Path

import httpx2
import pytest
from playwright.sync_api import Browser, Page

from clipsum.serving.app import create_app
from clipsum.serving.jobs import JobStore
from clipsum.serving.keys import KeyRing
from clipsum.serving.sources import Sources
from tests.browser import RATIO, overflow, until
from tests.serving.hostile_app import Nothing, running


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder: Path = tmp_path_factory.mktemp("docs")
    with running(create_app(Nothing(KeyRing(), Sources(), folder, JobStore(str(folder))))) as url:
        yield url


@pytest.fixture
def docs(browser: Browser, url: str) -> Iterator[Callable[..., Page]]:
    """Opens the documentation; afterwards fails where it asked for anything elsewhere or complained."""
    complaints: list[str] = []
    contexts = []

    def opened(**options: object) -> Page:
        contexts.append(browser.new_context(**options))
        page = contexts[-1].new_page()
        page.on(
            "request", lambda each: None if each.url.startswith((f"{url}/", "data:")) else complaints.append(each.url)
        )
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(f"{url}/docs")
        until(page, "!document.getElementById('models').hidden")
        return page

    yield opened
    for context in contexts:
        context.close()
    assert complaints == []


def test_every_route_answer_and_example_is_shown(docs: Callable[..., Page], url: str) -> None:
    page, said = docs(), httpx2.get(f"{url}/openapi.json").json()
    operations = [each for part in ("paths", "webhooks") for verbs in said[part].values() for each in verbs.values()]
    assert page.locator(".operation").count() == page.locator("#routes a").count() == len(operations)
    assert page.locator("details.answer").count() == sum(len(each["responses"]) for each in operations)
    assert page.locator("#models section").count() == len(said["components"]["schemas"])
    assert "ClipSum-Signature" in page.locator("#post-webhook-job, #postwebhook-job").inner_text()
    first = page.locator("#post-v1-summaries")
    assert "file=@pancakes.mp4" in first.inner_text()
    assert f"'{url}/v1/summaries'" in first.inner_text()
    page.locator("#routes a").nth(3).focus()
    page.keyboard.press("Enter")
    until(page, "document.querySelector('.operation:target') !== null")
    first.locator("details summary").first.press("Enter")
    assert "Whisk the batter" in first.locator("details[open] pre").first.inner_text()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_a_telephone_and_its_text_stands_out(docs: Callable[..., Page], scheme: str) -> None:
    page = docs(viewport={"width": 320, "height": 640}, color_scheme=scheme)
    page.evaluate("document.querySelectorAll('details').forEach((fold) => (fold.open = true))")
    assert overflow(page) == 0
    for kind in [".lead", ".verb", ".routes span", "h3", "th", "td", ".status", "caption, .soft"]:
        assert page.locator(kind).first.evaluate(RATIO) >= 4.5, kind


def test_its_policy_is_stricter_than_that_of_the_page(url: str) -> None:
    policy = httpx2.get(f"{url}/docs").headers["content-security-policy"]
    assert "media-src" not in policy
    assert "unsafe" not in policy
    assert "script-src 'self'" in policy
    assert "media-src" in httpx2.get(url).headers["content-security-policy"]
