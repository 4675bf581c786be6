"""The store: a study's trials in SQLite, each change on disk before the call returns."""

import json
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from spikec.errors import OutputError, StudyError
from spikec.search.genome import Genome
from spikec.search.objectives import Values
from spikec.search.trial import Trial

SCHEMA_VERSION = 1

_SCHEMA = """
CREATE TABLE files (name TEXT PRIMARY KEY, sha256 TEXT NOT NULL);
CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE trials (
    number INTEGER PRIMARY KEY,
    genome TEXT NOT NULL UNIQUE,
    state TEXT NOT NULL CHECK (state IN ('asked', 'told', 'final', 'failed')),
    screen TEXT,
    final TEXT,
    seconds REAL,
    reason TEXT,
    asked_after INTEGER NOT NULL,
    told_as INTEGER UNIQUE
);
"""

_UNWRITABLE = {sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM, sqlite3.SQLITE_IOERR}


@contextmanager
def sqlite_errors(path: Path) -> Iterator[None]:
    """Turns what SQLite raises about the file at `path` into our errors.

    Raises:
        OutputError: the disk is full, or the file or its folder cannot be written.
        StudyError: another process holds it, or it is damaged or no database.
    """
    try:
        yield
    except sqlite3.DatabaseError as error:
        # The low byte is the primary code; the rest says more closely what happened.
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
        if code == sqlite3.SQLITE_FULL or "disk is full" in str(error):
            mend = "free some space, then --resume; every trial told before is kept"
            raise OutputError(found="the disk is full", where=str(path), mend=mend) from error
        if code in _UNWRITABLE:
            raise OutputError(
                found=f"cannot be written ({error})", where=str(path), expected="a folder that may be written"
            ) from error
        if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            raise StudyError(found="in use by another process", where=str(path)) from error
        raise StudyError(found=f"damaged, or no study ({error})", where=str(path)) from error


class Store:
    """The trials and facts of one study.

    WAL, so that others read while a search runs; synchronous=FULL, so that a change outlives a power cut; one
    statement a change, so that one that fails changes nothing.

    Args:
        path: of study.db, which exists unless `create` made it.
        read_only: to look only; also works where nothing may be written.

    Raises:
        StudyError: no study's database, or one of another version of this format.
        OutputError: it cannot be written and is not opened read-only.
    """

    def __init__(self, path: Path, read_only: bool = False) -> None:
        self.path = path
        with sqlite_errors(path):
            self.connection = _read_only(path) if read_only else sqlite3.connect(path, isolation_level=None)
            (version,) = self.connection.execute("PRAGMA user_version").fetchone()
            if version == SCHEMA_VERSION and not read_only:
                self.connection.execute("PRAGMA journal_mode = WAL")
                self.connection.execute("PRAGMA synchronous = FULL")
        if version != SCHEMA_VERSION:
            self.close()
            expected = f"a study of format {SCHEMA_VERSION}, as this version of spikec writes"
            raise StudyError(found=f"format {version}", where=str(path), expected=expected)

    @staticmethod
    def create(path: Path, files: Mapping[str, str]) -> None:
        """Makes a store without trials at `path`, which must not exist; `files` are hashes by name, kept."""
        with sqlite_errors(path):
            connection = sqlite3.connect(path, isolation_level=None)
            try:
                connection.executescript(f"{_SCHEMA} PRAGMA user_version = {SCHEMA_VERSION};")
                connection.executemany("INSERT INTO files VALUES (?, ?)", list(files.items()))
                connection.execute("PRAGMA journal_mode = WAL")
            finally:
                connection.close()

    def close(self) -> None:
        """Closes the file; nothing is pending, so nothing can be lost."""
        self.connection.close()

    def trials(self) -> list[Trial]:
        """Every trial, by number."""
        columns = "number, genome, state, screen, final, seconds, reason, asked_after, told_as"
        with sqlite_errors(self.path):
            rows = self.connection.execute(f"SELECT {columns} FROM trials ORDER BY number").fetchall()
        return [
            Trial(number, Genome.from_json(genome), state, _loaded(screen), _loaded(final), *rest)
            for number, genome, state, screen, final, *rest in rows
        ]

    def add(self, trial: Trial) -> None:
        """Inserts a trial that was just asked."""
        self._write(
            "INSERT INTO trials (number, genome, state, asked_after) VALUES (?, ?, 'asked', ?)",
            (trial.number, trial.genome.to_json(), trial.asked_after),
        )

    def tell(self, trial: Trial) -> None:
        """Writes a trial's screen values."""
        self._write(
            "UPDATE trials SET state = 'told', screen = ?, seconds = ?, told_as = ? WHERE number = ?",
            (_dumped(trial.screen), trial.seconds, trial.told_as, trial.number),
        )

    def fail(self, trial: Trial) -> None:
        """Writes why a trial failed."""
        self._write("UPDATE trials SET state = 'failed', reason = ? WHERE number = ?", (trial.reason, trial.number))

    def finish(self, trial: Trial) -> None:
        """Writes a trial's final values."""
        self._write(
            "UPDATE trials SET state = 'final', final = ? WHERE number = ?",
            (_dumped(trial.final), trial.number),
        )

    def files(self) -> dict[str, str]:
        """The hashes, by name, that the store was made with."""
        with sqlite_errors(self.path):
            return dict(self.connection.execute("SELECT name, sha256 FROM files").fetchall())

    def facts(self) -> dict[str, str]:
        """What was fixed for the whole study, as JSON texts by name."""
        with sqlite_errors(self.path):
            return dict(self.connection.execute("SELECT name, value FROM facts").fetchall())

    def set_facts(self, facts: Mapping[str, str]) -> None:
        """Writes facts; those of the same name are replaced."""
        for name, value in facts.items():
            self._write("INSERT OR REPLACE INTO facts (name, value) VALUES (?, ?)", (name, value))

    def _write(self, statement: str, values: tuple[object, ...]) -> None:
        with sqlite_errors(self.path):
            self.connection.execute(statement, values)


def _read_only(path: Path) -> sqlite3.Connection:
    # A database in WAL mode needs a writable folder even to be read, unless it is said that nobody writes it;
    # a study that is closed has no -wal file, so then nobody does.
    mode = "mode=ro" if path.with_name(f"{path.name}-wal").exists() else "immutable=1"
    return sqlite3.connect(f"{path.absolute().as_uri()}?{mode}", uri=True, isolation_level=None)


def _dumped(values: Values | None) -> str:
    return json.dumps(dict(values or {}), sort_keys=True, allow_nan=False)


def _loaded(text: str | None) -> Values | None:
    return None if text is None else {name: float(value) for name, value in json.loads(text).items()}
