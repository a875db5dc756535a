"""Ctrl-C: the run stops, its books are in order, no process is left behind, and the same command goes on."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

from ray_jobs import parts
from ray_jobs.cli import run

VIDEOS = 24
SETTINGS = ("part_rows=2", "decode_batch=1", "encode_batch=1", "summarize_batch=1")
ONE_BY_ONE = [word for setting in SETTINGS for word in ("--set", setting)]


def _processes_of(folder: str) -> list[str]:
    """Command lines that mention `folder`, or have it in their environment."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            text = (process / "cmdline").read_bytes() + (process / "environ").read_bytes()
        except OSError:
            continue
        if folder.encode() in text and process.name != str(os.getpid()):
            found.append((process / "cmdline").read_text().replace("\0", " "))
    return found


def test_ctrl_c_stops_cleanly_and_the_same_command_goes_on(kitchen, bundle, tmp_path, without_ray):
    """On a Ray of its own, which ends with it; what is left is then done in this process."""
    listing, output = tmp_path / "list.jsonl", tmp_path / "out"
    videos = [str(path) for path in sorted(kitchen.glob("*.mp4"))]
    rows = [{"video": videos[i % len(videos)], "video_id": f"v{i:03}"} for i in range(VIDEOS)]
    listing.write_text("".join(json.dumps(row) + "\n" for row in rows))
    call = ["summarize", str(listing), "--output", str(output), "--bundle", bundle, *ONE_BY_ONE]
    process = subprocess.Popen(
        [sys.executable, "-u", "-m", "ray_jobs.cli", *call],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "CLIPSUM_TEST": str(tmp_path)},
        start_new_session=True,
    )
    try:
        while process.poll() is None and not parts.uris(str(output)):
            signal.sigtimedwait([], 0.02)
        os.killpg(process.pid, signal.SIGINT)
        said, complaint = process.communicate(timeout=120)
    finally:
        process.kill()
    assert (process.returncode, complaint) == (130, "")
    record = json.loads((output / "run.json").read_text())
    assert record["attempts"][-1]["ending"] == "interrupted"
    done = list(parts.read_rows(str(output)))
    assert 0 < len(done) == record["counts"]["ok"] < VIDEOS
    assert record["counts"]["pending"] == VIDEOS - len(done)
    assert "Pending" in said
    assert _processes_of(str(tmp_path)) == []
    assert run(call) == 0
    ids = [row["video_id"] for row in parts.read_rows(str(output))]
    assert sorted(ids) == [row["video_id"] for row in rows]
