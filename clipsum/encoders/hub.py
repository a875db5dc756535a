"""Where the files of a published model are, and why one by name did not come, in one line.

Its hub is away, has no such model, or sent what does not fit.
"""

import logging
import os
import shutil
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from huggingface_hub.errors import LocalEntryNotFoundError, OfflineModeIsEnabled, RepositoryNotFoundError
from safetensors import SafetensorError

from clipsum import storage
from clipsum.encoders.base import PLAIN_SUFFIXES
from clipsum.errors import ItemError, UsageError, refused

if "HF_HUB_VERBOSITY" not in os.environ:  # it tells of each attempt, and what comes of all of them is told here
    logging.getLogger("huggingface_hub").setLevel(logging.ERROR)
LOADING = (OSError, ValueError, RuntimeError, KeyError, TypeError, AssertionError, SafetensorError)
"""What the libraries raise where files are missing, cut short or of another model."""
_AWAY = (LocalEntryNotFoundError, OfflineModeIsEnabled, ConnectionError, TimeoutError)
_ADVICE = "name a local folder or s3:// place that holds it, or bring it into the cache (HF_HOME) where the hub is"


@contextmanager
def local_files(place: str, what: str) -> Iterator[Path | None]:
    """A local path to a file or folder, fetched from S3 where it lies there; None where there is nothing.

    Raises: UsageError, which says of `what` ("CLIP weights"), where the store refuses; ItemError where it fails.
    """
    try:
        with storage.local_copy(place) as path:
            yield path
    except ItemError as error:
        raise refused(f"{what} '{place}' cannot be read", error) from error


@contextmanager
def files_or_hub(place: str, what: str) -> Iterator[Path | None]:
    """As `local_files`; None where `place` is a hub's name. Raises: UsageError too for a place with nothing in it."""
    if not sys.stderr.isatty():  # transformers draws its bars into files too
        from transformers.utils.logging import disable_progress_bar

        disable_progress_bar()
    with local_files(place, what) as path:
        if path is None and (storage.is_s3(place) or place.startswith(("/", "."))):
            raise UsageError(f"{what} '{place}' is not there: give a hub name, or a folder with config.json")
        yield path


def copy_if_whole(place: str, what: str, needed: Iterable[str], folder: Path) -> bool:
    """Copy a model's folder in hub layout, without files that could run code; False where it lacks what is `needed`.

    Raises: as `local_files`.
    """
    with local_files(place, what) as path:
        if path is None or not all((path / name).is_file() for name in needed):
            return False
        folder.mkdir(parents=True, exist_ok=True)
        for file in sorted(path.iterdir()):
            if file.suffix in PLAIN_SUFFIXES:
                shutil.copyfile(file, folder / file.name)
        return True


def not_loaded(what: str, error: BaseException) -> UsageError:
    """The refusal for a model `what` ("BART 'facebook/bart-base'") whose library raised `error`."""
    chain = list(_chain(error))
    if any(isinstance(each, RepositoryNotFoundError) for each in chain):
        return UsageError(f"{what} is not on the hub, or is not open to you: check its name, or log in (HF_TOKEN)")
    if any(isinstance(each, _AWAY) for each in chain):
        return UsageError(f"{what} is not here, and the hub is not in reach: {_ADVICE}")
    first = next(iter(str(error).strip().splitlines()), type(error).__name__)
    return UsageError(f"{what} does not load: {first}")


@contextmanager
def untold() -> Iterator[None]:
    """Drop what a library says on the root logger meanwhile: it raises an error as well, and that is told."""
    root, drop = logging.getLogger(), lambda record: False
    root.addFilter(drop)
    try:
        yield
    finally:
        root.removeFilter(drop)


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """The error and those that it came of."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
