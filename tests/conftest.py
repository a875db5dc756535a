"""What all tests share: a hermetic environment, the real S3 server, the shared files, and a look at the log."""

import gc
import logging
import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

for name in [name for name in os.environ if name.startswith("AWS_")]:
    del os.environ[name]
os.environ |= {
    "OMP_NUM_THREADS": "1",  # torch takes its number of threads from it
    "RAY_AUTH_MODE": "disabled",
    "RAY_USAGE_STATS_ENABLED": "0",
    "HF_HUB_OFFLINE": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
}

from tests.browser import browser  # noqa: E402, F401
from tests.s3_server import REPOSITORY, S3ServerError, SwiftServer, keeps_attributes  # noqa: E402


def pytest_configure(config: pytest.Config) -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job begins with it ignored
    config.addinivalue_line("markers", "logs_errors: an ERROR in the log is what this test provokes")


def pytest_collection_finish() -> None:
    gc.freeze()  # what is imported by now stays, and Python takes a quarter of a second each time it looks through it


def pytest_unconfigure() -> None:
    gc.unfreeze()  # else some libraries complain at the end that they were not let go


@dataclass(frozen=True)
class S3:
    """A bucket of its own on the real server; the environment of the test already points there."""

    uri: str
    environment: dict[str, str]
    server: SwiftServer


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SwiftServer]:
    folder = tmp_path_factory.mktemp("swift")
    if not keeps_attributes(folder):
        pytest.fail(f"{folder} is on a file system without user attributes, which Swift needs: use --basetemp")
    try:
        server = SwiftServer(folder)
    except S3ServerError as error:
        pytest.fail(str(error))
    try:
        server.start()
        yield server
    finally:
        server.stop()


@pytest.fixture
def s3(s3_server: SwiftServer, monkeypatch: pytest.MonkeyPatch) -> S3:
    from clipsum.storage.s3_client import client

    for name, value in s3_server.environment.items():
        monkeypatch.setenv(name, value)
    bucket = s3_server.next_bucket()
    client().create_bucket(Bucket=bucket)
    return S3(f"s3://{bucket}", s3_server.environment, s3_server)


@pytest.fixture
def disturbed(s3: S3) -> Iterator[SwiftServer]:
    """The server, to be stopped in part: the client slows down when it meets a busy one, and is dropped afterwards."""
    from clipsum.storage.s3_client import _client_of

    yield s3.server
    _client_of.cache_clear()


@pytest.fixture(scope="session")
def shared_dir() -> Path:
    """The folder of real videos and known answers beside the checkout."""
    folder = REPOSITORY.parent / "shared"
    if not folder.is_dir():
        pytest.skip(f"needs the shared files in {folder}, which are not part of the repository")
    return folder


@pytest.fixture(autouse=True)
def _no_error_in_the_log(request: pytest.FixtureRequest) -> Iterator[None]:
    records: list[logging.LogRecord] = []
    handler = logging.Handler(logging.ERROR)
    handler.emit = records.append  # type: ignore[method-assign]
    loggers = [logging.getLogger(name) for name in ("clipsum", "ray_jobs")]
    for logger in loggers:
        logger.addHandler(handler)
    yield
    for logger in loggers:
        logger.removeHandler(handler)
    if records and not request.node.get_closest_marker("logs_errors"):
        pytest.fail("unexpected error in the log: " + "; ".join(record.getMessage() for record in records))


@pytest.fixture(scope="module")
def one_thread() -> Iterator[None]:
    """The sums of several threads are not the same to the bit."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
