"""A graph put into whole numbers: the unit and range of every value, and the same ops on what is left of each."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from math import gcd

import numpy as np
from numpy.typing import NDArray

from spikec.ir.arithmetic import Scale
from spikec.ir.graph import Graph, Node
from spikec.ir.op import Op
from spikec.ir.types import Domain, Int, IntFormat, Role, TensorType, Weight

SHARES = 2**16
"""Of what a decay is a whole multiple of the reciprocal, as is every other number given in floating point."""

LARGEST = 2**53
"""What no whole number may exceed: up to it fp64 is exact too."""

Codes = NDArray[np.int64]


class NotWhole(ValueError):
    """Why a node is no operation on whole numbers."""


@dataclass(frozen=True)
class Whole:
    """A value in whole numbers: what each of them stands for, and the greatest magnitude that can occur.

    Raises:
        NotWhole: it would be beyond what is held exactly.
    """

    unit: Fraction
    bound: int

    def __post_init__(self) -> None:
        if self.bound > LARGEST:
            raise NotWhole(f"it may reach 2^{self.bound.bit_length() - 1} times {self.unit}; exact up to 2^53")


Rule = Callable[["Lowering", Node, Sequence[Whole]], None]


def common(*units: Fraction) -> Fraction:
    """The greatest unit of which all are whole multiples."""
    first, *others = units
    for unit in others:
        numerator = gcd(first.numerator * unit.denominator, unit.numerator * first.denominator)
        first = Fraction(numerator, first.denominator * unit.denominator)
    return first


def times(unit: Fraction, finer: Fraction) -> int:
    """How many of the finer unit make one."""
    ratio = unit / finer
    assert ratio.denominator == 1
    return ratio.numerator


def range_of(domain: Domain) -> Whole:
    """The unit and range that an Int declares.

    Raises:
        NotWhole: it is Real.
    """
    if not isinstance(domain, Int):
        raise NotWhole("it is real; integers are expected")
    return Whole(Fraction(domain.scale), max(abs(domain.lo), abs(domain.hi)))


def codes_of(weight: Weight) -> tuple[Codes, Fraction]:
    """A weight's whole numbers, and what one of them stands for.

    Raises:
        NotWhole: it is in floating point, and no whole multiple of 1 / `SHARES`.
    """
    if isinstance(weight.format, IntFormat):
        return weight.array.astype(np.int64), Fraction(weight.format.scale)
    codes = np.asarray(weight.values, dtype=np.float64) * SHARES
    if (codes != np.rint(codes)).any() or (np.abs(codes) > LARGEST).any():
        raise NotWhole(f"is in {weight.format}; fixed point, or whole multiples of 1/{SHARES}, are expected")
    fine = codes.astype(np.int64)
    shared = gcd(SHARES, *np.unique(fine).tolist())
    return fine // shared, Fraction(shared, SHARES)


def most(codes: Codes) -> int:
    """The greatest magnitude."""
    return int(np.abs(codes).max(initial=0))


class Lowering:
    """Works through a graph once; `graph()`, `weights` and `wholes` hold what became of it.

    Args:
        source: verified.
        steps: T.
    """

    def __init__(self, source: Graph, steps: int) -> None:
        self.source = source
        self.steps = steps
        self.wholes: dict[str, Whole] = {}
        self.weights: dict[str, Weight] = {}
        self.types: dict[str, TensorType] = dict(source.types)
        self.offenders: list[tuple[str, str, str]] = []
        self._nodes: list[Node] = []
        self._open: list[Node] = []
        self._places = {value: at for at, node in enumerate(source.nodes) for value in node.results}

    def run(self, rules: Mapping[type[Op], Rule]) -> None:
        """Lowers every node that can be; the others become `offenders`, and what needs them is passed over."""
        for name, kind in self.source.inputs.items():
            try:
                self.wholes[name] = range_of(kind.domain)
            except NotWhole as error:
                self.offenders.append(("input", f"%{name}", str(error)))
        for node in self.source.nodes:
            self._attempt(node, rules)
        if not self.offenders:
            self._close()

    def _attempt(self, node: Node, rules: Mapping[type[Op], Rule]) -> None:
        try:
            if type(node.op) not in rules:
                raise NotWhole("does not stay within whole numbers")
            if not self.is_open(node) and any(value not in self.wholes for value in node.inputs):
                return
            rules[type(node.op)](self, node, [self.wholes[v] for v in node.inputs if v in self.wholes])
        except NotWhole as error:
            self.offenders.append((node.op.mnemonic, node.scope or node.name, str(error)))

    def is_open(self, node: Node) -> bool:
        """Whether its operand comes after it, as only a Delay's can."""
        return any(self._places.get(value, -1) >= self._places[node.name] for value in node.inputs)

    def graph(self) -> Graph:
        """The graph of whole numbers; its values bear the source's names."""
        return Graph(self.source.inputs, tuple(self._nodes), self.source.outputs, self.weights, self.steps)

    def emit(
        self,
        node: Node,
        *results: Whole,
        op: Op | None = None,
        inputs: Sequence[str] | None = None,
        codes: Mapping[str, Codes] | None = None,
    ) -> str:
        """Adds what became of `node`: its results, and its weights as whole numbers by slot."""
        weights = {}
        for slot, array in (codes or {}).items():
            weights[slot] = f"{node.name}.{slot}"
            self.weights[weights[slot]] = Weight(array.astype(np.int64), Role.CONSTANT, IntFormat(64))
        lowered = replace(node, op=op or node.op, inputs=node.inputs if inputs is None else tuple(inputs))
        self._nodes.append(replace(lowered, weights=weights))
        self.wholes.update(zip(node.results, results, strict=True))
        self.types.update(node.results)
        return node.name

    def codes(self, node: Node, slot: str) -> tuple[Codes, Fraction]:
        """A weight's whole numbers and their unit.

        Raises:
            NotWhole: it has none.
        """
        name = node.weights[slot]
        try:
            return codes_of(self.source.weights[name])
        except NotWhole as error:
            raise NotWhole(f"its weight '{name}' {error}") from error

    def part(
        self,
        node: Node,
        suffix: str,
        op: Op,
        *inputs: str,
        result: Whole,
        codes: Mapping[str, Codes] | None = None,
    ) -> str:
        """Adds a node that the source does not have, of the type of `node`'s first result, and gives its name."""
        added = Node(f"{node.name}:{suffix}", op, inputs, types=(node.type,), scope=node.scope)
        return self.emit(added, result, codes=codes)

    def aligned(self, value: str, unit: Fraction) -> str:
        """`value` in a finer unit; `wholes` says what it then is."""
        whole = self.wholes[value]
        factor = times(whole.unit, unit)
        name = value if factor == 1 else f"{value}:{factor}"
        if name not in self.wholes:
            held = factor if whole.bound else 1  # zeros are zeros in any unit, one beyond 63 bits too
            made = Node(name, Scale(float(held)), (value,), types=(self.types[value],))
            self.emit(made, Whole(unit, whole.bound * factor))
        return name

    def leave_open(self, node: Node, codes: Mapping[str, Codes]) -> None:
        """Adds a Delay whose operand is not known yet, in the unit that its type declares.

        Raises:
            NotWhole: it declares none.
        """
        self.emit(node, range_of(node.type.domain), codes=codes)
        self._open.append(node)

    def _close(self) -> None:
        """Gives the open Delays their operands."""
        for node in self._open:
            (value,) = node.inputs
            unit = self.wholes[node.name].unit
            if (self.wholes[value].unit / unit).denominator != 1:
                reason = f"what comes back is in multiples of {self.wholes[value].unit}, not of {unit}"
                self.offenders.append((node.op.mnemonic, node.scope or node.name, reason))
                continue
            at = next(i for i, n in enumerate(self._nodes) if n.name == node.name)
            self._nodes[at] = replace(self._nodes[at], inputs=(self.aligned(value, unit),))
