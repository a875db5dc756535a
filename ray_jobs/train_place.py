"""What each training worker reserves, from what the cluster has and what was asked for."""

from typing import NamedTuple

import torch

from clipsum.errors import UsageError
from ray_jobs.pools import Machine
from ray_jobs.train_config import TrainJob, Workers


class Placement(NamedTuple):
    """What one worker reserves, and how many threads torch takes in it (None: torch's own choice)."""

    use_gpu: bool
    cpus: float
    threads: int | None


class Placed(NamedTuple):
    """The cluster that this process is connected to, and what each worker takes of it."""

    machine: Machine
    placement: Placement


def device_here(job: TrainJob) -> str:
    """The device of this process, where it trains itself: a GPU where it has any, as workers would.

    Raises: UsageError, one line, where it is to take a GPU and has none.
    """
    has_gpu = torch.cuda.is_available()
    if job.use_gpu and not has_gpu:
        raise UsageError("use_gpu=true: this process, which trains with --workers 0, sees no GPU: --set use_gpu=false")
    return "cuda" if has_gpu and job.use_gpu is not False else "cpu"


def place_workers(machine: Machine, workers: Workers, job: TrainJob, streams: bool = False) -> Placement:
    """A GPU for each worker where there are any, and a core, of few cores less where it `streams` videos beside it.

    Raises: UsageError, one line, where the least number of workers does not fit.
    """
    use_gpu = machine.gpus >= 1 if job.use_gpu is None else job.use_gpu
    use_gpu = use_gpu if workers.most else device_here(job) != "cpu"
    most = max(1, workers.most)
    cpus = job.cpus_per_worker or (round(min(1.0, machine.cores / most / 2), 2) if streams else 1.0)
    later = f"or write --workers 1:{workers.most} to start with those that fit and take others when machines join"
    if use_gpu and workers.least > machine.gpus:
        raise UsageError(
            f"--workers {workers}: each takes a GPU and the cluster has {machine.gpus:g}: take fewer, "
            f"--set use_gpu=false, {later}"
        )
    if workers.least * cpus > machine.cores + 1e-9:
        raise UsageError(
            f"--workers {workers}: each reserves {cpus:g} CPU and the cluster has {machine.cores:g} cores: take fewer, "
            f"--set cpus_per_worker={machine.cores / workers.least:.2g}, {later}"
        )
    threads = None if use_gpu else max(1, int(machine.cores // most))
    return Placement(use_gpu, cpus, job.threads or threads)
