"""Where a command may not write: into another run's output, or among a run's own parts."""

import pytest

from clipsum.errors import UsageError
from ray_jobs.cli import run
from ray_jobs.places import check_apart, check_place

KINDS = {
    "an evaluation": ["evaluation.json"],
    "an ablation": ["ablation.json"],
    "a training run": ["config.json", "run.json"],
    "a run over an archive": ["run.json"],
}


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_of_run_has_its_output_to_itself(tmp_path, kind):
    for record in KINDS[kind]:
        (tmp_path / record).write_text("{}")
    for own in (*KINDS, None):
        if own == kind:
            check_place(str(tmp_path), own)
        else:
            with pytest.raises(UsageError, match=f"holds {kind}: name a folder of its own"):
                check_place(str(tmp_path), own)


def test_the_folder_of_a_hub_whose_config_is_not_ours_is_free(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    check_place(str(tmp_path))


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


def test_a_trained_run_is_written_over_by_no_other_command(tmp_path, bundle, capsys):
    output, page = str(tmp_path), tmp_path / "report.html"
    for name in ("config.json", "run.json", "report.html"):
        (tmp_path / name).write_text("of the training")
    for call in (
        ["evaluate", "--data", str(tmp_path / "no"), "--bundle", bundle, "--output", output],
        ["convert", "--bart", str(tmp_path / "no"), "--encoder", "ViT-B-32", "--output", output],
        ["hub", "import", str(tmp_path / "no"), "--output", output],
        ["hub", "export", "--bundle", bundle, "--output", output],
    ):
        assert run(call) == 2
        assert "name a folder of its own" in capsys.readouterr().err
    assert page.read_text() == "of the training"
