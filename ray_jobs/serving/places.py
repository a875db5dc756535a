"""Where the service keeps what it keeps, and whether that can be."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from clipsum.errors import UsageError
from clipsum.models.bundle import name_elsewhere
from clipsum.serving.jobs import JobStore
from clipsum.serving.videos import own_folder
from clipsum.storage import canonical, is_s3, join
from clipsum.storage.guard import check_hosts
from ray_jobs.serving.config import ServeConfig


def located(config: ServeConfig) -> ServeConfig:
    """The configuration with every place named whole: what is not given lies in the folder of whoever calls.

    By default it is this user's own folder, for what others leave in /tmp may be a trap. Raises: UsageError.
    """
    config.sources.validate_places()
    check_hosts(config.webhooks, "webhooks: host")
    own = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "clipsum"
    places = {"uploads": config.uploads or str(own / "uploads"), "state": config.state or str(own / "serve")}
    if config.webhook_secret_file:
        places["webhook_secret_file"] = config.webhook_secret_file
    if "://" in places["uploads"].removeprefix("file://"):
        raise UsageError(f"uploads '{places['uploads']}': give a folder, which ingresses and decoders share")
    whole = {name: canonical(place) for name, place in places.items()}
    return config.model_copy(update=whole | {"bundle": name_elsewhere(config.bundle)})


def local_places(config: ServeConfig) -> tuple[str, ...]:
    """What lies on this machine of a located configuration, and is needed where a replica is."""
    secret = config.webhook_secret_file or ""
    return () if config.shared_files else (config.bundle, config.uploads, config.state, secret)


def check_places(config: ServeConfig) -> None:
    """Raises: UsageError where jobs cannot be kept, or webhooks cannot be signed."""
    _make("state", config.state)
    jobs_of(config).log.check()
    if config.webhooks and not webhook_secret(config):
        raise UsageError("webhooks are allowed and there is nothing to sign them with: set webhook_secret_file")


def check_uploads(config: ServeConfig) -> None:
    """Raises: UsageError where uploads cannot be kept on this machine; where others do the work, they may have it."""
    if not config.shared_files:
        _make("uploads", config.uploads)


@contextmanager
def held(state: str) -> Iterator[None]:
    """Have a local `state` for this service alone: another one would do its jobs, with its own bundle and rules.

    Raises: UsageError where another has it.
    """
    if is_s3(state):
        yield
        return
    _make("state", state)
    with (Path(state) / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise UsageError(
                f"state '{state}': another service keeps its jobs there: give this one a folder of its own, "
                "--set state=FOLDER"
            ) from error
        yield


def _make(what: str, place: str) -> None:
    if is_s3(place):
        return
    try:
        own_folder(Path(place))
    except OSError as error:
        raise UsageError(f"{what} '{place}' cannot be made: {error.strerror}") from error
    if not os.access(place, os.W_OK | os.X_OK):
        raise UsageError(f"{what} '{place}' cannot be written to: give another folder")


def jobs_of(config: ServeConfig) -> JobStore:
    """The jobs of the service."""
    return JobStore(join(config.state, "jobs"), keep_s=config.keep_s)


def webhook_secret(config: ServeConfig) -> str:
    """What webhooks are signed with; "" where there is none. Raises: UsageError where it cannot be read."""
    path = config.webhook_secret_file
    try:
        return Path(path).read_text("utf-8").strip() if path else ""
    except (OSError, ValueError) as error:
        raise UsageError(f"webhook_secret_file '{path}' cannot be read") from error
