"""What is counted for each op: one table, which is both the code and (by `hwmodels.policy_table`) docs/policy.md.

Synaptic operations, the products of activations with weights or with each other, are looked up by the domains of
their operands and the policy in `ROWS`, and asked of a runner as `ASKS` says. Everything else a node does is
counted beside them, by the kinds of `ASIDES`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from math import prod
from typing import Literal, Protocol, get_args

import numpy as np
from numpy.typing import NDArray

from spikec.cost import Activity, Multibit, Probe, ProbeKind
from spikec.errors import UnsupportedOp
from spikec.ir.arithmetic import Add, MatMul, Mul, Scale
from spikec.ir.graph import Graph, Node
from spikec.ir.integrators import LI, I
from spikec.ir.linear import BatchNorm, Conv1d, Conv2d, Linear
from spikec.ir.neurons import IF, LIF, PLIF, Alpha, CubaLIF, MultiLevelSpike, Threshold
from spikec.ir.op import Op
from spikec.ir.pools import AvgPool, MaxPool, Mean, Pool, Sum, SumPool
from spikec.ir.real import Exp, Gelu, LayerNorm, Softmax
from spikec.ir.shapes import Concat, Constant, Expand, Pad, Reshape, Slice, Transpose, Upsample
from spikec.ir.time import Delay, Repeat, TimeLast, TimeMean, TimeSum
from spikec.ir.types import Int, TensorType, Timing

Synaptic = Literal["ac", "mac"]
Aside = Literal[
    "bias_add",
    "residual_add",
    "neuron_update",
    "spike",
    "batchnorm",
    "scale",
    "pool",
    "mean",
    "product_left_out",
    "read_weight",
    "read_bias",
    "read_potential",
    "write_potential",
]
SYNAPTIC: tuple[str, ...] = get_args(Synaptic)

WEIGHTED: tuple[type[Op], ...] = (Conv1d, Conv2d, Linear)
PRODUCTS: tuple[type[Op], ...] = (MatMul, Mul)
NEURONS: tuple[type[Op], ...] = (LIF, IF, PLIF, CubaLIF, Alpha, MultiLevelSpike, Threshold)

PerSample = NDArray[np.int64] | NDArray[np.float64]


class Operand(IntEnum):
    """What an operand can hold; of two operands the greater decides."""

    UNARY = 0
    MULTIBIT = 1
    REAL = 2


def operand_of(kind: TensorType) -> Operand:
    """The class of one value."""
    if isinstance(kind.domain, Int):
        return Operand.UNARY if kind.domain.is_unary else Operand.MULTIBIT
    return Operand.REAL


def operand_of_node(graph: Graph, node: Node) -> Operand:
    """The class that decides for a node: its operands' greatest."""
    return max(operand_of(graph.types[value]) for value in node.inputs)


Size = Literal["magnitude", "nonzero"]


@dataclass(frozen=True)
class Row:
    """One row of the table: for operands of a class, under these values of `multibit`, what a value counts as."""

    operand: Operand
    multibit: tuple[Multibit, ...]
    size: Size
    bills: Synaptic


ROWS: tuple[Row, ...] = (
    Row(Operand.UNARY, ("unit", "ac", "mac"), "nonzero", "ac"),
    Row(Operand.MULTIBIT, ("unit",), "magnitude", "ac"),
    Row(Operand.MULTIBIT, ("ac",), "nonzero", "ac"),
    Row(Operand.MULTIBIT, ("mac",), "nonzero", "mac"),
    Row(Operand.REAL, ("unit", "ac", "mac"), "nonzero", "mac"),
)


def row_of(operand: Operand, multibit: Multibit) -> Row:
    """The row that holds for operands of a class under a policy."""
    (found,) = (row for row in ROWS if row.operand is operand and multibit in row.multibit)
    return found


_WEIGHTED_ASKS: Mapping[Size, ProbeKind] = {"magnitude": "sum", "nonzero": "nonzero"}
ASKS: dict[type[Op], Mapping[Size, ProbeKind]] = {
    Conv1d: _WEIGHTED_ASKS,
    Conv2d: _WEIGHTED_ASKS,
    Linear: _WEIGHTED_ASKS,
    MatMul: {"magnitude": "coincidence", "nonzero": "coincidence-nonzero"},
    Mul: {"magnitude": "overlap", "nonzero": "overlap-nonzero"},
}


@dataclass(frozen=True)
class Beside:
    """What a node does beside synaptic operations: so many of a kind, a sample and a step of its operand."""

    kind: Aside
    number: Callable[[Graph, Node], int]
    words: str


def _results(graph: Graph, node: Node) -> int:
    return node.type.elements


def _operands(graph: Graph, node: Node) -> int:
    return graph.types[node.inputs[0]].elements


def _windows(graph: Graph, node: Node) -> int:
    assert isinstance(node.op, Pool)
    return node.type.elements * prod(node.op.kernel)


def _biases(graph: Graph, node: Node) -> int:
    return node.type.elements if "bias" in node.weights else 0


_BIAS = Beside("bias_add", _biases, "elements of the result, where there is a bias")
_UPDATE = Beside("neuron_update", _results, "neurons")
_POOL = Beside("pool", _windows, "elements of the result times the window's size")
_MEAN = Beside("mean", _operands, "elements summed over")

MACS: dict[type[Op], int] = {LayerNorm: 2}
"""MACs an element of ops on real numbers: of a LayerNorm one for the variance, one for scale and shift. The mean's
additions and the root, one a token, are left away."""

UNPRICED: tuple[type[Op], ...] = (Exp, Gelu, Softmax)
"""Exponentials are no multiply-accumulates: an estimate of a network that has them is refused by name."""

# None: the op moves values and does nothing that is counted. An op in no row is refused by name.
ASIDES: dict[type[Op], Beside | None] = {
    Conv1d: _BIAS,
    Conv2d: _BIAS,
    Linear: _BIAS,
    MatMul: None,
    Mul: None,
    Add: Beside("residual_add", _results, "elements"),
    **dict.fromkeys((*NEURONS, LI, I), _UPDATE),
    LayerNorm: None,
    BatchNorm: Beside("batchnorm", _results, "elements"),
    Scale: Beside("scale", _results, "elements"),
    MaxPool: _POOL,
    AvgPool: _POOL,
    SumPool: _POOL,
    Sum: _MEAN,
    Mean: _MEAN,
    TimeMean: _MEAN,
    TimeSum: _MEAN,
    **dict.fromkeys((TimeLast, Repeat, Delay)),
    **dict.fromkeys((Reshape, Transpose, Expand, Concat, Slice, Pad, Upsample, Constant)),
}


class Tally(Protocol):
    """One way of counting a graph: exact events, rate times dense operations, or another library's own rules."""

    def probes(self, node: Node) -> Iterable[Probe]:
        """What must be asked of a runner for this node."""
        ...

    def counts(self, node: Node, activity: Activity) -> dict[str, PerSample]:
        """Every kind of count that the node has, [samples] each; a kind of which it can have none is absent."""
        ...

    def rate(self, node: Node, activity: Activity) -> float | None:
        """Mean |n| an element and step of what the node takes in, or of what a neuron emits; None for Real."""
        ...


class SynapticTally(Tally, Protocol):
    """A tally that bills a node's synaptic operations as one kind; what else it counts `ASIDES` says."""

    def synaptic(self, node: Node, activity: Activity) -> tuple[Synaptic, PerSample] | None:
        """The kind that the node's operations are billed as, and their number [samples]; None where it has none."""
        ...

    def times(self, node: Node, steps: int) -> int:
        """How often an inference runs the node."""
        ...


def times_of(graph: Graph, node: Node, steps: int) -> int:
    """How often an inference of `steps` steps runs a node: its operand's timing decides."""
    operands = node.inputs or (node.name,)
    return steps if graph.types[operands[0]].timing is Timing.STEP else 1


def is_left_out(node: Node, attention: str) -> bool:
    """Whether the policy leaves a product of two activations uncounted."""
    return attention == "skip" and type(node.op) in PRODUCTS


def check_countable(graph: Graph, chip: str) -> None:
    """Checks that every op has its row.

    Raises:
        UnsupportedOp: lists every node whose op has none.
    """
    unknown = [node for node in graph.nodes if type(node.op) not in ASIDES]
    if unknown:
        why = "an exponential, which is no multiply-accumulate"
        offenders = [
            (node.op.mnemonic, graph.path_of(node), why if type(node.op) in UNPRICED else "no counting rule")
            for node in unknown
        ]
        raise UnsupportedOp(chip, offenders, nodes=len(graph.nodes))
