"""QFVS: what is seen in each 5 s shot of four long videos, and the summary that people agreed on for each query.

A. Sharghi, J. Laurel, B. Gong, Query-Focused Video Summarization, CVPR 2017. As published, below one folder:

Dense_per_shot_tags/Dictionary.txt            48 concepts, one a line, in quotes
Dense_per_shot_tags/P01/P01.txt               concepts of each shot, one shot a line, joined by commas
Oracle_summaries/P01/CONCEPT_CONCEPT_oracle.txt   numbers of the shots kept for a query of two concepts, from 1

The Tags.mat of the evaluation code holds the same tags, but lost one concept of the last shot of three videos.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clipsum import storage
from clipsum.datasets.annotation_files import read_lines
from clipsum.errors import ItemError, UsageError, refused

WHAT = "--qfvs"
SHOT_S = 5.0
"""Seconds of a shot, by the dataset's own definition: shot k, 0 the first, lasts from 5 k to 5 k + 5 s."""
VIDEOS = ("P01", "P02", "P03", "P04")
Query = tuple[str, str]


@dataclass(frozen=True, repr=False)
class QfvsVideo:
    """One video: tags (shots, C) for C concepts, and for each query the places of its summary's shots, 0 the first."""

    video_id: str
    concepts: tuple[str, ...]
    tags: NDArray[np.bool_]
    oracles: Mapping[Query, tuple[int, ...]]

    def __repr__(self) -> str:
        return f"QfvsVideo({self.video_id!r}, tags={self.tags.shape}, {len(self.oracles)} queries)"


@dataclass(frozen=True)
class QfvsFold:
    """Which videos teach, choose and are reported: two, one and one."""

    train: tuple[str, str]
    validation: str
    test: str


def folds() -> list[QfvsFold]:
    """Four rounds, each video the test once, the next one for validation, as in the paper: two, one and one."""
    turns = [VIDEOS[at:] + VIDEOS[:at] for at in range(len(VIDEOS))]
    return [QfvsFold((turn[2], turn[3]), turn[1], turn[0]) for turn in turns]


def read_qfvs(folder: str) -> list[QfvsVideo]:
    """The four videos of a folder, local or on S3. Raises: UsageError, one line that names file, line and value."""
    dictionary = storage.join(folder, "Dense_per_shot_tags", "Dictionary.txt")
    concepts = tuple(line.strip().strip("'") for line in read_lines(dictionary, WHAT) if line.strip())
    if len(set(concepts)) < len(concepts) or not concepts:
        raise UsageError(f"{WHAT} '{dictionary}' has {len(concepts)} concepts, one twice or none: give different ones")
    return [_video(folder, video_id, concepts) for video_id in VIDEOS]


def _video(folder: str, video_id: str, concepts: tuple[str, ...]) -> QfvsVideo:
    place = storage.join(folder, "Dense_per_shot_tags", video_id, f"{video_id}.txt")
    lines, columns = read_lines(place, WHAT), {name: column for column, name in enumerate(concepts)}
    tags = np.zeros((len(lines), len(concepts)), bool)
    for number, line in enumerate(lines):
        seen = [name.strip() for name in line.split(",") if name.strip()]
        unknown = [name for name in seen if name not in columns]
        if unknown:
            raise UsageError(f"{WHAT} '{place}' line {number + 1}: '{unknown[0]}' is not in Dictionary.txt")
        tags[number, [columns[name] for name in seen]] = True
    return QfvsVideo(video_id, concepts, tags, _oracles(folder, video_id, concepts, len(lines)))


def _oracles(folder: str, video_id: str, concepts: tuple[str, ...], shots: int) -> dict[Query, tuple[int, ...]]:
    place, ending = storage.join(folder, "Oracle_summaries", video_id), "_oracle.txt"
    try:
        files = sorted(found.uri for found in storage.list_files(place) if found.uri.endswith(ending))
    except ItemError as error:
        raise refused(f"{WHAT} '{place}' cannot be listed", error) from error
    if not files:
        raise UsageError(f"{WHAT} '{place}' has no summary: give CONCEPT_CONCEPT{ending} for each query")
    return {_query(file, ending, concepts): _shots(file, shots) for file in files}


def _query(file: str, ending: str, concepts: tuple[str, ...]) -> Query:
    first, _, second = file.rsplit("/", 1)[-1].removesuffix(ending).partition("_")
    if first not in concepts or second not in concepts:
        raise UsageError(f"{WHAT} '{file}': the query '{first}', '{second}' is not of two concepts of Dictionary.txt")
    return first, second


def _shots(file: str, shots: int) -> tuple[int, ...]:
    numbers = [line.strip() for line in read_lines(file, WHAT) if line.strip()]
    wrong = [number for number in numbers if not number.isdigit() or not 1 <= int(number) <= shots]
    if wrong or not numbers or len(set(numbers)) < len(numbers):
        found = f"shot '{wrong[0]}'" if wrong else f"{len(numbers)} shots, some twice or none"
        raise UsageError(f"{WHAT} '{file}': {found}: give different numbers from 1 to {shots}")
    return tuple(int(number) - 1 for number in numbers)
