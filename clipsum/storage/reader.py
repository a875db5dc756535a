"""Random access to one stored file, with true counts of the bytes that were read."""

import io
import os
from abc import abstractmethod
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache

GAP_BYTES = 64 * 2**10  # two ranges nearer than this cost less in one request than in two
GROUP_BYTES = 8 * 2**20
FIRST_BYTES = 64 * 2**10
AHEAD_BYTES = 8 * 2**20
CONCURRENT_REQUESTS = 16

Span = tuple[int, int]
Fetch = Callable[[int, int], bytes]


class RangeReader(io.RawIOBase):
    """A binary, seekable, read-only file. `bytes_read` counts what came from the store, read-ahead included.

    Not for use by several threads at once.
    """

    def __init__(self, size_bytes: int, version: str) -> None:
        super().__init__()
        self.size_bytes = size_bytes
        self.version = version
        self.bytes_read = 0
        self._at = 0

    def readable(self) -> bool:
        """True."""
        return True

    def seekable(self) -> bool:
        """True."""
        return True

    def tell(self) -> int:
        """The place, in bytes from the start."""
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move to `offset` from the start, the place or the end; past the end is allowed and reads b""."""
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self.size_bytes}[whence]
        if base + offset < 0:
            raise ValueError(f"seek to {base + offset}: before the start")
        self._at = base + offset
        return self._at

    def read(self, size: int | None = -1) -> bytes:
        """Up to `size` bytes, fewer only at the end of the file. Raises: ItemError."""
        stop = self.size_bytes if size is None or size < 0 else min(self._at + size, self.size_bytes)
        data = self._read_span(self._at, stop) if stop > self._at else b""
        self._at += len(data)
        return data

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        """Fill `buffer` from the place on; the number of bytes."""
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    @abstractmethod
    def read_ranges(self, ranges: Sequence[Span]) -> list[bytes]:
        """The bytes [start, stop) of each range, in the order asked; cut short at the end of the file.

        Raises: ItemError.
        """

    @abstractmethod
    def _read_span(self, start: int, stop: int) -> bytes:
        """The bytes of a span that lies within the file."""


class LocalReader(RangeReader):
    """Plain preads: nothing is read that was not asked for."""

    def __init__(self, descriptor: int, size_bytes: int, version: str) -> None:
        super().__init__(size_bytes, version)
        self._descriptor = descriptor

    def read_ranges(self, ranges: Sequence[Span]) -> list[bytes]:
        """See `RangeReader`."""
        return [self._read_span(start, min(stop, self.size_bytes)) for start, stop in ranges]

    def _read_span(self, start: int, stop: int) -> bytes:
        data = pread(self._descriptor, start, stop)
        self.bytes_read += len(data)
        return data

    def close(self) -> None:
        """Give the file back."""
        if not self.closed:
            os.close(self._descriptor)
        super().close()


class RemoteReader(RangeReader):
    """Reads through one buffer; read-ahead doubles while reads follow each other and starts anew after a jump."""

    def __init__(self, first: bytes, size_bytes: int, version: str, fetch: Fetch) -> None:
        super().__init__(size_bytes, version)
        self._fetch = fetch
        self._buffer, self._buffer_start = first, 0
        self._ahead = FIRST_BYTES
        self.bytes_read = len(first)

    def read_ranges(self, ranges: Sequence[Span]) -> list[bytes]:
        """See `RangeReader`; near ranges share a request, and requests run side by side."""
        clipped = [(start, max(start, min(stop, self.size_bytes))) for start, stop in ranges]
        groups = coalesce([span for span in clipped if not self._holds(*span)])
        blocks = dict(zip(groups, requests().map(lambda span: self._fetch(*span), groups), strict=True))
        self.bytes_read += sum(map(len, blocks.values()))
        blocks[self._buffer_start, self._buffer_start + len(self._buffer)] = self._buffer
        return [_cut(blocks, start, stop) for start, stop in clipped]

    def _holds(self, start: int, stop: int) -> bool:
        return start >= stop or (start >= self._buffer_start and stop <= self._buffer_start + len(self._buffer))

    def _read_span(self, start: int, stop: int) -> bytes:
        held = b""
        if 0 <= start - self._buffer_start < len(self._buffer):
            held = self._buffer[start - self._buffer_start : stop - self._buffer_start]
        if start + len(held) == stop:
            return held
        return held + self._fill(start + len(held), stop)

    def _fill(self, start: int, stop: int) -> bytes:
        follows = start == self._buffer_start + len(self._buffer)
        self._ahead = min(2 * self._ahead, AHEAD_BYTES) if follows else FIRST_BYTES
        self._buffer = self._fetch(start, min(max(stop, start + self._ahead), self.size_bytes))
        self._buffer_start = start
        self.bytes_read += len(self._buffer)
        return self._buffer[: stop - start]


def pread(descriptor: int, start: int, stop: int) -> bytes:
    """The bytes [start, stop) of an open file, fewer at its end."""
    pieces: list[bytes] = []
    while start < stop and (piece := os.pread(descriptor, stop - start, start)):
        pieces.append(piece)
        start += len(piece)
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def coalesce(ranges: Sequence[Span], gap_bytes: int = GAP_BYTES, group_bytes: int = GROUP_BYTES) -> list[Span]:
    """The fewest spans that cover `ranges`, joined where the gap is small and the group not large; sorted."""
    groups: list[Span] = []
    for start, stop in sorted(ranges):
        if groups and start - groups[-1][1] <= gap_bytes and max(stop, groups[-1][1]) - groups[-1][0] <= group_bytes:
            groups[-1] = (groups[-1][0], max(stop, groups[-1][1]))
        elif not groups or stop > groups[-1][1]:
            groups.append((start, stop))
    return groups


def requests() -> ThreadPoolExecutor:
    """Threads of this process, for requests that run side by side."""
    return _requests_of(os.getpid())


@lru_cache(maxsize=1)
def _requests_of(_pid: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(CONCURRENT_REQUESTS, thread_name_prefix="clipsum-storage")


def _cut(blocks: dict[Span, bytes], start: int, stop: int) -> bytes:
    if start >= stop:
        return b""
    for (first, last), data in blocks.items():
        if first <= start and stop <= last:
            return data[start - first : stop - first]
    raise ValueError(f"no block holds [{start}, {stop})")
