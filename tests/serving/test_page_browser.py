"""The page in a real browser: what is asked, what is shown as it comes, where a click leads, what can go wrong."""

import threading
from pathlib import Path

import pytest
from playwright.sync_api import Page

from clipsum.serving.refusals import RefusedError
from tests.browser import BAD, DESK, PHONE, RATIO, overflow, until
from tests.reports.report_rows import jpeg
from tests.serving.conftest import Open
from tests.serving.stand_in import StandIn, row_of, whole

DONE = "#facts-part:not([hidden])"
QUERIES = [
    {
        "query": "when do they fry?",
        "matched": True,
        "frame_scores": [0.1, 0.9] * 10,
        "highlights": [{"start_s": 14.0, "end_s": 16.0, "score": 0.9}],
    },
    {"query": "is there a cat?", "matched": False, "frame_scores": [0.001, 0.005] * 10, "highlights": []},
]
ROW = row_of(
    duration_s=20.0,
    frame_times_s=[0.5 + i for i in range(20)],
    frame_scores=[i / 20 for i in range(20)],
    highlights=[{"start_s": 6.0, "end_s": 9.0, "score": 0.9}],
    chapters=[{"start_s": 0.0, "end_s": 12.0, "title": "Chop"}, {"start_s": 12.0, "end_s": 20.0, "title": "Fry"}],
    thumbnails=[{"time_s": t, "jpeg": jpeg()} for t in (2.0, 7.5, 18.0)],
    queries=QUERIES,
)


def ask(page: Page, video: Path | None = None, uri: str = "", query: str = "") -> None:
    if video:
        page.set_input_files("#file", video)
    else:
        page.fill("#uri", uri)
    page.fill("#query", query)
    page.click("#start")


def until_at(page: Page, seconds: float) -> None:
    """Wait until the player stands at a time, or has played a little on from there."""
    until(page, f"!video.seeking && video.currentTime >= {seconds} && video.currentTime < {seconds + 4}")


def test_a_file_and_a_question_give_the_player_the_summary_the_curve_and_the_chapters(
    open_page: Open, stand_in: StandIn, video: Path
) -> None:
    stand_in.answers = [ROW]
    page = open_page()
    ask(page, video, query="when do they fry?")
    page.wait_for_selector(DONE)
    assert stand_in.asked[0].fields == {"query": "when do they fry?"}
    assert stand_in.asked[0].file == ("grey.mp4", video.read_bytes())
    assert page.locator("#summary").inner_text() == ROW.summary
    assert page.locator("#scores .line").get_attribute("d").count("L") == 19  # type: ignore[union-attr]
    assert page.locator("#scores .mark").count() == 1
    assert page.locator("#chapters").inner_text().split("\n") == ["0:00", "Chop", "0:12", "Fry"]
    assert page.locator(".query q").all_inner_texts() == [query["query"] for query in QUERIES]
    assert page.locator(".query .badge").all_inner_texts() == ["not found here"]
    answered, not_found = (
        page.locator(".query .line").nth(n).evaluate("(line) => line.getBBox().height") for n in (0, 1)
    )
    assert not_found < 0.01 * answered  # what is nowhere draws no hills
    assert page.locator("video").evaluate("(v) => v.videoWidth") == 64
    assert page.evaluate("document.activeElement.id") == "result"


@pytest.mark.parametrize("size", [DESK, PHONE])
def test_a_click_on_a_highlight_a_chapter_or_an_answer_leads_the_player_there_in_sight(
    open_page: Open, stand_in: StandIn, video: Path, size: dict[str, int]
) -> None:
    stand_in.answers = [ROW]
    page = open_page(viewport=size)
    ask(page, video)
    page.wait_for_selector(DONE)
    places = {"#highlights .moment": 6, "#chapters li:nth-child(2) .chapter": 12, ".query .moment": 14}
    for part, seconds in places.items():
        page.locator(part).first.click()
        until_at(page, seconds)
        head = page.locator("#scores .head").evaluate("(e) => parseFloat(e.style.left)")
        assert 5 * seconds - 1 <= head <= 5 * (seconds + 5)
        seen = page.locator("video").bounding_box()
        assert seen
        assert 0 <= seen["y"] <= size["height"] - seen["height"]


def test_the_curve_is_a_slider_for_the_pointer_and_for_the_keyboard(
    open_page: Open, stand_in: StandIn, video: Path
) -> None:
    stand_in.answers = [ROW]
    page = open_page()
    ask(page, video)
    page.wait_for_selector(DONE)
    box = page.locator("#scores").bounding_box()
    assert box
    page.locator("#scores").click(position={"x": box["width"] / 2, "y": 20})  # waits until the page stands still
    until_at(page, 10)
    page.evaluate("video.pause()")
    page.locator("#scores").focus()
    page.keyboard.press("Home")
    page.keyboard.press("ArrowRight")
    until_at(page, 5)
    page.keyboard.press("Space")
    until(page, "!video.paused && video.currentTime > 5")
    page.keyboard.press("Enter")
    assert page.evaluate("video.paused")
    page.keyboard.press("Home")
    page.keyboard.press("ArrowRight")
    until_at(page, 5)
    slider = page.locator("#scores").evaluate("(e) => [e.role, e.ariaValueNow, e.ariaValueMax, e.ariaValueText]")
    assert slider == ["slider", "5", "20", "0:05 of 0:20"]


def test_the_summary_is_shown_while_it_is_written(open_page: Open, stand_in: StandIn, video: Path) -> None:
    begun, ended = threading.Event(), threading.Event()
    first = [("stage", {"stage": "decoded"}), ("text", {"text": "Chop the"})]
    stand_in.answers = [[begun, *first, ended, *whole(ROW)[-1:]]]
    page = open_page()
    ask(page, video)
    page.wait_for_selector("#work:not([hidden])")
    assert "Sending" in page.locator("#status").inner_text()
    begun.set()
    until(page, "summary.textContent === 'Chop the'")
    assert "decoded" in page.locator("#status").inner_text()
    assert page.locator(".steps .done").count() == 2
    assert page.locator("#summary").get_attribute("aria-busy") == "true"
    ended.set()
    page.wait_for_selector(DONE)
    assert page.locator("#summary").inner_text() == ROW.summary
    assert page.locator("#summary").get_attribute("aria-busy") == "false"
    assert page.locator("#work:visible").count() == 0


def test_cancel_ends_the_request_and_leaves_the_form_as_it_was(open_page: Open, stand_in: StandIn, video: Path) -> None:
    stand_in.answers = [[("stage", {"stage": "queued"}), threading.Event()]]
    page = open_page()
    ask(page, video, query="what?")
    page.wait_for_selector(".steps .done")
    assert page.evaluate("document.activeElement.id") == "cancel"  # the button that was pressed may not be now
    page.keyboard.press("Enter")
    assert stand_in.left.wait(10)
    assert page.locator("#result:visible, #steps:visible, #error:visible").count() == 0
    assert page.locator("#status").inner_text() == "Cancelled."
    assert page.evaluate("document.activeElement.id") == "start"
    assert page.locator("#start").is_enabled()
    assert (page.locator("#name").inner_text(), page.locator("#query").input_value()) == ("grey.mp4", "what?")


def test_where_a_key_is_needed_the_page_asks_for_it_and_sends_it(
    open_page: Open, stand_in: StandIn, complaints: list[str]
) -> None:
    stand_in.answers = [RefusedError(401, "unauthorized", "bring a key that is known here"), ROW]
    page = open_page()
    ask(page, uri="s3://videos/a.mp4")
    page.wait_for_selector("#error:not([hidden])")
    assert page.locator("#error-title").inner_text() == "A key is needed"
    assert page.evaluate("document.activeElement.id") == "key"
    page.keyboard.type("cs_secret")
    page.keyboard.press("Enter")
    page.wait_for_selector(DONE)
    assert page.locator("#error:visible").count() == 0
    assert [asked.headers.get("authorization") for asked in stand_in.asked] == [None, "Bearer cs_secret"]
    assert stand_in.asked[1].fields == {"uri": "s3://videos/a.mp4"}
    assert "cs_secret" not in page.evaluate("JSON.stringify([localStorage, sessionStorage, document.cookie, location])")
    assert [each for each in complaints if "401" in each] == complaints  # the browser's own line of a failed request
    complaints.clear()


def test_a_key_that_can_be_none_is_told_and_not_sent(open_page: Open, stand_in: StandIn) -> None:
    page = open_page()
    page.click("#more summary")
    page.fill("#key", "cs_geheimÄ")
    ask(page, uri="s3://videos/a.mp4")
    page.wait_for_selector("#error:not([hidden])")
    assert page.locator("#error-title").inner_text() == "A key is needed"
    assert page.evaluate("document.activeElement.id") == "key"
    assert stand_in.asked == []


def test_a_refusal_is_told_with_its_reason_and_when_to_come_again(
    open_page: Open, stand_in: StandIn, complaints: list[str]
) -> None:
    stand_in.answers = [RefusedError(503, "overloaded", "too many requests at once", 6.2)]
    page = open_page()
    ask(page, uri="s3://videos/a.mp4")
    page.wait_for_selector("#error:not([hidden])")
    told = page.locator("#error").inner_text().split("\n")
    told = [line for line in told if line]
    assert told == ["Too much to do just now", "Too many requests at once.", "overloaded Ask again in 7 s."]
    assert page.locator("#error").get_attribute("role") == "alert"
    assert page.locator("#result:visible").count() == 0
    complaints.clear()


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ([("stage", {"stage": "queued"}), ("error", {"error": {"reason": "corrupt", "detail": "damaged"}})], "corrupt"),
        ([("stage", {"stage": "queued"})], "connection_lost"),
        ([("row", row_of(status="failed", reason="corrupt", detail="damaged").model_dump(mode="json"))], "corrupt"),
    ],
)
def test_an_error_in_the_stream_and_an_end_before_the_row_are_told(
    open_page: Open, stand_in: StandIn, said: list, reason: str
) -> None:
    stand_in.answers = [said]
    page = open_page()
    ask(page, uri="s3://videos/a.mp4")
    page.wait_for_selector("#error:not([hidden])")
    assert page.locator("#error-reason").inner_text() == reason


def test_nothing_is_sent_without_a_video(open_page: Open, stand_in: StandIn) -> None:
    page = open_page()
    page.click("#start")
    told = [line for line in page.locator("#error").inner_text().split("\n") if line]
    assert told == ["Which video?", "Choose a video, drop one on this page, or give its address."]
    assert page.evaluate("document.activeElement.id") == "file"
    assert stand_in.asked == []


@pytest.mark.parametrize("kind", ["file", "s3"])
def test_what_the_browser_cannot_play_is_shown_as_frames_with_the_reason(
    open_page: Open, stand_in: StandIn, tmp_path: Path, kind: str
) -> None:
    stand_in.answers = [ROW]
    page = open_page()
    odd = tmp_path / "odd.mkv"
    odd.write_bytes(b"no video that a browser knows")
    ask(page, odd if kind == "file" else None, uri="" if kind == "file" else "s3://videos/a.mkv")
    page.wait_for_selector(DONE)
    page.wait_for_selector("#strip .frame")
    assert "frames of" in page.locator("#unplayable").inner_text()
    assert page.locator("video:visible").count() == 0
    page.locator("#highlights .moment").click()
    assert page.locator("[aria-current] .when").all_inner_texts() == ["0:07"]
    page.locator("#chapters .chapter").nth(1).focus()
    page.keyboard.press("Enter")
    assert page.locator("[aria-current] .when").all_inner_texts() == ["0:07"]  # 7.5 s is nearer to 12 s than 18 s
    page.locator(".frame").last.click()
    assert page.locator("#scores").get_attribute("aria-valuetext") == "0:18 of 0:20"


def test_an_open_address_is_played_from_where_it_is(
    open_page: Open, stand_in: StandIn, video: Path, complaints: list[str]
) -> None:
    stand_in.answers = [ROW]
    address = "https://videos.example/kitchen/grey.mp4?size=1"
    page = open_page()
    page.route("https://videos.example/**", lambda route: route.fulfill(path=video, content_type="video/mp4"))
    ask(page, uri=address)
    page.wait_for_selector(DONE)
    until(page, "video.videoWidth === 64")
    assert page.locator("#title").inner_text() == "grey.mp4"
    assert set(complaints) == {address}  # the one thing that may come from elsewhere, as its user said so
    complaints.clear()


def test_further_questions_are_asked_of_the_same_video(open_page: Open, stand_in: StandIn, video: Path) -> None:
    later = row_of(queries=[{**QUERIES[0], "query": "and then?"}])
    stand_in.answers = [row_of(queries=[]), later]
    page = open_page()
    ask(page, video)
    page.wait_for_selector(DONE)
    page.fill("#another", "and then?")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_selector(".query")
    assert page.locator(".query q").all_inner_texts() == ["and then?"]
    assert [asked.fields for asked in stand_in.asked] == [{}, {"query": "and then?"}]
    assert stand_in.asked[1].file == stand_in.asked[0].file
    assert page.locator("#another").input_value() == ""
    assert page.evaluate("document.activeElement.id") == "another"


def test_a_video_dropped_anywhere_is_chosen_and_can_be_removed(open_page: Open, stand_in: StandIn) -> None:
    page = open_page()
    drop = """() => {
      const dataTransfer = new DataTransfer();
      dataTransfer.items.add(new File(["x".repeat(1234)], "dropped.mp4"));
      for (const kind of ["dragover", "drop"]) document.body.dispatchEvent(
        new DragEvent(kind, { dataTransfer, bubbles: true, cancelable: true }));
    }"""
    page.evaluate(drop)
    assert page.locator("#chosen bdi, #size").all_inner_texts() == ["dropped.mp4", "1.23 kB"]
    assert page.locator("#uri").is_disabled()
    page.click("#forget")
    assert page.locator("#chosen:visible").count() == 0
    ask(page, uri="s3://videos/a.mp4")
    page.wait_for_selector(DONE)
    assert (stand_in.asked[0].file, stand_in.asked[0].fields) == (None, {"uri": "s3://videos/a.mp4"})


def test_the_keyboard_alone_does_it_all_in_the_order_of_the_page(open_page: Open, stand_in: StandIn) -> None:
    stand_in.answers = [ROW]
    page = open_page()
    seen = []
    for _ in range(5):
        page.keyboard.press("Tab")
        seen.append(page.evaluate("document.activeElement.id || document.activeElement.tagName"))
    assert seen == ["file", "uri", "query", "SUMMARY", "start"]
    page.keyboard.press("Shift+Tab")
    ring = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert ring == "solid"
    page.locator("#uri").focus()
    page.keyboard.type("s3://videos/a.mp4")
    page.keyboard.press("Enter")
    page.wait_for_selector(DONE)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "frame"


def test_every_field_and_every_button_has_a_name(open_page: Open, stand_in: StandIn, video: Path) -> None:
    stand_in.answers = [ROW]
    page = open_page()
    ask(page, video)
    page.wait_for_selector(DONE)
    unnamed = """() => [...document.querySelectorAll("input, textarea, button, [role]")]
      .filter((e) => !["status", "alert"].includes(e.role))
      .filter((e) => !(e.labels?.length || e.ariaLabel || e.textContent.trim()))
      .map((e) => e.outerHTML)"""
    assert page.evaluate(unnamed) == []
    assert page.evaluate("document.documentElement.lang") == "en"


@pytest.mark.parametrize("width", [320, 390, 1280])
def test_the_page_fits_its_width_and_hostile_text_stays_text(open_page: Open, stand_in: StandIn, width: int) -> None:
    hostile = row_of(
        summary=BAD,
        warnings=[BAD, "y" * 500],
        chapters=[{"start_s": 0, "end_s": 9, "title": BAD + "z" * 300}],
        queries=[{**QUERIES[0], "query": BAD + "q" * 300}],
        transcript_source=BAD,
        bundle_id="b" * 300,
    )
    stand_in.answers = [hostile]
    page = open_page(viewport={"width": width, "height": 640})
    assert overflow(page) == 0
    ask(page, uri="s3://videos/" + "n" * 300 + BAD)
    page.wait_for_selector(DONE)
    page.evaluate("document.querySelectorAll('details').forEach((fold) => (fold.open = true))")
    assert overflow(page) == 0
    assert page.evaluate("[window.pwned, document.scripts.length]") == [None, 1]
    assert page.locator("#summary").text_content() == BAD
    small = page.evaluate(
        "[...document.querySelectorAll('button, input')].filter((e) => e.checkVisibility())"
        ".filter((e) => e.offsetHeight < 32).length"
    )
    assert small == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_all_kinds_of_text_stand_out_in_both_colour_schemes(open_page: Open, stand_in: StandIn, scheme: str) -> None:
    stand_in.answers = [ROW]
    page = open_page(color_scheme=scheme)
    ask(page, uri="s3://videos/a.mp4")
    page.wait_for_selector(DONE)
    red = int(page.evaluate("getComputedStyle(document.body).backgroundColor").removeprefix("rgb(").split(",")[0])
    assert (red > 200) == (scheme == "light")
    for kind in ["h1", ".lead", ".eyebrow b", "label", ".soft", ".more summary", ".text", ".badge", ".note", ".ends"]:
        assert page.locator(kind).first.evaluate(RATIO) >= 4.5, kind
    for kind in [".moment .time", ".chapter .time", ".query q", "h3", ".facts summary", "footer p"]:
        assert page.locator(kind).first.evaluate(RATIO) >= 4.5, kind


def test_the_pages_policy_stops_a_script_and_a_request_that_got_in_all_the_same(
    open_page: Open, complaints: list[str]
) -> None:
    page = open_page()
    page.evaluate(
        """() => {
          window.stopped = [];
          document.addEventListener("securitypolicyviolation", (event) => stopped.push(event.effectiveDirective));
          const script = document.createElement("script");
          script.textContent = "window.pwned = 1";
          document.body.append(script);
          fetch("https://elsewhere.example/").catch(() => {});
        }"""
    )
    until(page, "stopped.length === 2")
    assert page.evaluate("[stopped.sort(), window.pwned]") == [["connect-src", "script-src-elem"], None]
    complaints.clear()


def test_events_are_read_whole_however_the_stream_is_cut(open_page: Open) -> None:
    page = open_page()
    read = """async (text) => {
      const { events } = await import("/page/stream.js");
      const bytes = new TextEncoder().encode(text);
      const start = (to) => { bytes.forEach((byte) => to.enqueue(Uint8Array.of(byte))); to.close(); };
      const stream = new ReadableStream({ start });
      const found = [];
      for await (const { name, data } of events(stream)) found.push([name, data]);
      return found;
    }"""
    text = (
        ': hello\r\n\r\nevent: text\r\ndata: {"text":\r\ndata: "crêpe 🥞"}\r\n\r\nevent:row\ndata:[1]\n\ndata: cut off'
    )
    assert page.evaluate(read, text) == [["text", {"text": "crêpe 🥞"}], ["row", [1]]]
