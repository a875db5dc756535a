"""HDF5 and MATLAB files as datasets publish them, local or on S3, read whole: arrays by name, or one line of error."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from clipsum import storage
from clipsum.errors import ItemError, UsageError, refused

if TYPE_CHECKING:
    import h5py


@contextmanager
def open_hdf5(place: str, what: str) -> Iterator["h5py.File"]:
    """An HDF5 file, which a .mat of version 7.3 is too, for reading. Raises: UsageError, one line."""
    import h5py

    try:
        with storage.local_copy(place) as path:
            if path is None:
                raise UsageError(f"{what} '{storage.shown(place)}' is not there: name an HDF5 file")
            try:
                file = h5py.File(path, "r")
            except OSError as error:
                raise UsageError(f"{what} '{storage.shown(place)}' is not an HDF5 file: {error}") from error
            with file:
                try:
                    yield file
                except (OSError, RuntimeError, KeyError) as error:  # what h5py makes of damage inside
                    raise UsageError(f"{what} '{storage.shown(place)}' is damaged: {error}") from error
    except ItemError as error:
        raise refused(f"{what} '{storage.shown(place)}' cannot be read", error) from error


def array_of(
    group: Any, name: str, where: str, ndim: int, kind: str = "a number for each frame"
) -> NDArray[np.float64]:
    """The dataset `name` of a group as floats with `ndim` dimensions, ones of length 1 beyond them dropped.

    `where` names the file and the video. Raises: UsageError where it is missing, of another shape or not finite.
    """
    import h5py

    found = group.get(name)
    if not isinstance(found, h5py.Dataset):
        raise UsageError(f"{where} has no '{name}': it has {', '.join(group) or 'nothing'}")
    try:
        values = np.asarray(found[()], np.float64)
    except (TypeError, ValueError) as error:
        raise UsageError(f"{where}: '{name}' is {found.dtype}, expected numbers") from error
    while values.ndim > ndim and 1 in values.shape:
        values = values.squeeze(axis=values.shape.index(1))
    if values.ndim != ndim or not values.size or not np.isfinite(values).all():
        raise UsageError(f"{where}: '{name}' is {found.shape}, expected {kind}, all of them finite")
    return values


def text_of(value: Any) -> str:
    """A string of an HDF5 file: bytes, text, or MATLAB's array of character codes."""
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, str):
        return value
    return "".join(chr(int(code)) for code in np.asarray(value).ravel())
