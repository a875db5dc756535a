import json

import h5py
import numpy as np
import pytest

from ray_jobs.cli import run
from tests.datasets.score_files import SHOTS, write_scores


@pytest.fixture
def files(tmp_path):
    (tmp_path / "r.txt").write_text("Chopped onions.\nStir the pan.\n")
    (tmp_path / "p.txt").write_text("Chop the onion.\nStir the pan.\n")
    return ["--references", str(tmp_path / "r.txt"), "--predictions", str(tmp_path / "p.txt")]


def test_json_holds_every_figure_with_its_interval_and_protocol_and_nothing_else_is_printed(files, capsys):
    assert run(["score", *files, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["summaries"] == 2
    # two of the reference's two words, stemmed, in a summary of three: F1 = 80; and 100
    assert found["figures"]["rouge1"]["value"] == pytest.approx(90)
    assert found["figures"]["rouge1_unstemmed"]["value"] == pytest.approx(50)
    assert "stemming on" in found["protocol"]["ROUGE"]


@pytest.mark.parametrize(("flag", "there", "absent"), [
    ("--stem", "rouge1", "rouge1_unstemmed"), ("--no-stem", "rouge1_unstemmed", "rouge1"),
])  # fmt: skip
def test_one_kind_of_stemming_alone_can_be_asked_for(files, capsys, flag, there, absent):
    run(["score", *files, flag, "--json"])
    figures = json.loads(capsys.readouterr().out)["figures"]
    assert there in figures
    assert absent not in figures


def test_the_table_is_printed_with_its_protocol(files, capsys):
    assert run(["score", *files]) == 0
    said = capsys.readouterr().out
    assert "ROUGE-1, unstemmed" in said
    assert "rouge-score 0.1.2" in said


def test_files_of_unequal_length_are_a_wrong_call_in_one_line(files, tmp_path, capsys):
    (tmp_path / "p.txt").write_text("Chop.\n")
    assert run(["score", *files]) == 2
    said = capsys.readouterr().err
    assert said.startswith("clipsum: ")
    assert "2 lines" in said
    assert said.count("\n") == 1


def test_frame_scores_are_told_per_video_and_in_the_mean_with_floor_ceiling_and_selected_shots(tmp_path, capsys):
    places = [write_scores(tmp_path / f"{seed}.h5", seed=seed) for seed in range(2)]
    assert run(["score", "--frames", *places, "--protocol", "summe", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    per_video = [video["figures"]["f1_max"]["value"] for video in found["per_video"]]
    assert found["videos"] == len(per_video) == 4
    assert found["figures"]["f1_max"]["value"] == pytest.approx(sum(per_video) / 4)
    assert {"low", "high", "random_floor", "human_ceiling"} <= set(found["figures"]["tau_per_user"])
    assert sum(SHOTS[shot] for shot in found["per_video"][0]["selected_shots"]) <= 15
    assert found["per_video"][0]["video_id"] == "0.h5/video_1"


def test_the_table_of_frame_scores_is_printed_with_its_protocol(tmp_path, capsys):
    assert run(["score", "--frames", write_scores(tmp_path / "a.h5"), "--protocol", "tvsum"]) == 0
    said = capsys.readouterr().out
    assert "F1, mean of users" in said
    assert "tvsum papers print f1_mean" in said
    assert (
        "with choices of 0 and 1, since what people gave each frame is not there: user_scores of 2 videos"
        in " ".join(said.split())
    )
    given = write_scores(tmp_path / "b.h5", videos=1, user_scores=np.ones((3, sum(SHOTS))))
    assert run(["score", "--frames", given, "--protocol", "tvsum", "--json"]) == 0
    assert "missing" not in json.loads(capsys.readouterr().out)["protocol"]


def test_answers_to_queries_are_scored_by_the_concepts_of_their_shots(tmp_path, capsys):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        for name, scores in (("P01", [0.1, 0.9, 0.8, 0.2]), ("P02", [0.9, 0.1, 0.2, 0.8])):
            file[f"{name}/tags"] = np.eye(4)
            file[f"{name}/Car_Food/importance_scores"] = scores
            file[f"{name}/Car_Food/user_summary"] = [[0, 1, 1, 0]]
    call = ["score", "--frames", str(tmp_path / "a.h5"), "--protocol", "qfvs"]
    assert run([*call, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [(video["precision"], video["recall"]) for video in found["per_video"]] == [(100, 50), (0, 0)]
    assert (found["figures"]["precision"]["value"], found["figures"]["f1"]["human_ceiling"]) == (50, None)
    assert 0 < found["figures"]["f1"]["random_floor"] < 100
    assert run(call) == 0
    assert "Concept IoU, F1" in capsys.readouterr().out
    with h5py.File(tmp_path / "a.h5", "a") as file:
        del file["P02/Car_Food/user_summary"]
    assert run(call) == 2
    assert "'P02': 'Car_Food' has no 'user_summary'" in capsys.readouterr().err


@pytest.mark.parametrize(("call", "message"), [
    (["--frames", "a.h5"], "--protocol (summe, tvsum, videoxum or qfvs) is missing"),
    (["--frames", "a.h5", "--protocol", "sume"], "did you mean 'summe'?"),
    (["--frames", "a.h5", "--protocol", "summe", "--references", "r"], "--frames and --references are given"),
    (["--protocol", "summe"], "--frames is missing: name the HDF5 files"),
    (["--frames", "none.h5", "--protocol", "summe"], "'none.h5' is not there"),
    (["--frames", "none.h5", "--protocol", "qfvs"], "'none.h5' is not there"),
    (["--predictions", "p"], "--references is missing"),
    (["a.h5"], "--frames is missing: name the HDF5 files"),
])  # fmt: skip
def test_a_wrong_call_about_frames_is_said_in_one_line(call, message, capsys):
    assert run(["score", *call]) == 2
    said = capsys.readouterr().err
    assert message in said
    assert said.count("\n") == 1
