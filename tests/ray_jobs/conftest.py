"""One small Ray for all tests of the jobs, a tiny bundle of the real parts, and a few rendered videos."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import ray

from clipsum.config import Sampling
from clipsum.datasets.kitchen.corpus import write_split
from ray_jobs.serving.proxy import environment
from tests.models.tiny import write_bundle
from tests.ray_jobs.here import jobs_run_here

UPLOAD_BYTES = 2**24
"""What the proxies of Serve take of a body; the service of `serving/` is configured so too."""


@pytest.fixture(scope="session")
def two_cores() -> Iterator[None]:
    """Ray with two cores in this process, which every job then uses."""
    os.environ.update(environment(upload_bytes=UPLOAD_BYTES))
    folder = tempfile.mkdtemp(prefix="clipsum-ray-")
    ray.init(
        address="local",
        num_cpus=2,
        include_dashboard=False,
        log_to_driver=False,
        object_store_memory=256 * 2**20,
        _system_config={"metrics_report_interval_ms": 1000},  # the tests of metrics wait for them
        _temp_dir=folder,
    )
    yield
    ray.shutdown()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def without_ray() -> Iterator[None]:
    """Jobs over an archive run in this process."""
    with jobs_run_here():
        yield


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A bundle with random weights, whose summaries are noise."""
    folder = tmp_path_factory.mktemp("bundle")
    write_bundle(str(folder / "bundle"), folder / "clip", sampling=Sampling(frames=8))
    return str(folder / "bundle")


@pytest.fixture(scope="session")
def kitchen(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of three short toy videos with narration."""
    folder = tmp_path_factory.mktemp("kitchen")
    write_split(folder, "test", 3, seed=5, workers=1, size_px=64)
    return folder
