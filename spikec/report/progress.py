"""Progress of training and search on stderr: a live line on a terminal, a plain one now and then elsewhere."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol, TextIO

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.progress import TimeRemainingColumn as Remaining
from rich.text import Text

EVERY_S = 5.0
Clock = Callable[[], float]


class Advance(Protocol):
    """What a long task calls: how much is done, and a note with units, such as the best so far."""

    def __call__(self, done: int, note: str = "") -> None: ...


@contextmanager
def progress(
    title: str,
    total: int,
    unit: str,
    *,
    stream: TextIO | None = None,
    every_s: float = EVERY_S,
    clock: Clock = time.monotonic,
) -> Iterator[Advance]:
    """Shows how far a task is, until the block ends; the last state stays to be read.

    Args:
        title: what runs, such as `search`.
        total: how many units there are; 0 where that is not known.
        unit: what is counted, such as `trials`.
        stream: where to; stderr.
        every_s: without a terminal, the least seconds between two lines.
        clock: in seconds.
    """
    console = Console(file=stream or sys.stderr)
    # A dumb terminal cannot go back to a line's beginning, and would get one line a refresh.
    if console.is_terminal and not console.is_dumb_terminal:
        with _live(console, title, total, unit) as advance:
            yield advance
        return
    line = _PlainLine(title, total, unit, stream or sys.stderr, every_s, clock)
    try:
        yield line
    finally:
        line.end()


@contextmanager
def _live(console: Console, title: str, total: int, unit: str) -> Iterator[Advance]:
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TextColumn(unit, markup=False),
        TimeElapsedColumn(),
        Remaining(compact=True),
        TextColumn("{task.fields[note]}", markup=False),
    )
    with Progress(*columns, console=console, refresh_per_second=4) as bar:
        task = bar.add_task(title, total=total or None, note=Text(""))

        def advance(done: int, note: str = "") -> None:
            bar.update(task, completed=done, note=note)

        yield advance


class _PlainLine:
    """Prints a whole line at most every few seconds, and the last state at the end."""

    def __init__(self, title: str, total: int, unit: str, stream: TextIO, every_s: float, clock: Clock) -> None:
        self.title, self.total, self.unit = title, total, unit
        self.stream, self.every_s, self.clock = stream, every_s, clock
        self.began = self.printed = clock()
        self.pending = ""
        self.first: tuple[int, float] | None = None

    def __call__(self, done: int, note: str = "") -> None:
        """Takes the state, and prints it where the last line is old enough."""
        now = self.clock()
        self.pending = self._line(done, now - self.began, note)
        if now - self.printed >= self.every_s:
            self.printed = now
            self.end()

    def end(self) -> None:
        """Prints what has not been printed yet."""
        if self.pending:
            print(self.pending, file=self.stream, flush=True)
        self.pending = ""

    def _line(self, done: int, seconds: float, note: str) -> str:
        of = f"/{self.total}" if self.total else ""
        line = f"{self.title}: {f'{done}{of} {self.unit}'.rstrip()}, {_span(seconds)}"
        # A resumed task begins somewhere in the middle, so what was done before it began says nothing of its pace.
        before, since = self.first = self.first or (done, seconds)
        if before < done < self.total:
            line += f", about {_span((seconds - since) / (done - before) * (self.total - done))} left"
        return f"{line}; {note}" if note else line


def _span(seconds: float) -> str:
    whole = round(seconds)
    return f"{whole} s" if whole < 120 else f"{whole // 60} min {whole % 60} s"
