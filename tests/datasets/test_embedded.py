"""Stored embeddings: what goes in comes out to float16, bad folders are told in one line, and nothing is lost."""

import json
import pickle

import numpy as np
import pytest

from clipsum import storage
from clipsum.datasets import embedding_rows
from clipsum.datasets.embedded import NO_SPLIT, embedded_of, open_embedded
from clipsum.datasets.embedding_rows import Embedding
from clipsum.errors import ItemError, UsageError
from tests.datasets.embedded_folder import KIND, failed, video, write_part

VIDEOS = [video("a"), failed("b"), video("c", "test", frames=3), video("d", None), video("e", "test", frames=0)]


@pytest.fixture
def place(tmp_path) -> str:
    write_part(str(tmp_path), 0, VIDEOS[:3])
    write_part(str(tmp_path), 1, VIDEOS[3:])
    return str(tmp_path)


def test_an_item_is_what_was_written_with_vectors_rounded_to_float16(place):
    given = [each for each in VIDEOS if each.embeddings]
    for item, (outcome, transcript, embeddings, _) in zip(open_embedded(place), given, strict=True):
        ref = outcome.ref
        assert (item.video_id, item.uri, item.split, item.summary) == (ref.video_id, ref.uri, ref.split, ref.summary)
        assert (item.duration_s, item.transcript, item.thumbnails) == (30.0, transcript, outcome.thumbnails)
        assert item.embeddings.vectors.dtype == np.float32
        assert np.array_equal(item.embeddings.vectors, embeddings.vectors.astype(np.float16).astype(np.float32))
        assert np.array_equal(item.embeddings.times_s, embeddings.times_s)
        assert (item.embeddings.fingerprint, item.embeddings.sampling, item.embeddings.seek) == KIND
        assert item.frames is None


def test_a_set_has_the_videos_that_did_not_fail_in_order_and_counts_the_others(place):
    videos = open_embedded(place)
    assert videos.video_ids == [item.video_id for item in videos] == ["a", "c", "d", "e"]
    assert (videos.splits, videos.failures) == ({"train": 1, "test": 2, NO_SPLIT: 1}, {"corrupt": 1})
    assert (videos.width, videos.fingerprint, videos.sampling, videos.seek) == (24, *KIND)


def test_a_split_and_a_slice_hold_their_own_videos_and_failures(place):
    videos = open_embedded(place)
    assert videos.of_split("test").video_ids == ["c", "e"]
    assert (videos.of_split("test").failures, videos.of_split("train").failures) == ({}, {"corrupt": 1})
    assert videos[1:3].video_ids == ["c", "d"]
    assert videos[1:3][-1].video_id == "d"
    assert videos.select(np.array([3, 0])).video_ids == ["e", "a"]


def test_sizes_are_those_of_the_items(place):
    videos = open_embedded(place)
    for frames, text, summary, item in zip(*videos.sizes(), videos, strict=True):
        assert frames == len(item.embeddings.times_s)
        assert text == sum(len(segment.text) for segment in item.transcript.segments)
        assert summary == len(item.summary)


def test_a_split_that_is_not_there_is_refused_with_those_that_are(place):
    with pytest.raises(
        UsageError, match=r"no embedded video of split 'validation': it has 'train' \(1\), 'test' \(2\)"
    ):
        open_embedded(place).of_split("validation")


def test_a_video_without_frames_keeps_the_width_of_the_others(place):
    assert open_embedded(place)[3].embeddings.vectors.shape == (0, 24)


def test_thumbnails_can_be_left_out(place):
    assert open_embedded(place, thumbnails=False)[0].thumbnails == ()


def test_pixels_come_back_as_they_were_and_only_where_they_are_stored(tmp_path):
    videos = [video("a", size_px=16), failed("b"), video("c", size_px=16)]
    write_part(str(tmp_path), 0, videos)
    for item, given in zip(open_embedded(str(tmp_path)), (videos[0], videos[2]), strict=True):
        assert np.array_equal(item.frames.pixels, given.frames.pixels)
        assert np.array_equal(item.frames.times_s, given.frames.times_s)
        assert np.array_equal(item.frames.exact, given.frames.exact)


def test_rows_that_stream_give_the_same_items_as_rows_that_are_stored(tmp_path):
    videos = [video("a", size_px=16), failed("b"), video("c", size_px=16)]
    write_part(str(tmp_path), 0, videos)
    streamed = embedded_of(embedding_rows.table(videos, KIND))
    for one, other in zip(streamed, open_embedded(str(tmp_path)), strict=True):
        assert (one.video_id, one.transcript, one.thumbnails) == (other.video_id, other.transcript, other.thumbnails)
        assert np.array_equal(one.embeddings.vectors, other.embeddings.vectors)
        assert np.array_equal(one.frames.pixels, other.frames.pixels)


def test_a_slice_of_a_table_gives_its_own_rows():
    table = embedding_rows.table(VIDEOS, KIND)
    [item] = embedded_of(table.slice(2, 1))
    assert item.video_id == "c"
    assert np.allclose(item.embeddings.vectors, VIDEOS[2].embeddings.vectors, atol=1e-3)


def test_rows_that_all_failed_stream_as_no_items():
    assert embedded_of(embedding_rows.table([failed("a")], KIND)) == []


def test_a_set_crosses_to_another_process_whole(place):
    videos = pickle.loads(pickle.dumps(open_embedded(place)))
    assert [item.video_id for item in videos] == ["a", "c", "d", "e"]


def test_videos_that_have_no_row_yet_are_pending(place):
    storage.write_bytes(f"{place}/run.json", json.dumps({"counts": {"listed": 9}}).encode())
    assert open_embedded(place).pending == 4


def test_a_folder_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(UsageError, match=r"holds no embeddings: make them with clipsum embed"):
        open_embedded(str(tmp_path / "gone"))


def test_a_folder_of_summaries_is_refused_by_its_name(tmp_path):
    storage.write_bytes(str(tmp_path / "summaries/part-000000.parquet"), b"")
    with pytest.raises(UsageError, match="holds summaries, not embeddings"):
        open_embedded(str(tmp_path))


def test_a_folder_in_which_nothing_succeeded_is_refused_with_the_reasons(tmp_path):
    write_part(str(tmp_path), 0, [failed("a"), failed("b"), failed("c", reason="timeout")])
    with pytest.raises(UsageError, match=r"no video that could be embedded \(2 corrupt, 1 timeout\)"):
        open_embedded(str(tmp_path))


def test_a_file_that_is_no_parquet_is_refused(tmp_path):
    storage.write_bytes(str(tmp_path / "embeddings/part-000000.parquet"), b"PAR1 cut short")
    with pytest.raises(UsageError, match="cannot be read"):
        open_embedded(str(tmp_path))


def test_a_store_that_fails_for_a_while_is_no_wrong_call(place, monkeypatch):
    def away(uri):
        raise ItemError("storage_error", "open", f"{uri}: HTTP 503")

    monkeypatch.setattr(storage, "open_reader", away)
    with pytest.raises(ItemError, match="HTTP 503"):
        open_embedded(place)


@pytest.mark.parametrize(("what", "value"), [("fingerprint", "e" * 64), ("sampling", "uniform:9"), ("seek", "exact")])
def test_mixed_kinds_are_refused_with_both_sides(tmp_path, what, value):
    other = KIND._replace(**{what: value})
    write_part(str(tmp_path), 0, [video("a")])
    write_part(str(tmp_path), 1, [video("b", kind=other)], other)
    one, two = sorted([getattr(KIND, what), value])
    with pytest.raises(UsageError, match=f"mixes embeddings of {what} '{one}' and '{two}'"):
        open_embedded(str(tmp_path))


def test_mixed_widths_are_refused_with_both_sides(tmp_path):
    write_part(str(tmp_path), 0, [video("a"), video("b", width=32)])
    with pytest.raises(UsageError, match="mixes embeddings of width '24' and '32'"):
        open_embedded(str(tmp_path))


def test_a_row_of_another_kind_or_without_embeddings_is_never_written():
    with pytest.raises(ValueError, match="uniform:9"):
        embedding_rows.table([video("a", kind=KIND._replace(sampling="uniform:9"))], KIND)
    with pytest.raises(ValueError, match="either embeddings or a failure"):
        embedding_rows.table([Embedding(video("a").outcome, video("a").transcript)], KIND)


def test_embeddings_are_read_from_s3(s3):
    write_part(f"{s3.uri}/emb", 0, VIDEOS[:3])
    write_part(f"{s3.uri}/emb", 1, [video("z", size_px=16)])
    videos = open_embedded(f"{s3.uri}/emb")
    assert videos.video_ids == ["a", "c", "z"]
    assert videos[2].frames.pixels.shape == (8, 16, 16, 3)


def test_a_record_that_cannot_be_fetched_is_no_missing_one(place, monkeypatch):
    def away(uri):
        raise ItemError("storage_error", "open", f"{uri}: HTTP 503")

    monkeypatch.setattr("clipsum.storage.local.read_bytes", away)
    with pytest.raises(ItemError, match=r"run\.json: HTTP 503"):
        open_embedded(place)
