"""`clipsum serve-key`: the key is shown once, and its file knows it by its hash."""

from pathlib import Path

import pytest

from clipsum.serving.keys import KeyRing, read_keys
from ray_jobs.cli import run


def test_keys_that_are_made_open_the_service_and_their_file_does_not_hold_them(tmp_path: Path, capsys):
    file, secrets = tmp_path / "keys.toml", []
    for words in (["app"], ["boss", "--scope", "admin", "--scope", "jobs"]):
        assert run(["serve-key", *words]) == 0
        said = capsys.readouterr()
        secrets.append(said.err.split()[-1])
        with file.open("a") as keys:
            keys.write(said.out)
        assert secrets[-1] not in file.read_text()
    ring = KeyRing(read_keys(file))
    assert [ring.admit(f"Bearer {secret}", "jobs") for secret in secrets] == ["app", "boss"]
    assert [key.scopes for key in read_keys(file)] == [("summarize", "jobs"), ("jobs", "admin")]


@pytest.mark.parametrize(
    ("words", "said"),
    [(["app", "--scope", "admim"], "did you mean 'admin'?"), (["two words"], "'two words': it should match pattern")],
)
def test_a_wrong_name_or_scope_is_one_line_and_no_key(words, said, capsys):
    assert run(["serve-key", *words]) == 2
    told = capsys.readouterr()
    assert (said in told.err, told.err.count("\n"), told.out) == (True, 1, "")
