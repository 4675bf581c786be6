"""The proof that a graph is its network: made to fire, traced, replayed, passed, printed, priced, and run as a module.

`prove` is what the tests of the zoo call. It shares nothing with the replay of the tracer but the neurons' table:
spikes are taken by hooks of its own, and events of layers are counted by convolutions of ones.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor, nn
from zoo_fixed import FOLDED, Rounded, check_fixed, of_bytes
from zoo_lively import at_steps, enliven, fed, in_format, sample
from zoo_priced import check_events, energies

from hwmodels.counting import NEURONS
from hwmodels.registry import load
from passes.manager import PASSES, run
from spikec.errors import UnsupportedOp
from spikec.frontend.neurons.table import maker_of, reset
from spikec.frontend.tracer import Layout, traced
from spikec.ir.graph import Graph, Node
from spikec.ir.text import parse
from spikec.ir.types import REAL, Domain, Timing
from spikec.run.interp import Interpreter
from spikec.run.torch_module import to_torch

RATES = (0.01, 0.99)
EXACT = 1e-9
"""Of real values, relative to the largest of them where that is above 1."""
REFUSING = ("quantize",)
"""Passes that may refuse a network, by op and module path; every other must take it."""
FLIPPED = 1e-3
"""Of the spikes the share that may differ in fp32: of 10^6 membranes about one is so near to its threshold that the
24 bits of a sum in another order decide, and what it drives may follow it. Rounding that is more is a fault."""


@dataclass
class Proven:
    """What was found on the way; everything that must hold has been asserted.

    Args:
        graph: of the network, as traced.
        remarks: of the tracer.
        spikes: compared in fp64, of which none differs.
        differing: of as many, in fp32.
        fired: spikes, and neurons times steps, of every neuron layer by its node.
        refused: of the passes that refused it, by name, the ops and module paths that they named.
        rounded: what quantize did to it, as it is; and to a network of images with images in bytes.
        energies: pJ of a sample by policy.
    """

    graph: Graph
    remarks: tuple[str, ...]
    spikes: int = 0
    differing: int = 0
    fired: dict[str, tuple[int, int]] = field(default_factory=dict)
    refused: dict[str, tuple[tuple[str, str], ...]] = field(default_factory=dict)
    rounded: list[Rounded] = field(default_factory=list)
    energies: dict[str, float] = field(default_factory=dict)

    @property
    def rates(self) -> dict[str, float]:
        """Of every neuron layer, by its node."""
        return {name: fired / neurons for name, (fired, neurons) in self.fired.items()}

    def __str__(self) -> str:
        low, high = min(self.rates.values()), max(self.rates.values())
        return (
            f"{len(self.graph.nodes)} nodes, {len(self.rates)} neuron layers at rates {low:.3f} to {high:.3f}, "
            f"{self.spikes} spikes, in fp32 {self.differing} differ; "
            f"quantised: {'; '.join([*map(str, self.rounded), *(f'{name} is refused' for name in self.refused)])}"
        )


def prove(
    network: nn.Module,
    shape: Sequence[int],
    *,
    layout: Layout,
    steps: int = 3,
    domain: Domain = REAL,
    mean: float = 0.5,
    spread: float = 1.5,
    seed: int = 0,
) -> Proven:
    """Everything that is claimed of a network, proven on inputs that neither tracer nor calibration has seen.

    Args:
        network: its weights are changed, so that every layer fires.
        shape: of one sample, without T and batch.
        layout: as of the tracer; a network of layout BX has its T in an attribute `steps`.
        steps: T.
        domain: of the input.
        mean: that a BatchNorm, or a layer of weights where there are no norms, is made to give on average.
        spread: the deviation that it is made to give.
        seed: of weights and inputs.
    """
    network.eval()
    generator = torch.Generator().manual_seed(seed)
    enliven(network, sample(shape, layout, domain, steps, 8, generator), mean, spread, generator)
    recorded = traced(network, shape, layout=layout, steps=steps, domain=domain)
    assert recorded.replayed == "fp64"
    proven = Proven(recorded.graph, recorded.remarks)
    for time, batch in ((steps, 1), (steps, 4), (steps + 2, 3)):
        with at_steps(network, layout, time):
            replay(proven, network, sample(shape, layout, domain, time, batch, generator), layout, time)
    assert proven.differing <= FLIPPED * proven.spikes, f"{proven.differing} of {proven.spikes} spikes differ in fp32"
    assert proven.rates
    for name, rate in proven.rates.items():
        assert RATES[0] < rate < RATES[1], f"{name} fires at {rate:.4f}"
    x = sample(shape, layout, domain, steps, 2, generator)
    data = fed(proven.graph, x, layout)
    reread(proven.graph)
    check_passes(proven.graph, data)
    check_quantised(proven, data)
    check_events(proven.graph, network, x, data)
    proven.energies = energies(proven.graph, data)
    check_module(proven.graph, data)
    return proven


def replay(proven: Proven, network: nn.Module, x: Tensor, layout: Layout, steps: int) -> None:
    """Compares the spikes of every neuron and every output, bit by bit in fp64; counts what differs in fp32."""
    graph, data = proven.graph, fed(proven.graph, x, layout)
    for dtype in (torch.float64, torch.float32):
        twin = in_format(network, dtype)
        theirs, outputs = observed(twin, x.to(dtype), steps, graph)
        values = Interpreter(dtype).run(graph, data, steps, [*theirs, *graph.outputs])
        for name, spikes in theirs.items():
            assert values[name].numel() == spikes.numel(), f"{name}: {values[name].shape} and {spikes.shape}"
            differing = int((values[name].reshape(-1) != spikes.reshape(-1)).sum())
            if dtype is torch.float32:
                proven.differing += differing
                continue
            assert not differing, f"{differing} of {spikes.numel()} spikes of {name} differ in fp64"
            proven.spikes += spikes.numel()
            fired, neurons = proven.fired.get(name, (0, 0))
            proven.fired[name] = fired + int((spikes != 0).sum()), neurons + spikes.numel()
        for name, output in zip(graph.outputs, outputs, strict=True):
            turned = layout == "BTX" and graph.types[name].timing is Timing.STEP
            if dtype is torch.float64:
                check_close(name, values[name].transpose(0, 1) if turned else values[name], output)


def observed(network: nn.Module, x: Tensor, steps: int, graph: Graph) -> tuple[dict[str, Tensor], list[Tensor]]:
    """The spikes that the neurons of a network emit, [T, ...] by the graph's node, and its outputs."""
    calls: dict[str, list[Tensor]] = {}

    def hook(path: str) -> object:
        def look(module: nn.Module, args: tuple[Tensor, ...], y: object) -> None:
            spikes = y[0] if isinstance(y, tuple) else y
            batch_first = getattr(module, "spikec_layout", "TBX") == "BTX"
            calls.setdefault(path, []).append(spikes.transpose(0, 1) if batch_first else spikes)

        return look

    nodes = neurons_of(graph)
    handles = [network.get_submodule(path).register_forward_hook(hook(path)) for path in nodes]
    assert set(nodes) == {path for path, module in network.named_modules() if maker_of(module) is not None}
    reset(network)
    with torch.no_grad():
        y = network(x)
    for handle in handles:
        handle.remove()
    spikes = {}
    for path, found in nodes.items():
        stepped = len(calls[path]) > len(found)  # one call a step, not one for all of them
        for place, node in enumerate(found):
            spikes[node.name] = torch.stack(calls[path][place :: len(found)]) if stepped else calls[path][place]
    results = y if isinstance(y, (tuple, list)) else (y,)
    return spikes, [torch.stack(list(r)) if isinstance(r, (tuple, list)) else r for r in results]


def neurons_of(graph: Graph) -> dict[str, list[Node]]:
    """The neuron nodes by module path, each list in the order of the graph."""
    found: dict[str, list[Node]] = {}
    for node in graph.nodes_of(*NEURONS):
        found.setdefault(node.scope, []).append(node)
    return found


def check_close(name: str, ours: Tensor, theirs: Tensor) -> None:
    assert ours.numel() == theirs.numel(), f"{name}: {list(ours.shape)} and {list(theirs.shape)}"
    difference = float((ours.reshape(-1) - theirs.reshape(-1)).abs().max())
    assert difference <= EXACT * max(1.0, float(theirs.abs().max())), f"{name} differs by {difference:.3g}"


def reread(graph: Graph) -> None:
    """Printed, parsed, the same."""
    again = parse(graph.text(), graph.weights)
    assert again.text() == graph.text()
    assert again.sha256 == graph.sha256


def check_passes(before: Graph, data: Mapping[str, np.ndarray]) -> None:
    """Each pass that keeps the function alone, twice; then the chip's pipeline and all of them in a row."""
    entries: list[object] = [name for name in PASSES if name not in ("reorder-attention", *REFUSING)]
    entries += [{"pass": "reorder-attention", "order": order} for order in ("qk", "kv")]
    for entry in entries:
        after = run(before, [entry]).graph
        assert run(after, [entry]).graph is after, f"{entry} changes what it gave"
        check_same(before, after, data, str(entry))
    for pipeline in (load("45nm").pipeline, tuple(entries)):
        check_same(before, run(before, pipeline).graph, data, str(pipeline))


def check_quantised(proven: Proven, data: Mapping[str, np.ndarray]) -> None:
    """In fixed point: what integers of the tests' own give, in fp64 and in int64; or refused, by op and module path.

    Images leave the first neurons in floating point, which whole numbers do not take: in bytes they do not.
    """
    graph = proven.graph
    if REAL not in (kind.domain for kind in graph.inputs.values()):
        in_fixed_point(proven, "quantize", graph, data, torch.float64, torch.int64)
    elif in_fixed_point(proven, "quantize", graph, data, torch.float64):
        in_fixed_point(proven, "quantize, in bytes", *of_bytes(graph, data), torch.float64, torch.int64)


def in_fixed_point(
    proven: Proven, name: str, graph: Graph, data: Mapping[str, np.ndarray], *dtypes: torch.dtype
) -> bool:
    """Whether quantize takes the graph; what came of it is noted."""
    try:
        proven.rounded.append(check_fixed(graph, data, *dtypes))
    except UnsupportedOp as error:
        folded = run(graph, FOLDED).graph
        scopes = {place: node.scope for node in folded.nodes for place in (node.scope, folded.path_of(node))}
        named = {(found.op, scopes[found.path]): None for found in error.offenders}
        assert set(named) <= {(node.op.mnemonic, node.scope) for node in folded.nodes}
        proven.refused[name] = tuple(named)
        return False
    return True


def check_same(before: Graph, after: Graph, data: Mapping[str, np.ndarray], what: str) -> None:
    """The same spikes under the same names, the same outputs, and text that can be read."""
    reread(after)
    if after is before:
        return
    nodes = [node for found in neurons_of(before).values() for node in found]
    kept = {node.name: spikes_in(after, node, what) for node in nodes}
    one = Interpreter().run(before, data, keep=[*before.outputs, *(node.name for node in nodes)])
    other = Interpreter().run(after, data, keep=[*after.outputs, *(name for names in kept.values() for name in names)])
    for node in nodes:
        levels = [other[name] for name in kept[node.name]]
        whole = levels[0] if kept[node.name] == [node.name] else sum(levels) * node.op.scale
        differing = int((one[node.name] != whole).sum())
        assert not differing, f"{what}: {differing} of {whole.numel()} spikes of {node.name} differ"
    for ours, theirs in zip(after.outputs, before.outputs, strict=True):
        check_close(f"{what}: {ours}", other[ours], one[theirs])


def spikes_in(after: Graph, node: Node, what: str) -> list[str]:
    """The values that a neuron's spikes are after a pass: its own, or those of each level of an integer neuron."""
    if node.name in after.types:
        return [node.name]
    levels = [f"{node.name}.{level}" for level in range(1, getattr(node.op, "levels", 0) + 1)]
    assert levels, f"{what} loses {node.name}"
    assert set(levels) <= after.types.keys(), f"{what} loses {node.name}"
    return levels


def check_module(graph: Graph, data: Mapping[str, np.ndarray]) -> None:
    """The graph as a torch module: the interpreter's numbers bit for bit, and gradients."""
    names = {*graph.outputs, *(node.name for nodes in neurons_of(graph).values() for node in nodes)}
    module = to_torch(graph, dtype=torch.float64)
    inputs = {name: torch.from_numpy(x) for name, x in data.items()}
    found = {name: value for name, value in module.values(inputs, graph.steps, names) if name in names}
    for name, value in Interpreter().run(graph, data, keep=sorted(names)).items():
        assert torch.equal(found[name].detach(), value), name
    sum(found[name].sum() for name in graph.outputs).backward()
    gradients = [p.grad for p in module.parameters() if p.grad is not None]
    assert any(float(g.abs().sum()) > 0 for g in gradients)
    assert all(torch.isfinite(g).all() for g in gradients)
