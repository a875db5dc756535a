"""How2's line files and VideoXum's JSON."""

import json

import pytest

from clipsum.datasets.annotated import write_dataset
from clipsum.datasets.how2 import Part, read_how2
from clipsum.datasets.videoxum import read_videoxum
from clipsum.errors import UsageError


def _file(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    return str(tmp_path / name)


def test_lines_go_together_by_the_id_that_opens_them_or_by_their_number(tmp_path):
    by_id = Part(
        "train",
        _file(tmp_path, "s", "b learn to stir\na learn to cut\n"),
        _file(tmp_path, "t", "a today we cut\nb today we stir\u2028it\n"),
    )
    by_number = Part(
        "test",
        _file(tmp_path, "s2", "learn to fry\n\n"),
        _file(tmp_path, "t2", "we fry\nwe boil\n"),
        _file(tmp_path, "i", "c\nd\n"),
    )
    found = {video.video_id: video for video in read_how2([by_id, by_number])}
    assert {name: (v.split, v.summary, v.segments[0].text) for name, v in found.items()} == {
        "a": ("train", "learn to cut", "today we cut"),
        "b": ("train", "learn to stir", "today we stir\u2028it"),
        "c": ("test", "learn to fry", "we fry"),
        "d": ("test", None, "we boil"),
    }


def test_a_transcript_without_times_goes_into_the_manifest_as_text(tmp_path):
    part = Part("validation", _file(tmp_path, "s", "a cut\n"), _file(tmp_path, "t", "a today we cut\n"))
    (tmp_path / "a.mp4").write_bytes(b"")
    write_dataset(read_how2([part]), str(tmp_path), str(tmp_path / "data.jsonl"))
    row = json.loads((tmp_path / "data.jsonl").read_text())
    assert (row["transcript"], row["split"], "transcript_uri" in row) == ("today we cut", "validation", False)


def test_files_of_different_lengths_unknown_splits_and_repeated_ids_are_refused(tmp_path):
    three, two = _file(tmp_path, "3", "x\ny\nz\n"), _file(tmp_path, "2", "x\ny\n")
    twice = _file(tmp_path, "t", "x\nx\n")
    for part, message in (
        (Part("train", three, None, two), "has 3 lines, --ids .* 2: they go together"),
        (Part("train", two, None, twice), "video id 'x' is there twice"),
        (Part("dev", _file(tmp_path, "s", "a b\n")), r"--split 'dev' is not known: use one of train, validation, test"),
        (Part("train", str(tmp_path / "none")), "cannot be read"),
    ):
        with pytest.raises(UsageError, match=message):
            read_how2([part])


def _entry(video_id, frames=6, **changes):
    marks = [[(row + at) % 2 for at in range(frames)] for row in range(10)]
    return {
        "video_id": video_id,
        "duration": 6.2,
        "sampled_frames": frames,
        "timestamps": [[0.1, 3.0], [3.0, 6.0]],
        "tsum": ["A man cuts. ", " He  eats."],
        "vsum": [[[0.5, 1.0]] * 10] * 2,
        "vsum_onehot": marks,
    } | changes


def test_videoxum_gives_its_sentences_as_summary_and_what_ten_annotators_chose(tmp_path):
    train = _file(tmp_path, "train.json", json.dumps([_entry("v_1")]))
    test = _file(tmp_path, "test.json", json.dumps([_entry("v_2", 3)]))
    first, second = read_videoxum({"train": train, "test": test})
    assert (first.video_id, first.split, first.summary) == ("v_1", "train", "A man cuts. He eats.")
    assert (second.split, len(second.more["vsum_onehot"]), len(second.more["vsum_onehot"][0])) == ("test", 10, 3)
    for name in ("v_1", "v_2"):
        (tmp_path / f"{name}.mp4").write_bytes(b"")
    write_dataset([first, second], str(tmp_path), str(tmp_path / "data.jsonl"))
    row = json.loads((tmp_path / "data.jsonl").read_text().splitlines()[0])
    assert row["vsum_onehot"] == _entry("v_1")["vsum_onehot"]
    assert row["timestamps"] == [[0.1, 3.0], [3.0, 6.0]]


@pytest.mark.parametrize(("content", "message"), [
    ({"database": {}}, "is not a list of videos"),
    ([{"video_id": "v_1"}], "video 'v_1' has no 'tsum'"),
    ([_entry("v_1", vsum_onehot=[[0] * 6] * 9)], r"vsum_onehot of 'v_1' is 9 rows of \[6\], expected 10 of 6"),
    ([_entry("v_1", vsum_onehot=None)], "tsum of 'v_1' is not a list of texts, or vsum_onehot not of lists"),
    ([_entry("v_1", tsum="A man cuts.")], "tsum of 'v_1' is not a list of texts"),
    ([_entry("v_1", sampled_frames=7)], r"is 10 rows of \[6\], expected 10 of 7"),
])  # fmt: skip
def test_what_is_not_as_videoxum_writes_it_is_refused(tmp_path, content, message):
    with pytest.raises(UsageError, match=message):
        read_videoxum({"train": _file(tmp_path, "x.json", json.dumps(content))})
