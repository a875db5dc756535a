"""QFVS: small folders in its layout, and the published one where it is."""

import json

import numpy as np
import pytest

from clipsum.datasets.benchmarks import qfvs_folds
from clipsum.datasets.marks import read_marks
from clipsum.datasets.qfvs import SHOT_S, VIDEOS, folds, read_qfvs
from clipsum.errors import UsageError
from clipsum.metrics.concept_iou import match, score_queries


@pytest.fixture
def folder(tmp_path):
    tags, oracles = tmp_path / "Dense_per_shot_tags", tmp_path / "Oracle_summaries"
    for video in VIDEOS:
        (tags / video).mkdir(parents=True)
        (tags / video / f"{video}.txt").write_text("Car,Sky\nSky\nCar\n\nCar,Tree\n")
        (oracles / video).mkdir(parents=True)
        (oracles / video / "Car_Tree_oracle.txt").write_text("1\n3\n5\n")
        (oracles / video / "Sky_Car_oracle.txt").write_text("2\n")
    (tags / "Dictionary.txt").write_text("'Car'\n'Sky'\n'Tree'")
    return tmp_path


def test_tags_are_rows_of_shots_and_summaries_count_from_0(folder):
    videos = read_qfvs(str(folder))
    assert [video.video_id for video in videos] == list(VIDEOS)
    assert videos[0].concepts == ("Car", "Sky", "Tree")
    assert videos[0].tags.astype(int).tolist() == [[1, 1, 0], [0, 1, 0], [1, 0, 0], [0, 0, 0], [1, 0, 1]]
    assert videos[0].oracles == {("Car", "Tree"): (0, 2, 4), ("Sky", "Car"): (1,)}


def test_files_are_read_from_s3(folder, s3):
    from clipsum import storage

    for path in (path for path in folder.rglob("*.txt") if "Sky" not in path.name):
        storage.upload(path, f"{s3.uri}/qfvs/{path.relative_to(folder)}")
    assert read_qfvs(f"{s3.uri}/qfvs")[3].oracles == {("Car", "Tree"): (0, 2, 4)}


@pytest.mark.parametrize(("name", "content", "message"), [
    ("Dense_per_shot_tags/P02/P02.txt", "Car\nDog\n", "P02.txt' line 2: 'Dog' is not in Dictionary.txt"),
    ("Dense_per_shot_tags/Dictionary.txt", "'Car'\n'Car'\n", "has 2 concepts, one twice or none"),
    ("Oracle_summaries/P01/Car_Dog_oracle.txt", "1\n", "the query 'Car', 'Dog' is not of two concepts"),
    ("Oracle_summaries/P01/Car_Tree_oracle.txt", "6\n", "shot '6': give different numbers from 1 to 5"),
    ("Oracle_summaries/P01/Car_Tree_oracle.txt", "0\n", "shot '0': give different numbers from 1 to 5"),
    ("Oracle_summaries/P01/Car_Tree_oracle.txt", "", "0 shots, some twice or none"),
])  # fmt: skip
def test_what_does_not_fit_is_said_with_its_file(folder, name, content, message):
    (folder / name).write_text(content)
    with pytest.raises(UsageError, match=message):
        read_qfvs(str(folder))


def test_a_folder_without_summaries_is_refused(folder):
    for path in (folder / "Oracle_summaries" / "P03").iterdir():
        path.unlink()
    with pytest.raises(UsageError, match=r"P03' has no summary: give CONCEPT_CONCEPT_oracle\.txt for each query"):
        read_qfvs(str(folder))


def test_each_video_is_the_test_once_and_is_in_one_part_of_its_round():
    assert sorted(fold.test for fold in folds()) == list(VIDEOS)
    assert all(sorted((*fold.train, fold.validation, fold.test)) == list(VIDEOS) for fold in folds())


@pytest.fixture(scope="module")
def published(shared_dir):
    folder = shared_dir / "fixtures" / "qfvs"
    if not folder.is_dir():
        pytest.skip("needs QFVS's annotations in shared/fixtures/qfvs")
    return folder


def test_the_four_published_videos_are_read_whole(published):
    videos = read_qfvs(str(published))
    assert [len(video.tags) for video in videos] == [2783, 3692, 2152, 3588]
    assert {len(video.oracles) for video in videos} == {45}
    assert {len(video.concepts) for video in videos} == {48}
    assert all(len(video.tags) * SHOT_S / 3600 > 2.9 for video in videos)


def test_every_published_summary_matches_itself_and_others_less(published):
    for video in read_qfvs(str(published)):
        found = [match(shots, shots, video.tags).f1 for shots in video.oracles.values()]
        assert found == pytest.approx([100] * 45), video.video_id
        figures = score_queries(video.oracles, video)
        assert (figures.precision, figures.recall, figures.f1) == pytest.approx((100, 100, 100))
        assert 0 < figures.random_f1 < 90
        first, second = list(video.oracles.values())[:2]
        assert match(first, second, video.tags).f1 < 99


def test_a_manifest_tells_the_shots_of_every_published_query_and_what_each_shot_shows(published, tmp_path):
    videos = {video.video_id: video for video in read_qfvs(str(published))}
    rows = [{"video_id": each.video_id, **each.more} for each in qfvs_folds(list(videos.values()))[0]]
    (tmp_path / "m.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    for video_id, marks in read_marks(str(tmp_path / "m.jsonl")).items():
        told = [tuple(marks.shots.within(query)) for query in marks.queries]
        assert told == [tuple(sorted(shots)) for shots in videos[video_id].oracles.values()]
        assert (marks.shots.tags.sum(axis=1) == videos[video_id].tags.sum(axis=1)).all()


def test_figures_are_means_over_queries_and_a_query_without_a_summary_is_refused(folder):
    video = read_qfvs(str(folder))[0]
    figures = score_queries({("Car", "Tree"): [0, 2, 4], ("Sky", "Car"): [3]}, video)
    assert (figures.precision, figures.recall, figures.f1) == pytest.approx((50, 50, 50))
    with pytest.raises(ValueError, match=r"1 queries of P01 have no summary, such as \('Sky', 'Car'\)"):
        score_queries({("Car", "Tree"): [0]}, video)


def test_the_matlab_file_of_the_evaluation_code_says_the_same_but_for_a_concept_lost_at_the_end(published):
    from scipy.io import loadmat

    stored = loadmat(str(published / "evaluation" / "Tags.mat"))["Tags"][0]
    for video, cells in zip(read_qfvs(str(published)), stored, strict=True):
        rows = np.array([cell[0][0] for cell in cells[0]])
        differs = rows.astype(bool) != video.tags
        assert not differs[:-1].any(), video.video_id
        assert differs[-1].sum() <= 1
