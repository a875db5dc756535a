"""Writing only where nothing is: what claims on jobs stand on."""

import errno
import threading
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from clipsum import storage
from clipsum.errors import UsageError
from clipsum.storage.s3_client import client


def test_of_many_who_create_the_same_file_at_once_one_alone_does(tmp_path):
    place, start, made = str(tmp_path / "new" / "one"), threading.Barrier(16), []

    def create(number):
        start.wait()
        made.extend([number] if storage.create_bytes(place, str(number).encode()) else [])

    threads = [threading.Thread(target=create, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    [winner] = made
    assert storage.read_bytes(place) == str(winner).encode()
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["one"]


def test_an_object_is_created_once_and_its_writer_knows_it_again(s3):
    place = f"{s3.uri}/folder/one"
    assert storage.create_bytes(place, b"first")
    assert not storage.create_bytes(place, b"second")
    assert storage.create_bytes(place, b"first")  # as when the answer to the first try was lost
    assert storage.read_bytes(place) == b"first"


@pytest.mark.parametrize("other", [b"somebody else's", None])
def test_a_conflict_with_a_writer_of_the_same_moment_is_settled_by_asking_again(s3, monkeypatch, other):
    place, asked, put = f"{s3.uri}/folder/one", [], client().put_object

    def conflict(**options):
        asked.append(options)
        if len(asked) > 1:
            return put(**options)
        if other is not None:
            storage.write_bytes(place, other)
        said = {"Error": {"Code": "ConditionalRequestConflict"}, "ResponseMetadata": {"HTTPStatusCode": 409}}
        raise ClientError(said, "PutObject")

    monkeypatch.setattr(client(), "put_object", conflict)
    assert storage.create_bytes(place, b"own") is (other is None)
    assert storage.read_bytes(place) == (other or b"own")


def test_nothing_is_created_behind_https():
    with pytest.raises(UsageError, match="only be read"):
        storage.create_bytes("https://host/a", b"")


def test_a_file_is_created_once_where_the_file_system_has_no_links(tmp_path, monkeypatch):
    def refuse(path, target):
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    place = str(tmp_path / "one")
    assert storage.create_bytes(place, b"first")
    assert not storage.create_bytes(place, b"second")
    assert storage.read_bytes(place) == b"first"
    assert [path.name for path in tmp_path.iterdir()] == ["one"]
