"""Files of this machine."""

import errno
import logging
import os
import shutil
import stat as modes
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path

from clipsum.errors import ItemError, Reason
from clipsum.storage.reader import LocalReader
from clipsum.storage.uri import StoredObject, glob_regex, has_wildcard, local_path, local_uri, stem

logger = logging.getLogger(__name__)
BY_ERROR: dict[int, Reason] = {
    errno.EACCES: "access_denied",
    errno.EPERM: "access_denied",
    errno.EROFS: "access_denied",
    errno.ENOENT: "not_found",
    errno.ENOTDIR: "not_found",
    errno.EISDIR: "not_found",
    errno.ENAMETOOLONG: "not_found",
    errno.ELOOP: "not_found",
}
NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK)
CLOCK_NS = 2_000_000_000  # no file system's clock is coarser: an older time of change does not hide another change


def stat(uri: str) -> StoredObject:
    """Size and version of a file. Raises: ItemError, also for a folder."""
    with _asking(uri):
        return _stored(uri, local_path(uri).stat())


def exists(uri: str) -> bool:
    """True for a file or folder."""
    with _asking(uri):
        return local_path(uri).exists()


def read_bytes(uri: str) -> bytes:
    """The whole file. Raises: ItemError."""
    with open_reader(uri) as reader:
        return reader.read()


def read_range(uri: str, start: int, stop: int) -> bytes:
    """The bytes [start, stop), fewer at the end of the file. Raises: ItemError."""
    with open_reader(uri) as reader:
        return reader.read_ranges([(start, stop)])[0]


def open_reader(uri: str) -> LocalReader:
    """Open a regular file for reading. Raises: ItemError."""
    with _asking(uri):
        # without O_NONBLOCK a named pipe would be waited for, without end
        descriptor = os.open(local_path(uri), os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        with _asking(uri):
            stored = _stored(uri, os.fstat(descriptor))
        return LocalReader(descriptor, stored.size_bytes, stored.version)
    except ItemError:
        os.close(descriptor)
        raise


def write_bytes(uri: str, data: bytes) -> None:
    """Put `data` in place in one step: a reader sees the old file or the new one. Raises: ItemError."""
    with _asking(uri):
        path = local_path(uri)
        path.parent.mkdir(parents=True, exist_ok=True)
        with _put_in_place(path) as part:
            _write(part, data)


def create_bytes(uri: str, data: bytes) -> bool:
    """Put `data` in place in one step where nothing is; True for the one who did. Raises: ItemError."""
    with _asking(uri):
        path = local_path(uri)
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f".{uuid.uuid4().hex}.part")
        try:
            _write(part, data)
            _link(path, part)
        except FileExistsError:
            return False
        finally:
            part.unlink(missing_ok=True)
        return True


def upload(path: Path, uri: str) -> None:
    """Put a copy of `path` in place in one step; folders are made. Raises: ItemError."""
    with _asking(uri):
        place = local_path(uri)
        place.parent.mkdir(parents=True, exist_ok=True)
        with _put_in_place(place) as part:
            shutil.copyfile(path, part)
            with part.open("rb") as file:
                os.fsync(file.fileno())


def download(uri: str, path: Path) -> None:
    """Copy a file to `path` in one step. Raises: ItemError."""
    with _asking(uri), _put_in_place(path) as part:
        shutil.copyfile(local_path(uri), part)


def delete(uri: str) -> None:
    """Remove a file; one that is not there is fine. Raises: ItemError."""
    with _asking(uri):
        local_path(uri).unlink(missing_ok=True)


def list_files(uri: str) -> Iterator[StoredObject]:
    """The file, the files below a folder, or those of a glob; sorted within a folder, hidden names left out.

    Links to folders are followed, each folder once; a link to nothing is listed without a version. A folder below that
    may not be read is left out, with a warning.
    Memory: the names of one folder at each level. Raises: ItemError, also where what `uri` names may not be read.
    """
    with _asking(uri):
        path = local_path(uri)
        is_glob = has_wildcard(uri) and not path.exists()  # a file may have such a name
        tree = _Tree()
        for found in tree.matching(Path(path.anchor), path.parts[bool(path.anchor) :]) if is_glob else [path]:
            yield from tree.walk(found, named=not is_glob)
    if tree.unread:
        first = next(iter(tree.unread))
        logger.warning("%s: what may not be read is left out, folders: %d, the first: %s", uri, len(tree.unread), first)


def beside(uri: str, suffixes: Sequence[str]) -> list[str]:
    """The files `STEM.….SUFFIX` of the stem of `uri`. Raises: ItemError."""
    with _asking(uri):
        base = local_path(stem(uri))
        try:
            modified_ns = base.parent.stat().st_mtime_ns
            settled = time.time_ns() - modified_ns > CLOCK_NS
            names_of = _names_ending_in if settled else _names_ending_in.__wrapped__
            names = names_of(base.parent, tuple(suffixes), modified_ns)
        except (FileNotFoundError, NotADirectoryError):
            return []
        own = (base.with_name(name) for name in names if name.startswith(f"{base.name}."))
        return [local_uri(path) for path in own if path.is_file()]


@lru_cache(maxsize=2)
def _names_ending_in(folder: Path, suffixes: tuple[str, ...], _modified_ns: int) -> tuple[str, ...]:
    """The names of an unchanged folder, for one video after another that lies in it. Bound: two folders' names."""
    return tuple(name for name in _names(folder) if name.lower().endswith(suffixes))


class _Tree:
    """One listing: the folders that it met, and those that it had to leave out because they may not be read."""

    def __init__(self) -> None:
        self._seen: set[tuple[int, int]] = set()
        self.unread: dict[Path, None] = {}

    def matching(self, folder: Path, parts: Sequence[str]) -> Iterator[Path]:
        """The files and folders that a glob names, segment by segment; `**` is any number of folders."""
        if not parts or tuple(parts) == ("**",):
            yield folder
        elif parts[0] == "**":
            yield from self.matching(folder, parts[1:])
            for name in self._names(folder):
                if os.path.isdir(folder / name):  # noqa: PTH112 - Path's raises where it may not look
                    yield from self.matching(folder / name, parts)
        elif not has_wildcard(parts[0]):
            if (folder / parts[0]).exists():
                yield from self.matching(folder / parts[0], parts[1:])
        elif folder.is_dir():
            matches = glob_regex(parts[0]).fullmatch
            for name in self._names(folder):
                if matches(name):
                    yield from self.matching(folder / name, parts[1:])

    def walk(self, path: Path, named: bool = False) -> Iterator[StoredObject]:
        """The file or the files below; what is `named` must be there and readable, the rest is left out."""
        with self._tolerant(path, named):
            try:
                found = path.stat()
            except FileNotFoundError:
                if not path.is_symlink():
                    raise
                yield StoredObject(local_uri(path), 0, "")
                return
            if modes.S_ISREG(found.st_mode):
                yield _stored(local_uri(path), found)
            if not modes.S_ISDIR(found.st_mode) or (found.st_dev, found.st_ino) in self._seen:
                return
            self._seen.add((found.st_dev, found.st_ino))
            for name in _names(path):
                yield from self.walk(path / name)

    def _names(self, folder: Path) -> list[str]:
        with self._tolerant(folder):
            return _names(folder)
        return []

    @contextmanager
    def _tolerant(self, path: Path, named: bool = False) -> Iterator[None]:
        """Leave out what vanished since its name was read, links to nothing or to themselves, and what is closed."""
        try:
            yield
        except OSError as error:
            if named and not (isinstance(error, FileNotFoundError) and path.is_symlink()):
                raise
            if isinstance(error, PermissionError):
                self.unread[path] = None
            elif error.errno not in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
                raise


def _names(folder: Path) -> list[str]:
    return sorted(name for name in os.listdir(folder) if not name.startswith("."))  # noqa: PTH208 - names alone


def _stored(uri: str, found: os.stat_result) -> StoredObject:
    if modes.S_ISDIR(found.st_mode):
        raise IsADirectoryError(errno.EISDIR, "is a folder, not a file")
    if not modes.S_ISREG(found.st_mode):
        raise FileNotFoundError(errno.ENOENT, "is not a regular file")
    return StoredObject(uri, found.st_size, f"{found.st_size}-{found.st_mtime_ns}")


def _write(path: Path, data: bytes) -> None:
    with path.open("xb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _link(path: Path, part: Path) -> None:
    """`part` under the name `path` too, which unlike a rename fails where something is.

    A file system without links (exFAT, SMB, FUSE) gets an empty file in its place first, which is `part` a moment
    later: who reads it in between sees an empty file. Raises: FileExistsError.
    """
    try:
        path.hardlink_to(part)
    except OSError as error:
        if error.errno not in NO_LINKS:
            raise
        path.touch(exist_ok=False)
        part.replace(path)


@contextmanager
def _put_in_place(path: Path) -> Iterator[Path]:
    part = path.with_name(f".{uuid.uuid4().hex}.part")
    try:
        yield part
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def _asking(uri: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        reason = BY_ERROR.get(error.errno or 0, "storage_error")
        raise ItemError(reason, "open", f"{uri}: {error.strerror or error}") from error
    except ValueError as error:  # a zero byte in the path
        raise ItemError("not_found", "open", f"{uri!r}: {error}") from error
