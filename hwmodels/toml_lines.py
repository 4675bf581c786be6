"""The line of every key of a TOML text, which Python's own reader does not tell."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from contextlib import suppress

KeyPath = tuple[str | int, ...]

_BLANK = re.compile(r"(?:[ \t\r\n]+|#[^\n]*)*")
_KEY = re.compile(r"""[ \t]*("(?:[^"\\\n]|\\.)*"|'[^'\n]*'|[A-Za-z0-9_-]+)[ \t]*(\.?)""")
_VALUES = (
    re.compile(r'"{3}(?:[^\\]|\\.)*?"{3}"{0,2}', re.DOTALL),
    re.compile(r"'{3}.*?'{3}'{0,2}", re.DOTALL),
    re.compile(r'"(?:[^"\\\n]|\\.)*"'),
    re.compile(r"'[^'\n]*'"),
    re.compile(r"[^,\]}#\n]*"),
)


def lines_of(text: str) -> Mapping[KeyPath, int]:
    """The line, from 1, of every table, key and element of an array.

    A table's line is its header's, or that of the key where it is written inline. What is no TOML gives the lines
    of what was read up to there: ask `tomllib` first.
    """
    scanner = _Scanner(text)
    with suppress(IndexError, RecursionError):  # of a text that ends too early, or one of arrays too deep
        scanner.scan()
    return scanner.lines


def line_of(lines: Mapping[KeyPath, int], path: Sequence[str | int]) -> int | None:
    """The line of a path; of one that is not there the line of the table that should hold it, None for the top."""
    return next((lines[tuple(path[:end])] for end in range(len(path), 0, -1) if tuple(path[:end]) in lines), None)


class _Scanner:
    """Walks through a text once; `at` is the position that comes next."""

    def __init__(self, text: str) -> None:
        self.lines: dict[KeyPath, int] = {}
        self._text = text
        self._ends = [found.start() for found in re.finditer("\n", text)]
        self._at = 0
        self._last: dict[KeyPath, int] = {}  # an array of tables -> the index of its latest table

    def scan(self) -> None:
        """Reads headers and keys to the end of the text."""
        table: KeyPath = ()
        self._skip()
        while self._at < len(self._text):
            start = self._at
            if self._text.startswith("[", start):
                table = self._header()
            elif not self._assignment(table):
                return
            self._skip()
            if self._at == start:
                return

    def _skip(self) -> None:
        found = _BLANK.match(self._text, self._at)
        assert found is not None  # it matches nothing at all as well
        self._at = found.end()

    def _note(self, path: KeyPath, at: int) -> None:
        self.lines.setdefault(path, bisect_right(self._ends, at - 1) + 1)

    def _header(self) -> KeyPath:
        start = self._at
        several = self._text.startswith("[[", start)
        self._at += 2 if several else 1
        keys = self._keys()
        self._at += 2 if several else 1
        path: KeyPath = ()
        for key in keys[:-1]:
            self._note((*path, key), start)
            path = self._entered((*path, key))
        path = (*path, keys[-1])
        if several:
            self._last[path] = self._last.get(path, -1) + 1
            self._note(path, start)
            path = self._entered(path)
        self._note(path, start)
        return path

    def _entered(self, path: KeyPath) -> KeyPath:
        return (*path, self._last[path]) if path in self._last else path

    def _keys(self) -> list[str]:
        keys: list[str] = []
        more = "."
        while more:
            found = _KEY.match(self._text, self._at)
            if found is None:
                raise IndexError(self._at)
            name, more = found.groups()
            keys.append(name[1:-1] if name[0] in "\"'" else name)
            self._at = found.end()
        return keys

    def _assignment(self, table: KeyPath) -> bool:
        start = self._at
        path = table
        for key in self._keys():
            path = (*path, key)
            self._note(path, start)
        if self._text[self._at] != "=":
            return False
        self._at += 1
        self._value(path)
        return True

    def _value(self, path: KeyPath) -> None:
        while self._text[self._at] in " \t":
            self._at += 1
        if self._text[self._at] in "[{":
            self._several(path, closing="]" if self._text[self._at] == "[" else "}")
            return
        found = next(match for pattern in _VALUES if (match := pattern.match(self._text, self._at)))
        self._at = found.end()

    def _several(self, path: KeyPath, closing: str) -> None:
        """An array or an inline table, from its bracket to behind the other one."""
        self._at += 1
        self._skip()
        index = 0
        while self._text[self._at] != closing:
            start = self._at
            if closing == "}":
                if not self._assignment(path):
                    raise IndexError(self._at)
            else:
                self._note((*path, index), self._at)
                self._value((*path, index))
            index += 1
            self._skip()
            if self._text[self._at] == ",":
                self._at += 1
                self._skip()
            if self._at == start:
                raise IndexError(start)
        self._at += 1
