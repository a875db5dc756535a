"""Where a command may not write: into another run's output, or among a run's own parts."""

import re

import pytest

from clipsum.errors import UsageError
from ray_jobs.cli import run
from ray_jobs.places import check_apart, check_place


@pytest.mark.parametrize("record", ["config.json", "evaluation.json", "ablation.json", "run.json"])
def test_each_kind_of_run_has_its_output_to_itself(tmp_path, record):
    (tmp_path / record).write_text("{}")
    for own in ("config.json", "evaluation.json", "ablation.json", "run.json"):
        if own == record:
            check_place(str(tmp_path), own)
        else:
            with pytest.raises(UsageError, match=re.escape(f"({record}): name a folder of its own")):
                check_place(str(tmp_path), own)


def test_a_training_run_has_a_record_of_an_archives_name_too(tmp_path):
    for record in ("config.json", "run.json"):
        (tmp_path / record).write_text("{}")
    check_place(str(tmp_path), "config.json")


@pytest.mark.parametrize("place", ["summaries", "summaries/", "./embeddings", "x/../manifest"])
def test_the_parts_of_a_run_are_no_place_for_others(tmp_path, monkeypatch, place):
    monkeypatch.chdir(tmp_path)
    check_apart(place, "--export")  # a folder of that name that is no run's
    (tmp_path / "run.json").write_text("{}")
    with pytest.raises(UsageError, match=f"--export '{place}' is a part of a run over an archive"):
        check_apart(place, "--export")
    check_apart("reels", "--export")


def test_export_evaluate_and_train_refuse_such_a_place_in_one_line(tmp_path, bundle, capsys):
    (tmp_path / "run.json").write_text("{}")
    (tmp_path / "summaries").mkdir()
    inside = str(tmp_path / "summaries")
    for call in (
        ["report", str(tmp_path), "--export", inside],
        ["evaluate", "--data", str(tmp_path / "no"), "--bundle", bundle, "--output", inside],
        ["evaluate", "--data", str(tmp_path / "no"), "--bundle", bundle, "--output", str(tmp_path)],
    ):
        assert run(call) == 2
        complaint = capsys.readouterr().err
        assert "a run over an archive" in complaint
        assert complaint.count("\n") == 1
    assert list((tmp_path / "summaries").iterdir()) == []
