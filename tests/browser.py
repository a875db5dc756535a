"""A real browser for the pages that we make."""

import shutil
import time
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
ARGUMENTS = ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--mute-audio"]
PHONE, DESK = {"width": 390, "height": 844}, {"width": 1280, "height": 900}
DEADLINE_S = 10.0
BAD = "\"'><img src=x onerror=dialog(1)></script></style><script>window.pwned=1;alert(1)</script>{{7*7}}<!--"
"""Text that a page must show as it is."""
RATIO = """(element) => {
  const channels = (colour) => colour.match(/[\\d.]+/g).slice(0, 3).map((value) => {
    const part = value / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  });
  const light = (colour) => channels(colour).reduce((sum, part, i) => sum + part * [0.2126, 0.7152, 0.0722][i], 0);
  const pair = [getComputedStyle(element).color, getComputedStyle(document.body).backgroundColor].map(light);
  return (Math.max(...pair) + 0.05) / (Math.min(...pair) + 0.05);
}"""
"""The contrast of an element's text."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A browser for one module: while it is open its loop runs in this thread, where others would open theirs."""
    if CHROMIUM is None:
        pytest.skip("needs a browser: install Debian's chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


def overflow(page: Page) -> int:
    """By how many pixels a page is wider than its window."""
    wide: int = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    return wide


def until(page: Page, condition: str) -> None:
    """Wait until a JavaScript expression holds. Playwright's own wait is an eval, which the page's policy stops."""
    deadline = time.monotonic() + DEADLINE_S
    while not page.evaluate(condition):
        assert time.monotonic() < deadline, f"never came: {condition}"
        page.wait_for_timeout(20)
