"""Files that published datasets come in: videos named by id, lines of text, JSON; and transcripts as WebVTT."""

import json
import re
from collections.abc import Collection, Iterable
from typing import Any

from clipsum import storage
from clipsum.datasets.manifest import VIDEO_SUFFIXES
from clipsum.errors import ItemError, UsageError, refused
from clipsum.records import Segment

YOUTUBE_ID_LENGTH = 11
_IN_BRACKETS = re.compile(r"\[([^\[\]]+)\]$")  # yt-dlp names a file "title [id].mp4"


def find_videos(folder: str, ids: Collection[str]) -> tuple[dict[str, str], list[str]]:
    """The file of each id, by its name (`id.mp4`, `title [id].mkv`, `title-id.webm`), and the ids that have several.

    `folder`: a folder with its sub-folders, a glob or an `s3://` prefix. Raises: UsageError where it cannot be listed.
    """
    found: dict[str, str] = {}
    twice: list[str] = []
    try:
        for stored in storage.list_files(folder):
            if storage.suffix(stored.uri) not in VIDEO_SUFFIXES:
                continue
            video_id = _id_of(storage.stem(stored.uri).rsplit("/", 1)[-1], ids)
            if video_id in found:
                twice.append(video_id)
            elif video_id:
                found[video_id] = stored.uri
    except ItemError as error:
        raise refused(f"--videos '{folder}' cannot be listed", error) from error
    return found, sorted(set(twice))


def read_lines(place: str, what: str) -> list[str]:
    """The lines of a text file, local or `s3://`, without their ends. Raises: UsageError."""
    try:
        text = storage.read_bytes(place).decode("utf-8-sig").replace("\r\n", "\n")
        return text.removesuffix("\n").split("\n")
    except ItemError as error:
        raise refused(f"{what} '{place}' cannot be read", error) from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{what} '{place}' is not text in UTF-8: {error}") from error


def read_json(place: str, what: str) -> Any:
    """The JSON of a file, local or `s3://`. Raises: UsageError."""
    try:
        return json.loads(storage.read_bytes(place))
    except ItemError as error:
        raise refused(f"{what} '{place}' cannot be read", error) from error
    except ValueError as error:
        raise UsageError(f"{what} '{place}' is not JSON: {error}") from error


def read_texts(place: str, what: str) -> dict[str, str]:
    """Texts by video id from lines of "id, tab or blank, text"; an id twice or alone is refused. Raises: UsageError."""
    texts: dict[str, str] = {}
    for number, line in enumerate(read_lines(place, what), 1):
        if not line.strip():
            continue
        video_id, *text = line.split(maxsplit=1)
        if not text:
            raise UsageError(f"{what} '{place}' line {number}: '{video_id}' has no text after it")
        if video_id in texts:
            raise UsageError(f"{what} '{place}' line {number}: video id '{video_id}' is there twice")
        texts[video_id] = text[0].strip()
    return texts


def vtt_of(segments: Iterable[Segment]) -> str:
    """Timed segments as a WebVTT file, to the millisecond."""
    cues = [f"{_stamp(segment.start_s)} --> {_stamp(segment.end_s)}\n{_safe(segment.text)}\n" for segment in segments]
    return "\n".join(["WEBVTT\n", *cues])


def _id_of(stem: str, ids: Collection[str]) -> str | None:
    bracketed = _IN_BRACKETS.search(stem)
    candidates = (
        stem,
        bracketed[1] if bracketed else None,
        stem[-YOUTUBE_ID_LENGTH:] if stem[:-YOUTUBE_ID_LENGTH].endswith("-") else None,
    )
    return next((each for each in candidates if each and each in ids), None)


def _stamp(time_s: float | None) -> str:
    milliseconds = round(1000 * (time_s or 0))
    minutes, rest = divmod(milliseconds, 60_000)
    return f"{minutes // 60:02}:{minutes % 60:02}:{rest // 1000:02}.{rest % 1000:03}"


def _safe(text: str) -> str:
    """On one line, with no mark-up of WebVTT's."""
    return " ".join(text.split()).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
