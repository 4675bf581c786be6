"""Nodes that torch's core decomposition made of others, as those others: linear layers and stacks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from spikec.frontend.pt2.program import Call, Meta, Named, Value

TURNED: Mapping[str, tuple[tuple[Value, ...], ...]] = {
    "aten.t.default": ((),),
    "aten.permute.default": (((1, 0),),),
    "aten.transpose.int": ((0, 1), (1, 0)),
}
"""Operators that swap the axes of a matrix, and what stands behind the tensor then."""

VIEWS = ("aten.view.default", "aten.reshape.default", "aten._unsafe_view.default")
SPARE = ("aten.cat.default", "aten.view.default", *TURNED)
"""Operators that are left away where nothing takes what they give."""

STACKED = "cat and view"
"""How a cat that only a view takes is called: a stack, where their sizes are those of one."""


def rewritten(calls: Sequence[Call], outputs: Sequence[str], metas: Mapping[str, Meta]) -> tuple[Call, ...]:
    """The same computation: addmm, mm and bmm of a turned weight as linear, cat and view as one."""
    producers = {name: call for call in calls for name in call.outputs}
    found = [_stack(_linear(_single(call, producers, metas), producers), producers) for call in calls]
    used = {*outputs, *(name for call in found for name in names_in((*call.args, *call.kwargs.values())))}
    return tuple(call for call in found if call.target not in SPARE or not used.isdisjoint(call.outputs))


def names_in(value: Value) -> Iterator[str]:
    """The names in an argument, however deep."""
    if isinstance(value, Named):
        yield value.name
    elif isinstance(value, tuple):
        for one in value:
            yield from names_in(one)


def _single(call: Call, producers: Mapping[str, Call], metas: Mapping[str, Meta]) -> Call:
    """A bmm by one matrix, which is repeated for it as often as the other operand has matrices, as mm by that."""
    if call.target != "aten.bmm.default" or call.kwargs or len(call.args) != 2:
        return call
    value: Value = call.args[1]
    for target in ("aten.view.default", "aten.expand.default"):
        source = producers.get(value.name) if isinstance(value, Named) else None
        if source is None or source.target != target or source.kwargs or len(source.args) != 2:
            return call
        value = source.args[0]
    whole, one = (metas.get(each.name) if isinstance(each, Named) else None for each in (call.args[1], value))
    if whole is None or one is None or len(one.sizes) != 2 or whole.sizes[1:] != one.sizes:
        return call
    return replace(call, target="aten.mm.default", args=(call.args[0], value))


def _linear(call: Call, producers: Mapping[str, Call]) -> Call:
    places = {"aten.addmm.default": (1, 2, 0), "aten.mm.default": (0, 1)}.get(call.target)
    if places is None or call.kwargs or len(call.args) != len(places):
        return call
    x, turned, *bias = (call.args[place] for place in places)
    source = producers.get(turned.name) if isinstance(turned, Named) else None
    if source is None or source.kwargs or not source.args or source.args[1:] not in TURNED.get(source.target, ()):
        return call
    return replace(call, target="aten.linear.default", args=(x, source.args[0], *bias))


def _stack(call: Call, producers: Mapping[str, Call]) -> Call:
    if call.target not in VIEWS or len(call.args) != 2 or not isinstance(call.args[0], Named):
        return call
    source = producers.get(call.args[0].name)
    if source is None or source.target != "aten.cat.default" or source.kwargs or not 1 <= len(source.args) <= 2:
        return call
    axis = source.args[1] if len(source.args) == 2 else 0
    return replace(call, target=STACKED, args=(source.args[0], axis, call.args[1]))
