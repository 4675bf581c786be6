"""A network in Lava's fixed point, reckoned from its folded graph by integers of the tests' own, not quantize's.

Drives are worked out in fp64, exactly: what is rounded are weights and biases, by `lava_integers.py`, which makes the
neurons' spikes too. Neither has a line of the pass. What ops do that round nothing is left to the kernels of the
interpreter.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import log2, prod

import numpy as np
import torch
import zoo_lava_integers as lava
from torch import Tensor

from hwmodels.counting import NEURONS
from passes.manager import run
from spikec.errors import StateOverflow
from spikec.ir.arithmetic import Add, MatMul, Mul, Scale
from spikec.ir.graph import Graph, Node
from spikec.ir.linear import Conv1d, Conv2d, Linear
from spikec.ir.neurons import IF, LIF, PLIF, CubaLIF
from spikec.ir.pools import AvgPool, Mean
from spikec.ir.shapes import Concat, Constant
from spikec.ir.text import parse
from spikec.ir.time import Delay
from spikec.ir.types import REAL, Domain, Int
from spikec.run.interp import Interpreter, compute

FOLDED = ("canonicalise", "fold-batchnorm", "fold-scale", "unroll-levels")
BYTE = Int(-128, 127, 1 / 64)
"""An image in eight bits, from -2 to 2."""
MEMBRANE = 2**23 - 1
NEARER = 0.75
"""Of what differs by chance: eight bits a weight flip spikes near their thresholds, and those what comes after them."""


@dataclass(frozen=True)
class Rounded:
    """What fixed point did to a network.

    Args:
        differing: spikes that are others than those of the network in floating point.
        spikes: compared.
        chance: as many would differ between networks that have nothing but their layers' rates in common.
        beyond: the nodes whose membranes need more than 24 bits; the run is then refused, and none compared.
    """

    differing: int
    spikes: int
    chance: float
    beyond: tuple[str, ...] = ()

    def __str__(self) -> str:
        if self.beyond:
            return f"beyond 24 bits: {', '.join(self.beyond)}"
        return f"{self.differing / self.spikes:.2%} of spikes differ, by chance {self.chance / self.spikes:.2%}"


@dataclass(frozen=True, eq=False)
class Value:
    """What a node gives.

    Args:
        numbers: [T, B, ...] in fp64.
        k: all of them are whole multiples of 2^-k; None where they are of nothing.
        peak: the greatest magnitude of a neuron's membrane in its own units: before it is reset, unless a current
            drives it.
    """

    numbers: Tensor
    k: int | None
    peak: int = 0


def check_fixed(graph: Graph, data: Mapping[str, np.ndarray], *dtypes: torch.dtype) -> Rounded:
    """The quantised graph's spikes are the reckoned ones in every format, and every layer is alive.

    Where a membrane needs more than 24 bits, the run says so of a node of which it is true.

    Raises:
        UnsupportedOp: quantize refuses the graph.
    """
    folded = run(graph, FOLDED).graph
    fixed = run(folded, ["quantize"]).graph
    assert run(fixed, ["quantize"]).graph is fixed
    assert parse(fixed.text(), fixed.weights).sha256 == fixed.sha256
    found = reckoned(folded, {name: torch.from_numpy(x) for name, x in data.items()})
    beyond = tuple(name for name, value in found.items() if value.peak > MEMBRANE)
    for dtype in dtypes:
        values, refused = held(fixed, data, dtype, [*found, *fixed.outputs])
        if refused:
            assert refused in {fixed.node(name).scope for name in beyond}, f"{refused} is not one of {beyond}"
            return Rounded(0, 0, 0.0, beyond)
        for name, value in found.items():
            wrong = int((values[name] != value.numbers).sum())
            assert not wrong, f"{wrong} of {value.numbers.numel()} spikes of {name}, quantised, differ in {dtype}"
        assert all(torch.isfinite(values[name]).all() for name in fixed.outputs)
    assert not beyond, f"{beyond} need more than 24 bits, and nothing was said"
    before = Interpreter().run(folded, data, keep=list(found))
    compared = [(before[name], value.numbers) for name, value in found.items()]
    for name, (_, spikes) in zip(found, compared, strict=True):
        assert 0 < float(spikes.mean()) < 1, f"{name}, quantised, is silent or fires at every step"
    rounded = Rounded(
        sum(int((one != other).sum()) for one, other in compared),
        sum(one.numel() for one, _ in compared),
        sum(by_chance(float(one.mean()), float(other.mean())) * one.numel() for one, other in compared),
    )
    assert rounded.differing < NEARER * rounded.chance, str(rounded)
    return rounded


def held(
    fixed: Graph, data: Mapping[str, np.ndarray], dtype: torch.dtype, keep: Sequence[str]
) -> tuple[Mapping[str, Tensor], str]:
    """The values of a run; or the module path of the neuron whose membrane did not fit."""
    try:
        return Interpreter(dtype).run(fixed, data, keep=keep), ""
    except StateOverflow as error:
        return {}, error.where


def by_chance(one: float, other: float) -> float:
    """How many of the spikes of two layers differ that fire at these rates and know nothing of each other."""
    return one * (1 - other) + other * (1 - one)


def of_bytes(graph: Graph, data: Mapping[str, np.ndarray]) -> tuple[Graph, dict[str, np.ndarray]]:
    """A graph of images, and images, in bytes: integers, so that nothing in it is left in floating point."""
    head, _, rest = graph.text().partition("\n")
    assert head.count("real") == len(graph.inputs) == 1
    whole = parse("\n".join([head.replace("real", str(BYTE)), rest]), graph.weights)
    return whole, {name: np.clip(np.round(x * 64), BYTE.lo, BYTE.hi) / 64 for name, x in data.items()}


def reckoned(graph: Graph, inputs: Mapping[str, Tensor]) -> dict[str, Value]:
    """What every neuron gives; a loop is gone through again until it stays: a step more is right every time."""
    behind: dict[str, Value] = {}  # what delays took when they were last gone through
    batch = samples(graph, inputs)
    for _ in range(graph.steps + 2):
        values = {name: Value(inputs[name], k_of(kind.domain)) for name, kind in graph.inputs.items()}
        for node in graph.nodes:
            if isinstance(node.op, Delay):
                silent = Value(torch.zeros(graph.steps, batch, *node.type.shape).double(), 0)
                values[node.name] = result(graph, node, [behind.get(node.inputs[0], silent)])
            else:
                value = result(graph, node, [values[name] for name in node.inputs])
                many = value.numbers if node.inputs else value.numbers.expand(batch, *node.type.shape)
                values[node.name] = replace(value, numbers=many)
        taken = {node.inputs[0]: values[node.inputs[0]] for node in graph.nodes_of(Delay)}
        if all(name in behind and torch.equal(behind[name].numbers, new.numbers) for name, new in taken.items()):
            return {node.name: values[node.name] for node in graph.nodes_of(*NEURONS)}
        behind = taken
    raise AssertionError("the loops do not come to rest")


def samples(graph: Graph, inputs: Mapping[str, Tensor]) -> int:
    """B."""
    ((name, kind),) = graph.inputs.items()
    return inputs[name].shape[inputs[name].ndim - len(kind.shape) - 1]


def k_of(domain: Domain) -> int | None:
    return None if domain == REAL else -int(log2(domain.scale))


def result(graph: Graph, node: Node, operands: Sequence[Value]) -> Value:
    """What a node gives: of a neuron its spikes."""
    ks = [value.k for value in operands]
    if isinstance(node.op, NEURONS) and None not in ks:
        return fired(graph, node, operands[0])
    weights = {name: torch.as_tensor(np.array(weight.values)).double() for name, weight in graph.weights.items()}
    given = [value.numbers for value in operands]
    if isinstance(node.op, (Conv1d, Conv2d, Linear, Constant)):
        own, k = rounded(graph, node, ks[0] if ks else 0)
        return Value(compute(node, given, weights | own, graph.steps)[0], k)
    numbers = compute(node, given, weights, graph.steps)[0]
    if isinstance(node.op, NEURONS):
        return Value(numbers, 0)
    return Value(numbers, None if None in ks else KS.get(type(node.op), same)(graph, node, ks))


def rounded(graph: Graph, node: Node, k: int | None) -> tuple[dict[str, Tensor], int | None]:
    """A linear op's weights, or a Constant, in eight bits; biases in 13; and the k of what it gives."""
    name = node.weights["value" if isinstance(node.op, Constant) else "weight"]
    codes, own = lava.codes_of(graph.weights[name].values)
    found = {name: torch.as_tensor(codes * 2.0**-own)}
    k = None if k is None else k + own
    if "bias" in node.weights:
        mantissa, bias = lava.codes_of(
            graph.weights[node.weights["bias"]].values, 13, **({} if k is None else {"finest": k})
        )
        found[node.weights["bias"]] = torch.as_tensor(mantissa * 2.0**-bias)
    return found, k


def fired(graph: Graph, node: Node, drive: Value) -> Value:
    """The spikes of a neuron by Lava's rule, its voltages counted from the one at which it rests."""
    assert isinstance(node.op, (IF, LIF, PLIF, CubaLIF))
    numbers = {slot: graph.weights[name].values.astype(np.float64) for slot, name in node.weights.items()}
    if isinstance(node.op, PLIF):
        numbers["tau"] = 1 + np.exp(-numbers.pop("w"))
    soft, strict = node.op.reset == "soft", node.op.fires_at == ">"
    gain = numbers["tau"] if getattr(node.op, "decay_input", False) else 1.0
    to = numbers.get("v_reset", np.zeros(()))
    rest = 0 * to if isinstance(node.op, IF) and soft else numbers.get("v_leak", to)
    start = numbers.get("v0", to if isinstance(node.op, IF) else rest)
    above, to, start = (np.asarray((v - rest) * gain * 2.0**drive.k) for v in (numbers["v_threshold"], to, start))
    threshold = np.round(above) if soft else np.floor(above) if strict else np.ceil(above) - 1
    shares = {key: left(numbers, *slots) for key, slots in {"m": ("beta", "tau"), "i": ("alpha", "tau_syn")}.items()}
    whole = drive.numbers.numpy() * 2.0**drive.k
    codes, first = whole.astype(np.int64), np.round(64 * start).astype(np.int64)
    assert (codes == whole).all()
    spikes, v = lava.neuron_in_integers(
        codes,
        threshold.astype(np.int64),
        **{key: share for key, share in shares.items() if share is not None},
        reset=node.op.reset,
        to=0 if soft else np.round(64 * to).astype(np.int64),
        start=first,
        late=node.op.reset_delay,
        strict=strict or not soft,
    )
    if not node.op.reset_delay and shares["i"] is None:  # what it was before it was reset
        before = np.concatenate([np.broadcast_to(first, v[:1].shape), v[:-1]])
        v = lava.share(before, 4096 if shares["m"] is None else shares["m"]) + 64 * codes
    return Value(torch.from_numpy(spikes).double(), 0, int(np.abs(v).max()))


def left(numbers: Mapping[str, np.ndarray], share: str, tau: str) -> np.ndarray | None:
    """Of 4096 parts those that a step leaves."""
    if share in numbers:
        return np.round(4096 * numbers[share]).astype(np.int64)
    return np.round(4096 * (1 - 1 / numbers[tau])).astype(np.int64) if tau in numbers else None


def same(graph: Graph, node: Node, ks: Sequence[int]) -> int:
    """The finest of what it takes."""
    return max(ks)


def halves(count: float) -> int:
    """How many times 2 divides the whole of it."""
    assert log2(count).is_integer()
    return int(log2(count))


def averaged(graph: Graph, node: Node, ks: Sequence[int]) -> int | None:
    terms = prod(graph.types[node.inputs[0]].shape) // prod(node.type.shape)
    count = prod(node.op.kernel) if isinstance(node.op, AvgPool) else terms
    return ks[0] + halves(count) if log2(count).is_integer() else None


Rule = Callable[[Graph, Node, Sequence[int]], int | None]
KS: dict[type, Rule] = {
    Add: same,
    Concat: same,
    MatMul: lambda graph, node, ks: sum(ks),
    Mul: lambda graph, node, ks: sum(ks),
    Scale: lambda graph, node, ks: ks[0] - halves(abs(node.op.factor)),
    AvgPool: averaged,
    Mean: averaged,
}
"""The k of what an op gives; that of any other is its operand's."""
