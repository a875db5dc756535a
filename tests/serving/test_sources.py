"""What a caller may name: the list and nothing beside it."""

import pytest

from clipsum.serving.refusals import RefusedError
from clipsum.serving.sources import Sources, upload_path

SOURCES = Sources(s3=("s3://videos/public/", "s3://open"), https=("media.example",))


@pytest.mark.parametrize("uri", ["s3://videos/public/a.mp4", "s3://open/x/a.mp4", "https://media.example/a.mp4"])
def test_what_is_on_the_list_may_be_named(uri):
    SOURCES.check(uri)


@pytest.mark.parametrize(
    "uri",
    [
        "s3://videos/private/a.mp4",
        "s3://videos/publicity/a.mp4",
        "s3://videos/public/../private/a.mp4",
        "s3://videos/public/./a.mp4",
        "s3://videos/public//a.mp4",
        "s3://opened/a.mp4",
        "s3://other/a.mp4",
        "S3://open/a.mp4",
        "file:///etc/passwd",
        "/etc/passwd",
        "../a.mp4",
        "http://media.example/a.mp4",
        "https://other.example/a.mp4",
        "https://media.example:8443/a.mp4",
        "ftp://media.example/a.mp4",
        "",
    ],
)
def test_nothing_else_may_be_named(uri):
    with pytest.raises(RefusedError) as caught:
        SOURCES.check(uri)
    assert (caught.value.status, caught.value.reason) == (403, "access_denied")


def test_without_a_list_nothing_may_be_named():
    for uri in ("s3://open/a.mp4", "https://media.example/a.mp4"):
        with pytest.raises(RefusedError):
            Sources().check(uri)


@pytest.mark.parametrize(
    "name", ["../../etc/passwd", "/etc/passwd.mp4", "a.mp4/..", "a\x00.mp4", "a.m/p4", "", "a.MP4"]
)
def test_no_upload_leaves_its_folder_or_keeps_its_name(name, tmp_path):
    path = upload_path(tmp_path, name)
    assert path.resolve().parent == tmp_path.resolve()
    assert path.suffix in ("", ".mp4")
    assert upload_path(tmp_path, name) != path
