"""What the keys of a chip file may not say together: each rule names the key that contradicts another."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple, get_args

from pydantic import ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError

from hwmodels.counting import SYNAPTIC, Aside
from hwmodels.event_kinds import BY_SOMA, BY_SYNAPSE, ON_CHIP, ON_CORES, POWERED, WHOLE
from hwmodels.quantities import BASE, dimension_of
from spikec.cost import Policy

if TYPE_CHECKING:
    from hwmodels.schema import Chip, TermTable


class Fault(NamedTuple):
    """A key that contradicts another.

    Args:
        path: of the key.
        found: what stands there.
        expected: in words.
    """

    path: tuple[str, ...]
    found: object
    expected: str


def check_rules(chip: Chip) -> None:
    """Checks that no keys of a chip contradict each other.

    Raises:
        ValidationError: some do; all of them are listed.
    """
    faults = [fault for rule in RULES for fault in rule(chip)]
    if faults:
        raise ValidationError.from_exception_data("Chip", [_details(fault) for fault in faults])


def _details(fault: Fault) -> InitErrorDetails:
    error = PydanticCustomError("rule", "{words}", {"words": fault.expected})
    return InitErrorDetails(type=error, loc=fault.path, input=fault.found)


def _units(chip: Chip) -> Iterator[Fault]:
    for name, table in chip.terms.items():
        unit, path = table.energy.unit, ("terms", name, "energy", "unit")
        measures = dimension_of(unit, ("energy", "power"))
        if measures == table.dimension:
            continue
        why = "it is paid a nanosecond" if table.count == POWERED else f"it is paid for each {table.count}"
        yield Fault(path, unit, f"a unit of {table.dimension} such as {BASE[table.dimension]}, since {why}")


def _scopes(chip: Chip) -> Iterator[Fault]:
    for policy in _policies(chip):
        held = {name: table for name, table in chip.terms.items() if table.holds(policy)}
        all_in = [name for name, table in held.items() if table.energy.scope == "all-in"]
        for name in held if all_in and len(held) > 1 else ():
            if name != all_in[0]:
                words = f"an all-in price as the only term, and terms.{all_in[0]} is one: it holds the others"
                yield Fault(("terms", name), held[name].count, words)


def _conditions(chip: Chip) -> Iterator[Fault]:
    choices = Policy.choices()
    for name, table in chip.terms.items():
        for field, value in (table.when or {}).items():
            if chip.model != "events":
                yield Fault(("terms", name, "when"), field, f"no condition beside the model '{chip.model}'")
            elif field not in choices:
                yield Fault(("terms", name, "when", field), field, f"a field of the policy: {', '.join(choices)}")
            elif value not in choices[field]:
                yield Fault(("terms", name, "when", field), value, f"one of: {', '.join(choices[field])}")
            elif gap := sorted(set(choices[field]) - _values(chip, table, field)):
                words = f"a term of {table.count} for {field} = {gap[0]} as well, which would cost nothing"
                yield Fault(("terms", name, "when"), {field: value}, words)


def _values(chip: Chip, table: TermTable, field: str) -> set[str]:
    """The values of a field of the policy for which the kind of a term has a price."""
    alike = [other for other in chip.terms.values() if other.count == table.count]
    always = set(Policy.choices()[field]) if any(other.when is None for other in alike) else set()
    return always.union(*({other.when[field]} for other in alike if other.when and field in other.when))


def _twice(chip: Chip) -> Iterator[Fault]:
    counts = {table.count for table in chip.terms.values()}
    for name, table in chip.terms.items():
        if table.count in WHOLE and (parts := sorted(counts.intersection(WHOLE[table.count]))):
            yield Fault(("terms", name, "count"), table.count, f"no price of the whole beside one of {parts[0]}")


def _times(chip: Chip) -> Iterator[Fault]:
    for name, table in chip.terms.items():
        if table.time is not None and table.count == POWERED:
            yield Fault(("terms", name, "time"), table.time, "no time, since a nanosecond takes one")


def _counted(chip: Chip) -> Iterator[Fault]:
    """A term of a kind that the model never counts would cost nothing, and not say so."""
    never = ("mac",) if chip.model == "events" else (*ON_CHIP, *ON_CORES, *BY_SYNAPSE, *BY_SOMA)
    for name, table in chip.terms.items():
        if table.count in never:
            instead = "host_mac, the multiplications of real inputs" if chip.model == "events" else "model = 'events'"
            words = f"a kind that the model '{chip.model}' counts; try {instead}"
            yield Fault(("terms", name, "count"), table.count, words)


def _behaviour(chip: Chip) -> Iterator[Fault]:
    for key in ("real_input", "attention"):
        value = getattr(chip, key)
        if chip.model == "events" and value is None:
            yield Fault((key,), None, "a value, which a chip of the model 'events' must have")
        if chip.model != "events" and value is not None:
            yield Fault((key,), value, f"no such key beside the model '{chip.model}': it is for 'events'")


def _cores(chip: Chip) -> Iterator[Fault]:
    if chip.model != "events" and chip.cores is not None:
        yield Fault(("cores",), chip.cores, f"no cores beside the model '{chip.model}': they are for 'events'")


def _memory(chip: Chip) -> Iterator[Fault]:
    """The memory model counts by a table of its own, whose additions and multiplications have one price each."""
    if chip.model != "memory":
        if chip.memory is not None:
            yield Fault(("memory",), chip.memory, f"no memory beside the model '{chip.model}': it is for 'memory'")
        return
    if chip.memory is None:
        yield Fault(("memory",), None, "a value, which a chip of the model 'memory' must have")
    if sorted(table.count for table in chip.terms.values()) != ["ac", "mac"]:
        yield Fault(("terms",), sorted(chip.terms), "one term of count ac and one of mac, whatever the policy")


def _policies(chip: Chip) -> Iterator[Policy]:
    """The default policy, and one for every condition that a term has."""
    yield Policy()
    choices = Policy.choices()
    for table in chip.terms.values():
        for field, value in (table.when or {}).items():
            if value in choices.get(field, ()) and value != choices[field][0]:
                chosen: dict[str, Any] = {field: value}  # Any: checked in the line above
                yield replace(Policy(), **chosen)


RULES: tuple[Callable[[Chip], Iterator[Fault]], ...] = (
    _units,
    _scopes,
    _conditions,
    _twice,
    _times,
    _counted,
    _behaviour,
    _cores,
    _memory,
)
assert set(WHOLE) <= {*get_args(Aside), *SYNAPTIC}
