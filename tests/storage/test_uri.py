import os
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clipsum import storage
from clipsum.errors import UsageError
from clipsum.storage.uri import glob_regex, local_path, local_uri, masked, scheme_of


@pytest.mark.parametrize(
    ("uri", "scheme"),
    [("a b.mp4", "file"), ("/a:/b", "file"), ("s3://b/k", "s3"), ("https://h/x", "https"), ("file:///a", "file")],
)
def test_the_scheme_tells_the_store(uri, scheme):
    assert scheme_of(uri) == scheme


@pytest.mark.parametrize("uri", ["gs://bucket/x", "http://host/x.mp4", "S3://bucket/x"])
def test_another_scheme_is_refused_with_those_that_are_known(uri):
    with pytest.raises(UsageError, match="use a local path, s3:// or https://"):
        scheme_of(uri)


def test_an_s3_uri_splits_at_its_first_slash_and_keeps_the_key_to_the_letter():
    assert storage.split_s3("s3://bucket/a//b %41/é?#.mp4") == ("bucket", "a//b %41/é?#.mp4")
    assert storage.split_s3("s3://bucket") == ("bucket", "")
    with pytest.raises(UsageError, match="names no bucket"):
        storage.split_s3("s3://")


def test_joining_puts_one_slash_between_two_names():
    assert storage.join("s3://bucket", "a", "b.json") == "s3://bucket/a/b.json"
    assert storage.join("/out/", "a") == "/out/a"
    assert storage.join("s3://bucket/a//", "b") == "s3://bucket/a//b"  # an empty name is part of a key


def test_a_relative_path_becomes_absolute_and_an_s3_uri_stays(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert storage.canonical("x/../a.mp4") == str(tmp_path / "a.mp4")
    assert storage.canonical("s3://b/x/../a.mp4") == "s3://b/x/../a.mp4"


def test_a_path_that_is_no_utf8_survives_as_an_escaped_file_uri(tmp_path):
    path = tmp_path / os.fsdecode(b"bad\xff %41.mp4")
    uri = local_uri(path)
    assert uri.startswith("file://")
    assert local_path(uri) == path
    assert storage.canonical(uri) == uri


@pytest.mark.parametrize(
    "signature",
    [
        "X-Amz-Signature={0}&X-Amz-Date={0}",
        "X-Goog-Signature={0}&X-Goog-Date={0}&X-Goog-Expires=60",
        "se={0}&sp=r&sv=2024-11-04&sr=b&sig={0}",
        "Expires={0}&Signature={0}&Key-Pair-Id=K",
    ],
)
def test_a_new_signature_leaves_the_name_of_an_https_file_as_it_was(signature):
    first, second = (f"https://h/a%20b.mp4?v=2&{signature.format(number)}" for number in (1, 9))
    assert storage.canonical(first) == storage.canonical(f"{second}#t=3") == "https://h/a%20b.mp4?v=2"


def test_what_signs_nothing_belongs_to_the_name_of_an_https_file():
    assert storage.canonical("https://h/a.mp4?v=3") != storage.canonical("https://h/a.mp4?v=2")
    assert storage.canonical("https://h/a.mp4?st=3&expires=1") == "https://h/a.mp4?st=3&expires=1"


def test_messages_show_neither_a_signature_nor_a_password():
    shown = storage.shown("https://user:secret@host/a.mp4?X-Amz-Signature=secret")
    assert "secret" not in shown
    assert shown.startswith("https://host/a.mp4")


def test_a_suffix_is_that_of_the_last_name_alone():
    assert storage.suffix("s3://b/v.1/clip") == ""
    assert storage.suffix("/v.1/Clip.MP4") == ".mp4"
    assert storage.suffix("https://h/a.mp4?sig=x.vtt") == ".mp4"
    assert storage.stem("s3://b/v.1/clip.mp4") == "s3://b/v.1/clip"


@pytest.mark.parametrize(
    ("pattern", "key", "fits"),
    [
        ("a/*.mp4", "a/x.mp4", True),
        ("a/*.mp4", "a/b/x.mp4", False),
        ("a/**/*.mp4", "a/x.mp4", True),
        ("a/**/*.mp4", "a/b/c/x.mp4", True),
        ("a/?.mp4", "a//.mp4", False),
        ("[!a]x.mp4", "bx.mp4", True),
        ("[!a]x.mp4", "ax.mp4", False),
        ("[]a]x", "]x", True),
        ("a.mp4", "aXmp4", False),
        ("a+(b)|c*", "a+(b)|cd", True),
        ("[a", "[a", True),
        ("[!]x", "[!]x", True),
        ("[!]x]", "y", True),
        ("[]x]", "]", True),
        ("[a&&|b]", "&", True),
    ],
)
def test_a_glob_over_keys_matches_like_one_over_files(pattern, key, fits):
    assert bool(glob_regex(pattern).fullmatch(key)) is fits


def test_a_class_that_is_none_is_refused_in_one_line():
    with pytest.raises(UsageError, match=r"'\[z-a\]\*\.mp4' is not a glob \(bad character range z-a"):
        glob_regex("[z-a]*.mp4")


@given(st.text("[]!^-az*?\\/&|~", max_size=12))
def test_any_pattern_is_a_glob_or_is_refused(pattern):
    with suppress(UsageError):
        glob_regex(pattern)


@pytest.mark.parametrize(
    ("uri", "kept"),
    [
        ("https://me:pw@host/a.mp4", "https://host/a.mp4"),
        ("https://h/a.mp4?id=7&n=%20x&empty", "https://h/a.mp4?id=7&n=%20x&empty"),
        ("https://h/a?X-Amz-Credential=k&X-Amz-Date=1&v=2", "https://h/a?X-Amz-Credential=…&X-Amz-Date=…&v=2"),
        ("https://h/a?Expires=1&Signature=s&Key-Pair-Id=k", "https://h/a?Expires=1&Signature=…&Key-Pair-Id=…"),
        ("https://h/a?sv=1&sig=s", "https://h/a?sv=1&sig=…"),
        ("https://h/a?access_token=t#access_token=t", "https://h/a?access_token=…"),
        ("s3://b/a?token=1", "s3://b/a?token=1"),
        ("/a?sig=1", "/a?sig=1"),
    ],
)
def test_what_lets_its_reader_in_is_masked_and_the_rest_of_an_address_kept(uri, kept):
    assert masked(uri) == kept
