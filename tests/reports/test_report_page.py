import random
import re
from collections.abc import Iterator
from typing import Any

import pytest

from clipsum.errors import REASONS
from clipsum.reports.card import MAX_TEXT, MAX_THUMBNAILS, fold, make_card
from clipsum.reports.digest import MAX_CARDS, MAX_FAILURES, MEANING, digest, drawn
from clipsum.reports.page import render_report
from tests.reports.report_rows import RUN, failed_row, jpeg, ok_row


def text_of(page: str) -> str:
    """The words of a page, tags and inline parts left out."""
    body = re.sub(r"<(style|script)>.*?</\1>", "", page, flags=re.DOTALL)
    return " ".join(re.sub(r"<[^>]*>", " ", body).split())


def test_the_header_tells_what_the_run_did_with_units() -> None:
    page = text_of(
        render_report(RUN, [*(ok_row(i) for i in range(3)), failed_row(1, "corrupt"), failed_row(2, "timeout")])
    )
    assert "3 of 6 videos summarised" in page
    assert "30 min of video in 1 min 30 s, 20 times as fast as real time, reading 5.2 % of the bytes." in page
    assert "3 summarised 2 failed 1 pending" in page
    assert "1 min 40 s 30 s decode 20 s encode 50 s generate" in page
    assert "5.2 MB 5.2 % of 100 MB" in page
    assert "Machines held 0.05 core-hours 0.1 core-hours per video-hour" in page


def test_bytes_that_were_read_again_do_not_look_like_a_defect() -> None:
    page = text_of(render_report({**RUN, "bytes_read": 108_000_000}, [ok_row(0, bytes_read=1080, size_bytes=1000)]))
    assert "reading all of the bytes." in page
    assert "all of 100 MB parts more than once" in page
    assert "1.08 kB of 1 kB (all, parts more than once)" in page
    assert "108 %" not in page


def test_a_label_has_the_shade_of_its_piece_also_where_a_part_is_left_out() -> None:
    page = render_report({"counts": {"listed": 4}}, [ok_row()])
    assert re.findall(r'<rect class="part(\d)"', page) == re.findall(r'<li class="part(\d)">', page) == ["1", "3"]


def test_what_people_should_know_of_a_run_stands_in_its_head() -> None:
    page = render_report({**RUN, "notes": ["it knows only a toy"]}, [])
    assert "it knows only a toy." in text_of(page.split("</header>")[0])
    assert 'class="warning"' not in render_report({**RUN, "notes": []}, []).split("</header>")[0]


def test_a_run_that_was_told_prices_shows_its_price() -> None:
    cost = {"core_hours": 12.0, "gpu_hours": 3.0, "price": 4.2, "price_per_video_hour": 0.0123}
    page = text_of(render_report({"cost": cost}, []))
    assert "Cost 4.2 at the prices given 0.0123 per video-hour, 12 core-hours, 3 GPU-hours" in page
    assert "GPU" not in text_of(render_report(RUN, []))


def test_a_run_that_tells_nothing_still_gives_a_page() -> None:
    page = text_of(render_report({}, []))
    assert "No videos were listed" in page
    assert "No video has a summary yet." in page
    assert "None" not in page
    assert "nan" not in page


def test_a_run_with_wrong_types_and_not_a_number_still_gives_a_page() -> None:
    run = dict.fromkeys(RUN, float("nan")) | {"counts": {"listed": None}, "cpu_s": "x", "cost": [], "attempts": 3}
    page = text_of(render_report(run, [ok_row()]))
    assert "One video, summarised" in page
    assert "nan" not in page


def test_every_row_is_counted_and_at_most_200_are_shown_and_the_page_says_how_they_were_drawn() -> None:
    page = render_report({}, (ok_row(i, thumbnails=None) for i in range(1200)))
    assert page.count('<article class="entry">') == MAX_CARDS == 200
    assert "1,200 videos, summarised" in text_of(page)
    assert "200 of 1,200 summarised videos are shown, drawn evenly by a hash of their ids" in text_of(page)


def test_which_videos_are_shown_does_not_depend_on_the_order_of_the_rows() -> None:
    rows = [ok_row(i, thumbnails=None) for i in range(600)]
    shuffled = random.Random(3).sample(rows, len(rows))
    assert [card.order for card in digest(rows).cards] == [card.order for card in digest(shuffled).cards]


def test_the_videos_that_are_drawn_are_those_that_are_shown() -> None:
    rows = [ok_row(i) for i in range(MAX_CARDS * 2)] + [failed_row(i, "timeout") for i in range(9)]
    brief = [{name: row[name] for name in ("video_id", "uri", "status")} for row in rows]
    shown = {card.order[1] for card in digest(rows).cards}
    assert drawn(brief) == shown
    assert len(shown) == MAX_CARDS


def test_the_shown_videos_are_spread_over_the_whole_archive() -> None:
    shown = [int(card.order[0][-9:-4]) for card in digest(ok_row(i, thumbnails=None) for i in range(2000)).cards]
    per_quarter = [sum(500 * q <= number < 500 * (q + 1) for number in shown) for q in range(4)]
    assert min(per_quarter) > 30
    assert shown == sorted(shown)


class CountedRow(dict[str, Any]):
    """A row that knows how many of its kind are alive."""

    alive = 0
    most = 0

    def __init__(self, row: dict[str, Any]) -> None:
        super().__init__(row)
        CountedRow.alive += 1
        CountedRow.most = max(CountedRow.most, CountedRow.alive)

    def __del__(self) -> None:
        CountedRow.alive -= 1


def test_rows_pass_through_and_are_not_kept() -> None:
    def rows() -> Iterator[CountedRow]:
        for i in range(3000):
            yield CountedRow(ok_row(i, thumbnails=None) if i % 2 else failed_row(i, "timeout"))

    found = digest(rows())
    assert (found.ok, found.failed) == (1500, 1500)
    assert CountedRow.most <= 3


def test_failures_are_grouped_by_reason_most_frequent_first_with_all_counted_and_some_shown() -> None:
    rows = [failed_row(i, "timeout") for i in range(50)] + [failed_row(100 + i, "corrupt") for i in range(3)]
    groups = digest(rows).failures
    assert [(group.reason, group.count, len(group.shown)) for group in groups] == [
        ("timeout", 50, MAX_FAILURES),
        ("corrupt", 3, 3),
    ]
    page = text_of(render_report({}, rows))
    assert "0 of 53 videos summarised" in page
    assert "20 of 50 are shown" in page
    assert "the file ends early" in page


def test_a_reason_outside_the_list_is_counted_as_unknown() -> None:
    rows = [failed_row(1, "gremlins"), failed_row(2, None), failed_row(3, ["corrupt"])]
    assert [(group.reason, group.count) for group in digest(rows).failures] == [("unknown", 3)]


def test_every_reason_of_the_list_has_an_explanation() -> None:
    assert set(REASONS) < set(MEANING)


def test_a_card_leaves_out_what_the_row_does_not_have() -> None:
    page = render_report({}, [{"status": "ok", "video_id": "only-this"}, dict.fromkeys(ok_row()) | {"status": "ok"}])
    body = page.split("<main", 1)[1].split("</main>", 1)[0]
    assert body.count('class="entry"') == 2
    assert "None" not in body
    assert not re.search(r"<svg|<img|Highlights|Asked|chapters", body)
    assert "No summary: there was nothing to make one from." in text_of(body)


def test_a_card_shows_curve_highlights_chapters_queries_and_warnings() -> None:
    page = render_report({}, [ok_row(0, warnings=["2 damaged packets were skipped"], text_tokens_dropped=37)])
    words = text_of(page)
    assert "Highlights 0:06–0:12" in words
    assert "0:00–0:30 Chop 0:30–1:00 Fry" in words
    assert "Asked when do they fry?" in words
    assert "2 damaged packets were skipped" in words
    assert "words and pictures" in words
    assert "37 tokens of the transcript" in words
    assert '<rect class="mark" x="100.0" y="0" width="100.0"' in page
    assert page.count('class="line"') == 1


def test_pictures_of_highlights_are_told_from_others_and_the_time_line_shows_where_all_are_from() -> None:
    page = render_report({}, [ok_row(0, highlights=[{"start_s": 10.0, "end_s": 20.0, "score": 0.9}])])
    assert 'alt="Highlight at 0:15"' in page
    assert 'alt="Frame at 0:05"' in page
    assert page.count('<figure class="peak">') == 1
    assert '<path class="ticks" d="M83.3 49V56M250 49V56M416.7 49V56"/>' in page


def test_a_question_that_nothing_answers_says_so_and_its_curve_is_as_low_as_its_scores() -> None:
    asked = {"query": "a tiger?", "highlights": [], "frame_scores": [0.01 * (i % 3) for i in range(60)]}
    missed, untold = (
        make_card(ok_row(queries=[{**asked, "matched": matched}])).queries[0] for matched in (False, None)
    )
    assert (missed.missed, untold.missed, missed.unsure, untold.unsure) == (True, False, False, True)
    told = render_report({}, [ok_row(queries=[{**asked, "matched": True}])])
    assert "cannot tell whether it is here" not in told
    assert missed.timeline.curve is not None
    assert (missed.timeline.curve.low, missed.timeline.curve.high) == (0.0, 1.0)
    assert "not found here" in render_report({}, [ok_row(queries=[{**asked, "matched": False}])])
    guessed = render_report({}, [ok_row(queries=[{**asked, "matched": None}])])
    assert "not found here" not in guessed
    assert "best guess: this model cannot tell whether it is here" in guessed


def test_thumbnails_are_in_order_of_time_and_what_is_no_jpeg_is_left_out() -> None:
    thumbnails = [
        {"time_s": 50.0, "jpeg": jpeg()},
        {"time_s": 5.0, "jpeg": jpeg(64, 64)},
        {"time_s": 6.0, "jpeg": b"<svg onload=alert(1)>"},
        {"time_s": 7.0, "jpeg": jpeg() + b"\0" * 70_000},
        {"time_s": None, "jpeg": jpeg()},
        {"time_s": 8.0, "jpeg": None},
    ]
    card = make_card(ok_row(0, thumbnails=thumbnails))
    assert [thumbnail.time for thumbnail in card.thumbnails] == ["0:05", "0:50"]
    assert (card.thumbnails[0].width, card.thumbnails[0].height) == (144, 144)
    assert card.thumbnails[1].link == "file:///videos/a_long_name-00000.mp4#t=50.0"


def test_a_card_holds_a_bounded_number_of_pictures_and_characters() -> None:
    card = make_card(
        ok_row(
            summary="word " * 100_000,
            thumbnails=[{"time_s": float(i), "jpeg": jpeg()} for i in range(50)],
            chapters=[{"start_s": 0, "end_s": 1, "title": "x" * 100_000}] * 1000,
        )
    )
    assert len(card.thumbnails) == MAX_THUMBNAILS
    assert len(card.opening) + len(card.rest) < MAX_TEXT + 60
    assert card.rest.endswith("(cut here; the row holds all of it)")
    assert sum(len(chapter.title) for chapter in card.chapters) < 60 * 400


def test_a_long_summary_is_folded_between_words_and_loses_none() -> None:
    words = " ".join(f"word{i}" for i in range(1000))
    opening, rest = fold(words)
    assert f"{opening} {rest}" == words
    assert 350 < len(opening) <= 700
    assert fold("short") == ("short", "")
    assert "".join(fold("x" * 5000)) == "x" * 5000


def test_a_signed_address_and_a_password_do_not_reach_the_page() -> None:
    uri = "https://user:hunter2@example.org/a%20b.mp4?X-Amz-Signature=5ec7e7"
    page = render_report({}, [ok_row(0, uri=uri), failed_row(1, "timeout", uri=uri)])
    assert "hunter2" not in page
    assert "5ec7e7" not in page
    assert "example.org/a%20b.mp4" in page


@pytest.mark.parametrize(
    ("uri", "link"),
    [
        ("/a b/ç#1.mp4", "file:///a%20b/%C3%A7%231.mp4"),
        ("https://example.org/a.mp4", "https://example.org/a.mp4"),
        ("https://example.org/a.mp4?signature=1", ""),
        ("s3://bucket/a.mp4", ""),
        ("javascript:alert(1)", ""),
        ("data:text/html,x", ""),
    ],
)
def test_only_local_files_and_open_web_addresses_become_links(uri: str, link: str) -> None:
    assert make_card(ok_row(0, uri=uri)).link == link


def test_times_of_a_short_video_have_tenths() -> None:
    short = make_card(ok_row(0, duration_s=4.25))
    assert short.duration == "0:04.2"
    assert make_card(ok_row(0, duration_s=3700.0)).duration == "1:01:40"


def test_text_that_utf8_cannot_hold_is_replaced() -> None:
    page = render_report({}, [ok_row(0, summary="a\udcffb\x00\x1bc", uri="/x\udcff.mp4")])
    assert "a?bc" in page
    page.encode("utf-8")
