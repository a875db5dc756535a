"""Decoding that can be stopped: a child process that is killed at the deadline, for C code heeds no thread.

One child serves many videos; one that dies, or is killed, counts against its video alone, and the next video gets a
new child. The frames come back through shared memory.
"""

import os
import signal
import subprocess
import sys
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from types import TracebackType

from clipsum.config import Limits, Preprocessing, Sampling, Seek
from clipsum.errors import ItemError
from clipsum.records import Decoded
from clipsum.video import child

START_S = 120  # to start Python on a machine that is busy
KEPT_FROM_IT = frozenset({"CLIPSUM_API_KEYS"})
"""Environment variables that a process which reads files of strangers has no use for."""


class VideoDecoder:
    """`decode_video` behind a deadline and a memory limit. Not for use by several threads at once; close it."""

    def __init__(self, prep: Preprocessing, sampling: Sampling, seek: Seek, limits: Limits, previews: int = 0) -> None:
        self._settings: child.Settings = (prep, sampling, seek, limits, previews)
        self._memory = os.memfd_create("clipsum-frames")
        self._process: subprocess.Popen[bytes] | None = None
        self._connection: Connection | None = None

    def start(self) -> None:
        """Start the child now, so that the first video does not wait for it. Raises: ItemError where it cannot."""
        self._child()

    def decode(self, uri: str, want_subtitles: bool = False) -> Decoded:
        """As `decode_video`, within `deadline_s` and `max_memory_bytes` whatever the file holds.

        Raises: ItemError as `decode_video`; timeout; out_of_memory; worker_died where the child crashed or was killed.
        """
        deadline_s = self._settings[3].deadline_s
        connection = self._child()
        answered, before_s = False, self._cpu_s()
        try:
            connection.send((uri, want_subtitles))
            if not connection.poll(deadline_s):
                why = f"not decoded within deadline_s={deadline_s:g}"
                raise ItemError("timeout", "decode", why, cpu_s=self._cpu_s() - before_s)
            answer: child.Answer | ItemError = connection.recv()
            answered = True
        except (EOFError, ConnectionError) as error:
            cpu_s = self._cpu_s() - before_s  # known until the process is waited for
            why = f"the decoding process died: {self._death()}"
            raise ItemError("worker_died", "decode", why, cpu_s=cpu_s) from error
        finally:
            if not answered:
                self._stop()
        if isinstance(answer, ItemError):
            raise answer
        return child.take(answer, self._memory)

    def abort(self) -> None:
        """End the work on the present video, from any thread: `decode` raises worker_died. Without one it does little.

        It holds for a child that runs: who asks before `decode` has started one asks again.
        """
        process = self._process
        if process is not None:
            process.kill()

    def close(self) -> None:
        """End the child and give the memory back. The decoder cannot be used afterwards."""
        self._stop()
        if self._memory >= 0:
            os.close(self._memory)
            self._memory = -1

    def __enter__(self) -> "VideoDecoder":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    @property
    def pid(self) -> int | None:
        """The child's process, where one runs."""
        return self._process.pid if self._process else None

    def _cpu_s(self) -> float:
        """Processor time of the child so far; 0 on a system without /proc."""
        try:
            fields = Path("/proc", str(self.pid), "stat").read_text().rpartition(") ")[2].split()
        except OSError:
            return 0.0
        return sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK")  # user and system, in ticks: man 5 proc

    def _child(self) -> Connection:
        if self._process is not None and self._process.poll() is not None:
            self._stop()  # it died between two videos: nobody's fault
        if self._connection is None:
            self._start()
        assert self._connection is not None
        return self._connection

    def _start(self) -> None:
        self._connection, other = Pipe()
        passed = (other.fileno(), self._memory)
        environment = {
            **{name: value for name, value in os.environ.items() if name not in KEPT_FROM_IT},
            "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
            "OPENBLAS_NUM_THREADS": "1",
            "MALLOC_ARENA_MAX": "2",
        }
        with other:
            self._process = subprocess.Popen(
                [sys.executable, "-m", child.__name__, *map(str, passed)],
                pass_fds=passed,
                env=environment,
                stdin=subprocess.PIPE,  # nothing is written: it closes with this process, which ends the child
                start_new_session=True,  # Ctrl-C is for the parent, which ends its child
            )
        try:
            self._connection.send(self._settings)
            ready = self._connection.poll(START_S)
            died = None if ready and self._connection.recv() else f"did not start within {START_S} s"
        except (EOFError, ConnectionError):
            died = f"did not start: {self._death()}"
        if died:
            self._stop()
            raise ItemError("worker_died", "decode", f"the decoding process {died}")

    def _death(self) -> str:
        """Why the child is gone, in words."""
        assert self._process is not None
        code = self._process.wait(timeout=START_S)
        return f"it ended with exit code {code}" if code >= 0 else f"it was killed by {signal.Signals(-code).name}"

    def _stop(self) -> None:
        if self._connection is not None:
            self._connection.close()
        if self._process is not None:
            self._process.kill()
            self._process.wait(timeout=START_S)
            assert self._process.stdin is not None
            self._process.stdin.close()
        self._process = self._connection = None
