"""Where a video's words come from. A broken transcript never fails its video: it is a warning.

The order: the manifest's text, the manifest's file, a file beside the video, an embedded subtitle stream.
Speech recognition, once there is one, comes after these and before "none".
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from clipsum import storage
from clipsum.errors import ItemError
from clipsum.records import Segment, Transcript, VideoRef
from clipsum.transcript.parse import SubtitleError, parse_subtitles
from clipsum.transcript.sidecar import SIDECAR_SUFFIXES, best_sidecar, is_sidecar

MAX_BYTES = 16 * 2**20
MAX_LETTERS = 1_000_000
"""Of a transcript, wherever it comes from: some 18 hours of speech."""


def find_transcript(ref: VideoRef) -> tuple[Transcript, tuple[str, ...]]:
    """The best transcript outside the video file, and warnings about those that could not be used.

    Source "none" means that embedded subtitles are wanted: see `or_embedded`.
    Raises: ItemError with reason storage_error, since a store that fails for now is no reason to do without the words.
    """
    if ref.transcript and ref.transcript.strip():
        return Transcript((Segment(" ".join(ref.transcript.split())),), "manifest"), ()
    warnings: list[str] = []
    for uri, source in _candidates(ref, warnings):
        try:
            segments = _read(uri)
        except SubtitleError as error:
            warnings.append(f"transcript '{storage.shown(uri)}' is not used: {error}")
            continue
        except ItemError as error:
            if error.reason == "storage_error":
                raise
            warnings.append(f"transcript '{storage.shown(uri)}' is not used: {error}")
            continue
        if segments:
            return Transcript(segments, source), tuple(warnings)
    return Transcript(), tuple(warnings)


def or_embedded(transcript: Transcript, embedded: Sequence[Segment]) -> Transcript:
    """`transcript`, or where it is empty the video's own subtitles."""
    if transcript.segments or not embedded:
        return transcript
    return Transcript(tuple(embedded), "embedded")


def within_bounds(transcript: Transcript) -> tuple[Transcript, tuple[str, ...]]:
    """The first `MAX_LETTERS` of a transcript, and a warning where that is not all of it."""
    kept: list[Segment] = []
    left = MAX_LETTERS
    for segment in transcript.segments:
        if len(segment.text) > left:
            kept += [replace(segment, text=segment.text[:left])] if left else []
            warning = f"of the transcript the first {MAX_LETTERS} letters are used"
            return Transcript(tuple(kept), transcript.source), (warning,)
        kept.append(segment)
        left -= len(segment.text)
    return transcript, ()


def _candidates(ref: VideoRef, warnings: list[str]) -> Iterator[tuple[str, str]]:
    """URIs with the names of their sources; an empty `transcript_uri` says that the listing saw none.

    Where the names beside the video may not be listed, that is one more of the `warnings`.
    """
    given = ref.transcript_uri
    is_beside = bool(given) and is_sidecar(str(given), ref.uri)
    if given:
        yield given, "sidecar" if is_beside else "manifest"
    if given == "" or is_beside:
        return
    try:
        found = best_sidecar(ref.uri, storage.beside(ref.uri, SIDECAR_SUFFIXES))
    except ItemError as error:
        if error.reason == "storage_error":
            raise
        warnings.append(f"no transcript is looked for beside the video: {error}")
        return
    if found:
        yield found, "sidecar"


def _read(uri: str) -> tuple[Segment, ...]:
    with storage.open_reader(uri) as reader:
        if reader.size_bytes > MAX_BYTES:
            raise SubtitleError(f"{reader.size_bytes} bytes are more than a transcript's {MAX_BYTES}")
        return parse_subtitles(reader.read(), storage.suffix(uri))
