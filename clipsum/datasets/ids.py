"""The ids that a listing has given, on disk rather than in memory."""

import sqlite3


class SeenIds:
    """Ids and their videos in a private temporary database; a few MB of memory, whatever their number."""

    def __init__(self) -> None:
        self._table = sqlite3.connect(
            "", check_same_thread=False
        )  # "" is a temporary file that goes with the connection
        self._table.execute("PRAGMA synchronous = OFF")
        self._table.execute("CREATE TABLE seen (id TEXT PRIMARY KEY, uri TEXT) WITHOUT ROWID")

    def add(self, video_id: str, uri: str) -> str | None:
        """Note that `video_id` is given to `uri`; the URI that had it before, which keeps it, or None."""
        if self._table.execute("INSERT OR IGNORE INTO seen VALUES (?, ?)", (video_id, uri)).rowcount:
            return None
        (before,) = self._table.execute("SELECT uri FROM seen WHERE id = ?", (video_id,)).fetchone()
        return str(before)

    def close(self) -> None:
        """Drop the database."""
        self._table.close()
