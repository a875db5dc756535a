"""`clipsum summarize` with a bundle that scores frames: moments on every row, and answers to what is asked."""

import json

import av
import numpy as np
import pytest

from clipsum.config import DEFAULT_BUNDLE, Sampling
from clipsum.models.config import ScorerConfig
from clipsum.reports.export import safe_name
from ray_jobs import answers, parts
from ray_jobs.cli import run
from ray_jobs.model_stages import Summarize
from ray_jobs.stages import Decode
from tests.models.tiny import tiny_model, write_bundle

pytestmark = pytest.mark.usefixtures("without_ray")
BUDGET = 0.15


@pytest.fixture(scope="module")
def scoring(tmp_path_factory):
    """A bundle of random weights that scores frames; half of a coin's throws are matches."""
    folder = tmp_path_factory.mktemp("scoring")
    model = tiny_model(scorer=ScorerConfig(ffn=48, match_threshold=0.5))
    write_bundle(str(folder / "bundle"), folder / "clip", sampling=Sampling(frames=12), model=model)
    return str(folder / "bundle")


def _summarize(source, output, bundle, *words):
    return run(["summarize", str(source), "--output", str(output), "--bundle", bundle, *words])


def _rows(output):
    return {row["uri"].rpartition("/")[2]: row for row in parts.read_rows(str(output))}


@pytest.fixture(scope="module")
def asked(kitchen, scoring, tmp_path_factory):
    """The output of a run with two questions, one of them twice."""
    from tests.ray_jobs.here import jobs_run_here

    output = tmp_path_factory.mktemp("asked") / "out"
    words = ("--query", "chopping  onion", "--query", "a tiger", "--query", "chopping onion")
    with jobs_run_here():
        assert _summarize(kitchen, output, scoring, *words) == 0
    return output


def test_every_row_has_scores_highlights_and_chapters_in_container_time_within_the_budget(asked):
    for row in _rows(asked).values():
        assert len(row["frame_scores"]) == len(row["frame_times_s"]) == 12
        assert row["highlights"]
        assert sum(each["end_s"] - each["start_s"] for each in row["highlights"]) <= BUDGET * row["duration_s"] + 1e-9
        assert row["chapters"][0]["start_s"] == 0
        assert row["chapters"][-1]["end_s"] == row["duration_s"]
        assert all(chapter["title"] for chapter in row["chapters"])


def test_each_question_is_answered_once_on_every_row_with_scores_of_its_own(asked):
    for row in _rows(asked).values():
        assert [each["query"] for each in row["queries"]] == ["chopping onion", "a tiger"]
        for each in row["queries"]:
            assert len(each["frame_scores"]) == 12
            assert not np.allclose(each["frame_scores"], row["frame_scores"], atol=1e-6)
            assert each["matched"] == (max(each["frame_scores"]) >= 0.5) == bool(each["highlights"])


def test_the_terminal_says_in_how_many_videos_each_question_was_answered(kitchen, scoring, asked, capsys):
    words = ("--query", "chopping onion", "--query", "a tiger")
    assert _summarize(kitchen, asked, scoring, *words) == 0
    said = capsys.readouterr().out
    assert "0 to do" in said
    for place, query in enumerate(("chopping onion", "a tiger")):
        found = sum(row["queries"][place]["matched"] for row in _rows(asked).values())
        words = f"found in {found} of 3 videos" if found else "nothing in 3 videos answers it"
        assert f"Asked   “{query}”: {words}\n" in said


def test_a_bundle_that_cannot_tell_whether_a_question_is_answered_says_so():
    rows = [[{"query": "a tiger", "matched": matched}] for matched in (None, None)]
    counted = answers._count([*rows, None])
    assert "not taught to tell" in answers._words(counted["a tiger", True], counted["a tiger", False])


def test_the_record_says_what_was_asked(asked):
    assert json.loads((asked / "run.json").read_text())["queries"] == ["chopping onion", "a tiger"]


def test_the_pictures_of_a_row_are_those_of_its_highlights(asked):
    for row in _rows(asked).values():
        assert len(row["thumbnails"]) == 5
        shown = [each["time_s"] for each in row["thumbnails"]]
        assert all(any(h["start_s"] <= t < h["end_s"] for t in shown) for h in row["highlights"][:5])


def test_several_questions_cost_one_decode_and_one_look_at_the_frames(kitchen, scoring, tmp_path, monkeypatch):
    from clipsum.models.summarizer import ClipSum

    calls = {"decode": 0, "look": 0}
    decode, look = Decode._decode_one, ClipSum.look

    def decoding(self, items):
        calls["decode"] += 1
        return decode(self, items)

    def looking(self, frames, *others):
        calls["look"] += len(frames)
        return look(self, frames, *others)

    monkeypatch.setattr(Decode, "_decode_one", decoding)
    monkeypatch.setattr(ClipSum, "look", looking)
    assert _summarize(kitchen, tmp_path / "none", scoring) == 0
    alone = dict(calls)
    assert _summarize(kitchen, tmp_path / "out", scoring, *(w for n in range(4) for w in ("--query", f"q{n}"))) == 0
    assert calls == {name: 2 * count for name, count in alone.items()}


def test_the_same_questions_again_are_no_work_and_other_ones_do_every_video_anew(kitchen, scoring, tmp_path, capsys):
    output = tmp_path / "out"
    assert _summarize(kitchen, output, scoring, "--query", "onion", "--query", "pan") == 0
    before = _rows(output)
    capsys.readouterr()
    assert _summarize(kitchen, output, scoring, "--query", "pan", "--query", "onion") == 0
    assert "0 to do" in capsys.readouterr().out
    assert _summarize(kitchen, output, scoring, "--query", "knife") == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "3 to do" in said
    assert "3 rows of another bundle, other questions or other settings, to be replaced" in said
    after = _rows(output)
    assert before.keys() == after.keys()
    assert all([each["query"] for each in row["queries"]] == ["knife"] for row in after.values())


def test_a_videos_own_question_is_answered_beside_those_of_all(kitchen, scoring, tmp_path):
    videos = sorted(kitchen.rglob("*.mp4"))
    rows = [{"video": str(videos[0]), "query": "boiling"}, {"video": str(videos[1])}]
    (tmp_path / "list.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert _summarize(tmp_path / "list.jsonl", tmp_path / "out", scoring, "--query", "onion") == 0
    found = _rows(tmp_path / "out")
    asked = {name: [each["query"] for each in row["queries"]] for name, row in found.items()}
    assert asked == {videos[0].name: ["onion", "boiling"], videos[1].name: ["onion"]}


def test_a_video_that_is_asked_another_question_is_done_again_and_the_others_are_not(
    kitchen, scoring, tmp_path, capsys
):
    videos, place = sorted(kitchen.rglob("*.mp4"))[:2], tmp_path / "list.jsonl"

    def again(*own):
        rows = [{"video": str(video), "query": query} for video, query in zip(videos, own, strict=True)]
        place.write_text("".join(json.dumps(row) + "\n" for row in rows))
        capsys.readouterr()
        assert _summarize(place, tmp_path / "out", scoring, "--query", "pan") == 0
        asked = [[each["query"] for each in _rows(tmp_path / "out")[video.name]["queries"]] for video in videos]
        return asked, " ".join(capsys.readouterr().out.split())

    again("onion", "pan")
    asked, said = again("knife", "pan")
    assert asked == [["pan", "knife"], ["pan"]]
    assert "2 videos listed, 1 to do 1 row of a video that is asked another question now, to be replaced" in said
    asked, said = again(None, None)
    assert asked == [["pan"], ["pan"]]
    assert "1 to do" in said
    assert "0 to do" in again(" pan ", "")[1]


def test_how_highlights_are_chosen_is_a_setting_and_part_of_what_a_row_depends_on(kitchen, scoring, tmp_path, capsys):
    output = tmp_path / "out"
    assert _summarize(kitchen, output, scoring) == 0
    capsys.readouterr()
    assert _summarize(kitchen, output, scoring, "--set", "highlights.budget=0.4") == 0
    assert "3 to do" in capsys.readouterr().out
    for row in _rows(output).values():
        length_s = sum(each["end_s"] - each["start_s"] for each in row["highlights"])
        assert BUDGET * row["duration_s"] < length_s <= 0.4 * row["duration_s"] + 1e-9


def test_a_question_to_a_bundle_that_scores_no_frames_is_one_line_and_leaves_nothing(kitchen, bundle, tmp_path, capsys):
    assert _summarize(kitchen, tmp_path / "out", bundle, "--query", "onion") == 2
    said = capsys.readouterr().err
    assert said.strip().count("\n") <= 2
    assert "has no scorer" in said.replace("\n", " ")
    assert not (tmp_path / "out").exists()


def test_without_a_scorer_the_columns_stay_null_and_a_videos_own_question_is_a_warning(kitchen, bundle, tmp_path):
    video = sorted(kitchen.rglob("*.mp4"))[0]
    (tmp_path / "list.jsonl").write_text(json.dumps({"video": str(video), "query": "boiling"}) + "\n")
    assert _summarize(tmp_path / "list.jsonl", tmp_path / "out", bundle) == 0
    (row,) = _rows(tmp_path / "out").values()
    assert [row[name] for name in ("frame_scores", "highlights", "queries", "chapters")] == [None] * 4
    assert row["warnings"] == ["its query is not answered: the bundle has no scorer"]


def test_a_video_that_fails_while_it_is_scored_keeps_no_more_pictures_than_others(
    kitchen, scoring, tmp_path, monkeypatch
):
    def fail(*_):
        raise ValueError("scored to death")

    monkeypatch.setattr(Summarize, "_find", fail)
    assert _summarize(kitchen, tmp_path / "out", scoring) == 1
    for row in _rows(tmp_path / "out").values():
        assert (row["reason"], row["highlights"], len(row["thumbnails"])) == ("model_error", None, 5)


@pytest.fixture(scope="module")
def exported(asked, tmp_path_factory):
    """Files and reels of the run with two questions, beside a reel of a question that is asked no more."""
    folder = tmp_path_factory.mktemp("files")
    name = safe_name(next(iter(_rows(asked).values())))
    (folder / f"{name}.query-9.mp4").write_bytes(b"of an earlier question")
    assert run(["report", str(asked), "--export", str(folder), "--reel", str(folder)]) == 0
    return folder


def test_report_cuts_a_reel_of_each_videos_highlights_beside_its_chapters(asked, exported):
    for row in _rows(asked).values():
        (reel,) = exported.glob(f"*{row['video_id']}.mp4")
        with av.open(str(reel)) as container:
            assert container.duration / 1e6 <= BUDGET * row["duration_s"] + 0.001
        chapters = reel.with_suffix(".vtt").read_text()
        assert chapters.count("-->") == len(row["chapters"])
        assert row["chapters"][0]["title"] in chapters.replace("&amp;", "&")


def test_each_question_that_a_video_answers_has_a_reel_of_its_own_and_no_other_has(asked, exported):
    wanted = {
        f"{safe_name(row)}.query-{number}.mp4": each
        for row in _rows(asked).values()
        for number, each in enumerate(row["queries"], start=1)
        if each["matched"]
    }
    assert 0 < len(wanted) < 6
    assert {reel.name for reel in exported.glob("*.query-*")} == set(wanted)
    for name, each in wanted.items():
        with av.open(str(exported / name)) as container:
            shown_s = sum(moment["end_s"] - moment["start_s"] for moment in each["highlights"])
            assert container.duration / 1e6 == pytest.approx(shown_s, abs=0.26 * len(each["highlights"]))
            assert container.metadata["title"] == each["query"]


def test_summarize_cuts_reels_in_the_same_call(kitchen, scoring, tmp_path, capsys):
    video = sorted(kitchen.rglob("*.mp4"))[0]
    assert _summarize(video, tmp_path / "out", scoring, "--reel", str(tmp_path / "reels")) == 0
    said = capsys.readouterr().out
    assert said.index("Report") < said.index("Wrote 1 reel of")
    (row,), (reel,) = _rows(tmp_path / "out").values(), (tmp_path / "reels").iterdir()
    with av.open(str(reel)) as container:
        assert 0 < container.duration / 1e6 <= BUDGET * row["duration_s"] + 0.001
    assert _summarize(video, tmp_path / "out", scoring, "--estimate", "--reel", str(tmp_path / "reels")) == 2
    assert "--reel and --estimate are given" in capsys.readouterr().err


@pytest.mark.slow
def test_the_reel_of_a_real_street_by_the_bundled_model_is_within_the_budget_in_sound_and_picture(shared_dir, tmp_path):
    video = shared_dir / "videos/street_1080p_123s.mp4"
    assert _summarize(video, tmp_path / "out", DEFAULT_BUNDLE, "--reel", str(tmp_path / "reels")) == 0
    ((row,), (reel,)) = _rows(tmp_path / "out").values(), (tmp_path / "reels").iterdir()
    with av.open(str(reel)) as container:
        lengths_s = {each.type: float(each.duration * each.time_base) for each in container.streams}
    assert set(lengths_s) == {"video", "audio"}
    assert lengths_s["video"] == pytest.approx(lengths_s["audio"], abs=0.05)
    assert 5 < max(lengths_s.values()) <= BUDGET * row["duration_s"] + 0.05  # a frame of AAC and its priming


def test_a_video_that_is_gone_costs_its_own_reel_only_and_is_named(asked, kitchen, scoring, tmp_path, capsys):
    video = tmp_path / "videos" / "gone.mp4"
    video.parent.mkdir()
    video.write_bytes(sorted(kitchen.rglob("*.mp4"))[0].read_bytes())
    assert _summarize(video, tmp_path / "out", scoring) == 0
    video.unlink()
    assert run(["report", str(tmp_path / "out"), "--reel", str(tmp_path / "reels")]) == 1
    assert "gone.mp4: not_found" in capsys.readouterr().out.replace("\n", "")


def test_a_run_without_highlights_has_no_reels_and_says_what_would_help(kitchen, bundle, tmp_path, capsys):
    assert _summarize(kitchen, tmp_path / "out", bundle) == 0
    assert run(["report", str(tmp_path / "out"), "--reel", str(tmp_path / "reels")]) == 0
    assert "No reels: no row has highlights" in capsys.readouterr().out
