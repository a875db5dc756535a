"""Where a job runs: the cluster that `--address` or RAY_ADDRESS names, else a private Ray on this machine."""

import logging
import os
import secrets
import shutil
import socket
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import ray
from ray.exceptions import RayActorError, RayError, RayTaskError, UserCodeException

from clipsum.errors import RunError, UsageError
from ray_jobs.interrupts import end_as_interrupted
from ray_jobs.pools import Machine

KNOCK_S = 10.0
LEAST_CORES = 2
"""What a private Ray has at least, by its own count: Ray Data takes one core, and a machine of one shares it out."""
LONGEST_FOLDER = 16
"""Ray puts sockets some 90 characters below its folder, and 107 are the most that a socket's name may have."""
QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_BACKEND_LOG_LEVEL": "fatal",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_DATA_DISABLE_PROGRESS_BARS": "1",
}


def local_of(places: Iterable[str | None]) -> str | None:
    """The first of `places` that is a path of this machine, which others may not have."""
    return next((place for place in places if place and "://" not in place and Path(place).is_absolute()), None)


@contextmanager
def connected(address: str | None = None, local_path: str | None = None) -> Iterator[Machine]:
    """Connect, tell what the cluster has, and leave: a private Ray ends with every process that it started.

    Where this process is connected already, it stays so.

    Raises: UsageError for a cluster that does not answer, for another than this process is connected to already, or of
    several machines when there is a `local_path`, which other machines may not have. RunError for a Ray that does not
    start here, or that is lost while it is used.
    """
    with _losses_told():
        yield from _connected(address, local_path)


def _connected(address: str | None, local_path: str | None) -> Iterator[Machine]:
    if ray.is_initialized():
        here = ray.get_runtime_context().gcs_address
        if address not in (None, "", "auto", "local", here):
            raise UsageError(f"--address '{address}': this process is connected to the Ray at '{here}' already")
        yield _machine()
        return
    given = address or os.environ.get("RAY_ADDRESS")
    if given in (None, "", "local"):
        yield from _private()
        return
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    try:
        _knock(str(given))
        with _silent_stderr():
            ray.init(address=given, logging_level=logging.ERROR, log_to_driver=False)
        end_as_interrupted()
    except (OSError, ValueError, RuntimeError, RayError) as error:
        raise UsageError(
            f"no Ray cluster answers at '{given}' ({_first_line(error)}): name one with --address, or none, and give "
            "RAY_AUTH_TOKEN where it asks for a token"
        ) from error
    try:
        _refuse_local(local_path, str(given))
        yield _machine()
    finally:
        ray.shutdown()


def _knock(address: str) -> None:
    """Raise OSError when nothing listens at `host:port`: Ray itself would wait for minutes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if host and port.isdigit():
        socket.create_connection((host.strip("[]"), int(port)), timeout=KNOCK_S).close()


def _private() -> Iterator[Machine]:
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    os.environ.setdefault("RAY_worker_niceness", "8")  # leaves the stages room to differ, see actors.py
    # Ray guards a cluster that it starts by a token, and would write one into the home folder were none given
    os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
    here = tempfile.gettempdir()
    folder = tempfile.mkdtemp(prefix="clipsum-ray-", dir=here if len(here) <= LONGEST_FOLDER else "/tmp")
    try:
        _start(folder)
        if _machine().cores < LEAST_CORES:
            ray.shutdown()
            _start(folder, num_cpus=LEAST_CORES)
        yield _machine()
    finally:
        ray.shutdown()
        shutil.rmtree(folder, ignore_errors=True)


def _start(folder: str, num_cpus: int | None = None) -> None:
    try:
        with _silent_stderr():
            ray.init(
                address="local",
                num_cpus=num_cpus,
                include_dashboard=False,
                logging_level=logging.ERROR,
                log_to_driver=False,
                _temp_dir=folder,
            )
    except Exception as error:  # that very class is what Ray raises on a machine that is too busy to start it in time
        raise RunError(f"Ray does not start on this machine: {_first_line(error)}") from error
    end_as_interrupted()


@contextmanager
def _losses_told() -> Iterator[None]:
    """Turn what Ray says of its own loss into one line; what a task or an actor of ours raised stays what it is."""
    try:
        yield
    except RayError as error:
        ours = isinstance(error, (RayTaskError, UserCodeException))
        if ours or (isinstance(error, RayActorError) and error.actor_init_failed):
            raise
        raise RunError(f"Ray lost its work ({type(error).__name__}): {_first_line(error)}") from error


def _first_line(error: BaseException) -> str:
    return str(error).strip().split("\n")[0] or type(error).__name__


@contextmanager
def _silent_stderr() -> Iterator[None]:
    """Send the process's stderr nowhere: Ray's C++ side announces there that it was asked to be quiet."""
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def _machine() -> Machine:
    resources = ray.cluster_resources()
    nodes = [node["Resources"].get("CPU", 0.0) for node in ray.nodes() if node["Alive"]]
    nodes = [cores for cores in nodes if cores]
    return Machine(
        resources.get("CPU", 0.0), resources.get("GPU", 0.0), max(nodes, default=None), nodes=max(1, len(nodes))
    )


def _refuse_local(local_path: str | None, address: str) -> None:
    """Raise UsageError where some machine of the cluster may not have `local_path`."""
    hosts = {node["NodeManagerHostname"] for node in ray.nodes() if node["Alive"]}
    if local_path and hosts != {socket.gethostname()}:
        raise UsageError(
            f"'{local_path}' is a path of this machine and the cluster at '{address}' has {len(hosts)} machine(s): "
            "use s3://, or --set shared_files=true where every machine sees the same path"
        )
