"""How a job comes by its Ray, as far as that can be told without one."""

import signal
import sys
from contextlib import contextmanager

import pytest
import ray

from ray_jobs import cluster
from ray_jobs.pools import Machine


def test_a_private_ray_counts_two_cores_where_there_is_one(monkeypatch):
    started = []
    monkeypatch.setattr(ray, "shutdown", lambda: None)
    monkeypatch.setattr(cluster, "_start", lambda folder, num_cpus=None: started.append(num_cpus))
    monkeypatch.setattr(cluster, "_machine", lambda: Machine(started[-1] or 1))
    with contextmanager(cluster._private)() as machine:
        assert machine.cores == 2
    assert started == [None, 2]


@pytest.mark.parametrize("ctrl_c", [signal.default_int_handler, signal.SIG_IGN])
def test_a_job_that_is_told_to_end_ends_as_by_ctrl_c_and_not_as_ray_would_have_it(monkeypatch, ctrl_c):
    def connect(**_options):
        signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(number))

    monkeypatch.setattr(ray, "init", connect)
    monkeypatch.setattr(ray, "shutdown", lambda: None)
    monkeypatch.setattr(cluster, "_machine", lambda: Machine(2))
    before = [(number, signal.getsignal(number)) for number in (signal.SIGTERM, signal.SIGINT)]
    try:
        signal.signal(signal.SIGINT, ctrl_c)
        with pytest.raises(KeyboardInterrupt), contextmanager(cluster._private)():
            signal.raise_signal(signal.SIGTERM)
    finally:
        for number, handler in before:
            signal.signal(number, handler)
