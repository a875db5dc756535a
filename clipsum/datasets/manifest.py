"""What a job is given, as a stream of `VideoRef`s: files, folders, globs, S3 prefixes, https URLs and manifests.

Nothing is held whole: a listing flows page by page, a manifest row by row, and the ids that were seen lie in a
temporary database on disk whose cache takes a few MB however long the listing is.
"""

import hashlib
import os
import posixpath
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from itertools import islice
from urllib.parse import quote, urljoin

from clipsum import storage
from clipsum.datasets.ids import SeenIds
from clipsum.datasets.sidecars import pair_sidecars
from clipsum.datasets.splits import SplitCheck
from clipsum.datasets.tables import ROWS_AT_ONCE, SUFFIXES, Row, read_rows
from clipsum.errors import ItemError, UsageError, refused
from clipsum.records import VideoRef
from clipsum.storage import StoredObject
from clipsum.storage.reader import requests
from clipsum.storage.uri import has_wildcard, scheme_of

VIDEO_SUFFIXES = frozenset(
    ".3g2 .3gp .asf .avi .f4v .flv .m2ts .m4v .mkv .mov .mp4 .mpeg .mpg .mts .mxf .ogv .ts .vob .webm .wmv".split()  # noqa: SIM905
)


def list_sources(sources: Sequence[str], allow_https: bool = False, limit: int | None = None) -> Iterator[VideoRef]:
    """The videos of all sources, in order; at most `limit`. A file that two listings meet is listed once.

    Raises: UsageError, one line, for a source that is missing, holds no video or may not be read, a manifest that is
    malformed, names an id twice or a file in two splits, and https where it is not allowed. It comes when the stream
    gets there. ItemError where the store fails.
    """
    if not sources:
        raise UsageError("no source is given: name a video, a folder, a glob, s3://bucket/prefix or a manifest")
    return islice(_unique(sources, allow_https), limit)


def default_id(uri: str) -> str:
    """The id of a video that was given none: 16 hexadecimal digits of a hash of its canonical URI."""
    return hashlib.sha256(storage.canonical(uri).encode()).hexdigest()[:16]


def _unique(sources: Sequence[str], allow_https: bool) -> Iterator[VideoRef]:
    with closing(SeenIds()) as seen, closing(SplitCheck()) as splits:
        for named in sources:
            source = _checked(named, allow_https)
            if not storage.check_readable(source) and not has_wildcard(source):
                raise UsageError(
                    f"source '{storage.shown(named)}' is missing: nothing is at '{storage.shown(source)}': check the "
                    "path, or name a video, a folder, a glob, s3://bucket/prefix or a manifest that is there"
                )
            is_manifest = _is_manifest(source)
            refs = _of_manifest(source, allow_https) if is_manifest else _of_listing(source)
            for ref in refs:
                before = seen.add(ref.video_id, ref.uri)
                if before is None:
                    if ref.split is not None:
                        splits.add(ref.video_id, ref.uri, ref.split)
                    yield ref
                elif is_manifest or before != ref.uri:
                    raise _repeated(ref, before)


def _repeated(ref: VideoRef, before: str) -> UsageError:
    if before == ref.uri:
        return UsageError(
            f"'{storage.shown(ref.uri)}' is listed twice as video_id '{ref.video_id}': leave one line out, or give "
            "each a 'video_id' of its own"
        )
    where = f"'{storage.shown(before)}' and '{storage.shown(ref.uri)}'"
    return UsageError(f"video_id '{ref.video_id}' is given to {where}: give each an id of its own")


def _is_manifest(source: str) -> bool:
    return storage.suffix(source) in SUFFIXES and (not has_wildcard(source) or storage.exists(source))


def _of_listing(source: str) -> Iterator[VideoRef]:
    nothing_known = None if has_wildcard(source) else ""  # a glob may leave the transcripts out
    found = False
    try:
        files = storage.list_files(source)
        listed = (file for file in files if file.version or _is_video(file))  # a link to nothing is no transcript
        for stored, text in pair_sidecars(listed, lambda file: file.uri == source or _is_video(file)):
            found = True
            looked = None if stored.uri == source else nothing_known
            uri = stored.uri
            yield VideoRef(uri, default_id(uri), stored.version, stored.size_bytes, transcript_uri=text or looked)
    except ItemError as error:
        raise _unusable(source, error) from error
    if not found:
        looked_for = ", ".join(sorted(VIDEO_SUFFIXES))
        raise UsageError(f"source '{storage.shown(source)}' holds no video: names that end in {looked_for} are taken")


def _of_manifest(manifest: str, allow_https: bool) -> Iterator[VideoRef]:
    found = False
    try:
        rows = read_rows(manifest)
        while batch := list(islice(rows, ROWS_AT_ONCE)):
            videos = [_video_of(where, row, manifest, allow_https) for where, row in batch]
            stored = list(_stats(videos))
            if not found:
                _refuse_denied(stored)
            found = True
            yield from (
                _ref(row, StoredObject(uri, 0, "") if isinstance(each, ItemError) else each, manifest, allow_https)
                for (_, row), uri, each in zip(batch, videos, stored, strict=True)
            )
    except ItemError as error:
        raise _unusable(manifest, error) from error
    if not found:
        raise UsageError(f"manifest '{storage.shown(manifest)}' lists no video")


def _ref(row: Row, stored: StoredObject, manifest: str, allow_https: bool) -> VideoRef:
    text_uri = row["transcript_uri"]
    return VideoRef(
        stored.uri,
        row["video_id"] or default_id(stored.uri),
        stored.version,
        stored.size_bytes if stored.version else None,
        transcript=row["transcript"],
        transcript_uri=_checked(_resolved(text_uri, manifest), allow_https) if text_uri else None,
        query=row["query"],
        summary=row["summary"],
        split=row["split"],
    )


def _video_of(where: str, row: Row, manifest: str, allow_https: bool) -> str:
    if not row["video"]:
        raise UsageError(f"manifest '{storage.shown(manifest)}' {where}: 'video' is empty: give a path or URI")
    return _checked(_resolved(row["video"], manifest), allow_https)


def _resolved(uri: str, manifest: str) -> str:
    """`uri` as it stands, or where it is relative the file that it names beside the manifest."""
    if "://" in uri or os.path.isabs(uri):  # noqa: PTH117 - a URI is no path
        return uri
    if manifest.startswith("https://"):
        return urljoin(manifest, quote(uri))
    if storage.is_s3(manifest):
        bucket, key = storage.split_s3(manifest)
        return f"s3://{bucket}/{posixpath.normpath(posixpath.join(posixpath.dirname(key), uri))}"
    return os.path.join(os.path.dirname(manifest), uri)  # noqa: PTH118, PTH120


def _stats(uris: Sequence[str]) -> Iterable[StoredObject | ItemError]:
    """What is stored at each, asked side by side where asking takes a journey."""
    return map(_stat, uris) if all(scheme_of(uri) == "file" for uri in uris) else requests().map(_stat, uris)


def _stat(uri: str) -> StoredObject | ItemError:
    """What is stored there; what is missing or may not be read is listed all the same and fails on its own row."""
    try:
        return storage.stat(uri)
    except ItemError as error:
        if error.reason == "storage_error":
            raise
        return error


def _refuse_denied(stored: Sequence[StoredObject | ItemError]) -> None:
    """Raise the denial where every video is denied: then it is the keys, and no video's own failure."""
    denials = [each for each in stored if isinstance(each, ItemError) and each.reason == "access_denied"]
    if len(denials) == len(stored):
        why = f"{denials[0].detail}; so it is with all of its first {len(stored)} videos: check the rights, or the keys"
        raise ItemError(denials[0].reason, denials[0].stage, why)


def _checked(source: str, allow_https: bool) -> str:
    if scheme_of(source) == "https":
        if not allow_https:
            raise UsageError(
                f"source '{storage.shown(source)}': https is off; allow it with --set allow_https=true "
                "(stream.allow_https=true where it is trained on)"
            )
        return source
    return storage.canonical(source)


def _is_video(file: StoredObject) -> bool:
    return storage.suffix(file.uri) in VIDEO_SUFFIXES


def _unusable(source: str, error: ItemError) -> UsageError | ItemError:
    detail = error.detail.removeprefix(f"{storage.shown(source)}: ")
    words = f"source '{storage.shown(source)}' cannot be listed ({error.reason})"
    return refused(words, ItemError(error.reason, error.stage, detail))
