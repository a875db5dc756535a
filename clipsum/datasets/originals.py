"""TVSum and SumMe as their authors publish them, in MATLAB files: what each person said of each frame.

TVSum: `ydata-tvsum50.mat`, version 7.3, which is HDF5: a struct `tvsum50` of cells, so datasets of references (50, 1):
`video`, `title`, `category` (character codes), `length` (seconds), `nframes`, `user_anno` (20 people, 1 to 5 for each
frame) and `gt_score`. SumMe: `GT/NAME.mat` for each video, version 5: `user_score` (N, U), above 0 where a person chose
the frame, `nFrames`, `FPS`, `video_duration` (seconds). U users, N frames.
"""

import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clipsum import storage
from clipsum.datasets.hdf5 import open_hdf5, text_of
from clipsum.errors import ItemError, UsageError, refused

TVSUM, SUMME = "--tvsum", "--summe"


@dataclass(frozen=True, repr=False)
class Opinions:
    """What people said of a video: user_scores (U, N); where `are_choices`, above 0 where a person chose the frame.

    `duration_s`: None where the file does not tell. `shot_starts`: the frames at which its shots begin, the first 0,
    where the file has shots.
    """

    video_id: str
    user_scores: NDArray[np.float64]
    duration_s: float | None
    are_choices: bool = False
    shot_starts: NDArray[np.intp] | None = None

    def __repr__(self) -> str:
        return f"Opinions({self.video_id!r}, user_scores={self.user_scores.shape})"


def read_tvsum(place: str) -> list[Opinions]:
    """The videos of TVSum's own file, local or on S3, in its order. Raises: UsageError, one line."""
    with open_hdf5(place, TVSUM) as file:
        struct = file.get("tvsum50")
        missing = [name for name in ("video", "nframes", "length", "user_anno") if name not in (struct or ())]
        if missing:
            raise UsageError(f"{TVSUM} '{place}' has no tvsum50/{missing[0]}: give ydata-tvsum50.mat")
        cells = {name: np.asarray(struct[name][()]).ravel() for name in struct}
        return [
            _tvsum({name: file[cell[at]][()] for name, cell in cells.items()}, place)
            for at in range(len(cells["video"]))
        ]


def read_summe(folder: str) -> list[Opinions]:
    """The videos of SumMe's folder GT, local or on S3, by name. Raises: UsageError, one line."""
    try:
        places = sorted(found.uri for found in storage.list_files(folder) if storage.suffix(found.uri) == ".mat")
        files = {place: storage.read_bytes(place) for place in places}
    except ItemError as error:
        raise refused(f"{SUMME} '{folder}' cannot be read", error) from error
    if not files:
        raise UsageError(f"{SUMME} '{folder}' has no .mat file: give SumMe's folder GT")
    return [_summe(place, content) for place, content in files.items()]


def _tvsum(values: Mapping[str, Any], place: str) -> Opinions:
    name, frames = text_of(values["video"]), int(np.asarray(values["nframes"]).item())
    given = _by_user(np.asarray(values["user_anno"], np.float64), frames, f"{TVSUM} '{place}': user_anno of '{name}'")
    return Opinions(name, given, float(np.asarray(values["length"]).item()))


def _summe(place: str, content: bytes) -> Opinions:
    from scipy.io import loadmat
    from scipy.io.matlab import MatReadError

    where = f"{SUMME} '{place}'"
    try:
        values = loadmat(io.BytesIO(content), variable_names=["user_score", "nFrames", "video_duration"])
        given, frames, duration = values["user_score"], values["nFrames"], values["video_duration"]
    except KeyError as error:
        raise UsageError(f"{where} has no {error}: give SumMe's folder GT") from error
    except (
        ValueError,
        TypeError,
        NotImplementedError,
        OSError,
        MatReadError,
    ) as error:  # what loadmat makes of other files
        raise UsageError(f"{where} is not a MATLAB file of version 5: {error}") from error
    scores = _by_user(np.asarray(given, np.float64), int(frames.item()), f"{where}: user_score")
    return Opinions(storage.stem(place).rsplit("/", 1)[-1], scores, float(duration.item()), are_choices=True)


def _by_user(table: NDArray[np.float64], frames: int, where: str) -> NDArray[np.float64]:
    """(U, N) of a table that MATLAB wrote as (N, U), and HDF5 shows the other way round."""
    if table.ndim != 2 or frames not in table.shape:
        raise UsageError(f"{where} is {table.shape} for {frames:,} frames: give the file as it is published")
    return table if table.shape[1] == frames else table.T
