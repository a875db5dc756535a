"""TVSum's and SumMe's own MATLAB files."""

import h5py
import pytest
from scipy.io import savemat

from clipsum.datasets.originals import read_summe, read_tvsum
from clipsum.errors import UsageError
from tests.datasets.benchmark_files import write_summe, write_tvsum


def test_tvsums_cells_are_followed_to_names_lengths_and_marks(tmp_path):
    place, marks = write_tvsum(tmp_path / "ydata-tvsum50.mat")
    first, second = read_tvsum(place)
    assert first.video_id == "AwmHb44_ouw"
    assert (second.video_id, second.duration_s) == ("98MoyGZKHXc", 2.5)
    assert (second.user_scores == marks["98MoyGZKHXc"]).all()


def test_summes_people_are_rows_though_matlab_wrote_them_as_columns(tmp_path):
    scores = write_summe(tmp_path / "GT", "Air_Force_One")
    write_summe(tmp_path / "GT", "Saving dolphines")
    first, second = read_summe(str(tmp_path / "GT"))
    assert (first.video_id, second.video_id) == ("Air_Force_One", "Saving dolphines")
    assert (first.user_scores == scores.T).all()
    assert first.duration_s == 2.0


def test_both_are_read_from_s3(tmp_path, s3):
    from clipsum import storage

    storage.upload(write_tvsum(tmp_path / "t.mat")[0], f"{s3.uri}/t.mat")
    write_summe(tmp_path / "GT", "Jumps")
    storage.upload(tmp_path / "GT" / "Jumps.mat", f"{s3.uri}/GT/Jumps.mat")
    assert len(read_tvsum(f"{s3.uri}/t.mat")) == 2
    assert read_summe(f"{s3.uri}/GT")[0].video_id == "Jumps"


def test_other_files_are_refused_in_one_line(tmp_path):
    with h5py.File(tmp_path / "a.mat", "w") as file:
        file["tvsum50/video"] = [1]
    with pytest.raises(UsageError, match=r"has no tvsum50/nframes: give ydata-tvsum50\.mat"):
        read_tvsum(str(tmp_path / "a.mat"))
    gt = tmp_path / "GT"
    gt.mkdir()
    with pytest.raises(UsageError, match=r"has no \.mat file: give SumMe's folder GT"):
        read_summe(str(gt))
    for content in (b"no MATLAB at all", (tmp_path / "a.mat").read_bytes(), b""):
        (gt / "a.mat").write_bytes(content)
        with pytest.raises(UsageError, match="is not a MATLAB file of version 5"):
            read_summe(str(gt))
    savemat(gt / "a.mat", {"user_score": [[1.0]]})
    with pytest.raises(UsageError, match="has no 'nFrames'"):
        read_summe(str(gt))


def test_marks_for_another_number_of_frames_are_refused(tmp_path):
    (tmp_path / "GT").mkdir()
    savemat(tmp_path / "GT" / "a.mat", {"user_score": [[1.0, 0.0]], "nFrames": 7.0, "video_duration": 1.0})
    with pytest.raises(UsageError, match=r"user_score is \(1, 2\) for 7 frames"):
        read_summe(str(tmp_path / "GT"))
