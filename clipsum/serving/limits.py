"""How much work is let in, and for how long: a bounded queue that says when to come again, and a deadline."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from clipsum.serving.refusals import RefusedError, refused_reason

Clock = Callable[[], float]
NEWEST = 0.2
"""The weight of the newest duration in the mean."""


class Deadline:
    """When an answer must be there. It crosses processes and machines as the seconds that are left."""

    def __init__(self, seconds: float, clock: Clock = time.monotonic) -> None:
        self._clock, self._at = clock, clock() + seconds

    def __reduce__(self) -> tuple[type["Deadline"], tuple[float]]:
        return (Deadline, (self.left_s,))

    @property
    def left_s(self) -> float:
        """Seconds that are left, never below 0."""
        return max(0.0, self._at - self._clock())

    def check(self) -> None:
        """Raises: RefusedError, 504, once it is over."""
        if not self.left_s:
            raise refused_reason("timeout")


class Admission:
    """At most `most` requests at once, running and waiting. Safe for several threads.

    A request that would wait past its deadline is refused at once. It goes through all stages, at each of which so many
    `servers` are at work, and waits for the slowest. Each of `processes` that let requests in has a bound of its own,
    that of the service is their sum; each takes the others to be as full as itself.
    """

    def __init__(self, most: int, servers: Mapping[str, int], processes: int = 1, first_s: float = 1.0) -> None:
        self._most, self._servers, self._processes = most, dict(servers), processes
        self._mean_s = dict.fromkeys(servers, first_s / len(servers))
        self._lock = threading.Lock()
        self.inside = 0

    @property
    def wait_s(self) -> float:
        """How long a request that comes now is likely to wait for its turn."""
        there = self.inside * self._processes
        return max(max(0, there + 1 - at) * self._mean_s[stage] / at for stage, at in self._servers.items())

    @contextmanager
    def enter(self, deadline: Deadline) -> Iterator[None]:
        """Be let in, for as long as the context lasts. Raises: RefusedError, 503 with when to come again, or 504."""
        deadline.check()
        with self._lock:
            if self.inside >= self._most or self.wait_s > deadline.left_s:
                raise RefusedError(503, "overloaded", "too many requests at once", max(self.wait_s, self.work_s))
            self.inside += 1
        try:
            yield
        finally:
            with self._lock:
                self.inside -= 1

    @property
    def work_s(self) -> float:
        """How long one request is worked on, at all stages."""
        return sum(self._mean_s.values())

    def worked(self, seconds: Mapping[str, float]) -> None:
        """Tell how long each stage worked on a request, its waiting left out; what comes next is judged by it."""
        with self._lock:
            for stage, took_s in seconds.items():
                self._mean_s[stage] += NEWEST * (took_s - self._mean_s[stage])

    def close(self) -> None:
        """Let nobody in any more."""
        with self._lock:
            self._most = 0

    def share(self, servers: Mapping[str, int], processes: int) -> None:
        """Tell how many are at work now. The bound stays what it is."""
        with self._lock:
            self._servers, self._processes = dict(servers), processes
