"""What was seen of a video, kept for the next question about it. Bound: `max_bytes`, the least lately used goes."""

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, NamedTuple, TypeVar

from clipsum.errors import UsageError

Value = TypeVar("Value")


class CacheKey(NamedTuple):
    """Which bytes were looked at, by which encoder, at which times, how those were sought, how many pictures kept."""

    uri: str
    version: str
    fingerprint: str
    sampling: str
    seek: str
    pictures: int


class ByteCache(Generic[Value]):
    """Values of known size, by key. Safe for several threads. `size_of` gives the bytes of a value and does not change.

    An object whose store tells no version (`version` "") is never kept: it may be another one next time.
    """

    def __init__(self, max_bytes: int, size_of: Callable[[Value], int]) -> None:
        if max_bytes < 0:
            raise UsageError(f"cache bytes '{max_bytes}': give 0, for no cache, or more")
        self._max_bytes, self._size_of = max_bytes, size_of
        self._held: OrderedDict[CacheKey, tuple[Value, int]] = OrderedDict()
        self._lock = threading.Lock()
        self.bytes_held = self.hits = self.misses = 0

    def get(self, key: CacheKey, fits: Callable[[Value], bool] = lambda _: True) -> Value | None:
        """The value, where there is one that `fits`, or None; counted as a hit or a miss."""
        with self._lock:
            found = self._held.get(key)
            if found is None or not fits(found[0]):
                self.misses += 1
                return None
            self.hits += 1
            self._held.move_to_end(key)
            return found[0]

    def put(self, key: CacheKey, value: Value) -> bool:
        """Keep a value, in place of an older one; False where it is larger than all that may be kept."""
        size = self._size_of(value)
        with self._lock:
            if not key.version or size > self._max_bytes:
                return False
            self.bytes_held += size - self._held.pop(key, (value, 0))[1]
            self._held[key] = value, size
            while self.bytes_held > self._max_bytes:
                self.bytes_held -= self._held.popitem(last=False)[1][1]
            return True

    def __len__(self) -> int:
        return len(self._held)
