import json

import numpy as np
import pytest

from clipsum.datasets.kitchen.corpus import manifest_row
from clipsum.datasets.kitchen.recipe import make_video
from clipsum.datasets.marks import AskedQuery, read_marks
from clipsum.errors import UsageError


def _written(folder, *rows):
    path = folder / "manifest.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


def test_each_frame_has_the_mean_mark_of_its_second_on_a_scale_from_0_to_1(tmp_path):
    place = _written(tmp_path, {"video_id": "a", "importance": [[1, 5, 3], [1, 3, 3]]})
    shares = read_marks(place)["a"].at(np.array([0.0, 0.9, 1.0, 2.5, 7.0]))
    assert shares.dtype == np.float32
    np.testing.assert_allclose(shares, [0, 0, 0.75, 0.5, 0.5])


def test_videoxums_marks_are_shares_already(tmp_path):
    place = _written(tmp_path, {"video_id": "a", "vsum_onehot": [[0, 1], [0, 0], [0, 1], [0, 1]]})
    np.testing.assert_allclose(read_marks(place)["a"].at(np.array([0.5, 1.5])), [0, 0.75])


def test_a_query_marks_the_frames_of_its_segments_and_none_where_it_has_no_match(tmp_path):
    asked = [{"query": "onion", "segments": [[1.0, 2.0], [4.0, 5.5]]}, {"query": "egg", "segments": []}]
    marks = read_marks(_written(tmp_path, {"video_id": "a", "queries": asked}, {"video_id": "b"}))
    assert list(marks) == ["a"]
    assert marks["a"].queries == (AskedQuery("onion", ((1.0, 2.0), (4.0, 5.5))), AskedQuery("egg"))
    times_s = np.array([0.9, 1.0, 2.0, 5.4])
    assert marks["a"].queries[0].at(times_s).tolist() == [0, 1, 0, 1]
    assert not marks["a"].queries[1].at(times_s).any()
    assert marks["a"].at(times_s) is None


@pytest.mark.parametrize("row", [{"importance": [[1, 2.9]]}, {"vsum_onehot": [[0, 0.9]]}])
def test_marks_between_whole_numbers_are_refused_and_not_cut(tmp_path, row):
    with pytest.raises(UsageError, match=r"\.9: give whole numbers"):
        read_marks(_written(tmp_path, {"video_id": "a", **row}))


def test_shots_are_tagged_where_the_manifest_says_what_each_shows(tmp_path):
    asked = [{"query": "car and sky", "segments": [[5.0, 15.0]]}]
    row = {"video_id": "a", "queries": asked, "shot_s": 5, "shot_tags": [["Sky"], ["Car", "Sky"], [], ["Car"]]}
    marks = read_marks(_written(tmp_path, row))["a"]
    assert marks.shots.tags.astype(int).tolist() == [[0, 1], [1, 1], [0, 0], [1, 0]]
    assert marks.shots.within(marks.queries[0]) == [1, 2]
    with pytest.raises(UsageError, match="line 1: shot_s is 0: give the seconds of a shot"):
        read_marks(_written(tmp_path, {**row, "shot_s": 0}))


def test_frames_tell_whether_a_query_is_answered_unless_its_segments_all_fall_between_them():
    times_s = np.array([0.5, 1.5, 2.5])
    told = {((1.0, 2.0),): True, ((0.6, 1.4),): False, ((0.6, 1.4), (2.0, 3.0)): True, (): True}
    assert {segments: AskedQuery("onion", segments).is_told_by(times_s) for segments in told} == told


def test_the_kitchens_manifest_gives_ten_annotators_and_three_queries(tmp_path):
    video = make_video("test", 0, 0)
    marks = read_marks(_written(tmp_path, manifest_row(video)))[video.video_id]
    assert marks.importance.shape == (10, int(np.ceil(video.duration_s)))
    assert [bool(query.segments) for query in marks.queries] == [True, True, False]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"importance": [[1, 2]]}, "line 1: it has no 'video_id'"),
        ({"video_id": "a", "importance": [[1, 2], [1]]}, "line 1: "),
        ({"video_id": "a", "importance": [1, 2]}, r"importance is \(2,\): give a row of one number a second"),
        ({"video_id": "a", "importance": [[0, 9]]}, "importance has 0 to 9, expected 1 to 5"),
        ({"video_id": "a", "importance": [[1, 2]], "shot_starts_s": [0, 2, 2]}, "shot_starts_s do not rise from 0"),
        ({"video_id": "a", "vsum_onehot": [[0, 2]]}, "vsum_onehot has 0 to 2, expected 0 to 1"),
        ({"video_id": "a", "queries": [{"query": "x"}]}, "line 1: it has no 'segments'"),
        ({"video_id": "a"}, "hold none: give lines with video_id"),
        ([1], "line 1: "),
    ],
)
def test_marks_that_are_not_such_are_refused_in_one_line(tmp_path, row, message):
    with pytest.raises(UsageError, match=message) as caught:
        read_marks(_written(tmp_path, row))
    assert "\n" not in str(caught.value)


def test_marks_that_are_not_there_are_refused_by_name(tmp_path):
    with pytest.raises(UsageError, match=r"none\.jsonl"):
        read_marks(str(tmp_path / "none.jsonl"))
