"""The report in a real browser: what it loads, how it fits, what it does, and what a hostile row can do to it."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page

from clipsum.reports.page import render_report
from tests.browser import BAD, DESK, PHONE, RATIO, overflow
from tests.reports.report_rows import RUN, failed_row, jpeg, ok_row

Open = Callable[..., Page]

HOSTILE: list[dict[str, Any]] = [
    ok_row(0, summary=BAD, warnings=[BAD], video_id=BAD, uri=f"/videos/{BAD}.mp4"),
    ok_row(1, uri="javascript:alert(1)", chapters=[{"start_s": 0, "end_s": 9, "title": BAD}], transcript_source=BAD),
    ok_row(2, uri=f'https://example.org/" onclick="alert(1)" x="{BAD}', evidence=BAD, bundle_id=BAD),
    ok_row(3, summary="\u202e\u2067" + "שלום עולם. " * 20, uri="/videos/\u202egpj.exe\u2066 ערבית.mp4"),
    ok_row(4, summary="x" * 10_000, uri="/videos/" + "y" * 3000 + ".mp4"),
    ok_row(5, queries=[{"query": BAD + "z" * 3000, "matched": False, "frame_scores": None, "highlights": []}] * 2),
    ok_row(6, thumbnails=[{"time_s": 1.0, "jpeg": BAD.encode()}], summary="-->]]>&#60;script&#62;"),
    dict.fromkeys(ok_row()) | {"status": "ok"},
    failed_row(1, "corrupt", detail=BAD, stage=BAD, uri=f"s3://b/{BAD}"),
    failed_row(2, BAD),
]


@pytest.fixture
def complaints() -> list[str]:
    """What pages asked for, wrote to the console or raised, and should not have."""
    return []


@pytest.fixture
def open_page(browser: Browser, tmp_path: Path, complaints: list[str]) -> Iterator[Open]:
    """Opens rows as a report; afterwards fails where the page asked for anything, complained or raised a dialog."""
    seen = complaints
    contexts: list[BrowserContext] = []

    def opened(rows: list[dict[str, Any]], run: dict[str, Any] = RUN, **options: Any) -> Page:
        path = tmp_path / "report.html"
        path.write_text(render_report(run, rows), encoding="utf-8")
        contexts.append(browser.new_context(**{"viewport": DESK, **options}))
        page = contexts[-1].new_page()
        page.on("request", lambda request: None if request.url.startswith("data:") else seen.append(request.url))
        page.on("console", lambda message: seen.append(f"console: {message.text}"))
        page.on("pageerror", lambda error: seen.append(f"error: {error}"))
        page.on("dialog", lambda dialog: (seen.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        page.goto(path.as_uri())
        assert seen == [path.as_uri()]
        seen.clear()
        return page

    yield opened
    for context in contexts:
        context.close()
    assert seen == []


def rows_of_all_kinds() -> list[dict[str, Any]]:
    return [
        ok_row(0, summary="Crêpes: whisk the batter and let it rest."),
        ok_row(1, summary="Chop the onions and fry them.", thumbnails=[{"time_s": 1.0, "jpeg": jpeg(90, 160)}]),
        ok_row(2, summary="", evidence="none", thumbnails=None, warnings=["no words and no pictures"]),
        failed_row(3, "corrupt"),
        failed_row(4, "timeout"),
    ]


@pytest.mark.parametrize("viewport", [PHONE, DESK, {"width": 320, "height": 600}])
@pytest.mark.parametrize("rows", [rows_of_all_kinds(), HOSTILE, []], ids=["usual", "hostile", "empty"])
def test_the_page_fits_its_width(open_page: Open, viewport: dict[str, int], rows: list[dict[str, Any]]) -> None:
    page = open_page(rows, viewport=viewport)
    page.evaluate("document.querySelectorAll('details').forEach((fold) => (fold.open = true))")
    assert overflow(page) == 0


def test_pictures_of_highlights_stand_in_line_with_the_others(open_page: Open) -> None:
    page = open_page([ok_row(0, highlights=[{"start_s": 10.0, "end_s": 20.0, "score": 0.9}])])
    tops = page.evaluate("[...document.querySelectorAll('.strip img')].map(i => i.getBoundingClientRect().top)")
    assert len(tops) == 3
    assert len(set(tops)) == 1


def test_all_pictures_are_decoded_and_keep_their_proportions(open_page: Open) -> None:
    page = open_page(rows_of_all_kinds())
    assert page.locator("img").count() == 4
    for image in page.locator("img").all():
        image.evaluate("(image) => image.decode()")
        natural, shown = image.evaluate("(i) => [i.naturalWidth / i.naturalHeight, i.clientWidth / i.clientHeight]")
        assert shown == pytest.approx(natural, rel=0.03)


def test_the_filter_finds_by_words_without_regard_to_case_or_accents(open_page: Open) -> None:
    page = open_page(rows_of_all_kinds())
    page.keyboard.press("/")
    page.keyboard.type("CREPES batter")
    assert page.locator(".entry:visible").count() == 1
    assert page.locator("#status").inner_text() == "1 of 3 videos match"
    page.locator("#filter").fill("no such words")
    assert page.locator(".entry:visible").count() == 0
    page.keyboard.press("Escape")
    assert page.locator(".entry:visible").count() == 3
    assert page.locator("#filter").input_value() == ""


def test_without_scripts_everything_is_there_but_the_filter(open_page: Open) -> None:
    page = open_page(rows_of_all_kinds(), java_script_enabled=False)
    assert page.locator(".entry:visible").count() == 3
    assert page.locator("#filter:visible").count() == 0
    assert page.locator("#failures .group:visible").count() == 2


def test_the_keyboard_reaches_the_videos_and_opens_what_is_folded(open_page: Open) -> None:
    page = open_page(rows_of_all_kinds())
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    assert page.locator(".skip").bounding_box()["width"] > 50  # type: ignore[index]
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "videos"
    page.locator(".facts summary").first.focus()
    page.keyboard.press("Enter")
    assert page.locator(".facts[open]").count() == 1
    assert page.locator(".facts[open]").get_by_text("0000000000000000", exact=True).is_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_all_kinds_of_text_stand_out_in_both_colour_schemes(open_page: Open, scheme: str) -> None:
    page = open_page(rows_of_all_kinds(), color_scheme=scheme)
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    kinds = [".lead", "h1", ".eyebrow b", ".legend li", ".text", ".text.none", ".warning", ".badge", ".time", ".ends"]
    for kind in [*kinds, ".note", ".facts summary", ".group code", ".group p", "footer dd"]:
        assert page.locator(kind).first.evaluate(RATIO) >= 4.5, f"{kind} on {background}"
    red = int(background.removeprefix("rgb(").split(",")[0])
    assert (red > 200) == (scheme == "light")


def test_hostile_text_stays_text(open_page: Open) -> None:
    page = open_page(HOSTILE, {**RUN, "run_id": BAD, "bundle_id": BAD, "cost": {BAD: 1.0}})
    assert page.evaluate("window.pwned") is None
    assert page.locator("script").count() == 1
    assert page.locator("style").count() == 1
    attributes = page.evaluate("[...document.querySelectorAll('*')].flatMap((e) => e.getAttributeNames())")
    assert [name for name in attributes if name.startswith("on") or name == "style"] == []
    links = page.evaluate("[...document.links].map((link) => new URL(link.href).protocol)")
    assert set(links) <= {"file:", "https:"}
    assert BAD in page.locator(".text").all_text_contents()
    assert page.locator(".entry").count() == 8


def test_the_pages_policy_stops_a_script_that_got_in_all_the_same(open_page: Open, complaints: list[str]) -> None:
    page = open_page(rows_of_all_kinds())
    page.evaluate(
        """() => {
          document.addEventListener("securitypolicyviolation", (event) => (window.stopped = event.effectiveDirective));
          const script = document.createElement("script");
          script.textContent = "window.pwned = 1";
          document.body.append(script);
        }"""
    )
    page.wait_for_function("window.stopped")
    assert page.evaluate("[window.stopped, window.pwned]") == ["script-src-elem", None]
    [complaint] = complaints
    assert "Content Security Policy" in complaint
    complaints.clear()


def test_right_to_left_text_runs_right_to_left_and_its_name_does_not_turn_the_page(open_page: Open) -> None:
    page = open_page([ok_row(0), HOSTILE[3]])
    assert page.locator(".text").nth(0).evaluate("(e) => getComputedStyle(e).direction") == "ltr"
    hebrew = page.locator(".entry", has_text="שלום")
    assert hebrew.locator(".text").evaluate("(e) => getComputedStyle(e).direction") == "rtl"
    assert hebrew.locator(".duration").inner_text() == "1:00"


def test_on_paper_folded_text_is_open_and_the_controls_are_gone(open_page: Open) -> None:
    page = open_page([*rows_of_all_kinds(), ok_row(9, summary="word " * 500)])
    page.pdf()  # asks the page to prepare for printing
    page.emulate_media(media="print")
    assert page.locator(".rest[open]").count() == 1
    assert page.locator("nav:visible, footer:visible").count() == 0
    assert page.locator(".entry:visible").count() == 4
