"""Where code of the user's own runs: whatever it raises becomes an error of spikec's that says where.

It may raise anything: a class of its own, SystemExit, an endless recursion, an error whose text cannot be made. That is
no fault of spikec's, and shall not be reported as one (docs/decisions/0016). Ctrl-C goes through.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from spikec.errors import SpikecError, one_line
from spikec.frontend import lines


@contextmanager
def users_code(kind: type[SpikecError], what: str, where: str = "", mend: str = "") -> Iterator[None]:
    """While it is entered, an error of the user's code is raised as `kind`, from the original.

    Args:
        kind: of the error.
        what: runs, as in 'the factory net:build raised KeyError: ...'.
        where: it is to be looked for, if no line of the user's own is among those that led to the error.
        mend: what to do about it.
    """
    try:
        yield
    except (SpikecError, KeyboardInterrupt):
        raise
    except BaseException as error:  # see the module's docstring
        raise kind(f"{what} raised {named(error)}", where=line_of(error) or where, mend=mend) from error


def named(error: BaseException) -> str:
    """An error's class and message, in one line."""
    try:
        said = str(error)
    except BaseException:  # noqa: BLE001  # its own text cannot be made
        said = ""
    return one_line(f"{type(error).__name__}: {said}".removesuffix(": "))


def line_of(error: BaseException) -> str:
    """The line of the user's code that raised the error or led to it; empty where none is among them."""
    if isinstance(error, SyntaxError) and error.filename and error.lineno:
        return lines.said([(error.filename, error.lineno)])
    return lines.said(lines.raised(error))
