"""Videos that take their actor down: found out, given up, and no others with them."""

import signal
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from ray.data.exceptions import ExecutionTimeoutError

from clipsum.config import Limits, Preprocessing, Sampling
from clipsum.errors import RunError
from clipsum.records import VideoRef
from ray_jobs import manifest, pipeline
from ray_jobs.actors import Casualties, Stage, Watched
from ray_jobs.jobs import Step
from ray_jobs.pools import ActorPool
from ray_jobs.stages import StageSettings
from tests.ray_jobs.deadly import DEADLY

SETTINGS = StageSettings("", "", "", Preprocessing(), Sampling(), "auto", Limits(), 0)


class Death(BaseException):
    """What ends an actor here, in the place of a signal."""


def _given_up(table: pa.Table, deadly: set[int], casualties: Casualties) -> tuple[dict[int, bool], int]:
    """Which videos of a block are given up in the end, and how many actors it took."""

    def work(table, died=()):
        indices = table["index"].to_pylist()
        if any(index in deadly and index not in died for index in indices):
            raise Death
        return pa.table({"index": indices, "died": [index in died for index in indices]})

    for deaths in range(20):
        actor = Watched("encode", work, casualties.begin, casualties.done)
        try:
            done = actor(table)
        except Death:
            continue
        return dict(zip(done["index"].to_pylist(), done["died"].to_pylist(), strict=True)), deaths
    pytest.fail("the block never came through")


@pytest.mark.parametrize(("deadly", "deaths"), [(set(), 0), ({2}, 3), ({0, 3}, 5)])
def test_only_the_videos_that_kill_are_given_up_after_two_deaths_of_their_own(deadly, deaths):
    given_up = {index: index in deadly for index in range(4)}
    assert _given_up(pa.table({"index": list(range(4))}), deadly, Casualties()) == (given_up, deaths)


def test_what_was_done_leaves_no_trace():
    casualties = Casualties()
    _given_up(pa.table({"index": list(range(4))}), {1}, casualties)
    assert not +casualties._begun


def _on_ray(folder, settings, videos, *stages):
    """The rows that a job of these stages, of one actor each, leaves of so many videos."""
    refs = [VideoRef(f"/v/{number}.mp4", str(number), "v") for number in range(videos)]
    listed = manifest.write(refs, folder, 8)
    pool = ActorPool(1, 1, 1, cpus=0.25, gpus=0, threads=1)
    results = pipeline.run(listed, np.ones(videos, dtype=np.bool_), settings, [Step(s, pool, 4) for s in stages], None)
    return [row for table in results for row in table.to_pylist()]


def test_a_job_on_ray_ends_with_a_row_for_every_video_whatever_dies_of_them(two_cores, tmp_path):
    rows = _on_ray(tmp_path, SETTINGS, 10, Stage("tests.ray_jobs.deadly", "Deadly", 0))
    assert sorted(row["index"] for row in rows) == list(range(10))
    assert {row["index"] for row in rows if row["died"]} == set(DEADLY)


def test_the_stages_of_a_job_start_side_by_side(two_cores, tmp_path):
    settings = replace(SETTINGS, bundle=str(tmp_path))
    rows = _on_ray(tmp_path, settings, 1, *(Stage("tests.ray_jobs.meeting", name, 0) for name in ("First", "Second")))
    assert [row["video_id"] for row in rows] == ["0"]


def test_actors_for_which_there_is_no_room_end_the_run_in_one_line():
    class Waiting:
        def iter_batches(self, **_):
            raise ExecutionTimeoutError("No progress for at least 5s (timeout: 5s). Operators:\n  - Encode")
            yield

    with pytest.raises(RunError, match=r"no room for the actors.*\(No progress for at least 5s \(timeout: 5s\)\)$"):
        next(pipeline.results(Waiting()))


STUCK = """
import ctypes
from ray_jobs.actors import end_in_time

libc = ctypes.CDLL(None)
libc.__cxa_atexit(libc.pause, None, None)  # as a library's own end that waits for itself
end_in_time(1)
"""


def test_a_process_whose_end_is_stuck_in_a_library_is_ended():
    assert subprocess.run([sys.executable, "-c", STUCK], timeout=60).returncode == -signal.SIGALRM
