import os
import threading
from contextlib import closing

import pytest

from clipsum import storage
from clipsum.errors import ItemError, UsageError
from clipsum.storage import s3_ranges
from clipsum.storage.s3_client import _client_of, patience
from clipsum.storage.s3_ranges import SignedRanges
from clipsum.storage.uri import split_s3
from tests.storage.wire import Wire

ODD_KEYS = ["a b/é %41.bin", "a b/+&=;,?#.bin", "a b//empty name.bin", "a b/日本/x.bin", "a b/[x] *.bin", "a b/'\".bin"]


def fails(reason, call, *arguments):
    with pytest.raises(ItemError) as caught:
        call(*arguments)
    assert (caught.value.reason, caught.value.stage) == (reason, "open"), caught.value
    return caught.value.detail


@pytest.fixture
def wire(s3, monkeypatch):
    """Point the client of this test at a wire of its own; call it with the answers to cut."""
    opened = []

    def open_wire(**options):
        opened.append(Wire(int(s3.server.endpoint.rpartition(":")[2]), **options))
        monkeypatch.setenv("AWS_ENDPOINT_URL", opened[-1].endpoint)
        return opened[-1]

    yield open_wire
    for each in opened:
        each.close()


def test_keys_with_odd_characters_are_written_listed_and_read(s3):
    uris = [f"{s3.uri}/{key}" for key in ODD_KEYS]
    for uri in uris:
        storage.write_bytes(uri, uri.encode())
    assert sorted(stored.uri for stored in storage.list_files(f"{s3.uri}/a b")) == sorted(uris)
    for uri in uris:
        assert storage.read_bytes(uri) == uri.encode()
        assert [stored.uri for stored in storage.list_files(uri)] == [uri]
        with storage.open_reader(uri) as reader:
            assert reader.read() == uri.encode()


def test_a_listing_of_several_pages_is_complete_and_leaves_hidden_names_out(s3):
    names = [f"in/{number:03}.mp4" for number in range(25)]
    for name in (*names, "in/.clipsum-writable", "in/._000.mp4", "in/folder/", "inside.mp4"):
        storage.write_bytes(f"{s3.uri}/{name}", b"x")
    assert [stored.uri for stored in storage.list_files(f"{s3.uri}/in")] == [f"{s3.uri}/{name}" for name in names]
    assert [stored.uri for stored in storage.list_files(f"{s3.uri}/in/")] == [f"{s3.uri}/{name}" for name in names]


def test_a_glob_over_keys_names_objects_and_folders_with_what_is_in_them(s3):
    for name in ("a/1.mp4", "a/1.vtt", "a/b/2.mp4", "c/3.mp4"):
        storage.write_bytes(f"{s3.uri}/{name}", b"x")

    def listed(pattern):
        return [stored.uri.removeprefix(f"{s3.uri}/") for stored in storage.list_files(f"{s3.uri}/{pattern}")]

    assert listed("a/*.mp4") == ["a/1.mp4"]
    assert listed("**/*.mp4") == ["a/1.mp4", "a/b/2.mp4", "c/3.mp4"]
    assert listed("[ab]*") == ["a/1.mp4", "a/1.vtt", "a/b/2.mp4"]


def test_a_whole_bucket_can_be_listed(s3):
    storage.write_bytes(f"{s3.uri}/a/b", b"x")
    for uri in (s3.uri, f"{s3.uri}/"):
        assert [stored.uri for stored in storage.list_files(uri)] == [f"{s3.uri}/a/b"]


def test_the_version_follows_the_content(s3):
    uri = f"{s3.uri}/a"
    storage.write_bytes(uri, b"one")
    first = storage.stat(uri)
    storage.write_bytes(uri, b"two")
    second = storage.stat(uri)
    assert first.version != second.version
    assert second.size_bytes == 3
    assert next(storage.list_files(uri)) == second
    with storage.open_reader(uri) as reader:
        assert reader.version == second.version


def test_an_empty_object_opens_and_reads_nothing(s3):
    storage.write_bytes(f"{s3.uri}/empty", b"")
    with storage.open_reader(f"{s3.uri}/empty") as reader:
        assert (reader.size_bytes, reader.read(), reader.read_ranges([(0, 5)])) == (0, b"", [b""])
        assert reader.version == storage.stat(f"{s3.uri}/empty").version


def test_ranges_are_read_in_few_requests_and_counted_as_they_went_over_the_wire(s3, wire):
    data = os.urandom(6 * 2**20)
    storage.write_bytes(f"{s3.uri}/v", data)
    watched = wire()
    with storage.open_reader(f"{s3.uri}/v") as reader:
        spans = [(at, at + 20_000) for at in range(2**20, 5 * 2**20, 2**19)]
        near = [(start + 30_000, stop + 30_000) for start, stop in spans]
        pieces = reader.read_ranges([*spans, *near])
    assert pieces == [data[start:stop] for start, stop in (*spans, *near)]
    requests = 1 + len(spans)
    assert reader.bytes_read == 2**16 + 50_000 * len(spans)
    assert reader.bytes_read <= watched.bytes_down <= reader.bytes_read + 1000 * requests  # headers


def test_a_range_is_got_by_its_one_signature_without_the_ordinary_way(s3):
    data = os.urandom(1000)
    storage.write_bytes(f"{s3.uri}/v", data)

    def ordinary(start, stop):
        raise AssertionError

    ranges = SignedRanges(*split_s3(f"{s3.uri}/v"), storage.stat(f"{s3.uri}/v").version, ordinary)
    assert ranges(10, 20) == data[10:20]


def test_ranges_are_read_all_the_same_where_boto3_has_other_connections_by_now(s3, monkeypatch):
    data = os.urandom(2**20)
    storage.write_bytes(f"{s3.uri}/v", data)
    monkeypatch.setattr(s3_ranges, "connections", object)
    with storage.open_reader(f"{s3.uri}/v") as reader:
        assert reader.read_ranges([(2**18, 2**18 + 10), (2**19, 2**19 + 20)])[1] == data[2**19 : 2**19 + 20]


def test_ranges_of_a_store_that_takes_no_signed_addresses_are_read_all_the_same(s3, wire):
    data = os.urandom(2**20)
    storage.write_bytes(f"{s3.uri}/v", data)
    wire(refused=r"GET \S+X-Amz-Signature")
    spans = [(2**18, 2**18 + 10), (2**19, 2**19 + 20)]
    with storage.open_reader(f"{s3.uri}/v") as reader:
        assert reader.read_ranges(spans) == [data[start:stop] for start, stop in spans]


def test_a_range_that_breaks_off_is_read_again(s3, wire):
    data = os.urandom(2**20)
    storage.write_bytes(f"{s3.uri}/v", data)
    watched = wire(cuts=1, cut_bytes=200_000)
    with storage.open_reader(f"{s3.uri}/v") as reader:
        assert reader.read_ranges([(2**18, 2**20)]) == [data[2**18 :]]
    assert watched.cut == 1


def test_a_range_of_an_object_that_was_replaced_since_is_refused(s3):
    storage.write_bytes(f"{s3.uri}/v", os.urandom(2**20))
    with storage.open_reader(f"{s3.uri}/v") as reader:
        storage.write_bytes(f"{s3.uri}/v", os.urandom(2**20))
        with pytest.raises(ItemError):
            reader.read_ranges([(2**18, 2**19)])


def test_reading_from_start_to_end_asks_for_each_byte_once(s3, wire):
    data = os.urandom(3 * 2**20 + 17)
    storage.write_bytes(f"{s3.uri}/v", data)
    watched = wire()
    with storage.open_reader(f"{s3.uri}/v") as reader:
        assert b"".join(iter(lambda: reader.read(32_768), b"")) == data
    assert reader.bytes_read == len(data)
    assert watched.bytes_down < len(data) + 10_000


def test_a_body_that_breaks_off_is_read_again(s3, wire):
    data = os.urandom(2**20)
    storage.write_bytes(f"{s3.uri}/v", data)
    watched = wire(cuts=2, cut_bytes=300_000)
    assert storage.read_bytes(f"{s3.uri}/v") == data
    assert watched.cut == 2


def test_a_body_that_breaks_off_each_time_is_a_storage_error(s3, wire):
    storage.write_bytes(f"{s3.uri}/v", os.urandom(2**20))
    wire(cuts=100, cut_bytes=100_000)
    with patience(1):
        fails("storage_error", storage.read_bytes, f"{s3.uri}/v")


def test_an_object_that_changes_while_it_is_read_is_not_mixed(s3):
    storage.write_bytes(f"{s3.uri}/v", os.urandom(2**20))
    with storage.open_reader(f"{s3.uri}/v") as reader:
        storage.write_bytes(f"{s3.uri}/v", os.urandom(2**20))
        reader.seek(500_000)
        assert "412" in fails("storage_error", reader.read, 10)


@pytest.mark.parametrize("part", ["object", "proxy"])  # the one gives 503s, the other refuses connections
def test_a_store_that_is_busy_or_away_is_asked_again_until_it_answers(s3, disturbed, monkeypatch, part):
    storage.write_bytes(f"{s3.uri}/v", b"abc")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")  # boto3's own tries may last for seconds: ours are meant
    _client_of.cache_clear()
    disturbed.stop(part)
    back = threading.Timer(1.0, disturbed.start, [part])
    back.start()
    try:
        assert storage.read_bytes(f"{s3.uri}/v") == b"abc"
    finally:
        back.join()


def test_a_store_that_stays_busy_is_a_storage_error(s3, disturbed):
    storage.write_bytes(f"{s3.uri}/v", b"abc")
    disturbed.stop("object")
    try:
        with patience(0):
            assert "503" in fails("storage_error", storage.read_bytes, f"{s3.uri}/v")
        with pytest.raises(ItemError, match="try again once it is there"):
            storage.check_writable(f"{s3.uri}/out")
    finally:
        disturbed.start("object")


def test_a_store_that_cannot_be_reached_is_a_storage_error(monkeypatch, s3):
    with closing(Wire(1)) as nobody:
        endpoint = nobody.endpoint
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    with patience(0):
        assert endpoint in fails("storage_error", storage.stat, f"{s3.uri}/v")
    with pytest.raises(ItemError, match="try again once it is there"):
        storage.check_readable(f"{s3.uri}/v")


def test_what_is_missing_is_not_found(s3):
    for call in (storage.stat, storage.read_bytes, storage.open_reader):
        fails("not_found", call, f"{s3.uri}/nothing")
        fails("not_found", call, "s3://no-such-bucket/a")
        fails("not_found", call, "s3://")
    fails("not_found", storage.stat, s3.uri)
    fails("not_found", lambda: list(storage.list_files("s3://no-such-bucket/a")))
    assert list(storage.list_files(f"{s3.uri}/nothing")) == []
    storage.delete(f"{s3.uri}/nothing")


def test_wrong_keys_are_access_denied(s3, monkeypatch):
    storage.write_bytes(f"{s3.uri}/a", b"x")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    for call in (storage.stat, storage.read_bytes, storage.open_reader):
        fails("access_denied", call, f"{s3.uri}/a")
    fails("access_denied", lambda: list(storage.list_files(f"{s3.uri}/")))


def test_no_keys_at_all_are_access_denied(s3, monkeypatch):
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    assert "credentials" in fails("access_denied", storage.stat, f"{s3.uri}/a")


def test_a_writable_prefix_passes_and_stays_empty(s3):
    storage.check_writable(f"{s3.uri}/out")
    assert not storage.exists(f"{s3.uri}/out")


@pytest.mark.parametrize(
    ("environment", "output", "words"),
    [
        ({"AWS_SECRET_ACCESS_KEY": "wrong"}, "{uri}/out", "check the rights there, or the keys"),
        ({"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}, "{uri}/out", "check the rights there, or the keys"),
        ({"AWS_PROFILE": "nobody"}, "{uri}/out", "nobody"),
        ({}, "s3://no-such-bucket/out", "a bucket that exists"),
        ({}, "s3://No_Bucket!/out", "a bucket that exists"),
    ],
)
def test_an_output_that_is_not_writable_is_one_line_that_names_it_and_what_to_do(
    s3, monkeypatch, environment, output, words
):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(UsageError) as caught:
        storage.check_writable(output.format(uri=s3.uri))
    line = str(caught.value)
    assert output.format(uri=s3.uri) in line
    assert words in line
    assert "\n" not in line


def test_an_output_where_nothing_may_be_deleted_is_one_line_too(s3, wire):
    wire(refused=r"DELETE ")
    with pytest.raises(UsageError, match=r"cannot delete in '.*/out': .*403.*; check the rights there"):
        storage.check_writable(f"{s3.uri}/out")


def test_files_beside_another_are_found_by_one_request(s3, wire):
    for name in ("a/v.mp4", "a/v.txt", "a/v.SRT", "a/v.en.vtt", "a/v.d/x.vtt", "a/w.mp4"):
        storage.write_bytes(f"{s3.uri}/{name}", b"x")
    watched = wire()
    beside = [f"{s3.uri}/a/{name}" for name in ("v.SRT", "v.en.vtt", "v.txt")]
    assert storage.beside(f"{s3.uri}/a/v.mp4", (".vtt", ".srt", ".txt")) == beside
    assert storage.beside(f"{s3.uri}/a/w.mp4", (".vtt", ".srt", ".txt")) == []
    assert watched.bytes_down < 5000


def test_a_file_beside_another_is_found_behind_a_page_of_pictures(s3):
    for name in ("v.0001.jpg", "v.0002.jpg", *(f"v.{number:04}.jpg" for number in range(3, 15)), "v.vtt"):
        storage.write_bytes(f"{s3.uri}/{name}", b"x")
    assert storage.beside(f"{s3.uri}/v.mp4", (".vtt",)) == [f"{s3.uri}/v.vtt"]


def test_where_a_missing_key_is_refused_a_listing_counts(s3, wire):
    for name in ("archive/a.mp4", "archive/b/c.mp4", "one.mp4"):
        storage.write_bytes(f"{s3.uri}/{name}", b"x")
    wire(refused="HEAD ")  # what S3 does where not every key may be listed
    names = [f"{s3.uri}/archive/{name}" for name in ("a.mp4", "b/c.mp4")]
    for folder in (f"{s3.uri}/archive/", f"{s3.uri}/archive"):
        assert [stored.uri for stored in storage.list_files(folder)] == names
        assert storage.exists(folder)
    assert [stored.uri for stored in storage.list_files(f"{s3.uri}/one.mp4")] == [f"{s3.uri}/one.mp4"]
    assert storage.exists(f"{s3.uri}/one.mp4")
    assert not storage.exists(f"{s3.uri}/on")
    assert list(storage.list_files(f"{s3.uri}/on")) == []


def test_where_neither_the_key_nor_its_listing_is_allowed_that_is_said(s3, wire):
    storage.write_bytes(f"{s3.uri}/a/b", b"x")
    wire(refused=r"(HEAD |GET /[^/ ]*\?)")
    fails("access_denied", storage.exists, f"{s3.uri}/a")
    fails("access_denied", lambda: list(storage.list_files(f"{s3.uri}/a/")))
    assert storage.read_bytes(f"{s3.uri}/a/b") == b"x"


def test_a_folder_is_listed_without_a_request_for_a_key_of_its_name(s3, wire):
    storage.write_bytes(f"{s3.uri}/a/b", b"x")
    watched = wire(refused="HEAD ")
    assert storage.exists(f"{s3.uri}/a/")
    assert watched.connections == 1


def test_a_large_object_is_downloaded_whole(s3, tmp_path):
    data = os.urandom(9 * 2**20)
    storage.write_bytes(f"{s3.uri}/large", data)
    storage.download(f"{s3.uri}/large", tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == data
    assert [path.name for path in tmp_path.iterdir()] == ["copy"]


def test_a_large_file_is_uploaded_whole_and_a_refusal_says_why(s3, tmp_path, monkeypatch):
    data = os.urandom(9 * 2**20)
    (tmp_path / "large").write_bytes(data)
    storage.upload(tmp_path / "large", f"{s3.uri}/folder/large")
    assert storage.read_bytes(f"{s3.uri}/folder/large") == data
    fails("not_found", storage.upload, tmp_path / "large", "s3://no-such-bucket/large")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    fails("access_denied", storage.upload, tmp_path / "large", f"{s3.uri}/again")


def test_a_download_that_breaks_off_leaves_no_rest_and_says_why(s3, wire, tmp_path):
    storage.write_bytes(f"{s3.uri}/v", os.urandom(2**20))
    wire(cuts=100, cut_bytes=100_000)
    with patience(0):
        fails("storage_error", storage.download, f"{s3.uri}/v", tmp_path / "copy")
    assert list(tmp_path.iterdir()) == []
    fails("not_found", storage.download, f"{s3.uri}/nothing", tmp_path / "copy")
    fails("storage_error", storage.download, f"{s3.uri}/v", tmp_path / "no folder" / "copy")


def test_many_threads_share_one_client(s3):
    storage.write_bytes(f"{s3.uri}/v", b"0123456789")
    found = []
    threads = [
        threading.Thread(target=lambda at=at: found.append(storage.read_range(f"{s3.uri}/v", at, at + 1)))
        for at in range(10)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == [str(at).encode() for at in range(10)]
