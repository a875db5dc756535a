"""One start at a time on an output: `OUTPUT/owner/` says who works on it, written anew for as long as they do.

Who finds an owner watches whether it gives a sign of life, so that no clock of another machine counts. Where it gives
none for `patience_s`, or was a process of this machine that is gone, it is succeeded: the owner of the highest number
owns, and a number can be taken once.
"""

import json
import os
import secrets
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from clipsum import storage
from clipsum.errors import ItemError, RunError, UsageError

FOLDER = "owner"
BEAT_S, PATIENCE_S, LOOK_EVERY_S = 5.0, 30.0, 0.5
_held: set[str] = set()
"""What starts in this process own."""
Sign = dict[str, Any]


class Owner:
    """A start that owns `output`; `is_lost`: another succeeded it, for it gave no sign of life."""

    def __init__(self, output: str, beat_s: float = BEAT_S, patience_s: float = PATIENCE_S) -> None:
        self.is_lost = False
        self._output, self._place = output, storage.join(output, FOLDER)
        self._beat_s, self._patience_s = beat_s, patience_s
        self._number, self._over = 0, threading.Event()
        self._heart = threading.Thread(target=self._beat, daemon=True)
        pid, token = os.getpid(), secrets.token_hex(8)
        self._sign: Sign = {"id": token, "machine": _machine(), "pid": pid, "began": _began(pid), "beats": 0}

    def take(self, say: Callable[[str], object]) -> None:
        """Become the owner, once an earlier one is known to be gone. Raises: UsageError where one works; ItemError."""
        number, found = self._last()
        if found is not None and not _is_gone(found):
            place, within = storage.shown(self._output), f"{self._patience_s:g} s"
            say(f"Process {found['pid']} may be at work on '{place}': watching it for {within}")
            number = self._watched(number, found)
        _held.add(self._sign["id"])
        if not storage.create_bytes(self._uri(number + 1), self._signed()):
            raise self._refusal("Another start")
        self._number = number + 1
        if number:
            storage.delete(self._uri(number))
        self._heart.start()

    def release(self) -> None:
        """Let go, and leave nothing."""
        self._over.set()
        _held.discard(self._sign["id"])
        if self._heart.is_alive():
            self._heart.join(self._beat_s)  # or its last sign might come after the end
        with suppress(ItemError):
            if self._number:
                storage.delete(self._uri(self._number))
        if not storage.is_s3(self._place):
            for folder in (self._place, self._output):
                with suppress(OSError):  # one that is not empty stays
                    Path(folder).rmdir()

    def _watched(self, number: int, found: Sign) -> int:
        """The number to succeed to, of an owner that gave no sign of life, or 0 where it has let go."""
        until = time.monotonic() + self._patience_s
        while time.monotonic() < until:
            self._over.wait(min(LOOK_EVERY_S, self._patience_s))
            last, now = self._last()
            if now is None:
                return 0
            if (last, now) != (number, found):
                raise self._refusal(f"Process {now['pid']} on {now['machine'].partition(' ')[0]}")
        return number

    def _refusal(self, who: str) -> UsageError:
        return UsageError(
            f"{who} is at work on '{storage.shown(self._output)}': wait for its end, stop it, or give another --output"
        )

    def check(self) -> None:
        """Raise RunError where another start has succeeded this one: what it writes now would be mixed up."""
        if self.is_lost:
            place = storage.shown(self._output)
            raise RunError(f"another start, which goes on, took '{place}' over: this one gave no sign of life")

    def _beat(self) -> None:
        while not self._over.wait(self._beat_s):
            with suppress(ItemError):  # of a store that is away for a moment
                if not self._is_mine():
                    self.is_lost = not self._over.is_set()
                    return
                self._sign["beats"] += 1
                storage.write_bytes(self._uri(self._number), self._signed())

    def _is_mine(self) -> bool:
        """Does this start own it still? Who succeeded it may have ended since, and left nothing."""
        number, sign = self._last()
        return sign is not None and (number, sign.get("id")) == (self._number, self._sign["id"])

    def _last(self) -> tuple[int, Sign | None]:
        """The highest number and its sign of life; 0 and None where nobody owns."""
        while True:
            try:
                uri = max((stored.uri for stored in storage.list_files(self._place)), default=None)
            except ItemError as error:
                if error.reason != "not_found":
                    raise
                uri = None
            if uri is None:
                return 0, None
            try:
                return int(Path(uri).stem), _read(uri)
            except ItemError as error:
                if error.reason != "not_found":  # it went meanwhile: another may stand in its place
                    raise

    def _signed(self) -> bytes:
        return json.dumps(self._sign).encode()

    def _uri(self, number: int) -> str:
        return storage.join(self._place, f"{number:06d}.json")


@contextmanager
def owned(output: str, say: Callable[[str], object], **times: float) -> Iterator[Owner]:
    """Own `output` within this context. Raises: UsageError, one line, where another start works on it."""
    owner = Owner(output, **times)
    try:
        owner.take(say)
        yield owner
    finally:
        owner.release()


def _read(uri: str) -> Sign:
    """An owner's sign of life; nobody's where the file is empty: its owner is about to write it, or was killed."""
    nobodys = {"id": "", "machine": "", "pid": 0, "began": None}
    sign: Sign = json.loads(storage.read_bytes(uri) or json.dumps(nobodys))
    return sign


def _is_gone(sign: Sign) -> bool:
    """Is it known that this owner works no more?"""
    if sign["machine"] != _machine() or sign["began"] is None:
        return False
    if (sign["pid"], sign["began"]) == (os.getpid(), _began(os.getpid())):
        return str(sign["id"]) not in _held
    return _began(sign["pid"]) != int(sign["began"])


def _machine() -> str:
    """Within it, a process has one number: the host, and the space of its process numbers."""
    try:
        return f"{socket.gethostname()} {Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return socket.gethostname()


def _began(pid: int) -> int | None:
    """When a process began, in ticks since its machine did; None where it is gone, or nobody can tell."""
    try:
        state, *rest = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if state in "ZX" else int(rest[18])
