"""TVSum, SumMe and QFVS as manifests that training reads."""

import json

import h5py
import numpy as np
import pytest

from clipsum.datasets.benchmarks import qfvs_folds, read_benchmark
from clipsum.datasets.qfvs import QfvsVideo
from clipsum.datasets.summarization_h5 import read_summarization_h5
from clipsum.errors import UsageError
from tests.datasets.benchmark_files import write_eccv16, write_summe, write_tvsum

NAMES = tuple(f"video-{letter}" for letter in "abcdefghij")
FIVE = [{"test_keys": [f"video_{n}", f"video_{n + 5}"]} for n in range(1, 6)]
FIVE = [
    {**entry, "train_keys": [f"video_{n}" for n in range(1, 11) if f"video_{n}" not in entry["test_keys"]]}
    for entry in FIVE
]


@pytest.fixture
def places(tmp_path):
    write_tvsum(tmp_path / "tvsum.mat", NAMES)
    for name in ("Base jumping", "Cooking"):
        write_summe(tmp_path / "GT", name)
    (tmp_path / "splits.json").write_text(json.dumps(FIVE))
    return {
        "tvsum": str(tmp_path / "tvsum.mat"),
        "summe": str(tmp_path / "GT"),
        "splits": str(tmp_path / "splits.json"),
    }


def _ids(fold, split):
    return {video.video_id for video in fold if video.split == split}


def test_five_official_splits_are_five_folds_of_the_authors_own_names(places):
    folds = read_benchmark("tvsum", {"tvsum": places["tvsum"]}, places["splits"], "canonical")
    assert len(folds) == 5
    assert _ids(folds[0], "test") == {NAMES[0], NAMES[5]}
    assert all(len(_ids(fold, "train")) + len(_ids(fold, "validation")) == 8 for fold in folds)
    assert set().union(*(_ids(fold, "test") for fold in folds)) == set(NAMES)


def test_in_the_augmented_setting_the_other_dataset_teaches_too_and_in_transfer_it_alone(places):
    both = {name: places[name] for name in ("tvsum", "summe")}
    others = {"Base jumping", "Cooking"}
    augmented = read_benchmark("tvsum", both, places["splits"], "augmented")
    assert all(others <= _ids(fold, "train") for fold in augmented)
    (transfer,) = read_benchmark("tvsum", both, places["splits"], "transfer")
    assert _ids(transfer, "test") == set(NAMES)
    assert _ids(transfer, "train") | _ids(transfer, "validation") == others


def test_each_second_has_what_people_said_of_the_frame_in_its_middle(tmp_path):
    place, marks = write_tvsum(tmp_path / "tvsum.mat", ("a",), frames=60)
    ((video,),) = read_benchmark("tvsum", {"tvsum": place}, None, "canonical")
    assert video.split == "test"
    assert video.more["duration"] == 2.5
    assert video.more["importance"] == marks["a"][:, [12, 36, 59]].tolist()
    scores = write_summe(tmp_path / "GT", "b", frames=50)
    ((video,),) = read_benchmark("summe", {"summe": str(tmp_path / "GT")}, None, "canonical")
    assert video.more["vsum_onehot"] == (scores.T[:, [12, 37]] > 0).astype(int).tolist()


def test_files_in_the_fields_layout_teach_beside_each_other_and_are_as_long_as_their_videos(tmp_path):
    files = {
        name: write_eccv16(tmp_path / f"{name}.h5", seed=at) for at, name in enumerate(("tvsum", "ovp", "youtube"))
    }
    named = {"video_name": np.bytes_("Air_Force_One")}
    files["summe"] = write_eccv16(tmp_path / "summe.h5", videos=1, **named)
    keys = {"train_keys": [f"video_{n}" for n in range(1, 5)], "test_keys": ["video_5"]}
    (tmp_path / "splits.json").write_text(json.dumps([keys]))
    asked = []

    def durations(ids):
        asked.extend(ids)
        return {video_id: 20.0 for video_id in ids if video_id != "ovp_video_2"}

    (fold,) = read_benchmark("tvsum", files, str(tmp_path / "splits.json"), "augmented", durations)
    assert len(asked) == 16
    assert _ids(fold, "test") == {"tvsum_video_5"}
    assert {"Air_Force_One", "youtube_video_3", "ovp_video_1"} <= _ids(fold, "train")
    by_id = {video.video_id: video.more for video in fold}
    shown = np.array(by_id["tvsum_video_5"]["vsum_onehot"])
    users = read_summarization_h5(files["tvsum"], "tvsum")[4].user_summary
    assert (shown == users[:, 2::5]).all()
    assert (by_id["tvsum_video_5"]["benchmark"], by_id["tvsum_video_5"]["duration"]) == ("tvsum", 20.0)
    assert "benchmark" not in by_id["youtube_video_1"]
    assert by_id["ovp_video_2"] == {}
    (transfer,) = read_benchmark("tvsum", files, str(tmp_path / "splits.json"), "transfer", durations)
    assert len(_ids(transfer, "test")) == 5
    with pytest.raises(UsageError, match=r"--ovp 'ovp.mat' is no HDF5 file"):
        read_benchmark("tvsum", {**files, "ovp": "ovp.mat"}, None, "canonical")


def test_a_split_names_the_groups_of_an_hdf5_file_and_not_their_places_in_it(tmp_path):
    place = write_eccv16(tmp_path / "tvsum.h5", videos=4)
    with h5py.File(place, "a") as file:
        del file["video_2"]
    (tmp_path / "s.json").write_text(json.dumps([{"train_keys": ["video_1", "video_3"], "test_keys": ["video_4"]}]))
    (fold,) = read_benchmark("tvsum", {"tvsum": place}, str(tmp_path / "s.json"), "canonical")
    assert _ids(fold, "test") == {"tvsum_video_4"}
    (tmp_path / "s.json").write_text(json.dumps([{"train_keys": ["video_1", "video_2"], "test_keys": ["video_4"]}]))
    with pytest.raises(UsageError, match="train_keys has 'tvsum/video_2', which no file"):
        read_benchmark("tvsum", {"tvsum": place}, str(tmp_path / "s.json"), "canonical")


def test_a_setting_that_lacks_its_splits_or_its_other_dataset_is_refused(places):
    with pytest.raises(UsageError, match="--setting augmented needs --splits"):
        read_benchmark("tvsum", {"tvsum": places["tvsum"]}, None, "augmented")
    with pytest.raises(UsageError, match="needs other datasets"):
        read_benchmark("tvsum", {"tvsum": places["tvsum"]}, places["splits"], "augmented")


def test_a_query_of_qfvs_asks_for_its_concepts_where_shots_of_five_seconds_answer_it():
    oracle = {("Car", "Food"): (6, 0, 1, 9, 7)}
    videos = [QfvsVideo(f"P0{n}", ("Car", "Food"), np.zeros((10, 2), bool), oracle) for n in range(1, 5)]
    folds = qfvs_folds(videos)
    assert [sorted(_ids(fold, "test")) for fold in folds] == [["P01"], ["P02"], ["P03"], ["P04"]]
    assert folds[0][0].more["shot_tags"] == [[]] * 10
    assert folds[0][0].more["queries"] == [{"query": "car and food", "segments": [[0, 10], [30, 40], [45, 50]]}]
