import csv
import json
import shutil
import subprocess
import sys

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from clipsum import storage
from clipsum.datasets.manifest import default_id, list_sources
from clipsum.errors import ItemError, UsageError


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def put(folder, *names):
    for name in names:
        storage.write_bytes(storage.join(str(folder), name), b"x")


def uris(*sources, **options):
    return [ref.uri for ref in list_sources(sources, **options)]


def refused(*sources, **options):
    with pytest.raises(UsageError) as caught:
        list(list_sources(sources, **options))
    assert "\n" not in str(caught.value)
    return str(caught.value)


def write_manifest(path, rows):
    columns = list(rows[0])
    if path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    elif path.suffix == ".csv":
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, columns)
            writer.writeheader()
            writer.writerows(rows)
    else:
        pq.write_table(pa.Table.from_pylist(rows), path)
    return str(path)


def test_a_folder_gives_its_videos_in_order_and_nothing_else(here):
    put(here, "b.MP4", "a.mkv", "sub/c.webm", "a.txt", "notes.md", ".hidden.mp4", "sub/._c.webm")
    assert uris(".") == [str(here / name) for name in ("a.mkv", "b.MP4", "sub/c.webm")]


def test_a_link_to_nothing_is_a_video_without_a_version_and_no_transcript(here):
    put(here, "a.mp4")
    for name in ("b.mp4", "a.vtt", "notes.txt"):
        (here / name).symlink_to("missing")
    first, second = list_sources(["."])
    assert (first.transcript_uri, second.uri, second.version) == ("", str(here / "b.mp4"), "")


def test_a_file_that_is_named_is_taken_whatever_its_suffix(here):
    put(here, "clip", "clip.bin")
    assert uris("clip", "clip.bin") == [str(here / "clip"), str(here / "clip.bin")]


def test_a_glob_and_a_file_with_a_glob_in_its_name(here):
    put(here, "v [1].mp4", "v 1.mp4", "x/y.mp4")
    assert uris("v [1].mp4") == [str(here / "v [1].mp4")]
    assert uris("v*.mp4") == [str(here / "v 1.mp4"), str(here / "v [1].mp4")]
    assert uris("**/*.mp4") == [str(here / name) for name in ("v 1.mp4", "v [1].mp4", "x/y.mp4")]


def test_a_video_that_two_sources_name_is_listed_once(here):
    put(here, "a.mp4", "b.mp4")
    assert uris("b.mp4", ".", "*.mp4") == [str(here / "b.mp4"), str(here / "a.mp4")]


def test_the_limit_stops_the_listing(here):
    put(here, "a.mp4", "b.mp4", "c.mp4")
    assert uris(".", limit=2) == [str(here / "a.mp4"), str(here / "b.mp4")]
    assert uris(".", limit=0) == []


def test_ids_and_versions_are_stable_and_a_changed_file_has_a_new_version(here):
    put(here, "a.mp4")
    (first,) = list_sources(["a.mp4"])
    (again,) = list_sources([str(here)])
    assert (first.video_id, first.version, first.size_bytes) == (again.video_id, again.version, 1)
    assert first.video_id == default_id(str(here / "a.mp4"))
    assert len(first.video_id) == 16
    (here / "a.mp4").write_bytes(b"longer")
    (changed,) = list_sources(["a.mp4"])
    assert changed.video_id == first.video_id
    assert changed.version != first.version


def test_a_transcript_beside_a_listed_video_is_seen_by_the_listing(here):
    put(here, "v.mp4", "v.txt", "v.srt", "v.parts.mp4", "v-2.mp4", "w.webm", "w.VTT", "x.mp4", "x/x.vtt", "v.x.vtt")
    put(here, "v.en.vtt", "y.mp4", "y.de.srt", "y.en.srt", "z.en.vtt", "z.mov", "z.more.mp4")
    seen = {ref.uri: ref.transcript_uri for ref in list_sources(["."])}
    assert seen == {
        str(here / "v.mp4"): str(here / "v.srt"),
        str(here / "w.webm"): str(here / "w.VTT"),
        str(here / "y.mp4"): str(here / "y.en.srt"),
        str(here / "z.mov"): str(here / "z.en.vtt"),
        **{str(here / name): "" for name in ("v.parts.mp4", "v-2.mp4", "x.mp4", "z.more.mp4")},
    }


def test_a_listing_that_cannot_see_transcripts_does_not_say_that_there_are_none(here):
    put(here, "v.mp4", "v.vtt")
    assert [ref.transcript_uri for ref in list_sources(["v.mp4"])] == [None]
    assert [ref.transcript_uri for ref in list_sources(["*.mp4"])] == [None]


@pytest.mark.parametrize("suffix", [".jsonl", ".csv", ".parquet"])
def test_a_manifest_gives_its_columns_and_leaves_others_alone(here, suffix):
    put(here, "in/a.mp4", "b.mp4")
    full = {
        "video": "a.mp4",
        "video_id": "first",
        "transcript": 'Stir, "well".\nServe.',
        "transcript_uri": "a.vtt",
        "query": "when?",
        "summary": "Stirring.",
        "split": "test",
        "truth": 3,
    }
    bare = dict.fromkeys(full) | {"video": str(here / "b.mp4")}
    manifest = write_manifest(here / "in" / f"list{suffix}", [full, bare])
    first, second = list_sources([manifest])
    assert (first.uri, first.video_id, first.size_bytes) == (str(here / "in/a.mp4"), "first", 1)
    assert (first.transcript, first.query, first.summary) == (full["transcript"], "when?", "Stirring.")
    assert (first.split, second.split) == ("test", None)
    assert first.transcript_uri == str(here / "in/a.vtt")
    assert (second.uri, second.video_id) == (str(here / "b.mp4"), default_id(str(here / "b.mp4")))
    assert (second.transcript, second.transcript_uri, second.query, second.summary) == (None,) * 4


def test_a_missing_video_of_a_manifest_stays_listed(here):
    names = ["nothing.mp4", "a" * 300 + ".mp4", "zero\0.mp4", "/nowhere/b.mp4"]
    manifest = write_manifest(here / "list.jsonl", [{"video": name} for name in names])
    refs = list(list_sources([manifest]))
    assert len(refs) == len({ref.video_id for ref in refs}) == len(names)
    assert {(ref.version, ref.size_bytes) for ref in refs} == {("", None)}


def test_a_manifest_longer_than_what_is_read_at_once_is_whole_and_in_order(here):
    rows = [{"video": f"{number}.mp4", "video_id": number} for number in range(700)]
    for suffix in (".jsonl", ".parquet"):
        manifest = write_manifest(here / f"list{suffix}", rows)
        assert [ref.video_id for ref in list_sources([manifest])] == [str(row["video_id"]) for row in rows]


def test_a_csv_takes_an_hour_of_transcript_a_byte_order_mark_and_windows_line_ends(here):
    text = "word " * 60_000
    (here / "list.csv").write_bytes(f'\ufeffvideo,transcript\r\na.mp4,"{text}"\r\n'.encode())
    (ref,) = list_sources(["list.csv"])
    assert ref.transcript == text


def test_one_video_may_be_listed_under_two_ids(here):
    rows = [{"video": "a.mp4", "video_id": "1", "query": "x"}, {"video": "a.mp4", "video_id": "2", "query": "y"}]
    assert len(list(list_sources([write_manifest(here / "list.jsonl", rows)]))) == 2


def test_one_video_in_two_splits_is_refused_under_whatever_ids(here):
    put(here, "a.mp4")
    rows = [{"video": "a.mp4", "video_id": name, "split": split} for name, split in (("1", "train"), ("2", "test"))]
    message = refused(write_manifest(here / "list.jsonl", rows))
    assert f"splits overlap: video '{here / 'a.mp4'}' is in 'train' and in 'test'" in message
    same = [row | {"split": "train"} for row in rows]
    assert len(uris(write_manifest(here / "same.jsonl", same))) == 2


@pytest.mark.parametrize(
    "rows",
    [
        [{"video": "a.mp4", "video_id": "same"}, {"video": "b.mp4", "video_id": "same"}],
        [{"video": "a.mp4"}, {"video": "./a.mp4"}],
    ],
)
def test_an_id_that_comes_twice_in_a_manifest_is_refused_and_named(here, rows):
    message = refused(write_manifest(here / "list.jsonl", rows))
    assert (rows[0].get("video_id") or default_id(str(here / "a.mp4"))) in message
    assert "of its own" in message


def test_what_cannot_be_listed_is_one_line_that_names_it(here):
    (here / "empty").mkdir()
    (here / "none.jsonl").write_text("\n")
    put(here, "texts/a.txt")
    assert "no source" in refused()
    assert "which names none" in refused("")
    for source in (
        "empty",
        "texts",
        "nothing",
        "nothing.jsonl",
        "*.mp4",
        "none.jsonl",
        "gs://b/x",
        "s3://",
        "https://[",
    ):
        assert source in refused(source)
    assert "allow_https" in refused("https://host/a.mp4?X-Amz-Signature=secret")
    assert "secret" not in refused("https://host/a.mp4?X-Amz-Signature=secret")


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.jsonl", b'{"video": "a.mp4"}\n{"video":\n', "line 2"),
        ("a.jsonl", b"[1]\n", "'video'"),
        ("a.jsonl", b'{"video": "a.mp4"\n', "line 1 is not JSON: Expecting ',' delimiter at column 18"),
        ("a.jsonl", b'{"video": "a.mp4"}\n\n{"video": "b.mp4", "query": ["x"]}\n', "line 3: 'query' is of type list"),
        ("a.jsonl", b'{"video": 3}', "type int"),
        ("a.jsonl", b'{"video": "a.mp4", "transcript": ["x"]}', "type list"),
        ("a.jsonl", b'{"clip": "a.mp4"}', "line 1 has no key 'video': its keys are 'clip'"),
        ("a.jsonl", b'{"video": "\\ud800.mp4"}', "not text"),
        ("a.jsonl", b'{"video": "\xff"}', "utf-8"),
        ("a.jsonl", b'{"video": "https://h/a.mp4"}', "https is off"),
        ("a.jsonl", b'{"video": "a.mp4", "transcript_uri": "https://169.254.169.254/x.txt"}', "https is off"),
        ("a.jsonl", b'{"video": "a.mp4", "transcript_uri": "ftp://h/x.txt"}', "scheme 'ftp'"),
        ("a.jsonl", b'{"video": "a.mp4", "trascript": "x"}', "'trascript' is no column that is read: did you mean"),
        ("a.csv", b"video,summary,splits\na.mp4,x,test\n", "did you mean 'split'?"),
        ("a.csv", b"video,transcript\na.mp4,half a cup, and more\n", "row 1 has more fields than there are columns"),
        ("a.csv", b"video;transcript\na.mp4;x\n", "separate them by commas"),
        ("a.csv", b"video\ncaf\xe9.mp4\n", "is not UTF-8: save it as that"),
        ("a.csv", b"clip,title\na.mp4,x\n", "'clip', 'title'"),
        ("a.csv", b'video\n"a.mp4\n', "cannot be read"),
        ("a.csv", b"", "no column 'video'"),
        ("a.parquet", b"PAR1 not parquet PAR1", "cannot be read"),
    ],
)
def test_a_malformed_manifest_is_refused_with_the_place(here, name, content, words):
    (here / name).write_bytes(content)
    message = refused(name)
    assert words in message
    assert len(message) < 500


def test_a_parquet_manifest_without_the_column_says_which_it_has(here):
    assert "'clip'" in refused(write_manifest(here / "a.parquet", [{"clip": "a.mp4"}]))


def test_videos_transcripts_and_manifests_in_a_bucket_are_listed_like_files(s3, here):
    odd = [f"v/{name}.mp4" for name in ("a", "b c", "é%41", "x+y", "[1]")]
    put(s3.uri, *odd, *(f"v/{number:02}.mp4" for number in range(15)), "v/a.vtt", "v/b c.txt", "vv.mp4")
    refs = {ref.uri.removeprefix(f"{s3.uri}/"): ref for ref in list_sources([f"{s3.uri}/v"])}
    assert sorted(refs) == sorted([*odd, *(f"v/{number:02}.mp4" for number in range(15))])
    assert refs["v/a.mp4"].transcript_uri == f"{s3.uri}/v/a.vtt"
    assert refs["v/x+y.mp4"].transcript_uri == ""
    assert uris(f"{s3.uri}/v/[0-9][05].mp4") == [f"{s3.uri}/v/{name}.mp4" for name in ("00", "05", "10")]
    rows = [{"video": "../v/a.mp4"}, {"video": "nothing.mp4"}, {"video": str(here / "x.mp4")}]
    local = write_manifest(here / "list.parquet", rows)
    storage.write_bytes(f"{s3.uri}/lists/list.parquet", storage.read_bytes(local))
    listed = list(list_sources([f"{s3.uri}/lists/list.parquet"]))
    assert [ref.uri for ref in listed] == [f"{s3.uri}/v/a.mp4", f"{s3.uri}/lists/nothing.mp4", str(here / "x.mp4")]
    assert listed[0].version == refs["v/a.mp4"].version
    assert listed[1].version == ""


def test_a_bucket_that_refuses_or_is_missing_is_one_line(s3, monkeypatch):
    put(s3.uri, "a.mp4")
    assert "s3://no-such-bucket" in refused("s3://no-such-bucket/a")
    assert "missing" in refused(f"{s3.uri}/nothing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    message = refused(f"{s3.uri}/")
    assert "AWS_ACCESS_KEY_ID" in message
    assert s3.uri in message


def test_a_denial_to_every_video_of_a_manifest_is_a_wrong_call_and_to_one_of_them_is_not(s3, here, monkeypatch):
    rows = [{"video": f"{s3.uri}/{name}.mp4"} for name in "ab"]
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    assert len(uris(write_manifest(here / "list.jsonl", [*rows, {"video": "gone.mp4"}]))) == 3
    message = refused(write_manifest(here / "list.jsonl", rows))
    assert "(access_denied)" in message
    assert "all of its first 2 videos: check the rights, or the keys" in message


MEASURE = """
import sys, json
from pathlib import Path
from clipsum.datasets import manifest
manifest._stat = lambda uri: manifest.StoredObject(uri, 1, "v")  # the listing itself, without the file system
count = sum(1 for _ in manifest.list_sources([sys.argv[1]]))
status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
print(json.dumps([count, int(status["VmHWM"].split()[0])]))
"""


def test_memory_stays_flat_as_a_manifest_grows_tenfold(here):
    def measured(count):
        path = here / f"{count}.csv"
        with path.open("w") as file:
            file.write("video\n")
            file.writelines(f"folder/video number {number}.mp4\n" for number in range(count))
        done = subprocess.run([sys.executable, "-c", MEASURE, path], capture_output=True, text=True, check=True)
        listed, kilobytes = json.loads(done.stdout)
        assert listed == count
        return kilobytes

    assert measured(60_000) < 1.1 * measured(6_000)


def test_the_real_videos_are_all_listed(shared_dir, here):
    shutil.copytree(shared_dir / "videos", here / "videos")
    found = {uri.removeprefix(f"{here}/videos/") for uri in uris("videos")}
    assert found == {str(p.relative_to(here / "videos")) for p in (here / "videos").rglob("*.*") if p.suffix != ".md"}


def test_a_store_that_fails_in_the_middle_of_a_listing_is_no_wrong_call(here, monkeypatch):
    def listing(uri):
        yield storage.StoredObject(f"{uri}/a.mp4", 1, "v")
        raise ItemError("storage_error", "open", f"{uri}: 503 SlowDown")

    monkeypatch.setattr(storage, "list_files", listing)
    with pytest.raises(ItemError, match=r"cannot be listed .*503 SlowDown") as caught:
        list(list_sources([str(here)]))
    assert caught.value.reason == "storage_error"
