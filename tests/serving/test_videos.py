"""Videos of requests: what callers say of them, and what stays of uploads."""

import io
import os
import time

import pytest

from clipsum.records import Segment
from clipsum.serving.refusals import RefusedError
from clipsum.serving.videos import sweep, uploaded, words_of


def test_an_upload_is_there_for_as_long_as_it_is_worked_on_by_a_name_of_ours(tmp_path):
    with uploaded(io.BytesIO(b"video"), "../../etc/passwd.mp4", "why?", "stir it", tmp_path / "new") as video:
        [path] = (tmp_path / "new").iterdir()
        assert (video.ref.uri, path.read_bytes(), path.suffix) == (str(path), b"video", ".mp4")
        assert (video.uri, video.ref.query, video.transcript.text) == ("upload", "why?", "stir it")
        assert "passwd" not in path.name
    assert list((tmp_path / "new").iterdir()) == []


def test_an_empty_upload_is_refused_and_leaves_nothing(tmp_path):
    with pytest.raises(RefusedError, match="empty"), uploaded(io.BytesIO(b""), "a.mp4", None, None, tmp_path):
        pass
    assert list(tmp_path.iterdir()) == []


def test_the_same_bytes_are_the_same_video_by_whatever_name(tmp_path):
    with uploaded(io.BytesIO(b"a"), "a.mp4", None, None, tmp_path) as one:
        pass
    with uploaded(io.BytesIO(b"a"), "b.mov", None, None, tmp_path) as same:
        pass
    with uploaded(io.BytesIO(b"b"), "a.mp4", None, None, tmp_path) as other:
        pass
    assert one.ref.version == same.ref.version != other.ref.version


def test_what_a_killed_process_left_is_swept_up_and_what_is_in_use_stays(tmp_path):
    for name, age_s in (("old.mp4", 100), ("new.mp4", 1)):
        (tmp_path / name).write_bytes(b"x")
        os.utime(tmp_path / name, times=(time.time() - age_s,) * 2)
    sweep(tmp_path, older_than_s=50)
    assert [path.name for path in tmp_path.iterdir()] == ["new.mp4"]
    sweep(tmp_path / "nowhere", older_than_s=50)


@pytest.mark.parametrize(
    ("said", "segments"),
    [
        (None, ()),
        ("  ", ()),
        ("stir\n the  soup", (Segment("stir the soup"),)),
        ("WEBVTT\n\n00:01.000 --> 00:02.500\nstir it\n", (Segment("stir it", 1.0, 2.5),)),
        ("WEBVTT\n", ()),
    ],
)
def test_what_callers_say_is_plain_text_or_subtitles_with_their_times(said, segments):
    assert words_of(said).segments == segments
