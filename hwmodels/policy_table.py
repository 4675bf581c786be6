"""docs/policy.md, written from the tables that do the counting."""

from __future__ import annotations

from collections.abc import Iterable

from hwmodels.counting import ASIDES, ASKS, MACS, NEURONS, PRODUCTS, ROWS, UNPRICED, WEIGHTED, Operand, Row
from hwmodels.policies import POLICIES, Preset
from hwmodels.spikingjelly import RULES
from hwmodels.syops import OPERATIONS, UPDATES
from spikec.cost import Policy
from spikec.ir.neurons import IF, LIF, PLIF
from spikec.ir.op import Op
from spikec.ir.shapes import Upsample

VALUES: dict[str, dict[str, str]] = {
    "counting": {
        "events": "exact: the values of the operands of a run times the outputs that they reach, borders included",
        "rate": "rate x steps x dense operations, as papers do; borders and rates inside a layer are averaged away",
        "spikingjelly": "by SpikingJelly's rules, below; no other field has a say",
        "syops": "by those of syops, below; no other field has a say",
    },
    "multibit": {
        "unit": "a value of integer code n costs n accumulates",
        "ac": "a nonzero input costs one accumulate",
        "mac": "a nonzero input of a multi-bit stream costs one MAC",
    },
    "zero_weights": {
        "count": "a connection of weight zero counts",
        "skip": "it does not",
    },
    "first_layer": {
        "once": "layers before the first neuron run once where a Repeat feeds them the same input at every step",
        "per-step": "they run at every step",
    },
    "ssa": {
        "graph": "attention is multiplied in the order traced",
        "qk": "(q k^T) v: N^2 d operations a head for each product",
        "kv": "q (k^T v): N d^2 operations a head for each product",
    },
    "bias": {
        "apart": "adding a bias is counted as bias_add",
        "in-ops": "it is one of the layer's operations, and billed as they are",
    },
    "rate_of": {
        "mean": "a rate is the mean |n|, so that a value n counts n times",
        "nonzero": "a rate is the fraction of nonzero values",
    },
    "rate_over": {
        "inference": "a rate is over all steps together",
        "step": "a rate is of each step, so that the smaller of two may be another at another step; not of given rates",
    },
    "domain": {
        "inferred": "AC or MAC follows from the type of the operand",
        "observed": "NeuroBench's rule: every nonzero counts, as MAC where any value of the operand in the whole run "
        "(all samples, all steps) is none of -1, 0, 1, else as AC; events only, and `multibit` has no say",
    },
    "attention": {
        "count": "products of two activations are synaptic operations",
        "skip": "they are listed as product_left_out, with their dense operations",
        "coincidence": "on chips whose synapses take spikes, neurons that fire where two spikes meet; else as count",
    },
    "memory": {
        "piecewise": "of chips of model memory alone: an access costs by straight lines between the sizes of the "
        "chip file, level beyond the largest; [memory.md](memory.md) has what else it means",
        "line": "by one straight line fitted to them",
    },
}

OPERANDS: dict[Operand, str] = {
    Operand.UNARY: "spikes (codes -1, 0, 1)",
    Operand.MULTIBIT: "multi-bit integers",
    Operand.REAL: "Real",
}

FORMULAS: dict[tuple[tuple[type[Op], ...], str], str] = {
    (WEIGHTED, "nonzero"): "nonzero inputs x fan-out",
    (WEIGHTED, "magnitude"): "sum of \\|n\\| x fan-out",
    (PRODUCTS, "nonzero"): "pairs of nonzero factors",
    (PRODUCTS, "magnitude"): "sum of \\|a\\| \\|b\\| over products",
}

HEAD = """# How operations are counted

Written by `scripts/make-docs` from the tables that do the counting (`hwmodels/counting.py`); do not edit it here.

A count is over all steps of an inference; an op of timing *once* counts once. An input of value n is the integer code
|n|, before its scale. Of a product's two operands the greater class decides (spikes < multi-bit < Real). A fan-out
is the number of outputs that an input element really reaches: stride, padding, dilation and groups included.
"""

RATE = """## Under `counting = rate`

    count = rate x steps x dense operations

Dense operations are MACs of one step, borders included (and the bias with `bias = in-ops`). Whether they are AC or MAC
stands in the table above; `rate_of`, not `multibit`, says what a value n counts. The rate is the operand's; of a
product of two spike tensors the smaller of the two rates, where one alone is spikes its rate; of a Real operand 1.
For attention in the order `kv` that is T H N d^2 (min(fr_k, fr_v) + fr_q). `first_layer` and `ssa` change the formula
here; under `events` they choose a pass (`hoist-repeat`, `reorder-attention`), so that the priced graph changes.
"""

FOREIGN = """## Under `counting = spikingjelly` and `counting = syops`

The rules of another library, applied to the graph: what its counter would say of the network that the graph was traced
from. It judges whole tensors, over all samples and steps of a run, as in multi-step networks; a neuron's sums step by
step. [counters.md](counters.md) says how far each is held to the library itself, and what cannot be known from a graph.

SpikingJelly 2.0.0, `estimate_simple_energy`, torch backend. Its memory terms are counted in 32-bit words.
"""

SYOPS = """syops 0.0.5, which sees modules of torch alone. Operations are AC times the rate of the layer's input where
that holds at most two values, all within 0..1, else MAC.
"""

LEFT = """## Counted beside them

Never part of the synaptic operations, priced only where a chip file has a term for the kind, else listed under
`left_out` with their counts: for each sample, and for each step where the operand changes with the steps.
"""


def policy_table_markdown() -> str:
    """The text of docs/policy.md."""
    parts = [
        HEAD,
        "## Policy\n",
        _table(("field", "value", "meaning"), _fields()),
        "An asterisk marks the default.\n",
        "## Synaptic operations of Conv, Linear, MatMul and Mul under `counting = events`\n",
        _table(("op", "operands", "multibit", "counted", "as"), (row for ops in FAMILIES for row in _rows(ops))),
        RATE,
        FOREIGN,
        _table(("op", "counts"), _spikingjelly()),
        SYOPS,
        _table(("op", "operations"), _syops()),
        LEFT,
        _table(("op", "kind", "number"), _asides()),
        "## Presets\n",
        _table(("policy", "sets", "pipeline", "counts as"), map(_preset, POLICIES.items())),
    ]
    return "\n".join(parts)


FAMILIES: tuple[tuple[type[Op], ...], ...] = (WEIGHTED, PRODUCTS)


def _fields() -> Iterable[tuple[str, ...]]:
    for name, choices in Policy.choices().items():
        for index, value in enumerate(choices):
            shown = f"`{value}`*" if index == 0 else f"`{value}`"
            yield (f"`{name}`" if index == 0 else "", shown, VALUES[name][value].replace("|", "\\|"))


def _rows(ops: tuple[type[Op], ...]) -> Iterable[tuple[str, ...]]:
    assert all(op in ASKS for op in ops)
    for row in ROWS:
        yield (", ".join(op.mnemonic for op in ops), *_row(ops, row))


def _row(ops: tuple[type[Op], ...], row: Row) -> tuple[str, ...]:
    every = len(row.multibit) == len(Policy.choices()["multibit"])
    policy = "any" if every else ", ".join(f"`{value}`" for value in row.multibit)
    return OPERANDS[row.operand], policy, FORMULAS[ops, row.size], row.bills


def _spikingjelly() -> Iterable[tuple[str, ...]]:
    ops_of: dict[str, list[str]] = {}
    for op, rule in RULES.items():
        words = "nothing" if rule is None else " ".join((rule.__doc__ or "").split("\n\n")[0].split())
        ops_of.setdefault(words, []).append(op.mnemonic)
    for words, ops in ops_of.items():
        yield ", ".join(ops), words.replace("|", "\\|")
    yield "any other neuron", "refused by name"


def _syops() -> Iterable[tuple[str, ...]]:
    ops_of: dict[str, list[str]] = {}
    for op, function in OPERATIONS.items():
        ops_of.setdefault(" ".join((function.__doc__ or "").split()), []).append(op.mnemonic)
    for words, ops in ops_of.items():
        yield ", ".join(ops), words
    yield ", ".join(op.mnemonic for op in UPDATES), "an AC an update, at any rate"
    yield Upsample.mnemonic, "refused by name"
    yield "any other", "nothing: it is not seen"


def _asides() -> Iterable[tuple[str, ...]]:
    for op, macs in MACS.items():
        yield (op.mnemonic, "mac", f"{macs} an element, among the synaptic operations")
    for op in UNPRICED:
        yield (op.mnemonic, "refused", "an exponential is no multiply-accumulate")
    for op, beside in ASIDES.items():
        if op in MACS:
            continue
        kind, words = (beside.kind, beside.words) if beside else ("", "nothing")
        yield (op.mnemonic, kind, words)
    yield (", ".join(op.mnemonic for op in NEURONS), "spike", "spikes emitted; of several levels their sum")
    layers, neurons = ", ".join(op.mnemonic for op in WEIGHTED), ", ".join(op.mnemonic for op in (LIF, IF, PLIF))
    foreign = "with `counting = spikingjelly`; a chip of model memory has rules of its own"
    yield (layers, "read_weight", f"one an operation, {foreign}")
    yield (layers, "read_bias", f"one an output, where there is a bias, {foreign}")
    for kind in ("read_potential", "write_potential"):
        yield (neurons, kind, f"one an update, {foreign}")
    yield ("matmul, mul", "product_left_out", "dense operations, with `attention = skip` alone")


def _preset(item: tuple[str, Preset]) -> tuple[str, ...]:
    name, preset = item
    default = Policy()
    changed = {
        field: getattr(preset.policy, field)
        for field in Policy.choices()
        if getattr(preset.policy, field) != getattr(default, field)
    }
    sets = ", ".join(f"`{field} = {value}`" for field, value in changed.items())
    pipeline = "the chip's" if preset.pipeline is None else (str(list(preset.pipeline)) if preset.pipeline else "none")
    return (f"`{name}`", sets, pipeline, preset.words)


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)
