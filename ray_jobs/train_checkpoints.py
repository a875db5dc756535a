"""Where a training run is kept: `OUTPUT/checkpoints/step-NNNNNNN/`, and the best of them as a bundle in OUTPUT itself.

A checkpoint is a folder of the training core: a bundle, the optimizer, and `state.json`, which is written last: until
it is there, there is no checkpoint. Ray Train is not told of checkpoints: it would copy them through file systems of
its own (for S3 another door, with other keys and retries), and keep a second record of which is the last. Here the
folder is the only record, so that a worker, a driver or a cluster that starts again finds the same.
"""

import json
import re
import shutil
import tempfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from clipsum import storage
from clipsum.models.bundle import MANIFEST

FOLDER = "checkpoints"
STATE = "state.json"
_STATE_NAME = re.compile(r"/step-(\d+)/state\.json$")


class Checkpoints:
    """The checkpoints of one run; one process at a time writes."""

    def __init__(self, output: str) -> None:
        self._output, self._place = output, storage.join(output, FOLDER)

    def place(self, step: int) -> str:
        """Where the checkpoint after `step` steps is."""
        return storage.join(self._place, f"step-{step:07d}")

    def steps(self) -> list[int]:
        """The steps that have a whole checkpoint, rising. Raises: ItemError."""
        names = (_STATE_NAME.search(uri) for uri in self._files(self._place))
        return sorted(int(found.group(1)) for found in names if found)

    @contextmanager
    def writing(self, step: int) -> Iterator[Path]:
        """A local folder to write the checkpoint after `step` steps to, for as long as the context lasts."""
        storage.delete(storage.join(self.place(step), STATE))
        if not storage.is_s3(self._place):
            yield Path(self.place(step))
            return
        with tempfile.TemporaryDirectory(prefix="clipsum-checkpoint-") as scratch:
            yield Path(scratch)

    def store(self, step: int, folder: Path) -> None:
        """Store what was written to the folder of `writing`. Raises: ItemError."""
        if storage.is_s3(self._place):
            names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
            for name in sorted(names, key=lambda name: name == STATE):
                storage.upload(folder / name, storage.join(self.place(step), name))

    def publish(self, step: int, folder: Path | None = None) -> None:
        """Make the bundle of a checkpoint the run's own; `folder`: where it is on this machine. Raises: ItemError.

        Does nothing where it is that already. Like any bundle it is not there until its `bundle.json` is.
        """
        manifest = storage.read_bytes(storage.join(self.place(step), MANIFEST))
        target = storage.join(self._output, MANIFEST)
        if storage.exists(target) and storage.read_bytes(target) == manifest:
            return
        storage.delete(target)
        with storage.local_copy(self.place(step)) if folder is None else _as_it_is(folder) as here:
            for name in json.loads(manifest)["files"]:
                storage.upload(here / name, storage.join(self._output, name))
        storage.write_bytes(target, manifest)

    def prune(self, keep: Collection[int]) -> None:
        """Remove every checkpoint but those of the steps `keep`, parts of ones that were never whole too."""
        kept = {self.place(step) for step in keep}
        files = [uri for uri in self._files(self._place) if uri.rpartition("/step-")[1]]
        gone = [uri for uri in files if not any(uri.startswith(f"{place}/") for place in kept)]
        for uri in sorted(gone, key=lambda uri: not uri.endswith(f"/{STATE}")):
            storage.delete(uri)
        if not storage.is_s3(self._place):
            _remove_folders(Path(self._place), {Path(place) for place in kept})

    @staticmethod
    def _files(place: str) -> Iterator[str]:
        return (stored.uri for stored in storage.list_files(place)) if storage.exists(place) else iter(())


@contextmanager
def _as_it_is(folder: Path) -> Iterator[Path]:
    yield folder


def _remove_folders(place: Path, kept: Collection[Path]) -> None:
    """What is left of checkpoints: folders, and hidden parts of files that a killed writer left in them."""
    for folder in place.glob("step-*"):
        if folder not in kept:
            shutil.rmtree(folder, ignore_errors=True)
