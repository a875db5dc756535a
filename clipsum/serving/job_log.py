"""The logs of jobs below one place, and the markers that say what is to be done with which.

Entry n + 1 of a log can be created once, by one alone. A marker is an empty file `FOLDER/<milliseconds>-<id>`: sorted
by name, the oldest comes first. On S3 all this needs conditional writes: see `check`.
"""

import json
import re
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from clipsum import storage
from clipsum.errors import ItemError, UsageError

Entry = dict[str, Any]
Claimed = TypeVar("Claimed")
Folder = Literal["open", "hooks", "done"]
ID_LETTERS = 32
MARKER = re.compile(rf"[0-9]{{15}}-[0-9a-f]{{{ID_LETTERS}}}")
UNREADABLE = (ValueError, KeyError, TypeError)
"""What a record raises that is not what one of us wrote."""


@dataclass(frozen=True)
class JobLog:
    """`jobs/<id>/<number>.json` below `place`. Every method may raise ItemError where the store fails."""

    place: str

    def check(self) -> None:
        """Raises: UsageError where nothing can be written, or the store takes what it is to refuse."""
        probe = storage.join(self.place, f"probe-{secrets.token_hex(8)}")
        try:
            first, second = (storage.create_bytes(probe, word) for word in (b"first", b"second"))
            storage.delete(probe)
        except ItemError as error:
            raise UsageError(f"state: no jobs can be kept in '{self.place}': {error.reason}") from error
        if not first or second:
            raise UsageError(f"state: '{self.place}' has no conditional writes (If-None-Match), which jobs rest on")

    def append(self, job_id: str, number: int, entry: Entry) -> bool:
        """Create entry `number`; False where it is there: somebody else was first."""
        own = json.dumps(entry | {"token": secrets.token_hex(8)})
        return storage.create_bytes(self._uri(job_id, _name(number)), own.encode())

    def last(self, job_id: str) -> tuple[int, Entry] | None:
        """The number of the last entry, and it on top of the first and of the one it names as `end`; None without any.

        Raises: `UNREADABLE` where one of them is broken.
        """
        names = [name for name in self._names("jobs", job_id) if name.endswith(".json")]
        if not names:
            return None
        try:
            last = self._read(job_id, names[-1])
            first = self._read(job_id, names[0]) if len(names) > 1 else last
            end = self._read(job_id, _name(last["end"])) if "end" in last else {}
        except ItemError as error:
            if error.reason == "not_found":  # swept up meanwhile
                return None
            raise
        return int(names[-1].removesuffix(".json")), {**first, "stage": None, **end, **last, "id": job_id}

    def remove(self, job_id: str) -> None:
        """Remove a log."""
        for name in reversed(list(self._names("jobs", job_id))):  # the first last: without it none can be read
            storage.delete(self._uri(job_id, name))

    def mark(self, folder: Folder, time_s: float, job_id: str) -> None:
        """Leave a marker; one that is there already stays as it is."""
        storage.write_bytes(storage.join(self.place, folder, _marker(time_s, job_id)), b"")

    def unmark(self, folder: Folder, time_s: float, job_id: str) -> None:
        """Remove a marker."""
        storage.delete(storage.join(self.place, folder, _marker(time_s, job_id)))

    def marked(self, folder: Folder) -> Iterator[tuple[float, str]]:
        """The times and the jobs of the markers, the oldest first."""
        for name in filter(MARKER.fullmatch, self._names(folder)):
            milliseconds, _, job_id = name.partition("-")
            yield int(milliseconds) / 1000, job_id

    def first_due(
        self,
        folder: Folder,
        now: Callable[[], float],
        claim: Callable[[float, str], Claimed | None],
        unreadable: Callable[[float, str, Exception], None],
    ) -> Claimed | None:
        """What `claim` gives for the oldest marker that is due and gives anything. Raises: ItemError where it does.

        One record that fails, or is `unreadable`, keeps nobody from the next; where two fail, it is the store.
        """
        failed: ItemError | None = None
        for marked_s, job_id in self.marked(folder):
            if marked_s > now():
                break
            try:
                claimed = claim(marked_s, job_id)
            except UNREADABLE as error:
                unreadable(marked_s, job_id, error)
                continue
            except ItemError as error:
                if failed is not None:
                    raise
                failed = error
                continue
            if claimed is not None:
                return claimed
        if failed is not None:
            raise failed
        return None

    def _read(self, job_id: str, name: str) -> Entry:
        entry: Entry = json.loads(storage.read_bytes(self._uri(job_id, name)))
        return entry

    def _names(self, *folder: str) -> list[str]:
        """The names in a folder, sorted; none where it is not there."""
        place = storage.join(self.place, *folder, "")  # with a slash: nobody asks whether it is a file
        try:
            return sorted(stored.uri.rsplit("/", 1)[1] for stored in storage.list_files(place))
        except ItemError as error:
            if error.reason != "not_found":
                raise
            return []

    def _uri(self, job_id: str, name: str) -> str:
        return storage.join(self.place, "jobs", job_id, name)


def _name(number: int) -> str:
    return f"{number:06d}.json"


def _marker(time_s: float, job_id: str) -> str:
    """Not later than `time_s`, but for a microsecond; the time that `marked` reads from it gives the same name."""
    return f"{int(time_s * 1000 + 0.001):015d}-{job_id}"
