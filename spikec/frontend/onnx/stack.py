"""The line of the user's own code in a stack trace, as torch's exporters write one for each node of a file.

It is text for a message. The file that it names is not opened: a foreign file could name any.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePosixPath, PureWindowsPath

from spikec.errors import one_line

TRACES = "pkg.torch.onnx.stack_trace"
"""Under which key of a node's metadata torch's exporter writes it into an .onnx file."""

MOST_LETTERS = 20_000
MOST_SHOWN = 120
MOST_NUMBER = 100_000
_FRAME = re.compile(r'^ *File "([^"\n]{1,1000})", line (\d{1,7}), in [^\n]*(?:\n +([^\n]+))?', re.MULTILINE)
_INSTALLED = ("site-packages", "dist-packages")


@dataclass(frozen=True)
class Line:
    """A line of code.

    Args:
        file: its name, without folders.
        number: of the line, from 1 on.
        text: of the line.
    """

    file: str
    number: int
    text: str

    def __str__(self) -> str:
        """As the tracer says lines: `net.py:12: y = x + 1`."""
        return f"{self.file}:{self.number}: {self.text}"


def line_of(trace: object) -> Line | None:
    """The innermost line of a stack trace that is no installed library's, or else the innermost one of all."""
    if not isinstance(trace, str):
        return None
    frames = _FRAME.findall(trace[-MOST_LETTERS:])
    own = [frame for frame in frames if not any(word in frame[0] for word in _INSTALLED)]
    if not frames:
        return None
    path, number, text = (own or frames)[-1]
    name = PurePosixPath(PureWindowsPath(path).as_posix()).name
    if not 1 <= int(number) <= MOST_NUMBER or not name:
        return None
    return Line(one_line(name)[:MOST_SHOWN], int(number), one_line(text)[:MOST_SHOWN])
