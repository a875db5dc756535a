"""Videos of requests: what callers say of them, and what stays of uploads."""

import io
import os
import stat
import time
from pathlib import Path

import pytest

from clipsum import storage
from clipsum.errors import ItemError
from clipsum.records import Segment
from clipsum.serving.refusals import RefusedError
from clipsum.serving.sources import Sources, upload_path
from clipsum.serving.videos import named, sweep, uploaded, words_of


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


def test_what_a_killed_process_left_is_swept_up_and_what_is_in_use_or_somebody_elses_stays(tmp_path):
    old, new, plain = (upload_path(tmp_path, name) for name in ("a.mp4", "b.mp4", "c"))
    for path, age_s in ((old, 100), (plain, 100), (new, 1), (tmp_path / "holidays.mp4", 1000)):
        path.write_bytes(b"x")
        os.utime(path, times=(time.time() - age_s,) * 2)
    sweep(tmp_path, older_than_s=50)
    assert {path.name for path in tmp_path.iterdir()} == {new.name, "holidays.mp4"}
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


def test_an_upload_is_for_the_eyes_of_its_service_alone(tmp_path):
    before = os.umask(0)
    try:
        with uploaded(io.BytesIO(b"video"), "a.mp4", None, None, tmp_path / "new") as video:
            modes = [stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "new", Path(video.ref.uri))]
    finally:
        os.umask(before)
    assert modes == [0o700, 0o600]


def test_a_video_by_its_address_comes_with_the_version_of_the_words_beside_it(s3):
    for name in ("a.mp4", "a.mp3", "b.mp4"):
        storage.write_bytes(f"{s3.uri}/open/{name}", b"video")
    sources = Sources(s3=(f"{s3.uri}/open",))
    seen = []
    for words in (b"stir", b"cut the onion"):
        storage.write_bytes(f"{s3.uri}/open/a.txt", words)
        seen.append(named(f"{s3.uri}/open/a.mp4", None, None, sources))
    assert {video.ref.transcript_uri for video in seen} == {f"{s3.uri}/open/a.txt"}
    assert len({video.words_version for video in seen} - {""}) == 2
    alone, said = (
        named(f"{s3.uri}/open/b.mp4", None, None, sources),
        named(f"{s3.uri}/open/a.mp4", None, "cut", sources),
    )
    assert (alone.ref.transcript_uri, alone.words_version) == ("", "")
    assert (said.transcript.text, said.words_version) == ("cut", "")


@pytest.mark.parametrize(("reason", "passes"), [("access_denied", True), ("storage_error", False)])
def test_where_nobody_may_look_beside_a_video_it_is_done_without_and_where_the_store_fails_it_is_not(
    s3, monkeypatch, reason, passes
):
    def fails(*_):
        raise ItemError(reason, "open", "no")

    storage.write_bytes(f"{s3.uri}/open/a.mp4", b"video")
    monkeypatch.setattr(storage, "beside", fails)
    sources = Sources(s3=(f"{s3.uri}/open",))
    if passes:
        assert named(f"{s3.uri}/open/a.mp4", None, None, sources).ref.transcript_uri is None
    else:
        with pytest.raises(ItemError):
            named(f"{s3.uri}/open/a.mp4", None, None, sources)
