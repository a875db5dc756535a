"""The video of a request: named by its address, or uploaded into a folder of ours, with what the caller says of it."""

import hashlib
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from clipsum import storage
from clipsum.datasets.manifest import default_id
from clipsum.errors import ItemError, UsageError
from clipsum.records import Segment, Transcript, VideoRef
from clipsum.serving.refusals import RefusedError
from clipsum.serving.sources import Sources, upload_path
from clipsum.transcript.parse import SubtitleError, parse_subtitles

UPLOADED = "upload"
"""What a row says in the place of an address."""
COPY_BYTES = 2**20


@dataclass(frozen=True)
class Video:
    """What is asked for: `ref.query` is the question, `transcript` what the caller brings, `uri` what the row says."""

    ref: VideoRef
    transcript: Transcript
    uri: str


def named(uri: str, query: str | None, transcript: str | None, sources: Sources) -> Video:
    """The video at an address that may be named. Asks its store for the version.

    Raises: RefusedError, 403 and 422; ItemError where the store does not tell.
    """
    sources.check(uri)
    try:
        stored = storage.stat(storage.canonical(uri) if storage.is_s3(uri) else uri)
    except UsageError as error:
        raise ItemError("not_found", "open", str(error)) from error
    ref = VideoRef(stored.uri, default_id(stored.uri), stored.version, stored.size_bytes, query=query)
    return Video(ref, words_of(transcript), storage.masked(stored.uri))


@contextmanager
def uploaded(
    file: BinaryIO, client_name: str, query: str | None, transcript: str | None, folder: Path
) -> Iterator[Video]:
    """The video that came with the request, in `folder` for as long as the context lasts. Its hash is its version."""
    folder.mkdir(parents=True, exist_ok=True)
    path, digest = upload_path(folder, client_name), hashlib.sha256()
    try:
        with path.open("xb") as copy:
            while data := file.read(COPY_BYTES):
                digest.update(data)
                copy.write(data)
        version = digest.hexdigest()
        size = path.stat().st_size
        if not size:
            raise RefusedError(422, "invalid_request", "file: it is empty")
        ref = VideoRef(str(path), version[:16], version, size, transcript_uri="", query=query)
        yield Video(ref, words_of(transcript), UPLOADED)
    finally:
        path.unlink(missing_ok=True)


def sweep(folder: Path, older_than_s: float) -> None:
    """Remove what processes that were killed have left of uploads."""
    for path in folder.glob("*") if folder.is_dir() else ():
        with suppress(OSError):  # another process sweeps too
            if time.time() - path.stat().st_mtime > older_than_s:
                path.unlink()


def words_of(text: str | None) -> Transcript:
    """What a caller says is spoken: subtitles with their times where it has such, else plain text."""
    if not text or not text.strip():
        return Transcript()
    try:
        return Transcript(parse_subtitles(text.encode(errors="replace"), ""), "manifest")
    except SubtitleError:
        return Transcript((Segment(" ".join(text.split())),), "manifest")
