"""`--policy spikingjelly` is what SpikingJelly 2.0.0's own `estimate_simple_energy` says of the network, exactly."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import pytest
import torch
from loguru import logger
from spikingjelly.activation_based import functional, neuron
from spikingjelly.activation_based.op_counter import SimpleEnergyProfiler
from torch import Tensor, nn
from zoo_jelly_counted import BATCH, CASES, Case, inputs_of, settle

from hwmodels.policies import preset
from hwmodels.registry import load
from spikec.cost import Cost
from spikec.frontend.tracer import traced
from spikec.ir.arithmetic import Add, MatMul
from spikec.ir.graph import Graph
from spikec.ir.linear import BatchNorm, Conv1d, Conv2d, Linear
from spikec.ir.neurons import IF, LIF, PLIF
from spikec.ir.pools import AvgPool, Mean
from spikec.ir.time import TimeMean, TimeSum
from spikec.run.interp import Interpreter

pytestmark = pytest.mark.full
LEAVES = (nn.Linear, nn.Conv2d, nn.BatchNorm1d, nn.BatchNorm2d, nn.AvgPool2d, neuron.BaseNode)
PARTS = {
    "layers": ((Conv1d, Conv2d, Linear), ("convolution", "mm", "addmm", "sum.default")),
    "products": ((MatMul,), ("bmm",)),
    "norms": ((BatchNorm,), ("native_batch_norm",)),
    "means": ((AvgPool, Mean, TimeMean, TimeSum), ("mean.dim", "avg_pool2d", "sum.dim_IntList")),
    "additions": ((Add, LIF, IF, PLIF), ("add", "sub", "rsub")),
}
"""Our ops beside the operators of torch that they are. The sum without axes is the counter's own, at binary Convs."""
COUNTED = tuple(op for ops, _ in PARTS.values() for op in ops)


@dataclass(frozen=True)
class Both:
    """The same run, as SpikingJelly counted it and as we did.

    Args:
        network: the network.
        graph: traced from it.
        costs: ours, in all the chip's terms, of all samples.
        profiler: theirs, after the run.
        steps: T.
    """

    network: nn.Module
    graph: Graph
    costs: tuple[Cost, ...]
    profiler: SimpleEnergyProfiler
    steps: int

    def ours(self, *kinds: type) -> Counter[str]:
        """Our counts of these ops, of all where none is given."""
        return self.ours_of(*(node.name for node in (self.graph.nodes_of(*kinds) if kinds else self.graph.nodes)))

    def ours_of(self, *names: str) -> Counter[str]:
        """Our counts of the nodes of these names."""
        return sum((Counter(cost.counts) for cost in self.costs if cost.node in names), Counter())

    def theirs(self, kind: str, scope: str = "Global") -> dict[str, int]:
        """SpikingJelly's ACs or MACs by operator, of the network or of a module."""
        counts = getattr(self.profiler, f"{kind}_counter").get_counts().get(scope, {})
        return {str(operator).removeprefix("aten."): count for operator, count in counts.items()}


def graph_of(network: nn.Module, case: Case) -> Graph:
    """The network's graph, traced."""
    return traced(network.eval(), case.shape, layout=case.layout, steps=case.steps, domain=case.domain).graph


def counted(network: nn.Module, graph: Graph, x: Tensor, steps: int) -> Both:
    """One run of a network under SpikingJelly's profiler, and one of its graph under ours."""
    logger.disable("spikingjelly")
    functional.reset_net(network)
    profiler = SimpleEnergyProfiler()
    profiler.bind_model(network.eval())
    with profiler, torch.no_grad():
        network(x)
    chip, named = load("45nm-spikingjelly"), preset("spikingjelly")
    assert named.pipeline == ()
    counts = Interpreter(torch.float32).count(graph, {"input": x.numpy()}, chip.probes(graph, named.policy))
    return Both(network, graph, chip.price(graph, counts, named.policy), profiler, steps)


def run_of(case: Case) -> Both:
    """A case's network, its norms settled on random inputs, counted on others."""
    torch.manual_seed(1)
    network = case.make()
    x = inputs_of(case)
    settle(network, x)
    return counted(network, graph_of(network, case), x, case.steps)


@pytest.fixture(scope="module", params=CASES)
def both(request: pytest.FixtureRequest) -> Both:
    return run_of(CASES[request.param])


def test_counts_and_the_total_are_spikingjellys(both: Both) -> None:
    found, theirs = both.ours(), both.profiler.get_report()
    words = {
        "weight_read_bytes": "read_weight",
        "bias_read_bytes": "read_bias",
        "neuron_state_read_bytes": "read_potential",
        "neuron_state_write_bytes": "write_potential",
    }
    assert {name: 4 * found[kind] for name, kind in words.items()} == {name: theirs.counts[name] for name in words}
    assert (found["ac"], found["mac"]) == (theirs.counts["ac"], theirs.counts["mac"])
    assert theirs.counts["synop"] > 0
    total = math.fsum(energy for cost in both.costs for energy in cost.energy_pj.values())
    assert total == pytest.approx(theirs.energy_total_pj, rel=1e-12)


@pytest.mark.parametrize("part", PARTS)
def test_every_part_is_spikingjellys(both: Both, part: str) -> None:
    found = both.ours(*PARTS[part][0])
    for kind in ("ac", "mac"):
        theirs = both.theirs(kind)
        assert found[kind] == sum(count for name, count in theirs.items() if part_of(name) == part), kind
        assert not [name for name in theirs if part_of(name) is None]


def part_of(operator: str) -> str | None:
    """The part that an operator of torch belongs to."""
    for part, (_, operators) in PARTS.items():
        if any(operator == name or operator.startswith(f"{name.removesuffix('.default')}.") for name in operators):
            if operator.startswith("sum.") and operator not in operators:
                continue
            return part
    return None


def test_every_module_is_spikingjellys(both: Both) -> None:
    """Layers, norms, pools and neurons one by one: by their paths."""
    root, compared = type(both.network).__name__, 0
    for path, module in both.network.named_modules():
        if not isinstance(module, LEAVES):
            continue
        (node,) = (node for node in both.graph.nodes_of(*COUNTED) if node.scope == path)
        found = both.ours_of(node.name)
        theirs = {kind: sum(both.theirs(kind, f"{root}.{path}").values()) for kind in ("ac", "mac")}
        if isinstance(module, nn.Conv2d) and theirs["ac"]:  # the sum over its places is run by a hook behind it
            theirs["ac"] += module.groups * math.prod(node.type.shape[1:]) * both.steps * BATCH - 1
        assert {kind: found[kind] for kind in theirs} == theirs, path
        assert not isinstance(module, neuron.BaseNode) or found["spike"], f"{path} is silent"
        compared += 1
    assert compared >= 6


def test_a_bias_is_an_addition_where_torch_runs_it_apart(made: Callable[..., nn.Module]) -> None:
    """Of tokens that do not lie one behind another in memory, which no graph says: there we count less."""
    network = made("transformers.Spikformer", width=16, depth=1)
    case = Case(lambda: network, (3, 32, 32))
    x = torch.rand(BATCH, *case.shape)
    settle(network, x)
    graph, apart = graph_of(network, case), []

    def hook(module: nn.Module, args: tuple[Tensor, ...], y: Tensor) -> None:
        if args[0].ndim == 3 and not args[0].is_contiguous():
            apart.append(y.numel())

    for layer in (module for module in network.modules() if isinstance(module, nn.Linear)):
        layer.register_forward_hook(hook)
    both = counted(network, graph, x, case.steps)
    report = both.profiler.get_report()
    assert len(apart) == 4  # q, k, v and fc1, which take the stream
    assert both.ours()["ac"] == report.counts["ac"] - sum(apart)
    assert both.ours()["mac"] == report.counts["mac"]


NEURONS: dict[str, Callable[[], nn.Module]] = {
    "lif": lambda: neuron.LIFNode(step_mode="m"),
    "lif, soft": lambda: neuron.LIFNode(v_reset=None, step_mode="m"),
    "lif, tau 3": lambda: neuron.LIFNode(3.0, v_threshold=0.5, step_mode="m"),
    "lif, no input decay": lambda: neuron.LIFNode(decay_input=False, step_mode="m"),
    "lif, neither": lambda: neuron.LIFNode(decay_input=False, v_reset=None, v_threshold=2.0, step_mode="m"),
    "lif, no input decay, tau 3": lambda: neuron.LIFNode(3.0, decay_input=False, v_threshold=4.0, step_mode="m"),
    "if": lambda: neuron.IFNode(step_mode="m"),
    "if, soft": lambda: neuron.IFNode(v_reset=None, step_mode="m"),
    "if, threshold 2": lambda: neuron.IFNode(2.0, step_mode="m"),
    "if, soft, threshold 2": lambda: neuron.IFNode(2.0, v_reset=None, step_mode="m"),
    "plif": lambda: neuron.ParametricLIFNode(step_mode="m"),
    "plif, no input decay": lambda: neuron.ParametricLIFNode(decay_input=False, v_reset=None, step_mode="m"),
}
DRIVES = {
    "binary": (0.0, 1.0),
    "silent": (0.0,),
    "tau": (0.0, 2.0),
    "whole": (0.0, 1.0, 2.0),
    "halves": (0.0, 1.0, 1.5),
    "real": (0.0, 0.3, 1.7),
}


@pytest.mark.parametrize("levels", DRIVES.values(), ids=DRIVES)
@pytest.mark.parametrize("make", NEURONS.values(), ids=NEURONS)
def test_neurons_on_drives_that_make_operands_binary(make: Callable[[], nn.Module], levels: tuple[float, ...]) -> None:
    """Two elements, so that whole tensors are often binary; where the same step is silent too."""
    generator = torch.Generator().manual_seed(0)
    network, case = make(), Case(make, (2,), steps=4, layout="TBX")
    graph = graph_of(network, case)
    for _ in range(6):
        drawn = torch.randint(len(levels), (4, 1, 2), generator=generator)
        x = torch.tensor(levels)[drawn]
        both = counted(network, graph, x, case.steps)
        assert both.ours()["ac"] == sum(both.theirs("ac").values()), x.tolist()


def test_a_membrane_of_zeros_and_ones_is_taken_for_what_it_most_often_is() -> None:
    """The one case that is known to differ: v is 1 somewhere, and the drive such that (x - v) / tau is binary again."""
    network, case = neuron.LIFNode(v_threshold=2.0, step_mode="m"), Case(nn.Identity, (2,), steps=2, layout="TBX")
    graph = graph_of(network, case)
    for second, difference in (((2.0, 2.0), 0), ((1.0, 0.0), 1)):
        both = counted(network, graph, torch.tensor([[[2.0, 0.0]], [second]]), case.steps)
        assert both.ours()["ac"] - sum(both.theirs("ac").values()) == difference
