"""Every error that spikec raises on purpose, and what each means to a script that called it.

::

    SpikecError                 2
    ├── UsageError              2   options that contradict each other, a value out of range
    ├── InputError              2   a file or data that cannot be read, or is malformed
    │   ├── ModelFileError      2   model.pt, .nir, .onnx, .pt2, .net
    │   ├── DataError           2   samples, labels, rates, an unknown --data form
    │   ├── HardwareFileError   2   chips/*.toml or a user's own
    │   └── SpaceError          2   spaces/*.toml or a user's own
    ├── UnknownName             2   a chip, space, target, policy, pass or network of no such name
    ├── GraphError              2   a graph that cannot be built or edited as asked
    │   ├── VerifyError         2   Graph.verify found a broken rule
    │   └── StateOverflow       1   in a run, a neuron's state left the format that holds it
    ├── OutputError             2   a folder that exists, cannot be written, or a full disk
    ├── ToolchainError          2   something outside spikec is missing (Lava's interpreter, a compiler)
    ├── StudyError              2   a study that cannot be opened, resumed or extended
    │   └── NoWinner            1   no subnet is what the rule of the search asks for
    ├── TraceError              1   the network cannot be taken as a Graph
    ├── UnsupportedOp           1   a target or a chip has no form for some nodes
    ├── VerificationFailed      1   an export does not do what its graph does
    ├── DoesNotFit              1   a network that a chip's cores do not hold
    ├── FitRefused              1   measured runs cannot tell a chip's prices apart, or contradict them
    └── BudgetExceeded          1   the answer to --budget or --fail-on is no

The number is the exit code of the command line: 1, the answer is no; 2, wrong usage or unreadable input.
Anything that is no SpikecError is our own fault, and exits with 3. Only `cli` turns errors into text and
codes.
"""

import copyreg
import difflib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar


class SpikecError(Exception):
    """An error with a message for the person who can mend it.

    Either a plain message, or the four parts of a good one, which `str` renders as one paragraph::

        SpikecError("cannot divide 64 channels among 5 heads")
        ModelFileError(found="the file is empty", where="net.pt", expected="a model saved by spikec",
                       mend="spikec new spikformer-4-384 -o net.pt makes one")

    Args:
        message: what went wrong, in the place of `found`.
        found: what was found.
        where: the file and key, or the node and its module path.
        expected: what was expected instead.
        mend: what to do about it, as a sentence or a command.
    """

    exit_code: ClassVar[int] = 2

    def __init__(
        self, message: str = "", *, found: str = "", where: str = "", expected: str = "", mend: str = ""
    ) -> None:
        super().__init__(message or found)
        self.found = message or found
        self.where = where
        self.expected = expected
        self.mend = mend

    def __str__(self) -> str:
        """The parts that were given: where: found; expected ... Try: mend."""
        text = f"{self.where}: {self.found}" if self.where and self.found else self.where or self.found
        if self.expected:
            text = f"{text}; expected {self.expected}" if text else f"expected {self.expected}"
        if self.mend:
            text = f"{text.rstrip('.')}. Try: {self.mend}" if text else f"Try: {self.mend}"
        return printable(text)

    # Errors cross process borders in a search, and the default would call a subclass's __init__ with args.
    def __reduce__(self) -> tuple[Any, ...]:  # Any: what pickle's protocol asks for
        """Rebuilds the error from its fields, whatever its constructor takes."""
        return copyreg.__newobj__, (type(self), *self.args), vars(self)  # type: ignore[attr-defined]


class UsageError(SpikecError):
    """Options that contradict each other, or a value out of its range."""


class InputError(SpikecError):
    """A file or data that cannot be read, or is malformed."""


class ModelFileError(InputError):
    """A model's file is missing, empty, truncated, foreign, pickled, or holds unusable weights."""


class DataError(InputError):
    """Samples, labels or rates that are missing, empty, of a wrong shape, or not finite."""


class HardwareFileError(InputError):
    """A chip's TOML file breaks the schema; `where` names file and key."""


class SpaceError(InputError):
    """A search space's TOML file breaks the schema, or spans no network."""


MOST_CHOICES = 25
"""Names that a message lists; of more, those that are nearest."""


class UnknownName(SpikecError):
    """A name that is in no table; the nearest names are part of the message.

    Args:
        found: the name asked for.
        kind: what it should name, such as 'hardware' or 'space'.
        choices: every name that would do.
        where: the file and key.
    """

    def __init__(self, found: str, kind: str, choices: Iterable[str], where: str = "") -> None:
        self.name = found
        self.kind = kind
        self.choices = tuple(sorted(choices))
        self.nearest = nearest(found, self.choices)
        shown = self.choices if len(self.choices) <= MOST_CHOICES else nearest(found, self.choices, 10, 0.0)
        known = ", ".join(shown) or "none"
        if len(shown) < len(self.choices):
            known += f", and {len(self.choices) - len(shown)} more"
        super().__init__(
            found=f"unknown {kind} '{found}'",
            where=where,
            expected=f"one of: {known}",
            mend=" or ".join(self.nearest),
        )


LONGEST_MESSAGE = 4000
LONGEST_NAME = 400


def printable(text: str, longest: int = LONGEST_MESSAGE) -> str:
    """The text without what would steer a terminal, and cut where it is too long: it may quote a hostile file."""
    plain = text if text.isprintable() else "".join(c if c.isprintable() or c == "\n" else "?" for c in text)
    return plain if len(plain) <= longest else f"{plain[:longest]}..."


def one_line(text: str) -> str:
    """`printable` text in one line, as what is kept of foreign text must be."""
    return " ".join(printable(text).split())


def nearest(name: str, choices: Sequence[str], at_most: int = 3, alike: float = 0.5) -> tuple[str, ...]:
    """The choices that `name` most resembles, best first; empty where nothing is near."""
    by_lower = {choice.lower(): choice for choice in choices}
    close = difflib.get_close_matches(name.lower(), list(by_lower), n=at_most, cutoff=alike)
    return tuple(by_lower[match] for match in close)


def why_unread(error: Exception) -> str:
    """Why a file could not be read, in words that need no system's number to be understood."""
    if isinstance(error, FileNotFoundError):
        return "there is no such file"
    if isinstance(error, IsADirectoryError):
        return "this is a folder"
    if isinstance(error, UnicodeDecodeError):
        return "cannot be read: it is no text"
    if isinstance(error, OSError):
        return f"cannot be read: {error.strerror or error}"
    return f"cannot be read: {error}"


class GraphError(SpikecError):
    """A graph that cannot be built, edited or run as asked."""


class VerifyError(GraphError):
    """A graph breaks one of its own rules; `where` names the node and its module path."""


class StateOverflow(GraphError):
    """In a run, a neuron's state left the fixed point that holds it."""

    exit_code = 1


class OutputError(SpikecError):
    """An output exists already, cannot be written, or the disk is full."""


class ToolchainError(SpikecError):
    """Something outside spikec is missing or unusable, such as Lava's interpreter."""


class StudyError(SpikecError):
    """A study cannot be opened, resumed or extended."""


class NoWinner(StudyError):
    """A search that has come to its end without a subnet as accurate as its rule asks."""

    exit_code = 1


class TraceError(SpikecError):
    """A network cannot be taken as a Graph, or its Graph does not do what the network does."""

    exit_code = 1


@dataclass(frozen=True)
class Offender:
    """One node that a target cannot take: its op as text, its module path, why not, and the user's line, if known."""

    op: str
    path: str
    reason: str
    line: str = ""


MOST_ALIKE = 12
"""Offenders of one reason that a message lists; of more, these first and how many there are beside them."""


class UnsupportedOp(SpikecError):
    """A target or chip has no form for some nodes; `offenders` has every one of them.

    Args:
        target: the target, chip or format that refuses.
        offenders: the nodes, as Offender or as (op, module path, reason); equal ones are one line of the message,
            which says how many they are.
        mend: what to try instead.
        nodes: how many nodes the graph has, where known.
    """

    exit_code = 1

    def __init__(
        self,
        target: str,
        offenders: Iterable[Offender | tuple[str, str, str]],
        mend: str = "",
        nodes: int | None = None,
    ) -> None:
        self.target = target
        self.offenders = tuple(o if isinstance(o, Offender) else Offender(*o) for o in offenders)
        self.nodes = nodes
        count = len(self.offenders)
        among = f"{count} of {nodes} nodes" if nodes is not None else f"{count} node{'s' * (count != 1)}"
        has = "has" if count == 1 else "have"
        super().__init__(f"{target} cannot take this graph: {among} {has} no form there", mend=mend)

    def __str__(self) -> str:
        """The count, a line an offender with columns aligned (of many with one reason the first), what to try."""
        times = Counter(self.offenders)
        said, more = _shortened(times)
        rows = [tuple(printable(word, LONGEST_NAME) for word in _words(o, times[o])) for o in said]
        path_width = max((len(path) for path, _, _ in rows), default=0)
        op_width = max((len(op) for _, op, _ in rows), default=0)
        lines = [self.found]
        lines += [f"  {path:<{path_width}}  {op:<{op_width}}  {reason}" for path, op, reason in rows]
        lines += [f"  and {count} more: {printable(reason, LONGEST_NAME)}" for reason, count in more.items()]
        if self.mend:
            lines.append(f"  try: {self.mend}")
        return "\n".join(lines)


def _shortened(times: Mapping[Offender, int]) -> tuple[list[Offender], dict[str, int]]:
    """The offenders that a message lists, and how many further nodes each reason has."""
    lines = Counter(offender.reason for offender in times)
    said: Counter[str] = Counter()
    more: Counter[str] = Counter()
    listed = []
    for offender, count in times.items():
        said[offender.reason] += 1
        if said[offender.reason] <= MOST_ALIKE or lines[offender.reason] == MOST_ALIKE + 1:
            listed.append(offender)
        else:
            more[offender.reason] += count
    return listed, more


def _words(offender: Offender, times: int) -> tuple[str, str, str]:
    reason = f"{offender.reason} (x {times})" if times > 1 else offender.reason
    return offender.path, offender.op, f"{reason}; {offender.line}" if offender.line else reason


class VerificationFailed(SpikecError):
    """An export, read back or run on its own runtime, differs from its graph."""

    exit_code = 1


class DoesNotFit(SpikecError):
    """A layer of a network fits on no number of a chip's cores."""

    exit_code = 1


class FitRefused(SpikecError):
    """Measured runs cannot tell a chip's prices apart, or no prices of 0 or more explain them."""

    exit_code = 1


class BudgetExceeded(SpikecError):
    """A total is over the budget that was asked about."""

    exit_code = 1
