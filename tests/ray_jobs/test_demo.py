"""`clipsum demo`: which videos it summarises. That the rest works, `make demo` shows."""

from clipsum.datasets.manifest import list_sources
from ray_jobs import archive_run
from ray_jobs.cli import run


def test_a_demo_summarises_the_videos_that_it_made_and_none_of_an_earlier_demo(tmp_path, monkeypatch):
    (tmp_path / "videos").mkdir()
    (tmp_path / "videos" / "earlier.mp4").write_bytes(b"of a demo of more videos")
    calls = []
    monkeypatch.setattr(archive_run, "run_archive", lambda call, console: calls.append(call) or 0)
    assert run(["demo", "--output", str(tmp_path), "--videos", "1"]) == 0
    [ref] = list_sources(calls[0].sources)
    assert ref.uri != str(tmp_path / "videos" / "earlier.mp4")
    assert ref.size_bytes
    assert not calls[0].notes
    assert calls[0].config.drop_unlisted  # their rows go, and nobody is asked
