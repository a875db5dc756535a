import resource
import subprocess
import sys

import pytest

from ray_jobs.memory import peak_bytes


def test_the_peak_is_what_the_system_says_of_this_process():
    assert peak_bytes() == pytest.approx(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024, rel=0.05)


def test_a_childs_memory_counts_while_it_lives_and_one_that_is_gone_counts_nothing():
    hold = "held = bytearray(80_000_000); print(flush=True); input()"
    with subprocess.Popen([sys.executable, "-c", hold], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        child.stdout.readline()
        assert peak_bytes(child.pid, None) - peak_bytes() > 80_000_000
        child.communicate(b"\n")
    assert peak_bytes(child.pid) == pytest.approx(peak_bytes(), rel=0.05)


def test_a_process_does_not_count_what_the_one_that_started_it_held():
    held = bytearray(200_000_000)
    said = subprocess.run(
        [sys.executable, "-c", "from ray_jobs.memory import peak_bytes; print(peak_bytes())"],
        capture_output=True,
        check=True,
    )
    assert int(said.stdout) < 100_000_000 < len(held)
