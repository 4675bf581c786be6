"""The lock: one process at a time goes on with a study."""

import sqlite3
from pathlib import Path

from spikec.search.store import sqlite_errors


class Lock:
    """Holds a study for one process, until closed or until the process ends, however it ends.

    A database of its own with a transaction that is never written: SQLite's file locks work on every system,
    and study.db itself stays open to readers.

    Args:
        folder: the study's.

    Raises:
        StudyError: another process holds it.
        OutputError: the folder cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        with sqlite_errors(folder):
            self._connection = sqlite3.connect(folder / "study.lock", timeout=0, isolation_level=None)
            try:
                self._connection.execute("BEGIN EXCLUSIVE")
            except sqlite3.OperationalError:
                self._connection.close()
                raise

    def close(self) -> None:
        """Lets go."""
        self._connection.close()
