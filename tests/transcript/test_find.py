import pytest

from clipsum import storage
from clipsum.errors import ItemError
from clipsum.records import Segment, Transcript, VideoRef
from clipsum.storage.s3_client import patience
from clipsum.transcript.find import MAX_BYTES, MAX_LETTERS, find_transcript, or_embedded, within_bounds

CUE = "WEBVTT\n\n00:01.000 --> 00:02.000\n{}\n"


def ref(uri, **columns):
    return VideoRef(str(uri), "id", "version", **columns)


@pytest.fixture
def put(tmp_path):
    def write(name, text):
        (tmp_path / name).write_text(text if name.endswith(".txt") else CUE.format(text))
        return str(tmp_path / name)

    return write


def test_the_order_is_manifest_text_manifest_file_sidecar_embedded_none(put, tmp_path):
    video = tmp_path / "v.mp4"
    named = put("named.vtt", "from the manifest's file")
    put("v.txt", "from the text beside it")
    put("v.srt", "from the subtitles beside it")
    put("v.vtt", "from the captions beside it")
    columns = {"transcript": " from  the\nmanifest ", "transcript_uri": named}
    assert find_transcript(ref(video, **columns)) == (Transcript((Segment("from the manifest"),), "manifest"), ())
    columns["transcript"] = "  "
    found, warnings = find_transcript(ref(video, **columns))
    assert (found.text, found.source, warnings) == ("from the manifest's file", "manifest", ())
    for suffix, words in ((".vtt", "captions"), (".srt", "subtitles"), (".txt", "text")):
        found, warnings = find_transcript(ref(video))
        assert (found.text, found.source, warnings) == (f"from the {words} beside it", "sidecar", ())
        (tmp_path / f"v{suffix}").unlink()
    nothing, warnings = find_transcript(ref(video))
    assert (nothing, warnings) == (Transcript(), ())
    embedded = (Segment("inside", 0.0, 1.0),)
    assert or_embedded(nothing, embedded) == Transcript(embedded, "embedded")
    assert or_embedded(found, embedded) == found
    assert or_embedded(nothing, ()) == Transcript((), "none")


def test_times_of_captions_are_kept(put, tmp_path):
    put("v.vtt", "hello")
    assert find_transcript(ref(tmp_path / "v.mp4"))[0].segments == (Segment("hello", 1.0, 2.0),)


def test_a_broken_sidecar_is_a_warning_that_names_it(tmp_path):
    (tmp_path / "v.vtt").write_text("<html>gone</html>")
    found, (warning,) = find_transcript(ref(tmp_path / "v.mp4"))
    assert found == Transcript()
    assert str(tmp_path / "v.vtt") in warning
    assert "no cue" in warning


def test_where_the_named_transcript_is_of_no_use_the_one_beside_the_video_is_taken(put, tmp_path):
    put("v.vtt", "beside")
    found, (warning,) = find_transcript(ref(tmp_path / "v.mp4", transcript_uri=str(tmp_path / "missing.vtt")))
    assert (found.text, found.source) == ("beside", "sidecar")
    assert "missing.vtt" in warning


def test_a_transcript_that_is_no_transcript_by_its_size_is_not_read(tmp_path):
    with (tmp_path / "v.txt").open("wb") as file:
        file.truncate(MAX_BYTES + 1)
    found, (warning,) = find_transcript(ref(tmp_path / "v.mp4"))
    assert found == Transcript()
    assert str(MAX_BYTES) in warning


def test_where_the_listing_saw_none_nothing_is_looked_for(put, tmp_path):
    put("v.vtt", "put there later")
    assert find_transcript(ref(tmp_path / "v.mp4", transcript_uri="")) == (Transcript(), ())


def test_a_sidecar_in_a_bucket_is_found_and_its_source_is_the_same_when_the_listing_found_it(s3):
    for name in ("v [é].mp4", "v [é].vtt"):
        storage.write_bytes(f"{s3.uri}/{name}", CUE.format("hello").encode())
    video, text = f"{s3.uri}/v [é].mp4", f"{s3.uri}/v [é].vtt"
    looked_for, listed = find_transcript(ref(video)), find_transcript(ref(video, transcript_uri=text))
    assert looked_for == listed == (Transcript((Segment("hello", 1.0, 2.0),), "sidecar"), ())


def test_a_store_that_fails_is_not_taken_for_a_video_without_words(s3, disturbed):
    storage.write_bytes(f"{s3.uri}/v.vtt", CUE.format("hello").encode())
    disturbed.stop("object")
    try:
        with patience(0), pytest.raises(ItemError) as caught:
            find_transcript(ref(f"{s3.uri}/v.mp4", transcript_uri=f"{s3.uri}/v.vtt"))
        assert caught.value.reason == "storage_error"
    finally:
        disturbed.start("object")


def test_where_names_may_not_be_listed_the_video_goes_without_its_words_and_says_so(s3, monkeypatch):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    found, (warning,) = find_transcript(ref(f"{s3.uri}/v.mp4"))
    assert found == Transcript()
    assert "beside the video" in warning
    assert "access_denied" in warning


@pytest.mark.parametrize("letters", [5_000, 3_000_000])
def test_a_transcript_without_end_is_used_as_far_as_its_bound_and_says_so(letters):
    lines = tuple(Segment("a" * letters, float(n), n + 1.0) for n in range(300))
    found, (warning,) = within_bounds(Transcript(lines, "embedded"))
    assert sum(len(segment.text) for segment in found.segments) == MAX_LETTERS
    assert (found.source, str(MAX_LETTERS) in warning) == ("embedded", True)
    assert within_bounds(found) == (found, ())
    assert within_bounds(Transcript()) == (Transcript(), ())
