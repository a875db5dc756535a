"""VideoXum: a JSON file for each official split. The summary is its sentences together; there is no transcript.

The manifest also carries what the ten annotators chose, as `vsum_onehot` (10, T) of 0 and 1 for T frames at 1 fps, and
the `timestamps` of the summary's sentences, for training and scoring highlights.
"""

from collections.abc import Mapping
from typing import Any

from clipsum.datasets.annotated import Annotated
from clipsum.datasets.annotation_files import read_json
from clipsum.datasets.splits import Split
from clipsum.errors import UsageError

ANNOTATORS = 10
_KEPT = ("duration", "sampled_frames", "timestamps", "vsum_onehot")


def read_videoxum(files: Mapping[Split, str]) -> list[Annotated]:
    """Every video of the files of the splits. Raises: UsageError for what is not as VideoXum writes it."""
    return [_video(entry, split, place) for split, place in files.items() for entry in _entries(place, split)]


def _entries(place: str, split: Split) -> list[dict[str, Any]]:
    entries = read_json(place, f"--{split}")
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise UsageError(f"--{split} '{place}' is not a list of videos: give {split}_videoxum.json")
    return entries


def _video(entry: Mapping[str, Any], split: Split, place: str) -> Annotated:
    try:
        video_id, sentences, marks = str(entry["video_id"]), entry["tsum"], entry["vsum_onehot"]
        frames = entry["sampled_frames"]
        more = {name: entry[name] for name in _KEPT}
    except KeyError as error:
        raise UsageError(f"--{split} '{place}': video '{entry.get('video_id')}' has no {error}") from error
    if (
        not isinstance(sentences, list)
        or not isinstance(marks, list)
        or not all(isinstance(row, list) for row in marks)
    ):
        raise UsageError(
            f"--{split} '{place}': tsum of '{video_id}' is not a list of texts, or vsum_onehot not of lists"
        )
    if len(marks) != ANNOTATORS or any(len(row) != frames for row in marks):
        shape = f"{len(marks)} rows of {sorted({len(row) for row in marks})}"
        raise UsageError(f"--{split} '{place}': vsum_onehot of '{video_id}' is {shape}, expected 10 of {frames}")
    summary = " ".join(" ".join(sentence.split()) for sentence in sentences)
    return Annotated(video_id, split, summary=summary or None, more=more)
