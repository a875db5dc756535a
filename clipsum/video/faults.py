"""libav's errors, in this project's words."""

from collections.abc import Iterator
from contextlib import contextmanager

import av

from clipsum.errors import ItemError, Reason

UNSUPPORTED = (av.error.DecoderNotFoundError, av.error.PatchWelcomeError, av.error.NotImplementedError)
BOXES = {b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot", b"moof", b"styp"}
MAGIC = (b"\x1aE\xdf\xa3", b"FLV\x01", b"OggS", b"\x00\x00\x01\xba", b"0&\xb2u")


@contextmanager
def faults(stage: str, invalid: Reason = "corrupt") -> Iterator[None]:
    """Turn libav's errors into an `ItemError` at `stage`; data that it calls invalid get the reason `invalid`."""
    try:
        yield
    except MemoryError as error:  # libav's own is a subclass
        raise ItemError("out_of_memory", stage, "more memory is needed than max_memory_bytes allows") from error
    except UNSUPPORTED as error:
        raise ItemError("unsupported_codec", stage, _words(error)) from error
    except av.FFmpegError as error:
        raise ItemError(invalid, stage, _words(error)) from error


def has_video_signature(head: bytes) -> bool:
    """True where the first bytes are those of a container that we know, so that what does not open is damaged."""
    transport_stream = head[:1] == b"\x47" and head[188:189] == b"\x47"
    riff = head[:4] == b"RIFF" and head[8:12] == b"AVI "
    return head[4:8] in BOXES or head.startswith(MAGIC) or transport_stream or riff


def _words(error: av.FFmpegError) -> str:
    if isinstance(error, av.error.ArgumentError):  # what libav says to a format that is not on our list
        return "this is none of the formats that are read"
    return error.strerror or type(error).__name__
