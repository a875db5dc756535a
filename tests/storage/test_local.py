import errno
import os
import pickle
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clipsum import storage
from clipsum.errors import ItemError, UsageError


def names(folder):
    return [path.name for path in folder.iterdir()]


def reason_of(call, *arguments):
    with pytest.raises(ItemError) as caught:
        call(*arguments)
    assert caught.value.stage == "open"
    return pickle.loads(pickle.dumps(caught.value)).reason


def test_what_is_written_is_read_and_its_folders_are_made(tmp_path):
    uri = storage.join(str(tmp_path), "a b", "é %41.bin")
    storage.write_bytes(uri, b"0123456789")
    assert storage.read_bytes(uri) == b"0123456789"
    assert storage.read_range(uri, 3, 5) == b"34"
    assert storage.stat(uri).size_bytes == 10


def test_a_failed_write_leaves_the_old_file_and_no_rest(tmp_path, monkeypatch):
    uri = str(tmp_path / "a")
    storage.write_bytes(uri, b"old")

    def full_disk(_descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full_disk)
    assert reason_of(storage.write_bytes, uri, b"new") == "storage_error"
    assert storage.read_bytes(uri) == b"old"
    assert names(tmp_path) == ["a"]


def test_a_new_file_has_a_new_version(tmp_path):
    uri = str(tmp_path / "a")
    storage.write_bytes(uri, b"one")
    first = storage.stat(uri).version
    storage.write_bytes(uri, b"two")
    assert storage.stat(uri).version != first


def test_what_cannot_be_opened_says_why(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    assert reason_of(storage.open_reader, str(tmp_path / "nothing")) == "not_found"
    assert reason_of(storage.open_reader, str(tmp_path)) == "not_found"
    assert reason_of(storage.open_reader, str(tmp_path / "pipe")) == "not_found"  # and nobody waits for a writer
    assert reason_of(storage.open_reader, "a\0b") == "not_found"
    assert reason_of(storage.open_reader, "gs://bucket/key") == "not_found"
    assert reason_of(storage.stat, str(tmp_path / ("a" * 300))) == "not_found"


@pytest.mark.skipif(os.getuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_access_denied(tmp_path):
    (tmp_path / "a").touch(mode=0)
    assert reason_of(storage.read_bytes, str(tmp_path / "a")) == "access_denied"


def test_a_reader_is_a_file_that_counts_just_the_bytes_it_was_asked_for(tmp_path):
    (tmp_path / "a").write_bytes(bytes(range(256)) * 1000)
    with storage.open_reader(str(tmp_path / "a")) as reader:
        reader.seek(-256, os.SEEK_END)
        assert reader.read(3) == bytes([0, 1, 2])
        assert reader.tell() == reader.size_bytes - 253
        reader.seek(10)
        reader.seek(5, os.SEEK_CUR)
        assert reader.read(2) == bytes([15, 16])
        assert reader.bytes_read == 5
        reader.seek(10**9)
        assert reader.read(5) == b""
        with pytest.raises(ValueError, match="before the start"):
            reader.seek(-1)


def test_ranges_past_the_end_are_cut_short(tmp_path):
    (tmp_path / "a").write_bytes(b"0123456789")
    with storage.open_reader(str(tmp_path / "a")) as reader:
        assert reader.read_ranges([(8, 20), (50, 60), (4, 4), (0, 2)]) == [b"89", b"", b"", b"01"]
        assert reader.bytes_read == 4


@given(st.binary(max_size=300), st.lists(st.tuples(st.integers(0, 320), st.integers(0, 320)), max_size=8))
def test_any_ranges_are_what_slices_of_the_whole_are(tmp_path_factory, data, ranges):
    path = tmp_path_factory.mktemp("any") / "a"
    path.write_bytes(data)
    with storage.open_reader(str(path)) as reader:
        assert reader.read_ranges(ranges) == [data[start:stop] for start, stop in ranges]


def test_a_folder_is_listed_in_order_without_hidden_names_each_link_once_and_one_to_nothing_without_a_version(tmp_path):
    for name in ("b/2.mp4", "b/1.mp4", "a.mp4", ".hidden/x.mp4", "._a.mp4", "c.mp4"):
        storage.write_bytes(str(tmp_path / name), b"x")
    (tmp_path / "b" / "loop").symlink_to(tmp_path)
    (tmp_path / "d.mp4").symlink_to(tmp_path / "missing")
    listed = [stored.uri for stored in storage.list_files(str(tmp_path))]
    assert listed == [str(tmp_path / name) for name in ("a.mp4", "b/1.mp4", "b/2.mp4", "c.mp4", "d.mp4")]
    assert [stored.uri for stored in storage.list_files(str(tmp_path)) if not stored.version] == [listed[-1]]


def test_links_to_themselves_and_what_vanishes_while_it_is_listed_are_left_out(tmp_path, monkeypatch):
    for name in ("a.mp4", "b/1.mp4", "c.mp4"):
        storage.write_bytes(str(tmp_path / name), b"x")
    (tmp_path / "a.loop").symlink_to(tmp_path / "a.loop")
    list_names = os.listdir
    monkeypatch.setattr(os, "listdir", lambda folder: [*list_names(folder), "gone.mp4"])
    for source in (tmp_path, tmp_path / "*", tmp_path / "**"):
        listed = [stored.uri for stored in storage.list_files(str(source))]
        assert listed == [str(tmp_path / name) for name in ("a.mp4", "b/1.mp4", "c.mp4")]


def test_a_folder_below_that_may_not_be_read_is_a_warning_and_one_that_is_named_is_refused(
    tmp_path, monkeypatch, caplog
):
    for name in ("a/1.mp4", "lost+found/2.mp4", "z.mp4"):
        storage.write_bytes(str(tmp_path / name), b"x")
    list_names, closed = os.listdir, tmp_path / "lost+found"

    def refuse_one(folder):  # tests may run as root, to whom every folder is open
        if folder == closed:
            raise PermissionError(13, "Permission denied")
        return list_names(folder)

    monkeypatch.setattr(os, "listdir", refuse_one)
    for source in (tmp_path, tmp_path / "**" / "*.mp4"):
        caplog.clear()
        listed = [stored.uri for stored in storage.list_files(str(source))]
        assert sorted(listed) == [str(tmp_path / name) for name in ("a/1.mp4", "z.mp4")]
        assert f"left out, folders: 1, the first: {closed}" in caplog.text
    assert reason_of(list, storage.list_files(str(closed))) == "access_denied"


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("*.mp4", ["a.mp4", "x [1].mp4"]),
        ("**/*.mp4", ["a.mp4", "x [1].mp4", "b/a.mp4", "b/c/a.mp4"]),
        ("b/**", ["b/a.mp4", "b/c/a.mp4", "b/n.txt"]),
        ("b*", ["b/a.mp4", "b/c/a.mp4", "b/n.txt"]),
        ("?/[!b]/a.mp4", ["b/c/a.mp4"]),
        ("x [1].mp4", ["x [1].mp4"]),
        ("y*", []),
    ],
)
def test_a_glob_names_files_and_folders_with_what_is_in_them(tmp_path, pattern, names):
    for name in ("a.mp4", "x [1].mp4", "b/a.mp4", "b/n.txt", "b/c/a.mp4", "b/.part"):
        storage.write_bytes(str(tmp_path / name), b"x")
    listed = [stored.uri for stored in storage.list_files(str(tmp_path / pattern))]
    assert listed == [str(tmp_path / name) for name in names]


def test_a_file_whose_name_is_no_utf8_is_listed_and_read(tmp_path):
    (tmp_path / os.fsdecode(b"\xff.mp4")).write_bytes(b"x")
    (stored,) = storage.list_files(str(tmp_path))
    assert stored.uri.encode()
    assert storage.read_bytes(stored.uri) == b"x"


def test_a_listing_streams_folder_by_folder(tmp_path):
    for name in ("a/1.mp4", "b/2.mp4"):
        storage.write_bytes(str(tmp_path / name), b"x")
    listing = storage.list_files(str(tmp_path))
    assert next(listing).uri == str(tmp_path / "a" / "1.mp4")
    storage.write_bytes(str(tmp_path / "b" / "late.mp4"), b"x")  # a listing held whole would miss it
    assert [stored.uri for stored in listing] == [str(tmp_path / name) for name in ("b/2.mp4", "b/late.mp4")]


def test_files_beside_another_are_found_by_its_stem(tmp_path):
    for name in ("v.mp4", "v.SRT", "v.txt", "w.mp4", "v.en.vtt", "vv.txt"):
        (tmp_path / name).touch()
    (tmp_path / "w.txt").mkdir()
    suffixes = (".vtt", ".srt", ".txt")
    assert storage.beside(str(tmp_path / "v.mp4"), suffixes) == [
        str(tmp_path / name) for name in ("v.SRT", "v.en.vtt", "v.txt")
    ]
    assert storage.beside(str(tmp_path / "w.mp4"), suffixes) == []
    assert storage.beside(str(tmp_path / "nowhere" / "w.mp4"), suffixes) == []


def test_a_file_that_is_put_beside_another_later_is_found(tmp_path):
    (tmp_path / "v.txt").touch()
    for settled_ns in (10**18, 0):  # a time of change long ago, and now
        if settled_ns:
            os.utime(tmp_path, ns=(settled_ns, settled_ns))
        assert len(storage.beside(str(tmp_path / "v.mp4"), (".vtt", ".txt"))) == 1
        (tmp_path / "v.vtt").touch()
        assert len(storage.beside(str(tmp_path / "v.mp4"), (".vtt", ".txt"))) == 2
        (tmp_path / "v.vtt").unlink()


def test_a_folder_that_is_not_there_yet_is_found_writable_and_nothing_is_left_of_it(tmp_path):
    (tmp_path / "old").mkdir()
    storage.check_writable(str(tmp_path / "new" / "out"))
    storage.check_writable(str(tmp_path / "old"))
    assert names(tmp_path) == ["old"]


@pytest.mark.parametrize("output", ["file/out", "https://host/out", "gs://bucket/out", ""])
def test_an_output_that_is_not_writable_is_one_line_with_advice(tmp_path, monkeypatch, output):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match=r"out") as caught:
        storage.check_writable(output)
    assert "\n" not in str(caught.value)
    assert names(tmp_path) == ["file"]


def test_deleting_what_is_not_there_is_fine(tmp_path):
    storage.write_bytes(str(tmp_path / "a"), b"")
    storage.delete(str(tmp_path / "a"))
    storage.delete(str(tmp_path / "a"))
    assert not storage.exists(str(tmp_path / "a"))


def test_an_upload_is_a_copy_in_a_folder_that_is_made(tmp_path):
    (tmp_path / "a").write_bytes(b"abc")
    storage.upload(tmp_path / "a", str(tmp_path / "new/b"))
    assert (tmp_path / "new/b").read_bytes() == b"abc"
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["b"]


def test_a_download_is_a_copy(tmp_path):
    (tmp_path / "a").write_bytes(b"abc")
    storage.download(str(tmp_path / "a"), tmp_path / "b")
    assert (tmp_path / "b").read_bytes() == b"abc"


def test_what_is_not_there_is_none_and_what_cannot_be_fetched_is_an_error(tmp_path, monkeypatch):
    uri = str(tmp_path / "a")
    assert storage.read_if_there(uri) is None
    storage.write_bytes(uri, b"")
    assert storage.read_if_there(uri) == b""

    def fail(*_):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "open", fail)
    assert reason_of(storage.read_if_there, uri) == "storage_error"


def test_a_file_system_that_may_only_be_read_is_a_wrong_output(tmp_path, monkeypatch):
    def fail(*_, **__):
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(Path, "open", fail)
    with pytest.raises(UsageError, match=r"cannot write to .*Read-only file system; check the rights there"):
        storage.check_writable(str(tmp_path / "out"))
