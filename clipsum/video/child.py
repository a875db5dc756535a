"""The process that `worker` starts: it decodes one video after another, and may be killed at any time.

Asked over a socket with (uri, want_subtitles); answers with an `ItemError`, or with a pickled `Decoded` whose arrays
lie in the shared memory. Its standard input is a pipe that carries nothing and closes with the parent. Kept small: it
must start fast, and never imports torch.
"""

import fcntl
import os
import pickle
import resource
import select
import signal
import sys
from math import ceil
from mmap import mmap
from multiprocessing.connection import Connection
from os import ftruncate

from clipsum.config import Limits, Preprocessing, Sampling, Seek
from clipsum.errors import ItemError
from clipsum.records import Decoded
from clipsum.video.decode import decode_video

Settings = tuple[Preprocessing, Sampling, Seek, Limits, int]  # the last: how many previews
Answer = tuple[bytes, list[int]]  # the pickle, and the sizes of its arrays as they lie one after another in the memory
ORPHAN_S = 10  # how long past its deadline the kernel lets a child live whose parent is gone


def serve(parent: Connection, memory: int) -> None:
    """Answer until the other end closes. `memory` is the descriptor of the shared memory."""
    settings: Settings = parent.recv()
    limits = settings[3]
    # private memory that can be written: what a picture's size drives; reserved addresses and files do not count
    resource.setrlimit(resource.RLIMIT_DATA, (limits.max_memory_bytes, limits.max_memory_bytes))
    parent.send("ready")
    while True:
        try:
            uri, want_subtitles = parent.recv()
        except EOFError:
            return
        signal.alarm(ceil(limits.deadline_s) + ORPHAN_S)
        answer: Answer | ItemError
        try:
            answer = share(decode_video(uri, *settings, want_subtitles=want_subtitles), memory)
        except ItemError as error:
            answer = error
        signal.alarm(0)
        parent.send(answer)


def end_with_parent() -> None:
    """Have the kernel end this process where the parent goes, in the middle of a video too: it sends nothing meanwhile.

    SIGIO, which ends a process that does not handle it, comes with whatever happens at the other end of standard input:
    nothing but its closing. The socket will not do: the sign of a request may come after the request has been read.
    """
    fcntl.fcntl(sys.stdin, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(sys.stdin, fcntl.F_SETFL, fcntl.fcntl(sys.stdin, fcntl.F_GETFL) | os.O_ASYNC)
    if select.select([sys.stdin], [], [], 0)[0]:  # it had gone before
        sys.exit(1)


def share(decoded: Decoded, memory: int) -> Answer:
    """Put the arrays into the shared memory and the rest into a pickle."""
    buffers: list[pickle.PickleBuffer] = []
    data = pickle.dumps(decoded, protocol=5, buffer_callback=buffers.append)
    pieces = [buffer.raw() for buffer in buffers]
    ftruncate(memory, max(1, sum(map(len, pieces))))
    with mmap(memory, 0) as shared:
        for piece in pieces:
            shared.write(piece)
    return data, [len(piece) for piece in pieces]


def take(answer: Answer, memory: int) -> Decoded:
    """The other end of `share`: a `Decoded` with arrays of its own; the shared memory is given back."""
    data, sizes = answer
    with mmap(memory, 0) as shared:
        decoded: Decoded = pickle.loads(data, buffers=[bytearray(shared.read(size)) for size in sizes])
    ftruncate(memory, 0)
    return decoded


if __name__ == "__main__":
    end_with_parent()
    serve(Connection(int(sys.argv[1])), int(sys.argv[2]))
