"""Ctrl-C at a moment that suits: never in the midst of an entry in the books."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType


@dataclass
class Presses:
    """How often Ctrl-C was pressed."""

    count: int = 0


@contextmanager
def interrupts_counted(most: int) -> Iterator[Presses]:
    """In the block, count Ctrl-C and go on; one more than `most` raises KeyboardInterrupt at once, as ever.

    Where another handler than Python's own is in place, it stays; only the main thread is ever interrupted.
    """
    presses = Presses()
    is_main = threading.current_thread() is threading.main_thread()
    if not is_main or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield presses
        return

    def press(number: int, frame: FrameType | None) -> None:
        presses.count += 1
        if presses.count > most:
            signal.default_int_handler(number, frame)

    signal.signal(signal.SIGINT, press)
    try:
        yield presses
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@contextmanager
def interrupts_held() -> Iterator[None]:
    """Raise the KeyboardInterrupt of a Ctrl-C at the end of the block; of a second one, that is in earnest, at once."""
    with interrupts_counted(1) as presses:
        yield
    if presses.count:
        raise KeyboardInterrupt


def end_as_interrupted() -> None:
    """From now on SIGTERM, by which schedulers and `ray job stop` end a job, does what Ctrl-C does.

    Ray's own handler, which `ray.init` puts in place, leaves by an exception that ends the books as an error, and the
    process by an abort in C++.
    """
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, _interrupt)


def _interrupt(_number: int, frame: FrameType | None) -> None:
    pressed = signal.getsignal(signal.SIGINT)
    if not callable(pressed):  # what a shell starts in the background ignores Ctrl-C
        raise KeyboardInterrupt
    pressed(signal.SIGINT, frame)
