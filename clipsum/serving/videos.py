"""The video of a request: named by its address, or uploaded into a folder of ours, with what the caller says of it."""

import hashlib
import os
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
from clipsum.serving.sources import Sources, is_upload, upload_path
from clipsum.transcript.parse import SubtitleError, parse_subtitles
from clipsum.transcript.sidecar import SIDECAR_SUFFIXES, best_sidecar

UPLOADED = "upload"
"""What a row says in the place of an address."""
COPY_BYTES = 2**20


@dataclass(frozen=True)
class Video:
    """What is asked for: `ref.query` is the question, `transcript` what the caller brings, `uri` what the row says.

    `words_version` is that of the transcript beside the video, "" without one.
    """

    ref: VideoRef
    transcript: Transcript
    uri: str
    words_version: str = ""


def named(uri: str, query: str | None, transcript: str | None, sources: Sources) -> Video:
    """The video at an address that may be named. Asks its store for the version, and for a transcript beside it.

    Raises: RefusedError, 403 and 422; ItemError where the store does not tell.
    """
    sources.check(uri)
    words = words_of(transcript)
    try:
        stored = storage.stat(storage.canonical(uri) if storage.is_s3(uri) else uri)
    except UsageError as error:
        raise ItemError("not_found", "open", str(error)) from error
    beside, version = (None, "") if words.segments else _sidecar(stored.uri)
    ref = VideoRef(
        stored.uri, default_id(stored.uri), stored.version, stored.size_bytes, transcript_uri=beside, query=query
    )
    return Video(ref, words, storage.masked(stored.uri), version)


def _sidecar(uri: str) -> tuple[str | None, str]:
    """The transcript beside a video and its version: "" where there is none, None where nobody may look for one.

    Raises: ItemError where the store fails.
    """
    try:
        found = best_sidecar(uri, storage.beside(uri, SIDECAR_SUFFIXES))
        return (found, storage.stat(found).version) if found else ("", "")
    except ItemError as error:
        if error.reason == "storage_error":
            raise
        return None, ""


@contextmanager
def uploaded(
    file: BinaryIO, client_name: str, query: str | None, transcript: str | None, folder: Path
) -> Iterator[Video]:
    """The video that came with the request, in `folder` for as long as the context lasts. Its hash is its version."""
    own_folder(folder)
    path, digest = upload_path(folder, client_name), hashlib.sha256()
    try:
        with open(path, "xb", opener=_for_owner) as copy:
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


def own_folder(folder: Path) -> None:
    """Make a folder that this user alone may look into; one that is there stays as it is."""
    if not folder.is_dir():
        folder.mkdir(0o700, parents=True, exist_ok=True)


def _for_owner(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def sweep(folder: Path, older_than_s: float) -> None:
    """Remove what processes that were killed have left of uploads, and nothing that others keep in the folder."""
    for path in filter(is_upload, folder.glob("*") if folder.is_dir() else ()):
        with suppress(OSError):  # another process sweeps too
            if time.time() - path.stat().st_mtime > older_than_s:
                path.unlink()


def words_of(text: str | None) -> Transcript:
    """What a caller says is spoken: subtitles with their times where it has such, else plain text.

    Raises: RefusedError, 422, for what says of itself to be subtitles and has none that can be read.
    """
    if not text or not text.strip():
        return Transcript()
    try:
        return Transcript(parse_subtitles(text.encode(errors="replace"), ""), "manifest")
    except SubtitleError as error:
        if text.lstrip("\ufeff").startswith("WEBVTT"):
            raise RefusedError(422, "invalid_request", "transcript: it begins as WebVTT and has no cue") from error
        return Transcript((Segment(" ".join(text.split())),), "manifest")
