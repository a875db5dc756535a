from dataclasses import replace

import numpy as np
import pytest

from clipsum.datasets.embedded import open_embedded
from clipsum.errors import UsageError
from clipsum.training.sources import TrainData, identity
from tests.datasets.embedded_folder import video, write_part
from tests.models.tiny import frames
from tests.training.runs import data_of, trainer, videos


def refused(base, match, **parts):
    data = data_of(base)
    with pytest.raises(UsageError, match=match) as caught:
        trainer(base, data=TrainData(parts.get("train", data.train), parts.get("validation", data.validation)))
    assert "\n" not in str(caught.value)


def with_kind(base, count=5, **changes):
    found = videos(base, count)
    return [*found[:-1], replace(found[-1], embeddings=replace(found[-1].embeddings, **changes))]


def test_videos_without_a_summary_column_are_refused(base):
    bare = [replace(video, summary=None) for video in videos(base, 4)]
    refused(base, "no video of split 'train' has a summary: the manifest needs a column 'summary'", train=bare)


def test_a_few_videos_without_a_summary_are_refused_by_name_and_number(base):
    some = videos(base, 5)
    some[2] = replace(some[2], summary="")
    refused(base, "1 of 5 videos of split 'train' have no summary, the first is 'train-002'", train=some)


@pytest.mark.parametrize("part", ["train", "validation"])
def test_an_empty_split_is_refused(base, part):
    refused(base, f"split '{part}' is empty", **{part: []})


@pytest.mark.parametrize(
    ("what", "value", "ours"),
    [("fingerprint", "ab" * 32, ""), ("sampling", "uniform:9", "uniform:8"), ("seek", "exact", "auto")],
)
@pytest.mark.parametrize("part", ["train", "validation"])
def test_embeddings_of_another_kind_than_the_base_bundles_are_refused_with_both_named(base, part, what, value, ours):
    ours = ours or base.manifest.fingerprint
    message = rf"embeddings of split '{part}' have {what} '{value}', bundle {base.bundle_id} takes '{ours}'"
    refused(base, message, **{part: with_kind(base, **{what: value})})


def test_embeddings_of_several_widths_are_refused_with_both_named(base):
    count = len(videos(base, 5)[-1].embeddings.times_s)
    refused(base, "width 16 and of width 24 are mixed", train=with_kind(base, vectors=frames(count, 16)))


def test_a_video_in_both_splits_is_refused_by_name(base):
    some = videos(base, 5)
    message = "videos in both the training and the validation split: 1, the first is 'train-001'"
    refused(base, message, train=some, validation=some[1:2])


def test_videos_with_neither_words_nor_frames_are_left_out_and_counted(base):
    some = videos(base, 6)
    for place in (1, 4):
        bare = replace(some[place].embeddings, vectors=np.zeros((0, 24), np.float32), times_s=np.zeros(0))
        some[place] = replace(some[place], embeddings=bare, transcript=replace(some[place].transcript, segments=()))
    run = trainer(base, data=TrainData(some, videos(base, 2, "validation")))
    assert run.notes[1] == "2 training videos have neither words nor frames to learn from: left out"
    assert len(run._feed._examples) == 4


def test_the_identity_of_data_knows_order_split_and_all_that_is_learned_of_a_video(base):
    data = data_of(base)
    turned = replace(data, train=data.train[::-1])
    moved = replace(data, train=data.train[:-1], validation=[*data.validation, data.train[-1]])
    retold = replace(data, train=[replace(data.train[0], summary="Something else."), *data.train[1:]])
    mirrored = replace(data, train=[replace(data.train[0], summary=data.train[0].summary[::-1]), *data.train[1:]])
    first = data.train[0]
    seen = replace(first, embeddings=replace(first.embeddings, vectors=-first.embeddings.vectors))
    later = replace(first, embeddings=replace(first.embeddings, times_s=first.embeddings.times_s + 1))
    backwards = [replace(part, text=part.text[::-1]) for part in first.transcript.segments]
    heard = replace(first, transcript=replace(first.transcript, segments=tuple(backwards)))
    others = [replace(data, train=[each, *data.train[1:]]) for each in (seen, later, heard)]
    assert len({identity(each) for each in (data, turned, moved, retold, mirrored, *others)}) == 8
    assert identity(data) == identity(data_of(base))


def test_the_identity_of_stored_data_knows_a_reference_of_the_same_length(tmp_path):
    found = []
    for words in ("Cut.", "Fry.", "Cut."):
        write_part(str(tmp_path), 0, [video("a", summary=words), video("b", "validation")])
        stored = open_embedded(str(tmp_path))
        found.append(identity(TrainData(stored.of_split("train"), stored.of_split("validation"))))
    assert found[0] == found[2] != found[1]
