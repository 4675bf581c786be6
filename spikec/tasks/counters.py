"""Every named policy on one network, part by part: the table of docs/counters.md."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from hwmodels.counting import NEURONS, WEIGHTED, Operand, operand_of
from hwmodels.policies import POLICIES, Preset
from hwmodels.registry import load as load_hardware
from spikec.cost import Policy
from spikec.errors import UsageError
from spikec.ir.arithmetic import Add, MatMul, Mul
from spikec.ir.graph import Graph, Node
from spikec.ir.linear import BatchNorm
from spikec.ir.op import Op
from spikec.ir.pools import AvgPool, MaxPool, Mean, Sum, SumPool
from spikec.ir.time import TimeMean, TimeSum
from spikec.ir.types import Timing
from spikec.model import Model
from spikec.tasks.estimation import Question, samples_of
from spikec.tasks.pricing import Priced, price

DEFAULT = Preset(Policy(), "exact events")
CHIPS: dict[str, tuple[str, ...]] = {
    "45nm": ("", "neurobench", "spikformer-paper", "spikingjelly", "syops"),
    "45nm-spikingjelly": ("spikingjelly",),
    "45nm-memory": ("", "lemaire"),
}
"""The named policies that each chip is asked under, '' being the default. Memory is priced by the last two alone."""

LAYERS = ("first layer", "layers of the stream", "other layers", "head")
OTHERS: dict[str, tuple[type[Op], ...]] = {
    "attention": (MatMul, Mul),
    "norms": (BatchNorm,),
    "neurons": NEURONS,
    "pools, means": (MaxPool, AvgPool, SumPool, Mean, Sum, TimeMean, TimeSum),
    "sums": (Add,),
}
PARTS = (*LAYERS, *OTHERS)
BEGIN, END = "<!-- begin: scripts/make-counters -->\n", "<!-- end -->\n"


@dataclass(frozen=True)
class Row:
    """What one policy says of a network on one chip.

    Args:
        chip: its name.
        policy: its name, '' for the default.
        parts_nj: nJ per inference by part, in the order of `PARTS`.
    """

    chip: str
    policy: str
    parts_nj: tuple[float, ...]

    @property
    def total_nj(self) -> float:
        """nJ per inference."""
        return math.fsum(self.parts_nj)


def rows_of(model: Model) -> list[Row]:
    """Every named policy on a network's calibration batch, by chip.

    Raises:
        DataError: the model's file holds no calibration batch.
        UnsupportedOp: a policy does not take a node of the network.
    """
    inputs = samples_of(model, Question()).inputs
    found = []
    for name, policies in CHIPS.items():
        chip = load_hardware(name)
        for policy in policies:
            named = POLICIES[policy] if policy else DEFAULT
            priced = price(model.graph, inputs, model.graph.steps, chip, named.policy, named.pipeline)
            found.append(Row(name, policy, _by_part(priced)))
    return found


def part_of(graph: Graph, node: Node) -> str | None:
    """The part of a network that a node belongs to; None where it moves values alone.

    The first layer takes in what no neuron has made; the head runs once, behind the mean over time; layers of the
    stream take in integers of several bits, sums of spikes, and the other layers spikes.
    """
    if not isinstance(node.op, WEIGHTED):
        return next((part for part, ops in OTHERS.items() if isinstance(node.op, ops)), None)
    operand = operand_of(graph.types[node.inputs[0]])
    if operand is not Operand.REAL:
        return "other layers" if operand is Operand.UNARY else "layers of the stream"
    spiking = _neurons_before(graph, node)
    return "head" if spiking and node.type.timing is Timing.ONCE else "other layers" if spiking else "first layer"


def tables(rows: Sequence[Row]) -> str:
    """Two Markdown tables: energies by part, and each part's share of its policy's total."""
    head = ("chip", "policy", "total", *PARTS)
    energies = (tuple(map(_short, (row.total_nj, *row.parts_nj))) for row in rows)
    shares = (("100", *(f"{100 * part / row.total_nj:.1f}" if part else "-" for part in row.parts_nj)) for row in rows)
    arithmetic = [row.total_nj for row in rows if row.chip == "45nm"]
    factor = max(arithmetic) / min(arithmetic)
    return (
        f"nJ an inference:\n\n{_table(head, rows, energies)}\n"
        f"On 45nm, which prices arithmetic alone, the dearest says {factor:.1f} times what the cheapest does.\n\n"
        f"Percent of each total:\n\n{_table(head, rows, shares)}"
    )


def page(text: str, model: Model) -> str:
    """A page whose part between `BEGIN` and `END` is anew the tables of a network.

    Raises:
        UsageError: it has no such part.
    """
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise UsageError("a page without a place for the tables", expected=f"{BEGIN.strip()} and {END.strip()}")
    graph = model.graph
    facts = f"Of the graph `{graph.sha256[:12]}`, {graph.parameters:,} parameters, T = {graph.steps}. "
    return f"{before}{begin}{facts}{tables(rows_of(model))}{end}{after}"


def _by_part(priced: Priced) -> tuple[float, ...]:
    spent: dict[str, list[float]] = {part: [] for part in PARTS}
    for cost in priced.costs:
        part = part_of(priced.graph, priced.graph.node(cost.node))
        energies = list(cost.energy_pj.values())
        assert part is not None or not any(energies)
        if part is not None:
            spent[part] += energies
    return tuple(math.fsum(energies) / priced.samples / 1e3 for energies in spent.values())


def _neurons_before(graph: Graph, node: Node) -> bool:
    """Whether a neuron feeds a node, near or far."""
    seen, waiting = set(), list(node.inputs)
    while waiting:
        value = waiting.pop()
        source = graph.producers.get(value)
        if source is None or source.name in seen:
            continue
        if isinstance(source.op, NEURONS):
            return True
        seen.add(source.name)
        waiting += source.inputs
    return False


def _short(energy_nj: float) -> str:
    return f"{energy_nj:.1f}" if energy_nj else "-"


def _table(head: tuple[str, ...], rows: Sequence[Row], cells: Iterable[tuple[str, ...]]) -> str:
    named = (
        (row.chip, f"`{row.policy}`" if row.policy else "default", *rest) for row, rest in zip(rows, cells, strict=True)
    )
    lines = [head, ("---", "---", *("---:" for _ in head[2:])), *named]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
