"""Bundles from S3 on this machine's disk, in the user's cache: each whole or not at all, the last used few of them.

A process holds a shared lock on the folder of each bundle that it uses, until it ends, so that no other evicts it.
"""

import fcntl
import os
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

KEPT = 8  # bundles; one of BART base and a CLIP is a GB
STALE_S = 24 * 3600.0  # what a download that was killed left behind
_IDENTITY = re.compile(r"[0-9a-f]{16}")
_HELD: dict[tuple[int, int], int] = {}
"""Device and inode of each folder that this process holds, with the descriptor that holds the lock."""


def cached(identity: str, fill: Callable[[Path], None], is_whole: Callable[[Path], bool] = Path.is_dir) -> Path:
    """The folder of the bundle `identity`, filled by `fill` where it is not there yet, or is not whole any more.

    `fill` raises rather than leave what is not whole. Processes that want the same one at once do not disturb each
    other. Bound: `KEPT` bundles, and those in use.
    """
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "clipsum" / "bundles"
    folder = cache / identity
    if _held(folder) and not is_whole(folder):
        _drop(folder, cache)
    while not _held(folder):
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache) as scratch:
            fresh = Path(scratch) / "bundle"
            fill(fresh)
            try:
                fresh.rename(folder)
            except OSError:
                if not folder.is_dir():  # else another process was first, with the same bytes
                    raise
    _evict(cache, identity)
    return folder


def _held(folder: Path) -> bool:
    """Hold the folder until this process ends; False where it is not there, or was evicted meanwhile."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except FileNotFoundError:
        return False
    with suppress(OSError):  # a file system without locks
        fcntl.flock(descriptor, fcntl.LOCK_SH)
    with suppress(OSError):
        os.utime(folder)
        found = folder.stat()
        if os.path.samestat(os.fstat(descriptor), found):
            if _HELD.setdefault((found.st_dev, found.st_ino), descriptor) != descriptor:
                os.close(descriptor)
            return True
    os.close(descriptor)
    return False


def _evict(cache: Path, wanted: str) -> None:
    """Remove what was used least lately beyond `KEPT`, and what killed downloads left; nothing that is in use."""
    found = sorted(_entries(cache), reverse=True)
    bundles = [path for _, path in found if _IDENTITY.fullmatch(path.name) and path.name != wanted]
    stale = [path for used_s, path in found if path.name.startswith("tmp") and time.time() - used_s > STALE_S]
    for path in (*bundles[KEPT - 1 :], *stale):
        _remove(path, cache)


def _entries(cache: Path) -> Iterator[tuple[float, Path]]:
    """The time of the last use of each, and its path."""
    for path in cache.iterdir():
        with suppress(OSError):
            yield path.stat().st_mtime, path


def _drop(folder: Path, cache: Path) -> None:
    """Remove a folder that is of no use to anybody, held or not: in one step for whoever comes."""
    with suppress(FileNotFoundError), tempfile.TemporaryDirectory(dir=cache, ignore_cleanup_errors=True) as scratch:
        folder.rename(Path(scratch) / folder.name)


def _remove(folder: Path, cache: Path) -> None:
    """Remove a folder unless another process holds it: in one step for whoever comes, then in peace."""
    with suppress(OSError), tempfile.TemporaryDirectory(dir=cache) as scratch:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            folder.rename(Path(scratch) / folder.name)
        finally:
            os.close(descriptor)
        shutil.rmtree(scratch, ignore_errors=True)
