"""Videos of a sorted listing with the transcripts beside them, without holding the listing."""

from collections.abc import Callable, Iterable, Iterator

from clipsum import storage
from clipsum.storage import StoredObject
from clipsum.transcript.find import SIDECAR_SUFFIXES


def pair_sidecars(
    files: Iterable[StoredObject], is_video: Callable[[StoredObject], bool]
) -> Iterator[tuple[StoredObject, str | None]]:
    """Each video and the URI of the best transcript of the same stem, or None.

    In a sorted listing all names `stem.…` stand together, so a video waits no longer than those go on.
    """
    videos: list[StoredObject] = []
    texts: list[str] = []
    for file in files:
        for video in [video for video in videos if not _of_stem(file.uri, video.uri)]:
            yield video, _best(video, texts)
            videos.remove(video)
        texts = [text for text in texts if _of_stem(file.uri, text)]
        if storage.suffix(file.uri) in SIDECAR_SUFFIXES:
            texts.append(file.uri)
        elif is_video(file):
            videos.append(file)
    yield from ((video, _best(video, texts)) for video in videos)


def _of_stem(uri: str, other: str) -> bool:
    return uri.startswith(f"{storage.stem(other)}.")


def _best(video: StoredObject, texts: list[str]) -> str | None:
    stem = storage.stem(video.uri)
    fitting = [text for text in texts if storage.stem(text) == stem]
    return min(fitting, key=lambda text: SIDECAR_SUFFIXES.index(storage.suffix(text)), default=None)
