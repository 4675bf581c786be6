"""Runs pipelines of passes by name, and verifies the graph after every change.

A pipeline is what a chip's file holds: names, or tables of a name and the pass's parameters::

    pipeline = ["fold-batchnorm", { pass = "reorder-attention", order = "kv" }]

A package of others adds a pass by an entry point of the group `spikec.pass`: its name, and a maker that takes
the pass's parameters by keyword. The names of PASSES cannot be taken over.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import Literal, Protocol, get_args, get_origin, get_type_hints

from passes.canonicalise import Canonicalise
from passes.decompose_groups import DecomposeGroups
from passes.fold_batchnorm import FoldBatchNorm
from passes.fold_scale import FoldScale
from passes.hoist_repeat import HoistRepeat
from passes.lower_maxpool import LowerMaxPool
from passes.merge_linears import MergeLinears
from passes.quantize import Quantize
from passes.remove_dead import RemoveDead
from passes.reorder_attention import ReorderAttention
from passes.repeat_first import RepeatFirst
from passes.time_reductions_last import TimeReductionsLast
from passes.unroll_levels import UnrollLevels
from spikec.errors import ToolchainError, UnknownName, UsageError, VerifyError
from spikec.ir.graph import Graph

Entry = str | Mapping[str, object]
GROUP = "spikec.pass"


class Pass(Protocol):
    """A pure function from Graph to Graph; the same object back means 'no change'."""

    @property
    def name(self) -> str:
        """As pipelines spell it."""

    def __call__(self, graph: Graph) -> Graph:
        """The changed graph, or `graph` itself."""


PASSES: dict[str, Callable[..., Pass]] = {
    "canonicalise": Canonicalise,
    "decompose-groups": DecomposeGroups,
    "fold-batchnorm": FoldBatchNorm,
    "fold-scale": FoldScale,
    "hoist-repeat": HoistRepeat,
    "lower-maxpool": LowerMaxPool,
    "merge-linears": MergeLinears,
    "quantize": Quantize,
    "remove-dead": RemoveDead,
    "reorder-attention": ReorderAttention,
    "repeat-first": RepeatFirst,
    "time-reductions-last": TimeReductionsLast,
    "unroll-levels": UnrollLevels,
}


@dataclass(frozen=True)
class Applied:
    """A pass that changed a graph, with all its parameters, defaults too; `str` writes it as reports do."""

    name: str
    parameters: Mapping[str, object] = field(default_factory=dict)

    def __str__(self) -> str:
        given = ", ".join(f"{key}={value!r}" for key, value in self.parameters.items())
        return f"{self.name}({given})" if given else self.name


@dataclass(frozen=True)
class Passed:
    """What a pipeline made of a graph: the result, and the passes that changed it, in order."""

    graph: Graph
    applied: tuple[Applied, ...]


def run(graph: Graph, pipeline: Sequence[Entry]) -> Passed:
    """Applies the passes of `pipeline` in order.

    Raises:
        UnknownName: a pass that is in no table, with the nearest names.
        UsageError: an entry that is no name and no table, or wrong parameters.
        ToolchainError: a third party's pass cannot be imported.
        VerifyError: a pass broke the graph; its name stands before the rule.
    """
    changes = [(entry, make(entry)) for entry in pipeline]  # every entry is read before any is run
    applied: list[Applied] = []
    for entry, change in changes:
        after = _changed(graph, change)
        if after is not graph:
            graph = after
            applied.append(_stated(entry, change))
    return Passed(graph, tuple(applied))


def make(entry: Entry) -> Pass:
    """The pass that an entry of a pipeline names, with its parameters; errors as in `run`."""
    named = _read(entry)
    maker = PASSES.get(named.name) or _third_party(named.name)
    _check_parameters(maker, named)
    return maker(**named.parameters)


def entry_of(text: str) -> Entry:
    """The entry that a command line spells as `quantize` or `quantize:weight_bits=4:decay_bits=8`.

    Values are read as Python's numbers and booleans where they are such, else as text.

    Raises:
        UsageError: a part behind the name is not key=value, or a key stands twice.
    """
    name, *parts = text.split(":")
    found: dict[str, object] = {}
    for part in parts:
        key, equals, value = part.partition("=")
        if not equals or key in ("", "pass", *found):
            raise UsageError(f"'{part}'", where=f"pass '{text}'", expected="name:key=value:key=value, each key once")
        found[key] = _literal(value)
    return {"pass": name, **found} if found else name


def _literal(text: str) -> object:
    try:
        value: object = ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError):
        return text
    return value if isinstance(value, (bool, int, float)) else text


def names() -> tuple[str, ...]:
    """Every pass by name, third parties' included."""
    return tuple(sorted({*PASSES, *(point.name for point in entry_points(group=GROUP))}))


def _read(entry: Entry) -> Applied:
    """The entry's name and the parameters that it gives."""
    if isinstance(entry, str):
        return Applied(entry)
    name = entry.get("pass") if isinstance(entry, Mapping) else None
    if not isinstance(name, str):
        raise UsageError(
            found=f"{entry!r} names no pass",
            where="pipeline",
            expected="a name, or a table such as { pass = 'reorder-attention', order = 'kv' }",
        )
    return Applied(name, {key: value for key, value in entry.items() if key != "pass"})


def _stated(entry: Entry, change: object) -> Applied:
    """The entry with the parameters that it leaves at their defaults, which decide what a report means as well."""
    given = _read(entry)
    if not is_dataclass(change):
        return given
    return Applied(given.name, {f.name: getattr(change, f.name) for f in fields(change)})


def _changed(graph: Graph, change: Pass) -> Graph:
    try:
        after = change(graph)
        if after is not graph:
            after.verify()
    except VerifyError as error:
        raise VerifyError(found=f"the pass broke the graph: {error}", where=f"pass '{change.name}'") from error
    return after


def _third_party(name: str) -> Callable[..., Pass]:
    found = tuple(entry_points(group=GROUP, name=name))
    if not found:
        raise UnknownName(name, "pass", names())
    if len(found) > 1:
        raise UsageError(found=f"{len(found)} packages name a pass so", where=f"pass '{name}'", expected="one")
    return _loaded(found[0])


def _loaded(point: EntryPoint) -> Callable[..., Pass]:
    try:
        maker: Callable[..., Pass] = point.load()
    except (ImportError, AttributeError) as error:
        raise ToolchainError(
            found=f"cannot be imported from {point.value}: {error}",
            where=f"pass '{point.name}'",
            mend="install or mend the package that names it",
        ) from error
    return maker


def _check_parameters(maker: Callable[..., Pass], named: Applied) -> None:
    """Raises UsageError unless the maker takes these parameters, and values of their types where it says them."""
    where = f"pass '{named.name}'"
    try:
        inspect.signature(maker).bind(**named.parameters)
    except TypeError as error:
        known = ", ".join(inspect.signature(maker).parameters) or "none"
        raise UsageError(found=str(error), where=where, expected=f"parameters: {known}") from error
    kinds = get_type_hints(maker) if inspect.isclass(maker) or inspect.isfunction(maker) else {}
    for key, value in named.parameters.items():
        if key in kinds and not _fits(value, kinds[key]):
            raise UsageError(found=f"{key} = {value!r}", where=where, expected=_spelled(kinds[key]))


def _fits(value: object, kind: object) -> bool:
    if get_origin(kind) is Literal:
        return value in get_args(kind)
    if kind is float:
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    # bool is an int to Python; a pipeline's `bits = true` is a mistake.
    return not isinstance(kind, type) or type(value) is kind


def _spelled(kind: object) -> str:
    if get_origin(kind) is Literal:
        return "one of: " + ", ".join(repr(choice) for choice in get_args(kind))
    return f"a value of type {kind.__name__}" if isinstance(kind, type) else str(kind)
