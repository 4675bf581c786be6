"""Spiking transformers as users bring them: each traced and proven on fresh inputs, and what its products meet.

Each is proven with SpikingJelly's neurons and with snnTorch's, but for one: the third Spike-Driven Transformer, whose
integer neuron, round(clamp(x, 0, 4)) / 4, neither library has (SpikingJelly's ILIFNode, which comes near to it, keeps
a membrane from step to step), so that it comes with a neuron of its own.
AutoST's neuron learns its tau, which is a ParametricLIFNode in SpikingJelly; in snnTorch a Leaky learns its beta.
"""

import re
from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from torch import nn

from hwmodels.counting import NEURONS, Operand, operand_of_node
from hwmodels.registry import load
from passes.manager import run
from spikec.cost import Policy
from spikec.errors import TraceError
from spikec.frontend.tracer import STATEFUL, trace
from spikec.ir.arithmetic import MatMul, Mul
from spikec.ir.linear import Conv1d, Conv2d, Linear
from spikec.ir.neurons import LIF, PLIF, MultiLevelSpike
from spikec.ir.shapes import Constant
from spikec.ir.types import SPIKE, Int, Role
from spikec.run.interp import Interpreter
from spikec.snn.config import uniform_config
from spikec.snn.spikformer import new_spikformer

PRODUCTS = (Conv1d, Conv2d, Linear, MatMul, Mul)
IMAGE = {"shape": (3, 32, 32), "layout": "BX"}
SMALL = {"shape": (3, 16, 16), "layout": "BX"}
EVENTS = {"shape": (2, 32, 32), "layout": "BTX", "domain": Int(0, 255)}
QKV = ("q", "k", "v")
HEAD = ["head", "stem.convs.0.conv"]
ATTENTIONS = ["blocks.0.attn.attention", "blocks.1.attn.attention"]
COLUMNS = ["block.attn", "block.mlp.fc1.conv", *(f"block.attn.{name}.conv" for name in QKV)]
REP_REAL = [f"attn.{name}.{part}" for name in (*QKV, "proj") for part in ("depthwise", "last")]
REP_FIRST = [f"attn.{name}.first" for name in (*QKV, "proj")]
FINE = (*(f"attn.{name}_lif" for name in QKV), "mlp.fc1_lif", "lif")
"""Behind three convolutions in a row, each with its own scale: their thresholds are beyond 17 bits."""


@dataclass(frozen=True)
class Animal:
    """A network of the zoo.

    Args:
        kind: its file and class.
        how: it is proven; a `mean` at which all its layers fire.
        real: the module paths of products that meet real numbers.
        several: of those that meet integers of several bits; all others meet spikes alone.
        refused: by quantize, the module paths of its neurons.
        beyond: the neurons whose membranes need more than Loihi's 24 bits once it is quantised.
    """

    kind: str
    how: dict[str, object]
    real: list[str]
    several: list[str]
    refused: tuple[str, ...] = ()
    beyond: tuple[str, ...] = ()


ZOO = {
    "spikformer-cifar": Animal(
        "transformers.Spikformer",
        IMAGE,
        HEAD,
        [
            f"blocks.{block}.{path}"
            for block in (0, 1)
            for path in ("attn", "mlp.fc1.linear", *(f"attn.{name}.linear" for name in QKV))
        ],
    ),
    "spikformer-dvs": Animal("transformers.SpikformerDvs", {**EVENTS, "mean": 1.5}, [], [*HEAD, *COLUMNS]),
    "spikformer-imagenet": Animal("transformers.SpikformerImageNet", {**IMAGE, "mean": 1.5}, HEAD, COLUMNS),
    "spikingformer": Animal("transformers.Spikingformer", {**IMAGE, "mean": 1.0}, HEAD, ATTENTIONS),
    "spikingformer-cml": Animal("transformers.Cml", {**IMAGE, "mean": 1.0}, HEAD, ATTENTIONS),
    "autost": Animal(
        "transformers.AutoSt",
        {**IMAGE, "mean": 0.6},
        [*HEAD, "stem.rpe.conv"],
        ATTENTIONS,
        beyond=tuple(f"blocks.{block}.{path}" for block in (0, 1) for path in ("attn.lif", "mlp.fc1_lif")),
    ),
    "spike-driven-v1": Animal("driven.SpikeDriven", SMALL, ["convs.0.conv"], ["head"]),
    "spike-driven-v2": Animal(
        "driven.MetaSpikeFormer",
        {**SMALL, "mean": 1.2},
        ["stem.conv", "conv.attn.narrow.conv", *REP_REAL],
        ["attn"],
        FINE,
    ),
    "spike-driven-v3": Animal(
        "driven.SpikeFormerV3",
        SMALL,
        ["stem.conv", "conv.attn.narrow.conv", *REP_REAL],
        [
            *("attn", "head", "down.conv", "mlp.fc1.conv", "mlp.fc2.conv", "conv.attn.depthwise"),
            *("conv.attn.widen.conv", "conv.mlp.conv1.conv", "conv.mlp.conv2.conv", *REP_FIRST),
        ],
        FINE,
    ),
    "qkformer": Animal(
        "driven.QkFormer",
        {**SMALL, "mean": 1.0},
        ["embed0.conv", "head"],
        [
            *("stage1.attn.q.conv", "stage1.attn.k.conv", "stage1.mlp.fc1.conv", "embed2.conv1.conv"),
            *("embed2.shortcut.conv", "stage2.attn", "stage2.mlp.fc1.conv"),
            *(f"stage2.attn.{name}.conv" for name in QKV),
        ],
    ),
}


def met(graph, operand):
    """The module paths of products whose operands are of a class."""
    return sorted({node.scope for node in graph.nodes_of(*PRODUCTS) if operand_of_node(graph, node) is operand})


@pytest.mark.full
@pytest.mark.parametrize("name", ZOO)
def test_a_network_is_its_graph(made, prove, name):
    animal = ZOO[name]
    proven = prove(made(animal.kind), **animal.how)
    print(f"{name}: {proven}")
    assert set(proven.remarks) <= {STATEFUL}
    assert met(proven.graph, Operand.REAL) == sorted(animal.real)
    assert met(proven.graph, Operand.MULTIBIT) == sorted(animal.several)
    check_quantised(proven, animal, "threshold" if name == "spike-driven-v3" else "lif")


def check_quantised(proven, animal, op, inner=""):
    """What quantize did: it refused the neurons named, or their membranes overflow, or the network was compared."""
    refused = tuple((op, f"{path}{inner}") for path in animal.refused)
    assert proven.refused == ({"quantize": refused} if refused else {})
    beyond = {name.removesuffix(inner) for rounded in proven.rounded for name in rounded.beyond}
    assert beyond == set(animal.beyond)
    assert bool(proven.rounded) != bool(refused)


BOTH = [name for name in ZOO if name != "spike-driven-v3"]


def twin(parts, name):
    """snnTorch's neurons for a network, and how it is proven with them: they take all of their drive, not a half."""
    how = ZOO[name].how
    return parts.learnt if name == "autost" else parts.Stepped, {
        **how,
        "mean": how.get("mean", 0.5) / 2,
        "spread": 0.75,
    }


@pytest.mark.full
@pytest.mark.parametrize("name", BOTH)
def test_the_same_with_snntorchs_neurons(made, prove, zoo, name):
    neurons, how = twin(zoo("parts"), name)
    proven = prove(made(ZOO[name].kind, neurons=neurons), **how)
    print(f"{name}, snnTorch: {proven}")
    assert set(proven.remarks) <= {STATEFUL}
    leaky = LIF(reset="hard", decay_input=False, fires_at=">", reset_delay=True)
    nodes = list(proven.graph.nodes_of(*NEURONS))
    assert {node.op for node in nodes} == {leaky}
    role = Role.PARAMETER if name == "autost" else Role.CONSTANT
    assert {proven.graph.weights[node.weights["beta"]].role for node in nodes} == {role}
    check_quantised(proven, ZOO[name], "lif", ".leaky")


@pytest.mark.long
@pytest.mark.parametrize("framework", ["SpikingJelly", "snnTorch"])
@pytest.mark.parametrize("name", BOTH)
def test_twice_as_wide_and_twice_as_many_steps(made, prove, zoo, name, framework):
    parts, of, how = zoo("parts"), {}, ZOO[name].how
    if framework == "snnTorch":
        of["neurons"], how = twin(parts, name)
    network = made(ZOO[name].kind, width=64, **of)
    network.steps = 6
    print(f"{name}, twice as wide, {framework}: {prove(network, **how, steps=6)}")


class Own(nn.Module):
    """A network of `spikec.snn`, whose T is of its config."""

    def __init__(self, form, image):
        super().__init__()
        config = uniform_config(form, image, 5, width=32, depth=2, heads=4, steps=3)
        self.network = new_spikformer(config, torch.Generator().manual_seed(0))

    @property
    def steps(self):
        return self.network.config.steps

    @steps.setter
    def steps(self, steps):
        self.network.config = replace(self.network.config, steps=steps)

    def forward(self, x):
        return self.network(x)


@pytest.mark.parametrize(
    ("form", "image", "how"),
    [
        pytest.param("spikingformer", (3, 32, 32), {"layout": "BX", "mean": 2.0}, marks=pytest.mark.full),
        pytest.param("cifar", (3, 32, 32), {"layout": "BX"}, marks=pytest.mark.long),
        pytest.param("imagenet", (3, 32, 32), {"layout": "BX", "mean": 1.5}, marks=pytest.mark.long),
        pytest.param("dvs", (2, 32, 32), {"layout": "TBX", "mean": 1.5, "domain": Int(0, 255)}, marks=pytest.mark.long),
    ],
)
def test_our_own_networks_are_proven_like_any_other(prove, form, image, how):
    proven = prove(Own(form, image), image, **how)
    print(f"ours, {form}: {proven}")
    assert not proven.refused


def test_integer_neurons_cost_the_same_as_the_spikes_they_become(made, zoo):
    """A value n counts n, and n of its levels fire: where all operands are integers, unrolled or not."""
    network, lively = made("driven.SpikeFormerV3"), zoo("lively")
    generator = torch.Generator().manual_seed(1)
    x = torch.randn((2, 3, 16, 16), generator=generator)
    lively.enliven(network, x, 0.5, 1.5, generator)
    before = trace(network, (3, 16, 16), layout="BX", steps=3)
    after = run(before, ["unroll-levels"]).graph
    assert not list(after.nodes_of(MultiLevelSpike))
    ac, mac = counted(before, x), counted(after, x)
    assert ac == mac
    assert ac["ac"] > ac["mac"] > 0
    linear = [node for node in after.nodes_of(Conv1d, Conv2d, Linear) if node.scope == "mlp.fc1.conv"]
    assert len(linear) == 4
    assert {after.types[node.inputs[0]].domain for node in linear} == {SPIKE}


def counted(graph, x):
    """ACs and MACs of a run under the default policy."""
    chip = load("45nm")
    counts = Interpreter(torch.float64).count(graph, {"input": x.numpy()}, chip.probes(graph, Policy()))
    costs = chip.price(graph, counts, Policy())
    return {kind: sum(cost.counts.get(kind, 0) for cost in costs) for kind in ("ac", "mac")}


def test_autosts_network_has_its_published_parameters(made):
    """9,324,761 at D = 384, L = 4, r = 4 for CIFAR-10: a tau for each of 31 layers beside Spikformer's 9,324,730."""
    network = made("transformers.AutoSt", width=384, depth=4, heads=12, ratio=4, classes=10)
    assert sum(p.numel() for p in network.parameters()) == 9_324_761


def test_autosts_taus_are_parameters_of_the_graph(made):
    network = made("transformers.AutoSt", width=16, depth=1)
    graph = trace(network, (3, 16, 16), layout="BX", steps=3)
    assert sum(1 for _ in graph.nodes_of(PLIF)) == 3 + 7
    assert graph.parameters == sum(p.numel() for p in network.parameters())


@pytest.mark.parametrize("neuron", ["lif", "Stepped"])
def test_weights_that_are_computed_are_taken_in_fp64_beside_any_neuron(zoo, neuron):
    """The RepConv's border, from its norm: were it rounded to fp32, the drive behind it would differ in fp64.

    SpikingJelly's neuron keeps the state of the recording before; snnTorch's gives fp32 whatever it takes.
    """
    torch.manual_seed(0)
    fire, conv = getattr(zoo("parts"), neuron), zoo("driven").Reparametrised(4)
    with torch.no_grad():
        conv.norm.bias.uniform_(-1, 1)
        conv.norm.running_mean.uniform_(-1, 1)
    network = nn.Sequential(zoo("parts").ConvNorm(4, 4), fire(0.1), conv, fire(0.1)).eval()
    graph = trace(network, (4, 5, 5), layout="TBX", steps=3)
    borders = [graph.weights[node.weights["value"]].array for node in graph.nodes_of(Constant)]
    assert len(borders) == 2
    np.testing.assert_array_equal(borders[0], -borders[1])
    assert {border.dtype for border in borders} == {np.dtype(np.float64)}


class Baked(nn.Module):
    """Attention of tokens [T, B, N, D] whose split has numbers in the place of sizes."""

    def __init__(self, parts, sizes):
        super().__init__()
        self.sizes = sizes
        self.fc, self.lif = parts.Rows(16, 16), parts.lif()
        self.attn = parts.RowAttention(16, 4, parts.lif)
        self.attn.split = self.split

    def split(self, x):
        steps, batch = (known or size for known, size in zip(self.sizes, x.shape, strict=False))
        return x.reshape(steps, batch, 6, 4, 4).permute(0, 1, 3, 2, 4)

    def forward(self, x):
        return self.attn(self.lif(self.fc(x)))


@pytest.mark.parametrize(("sizes", "size"), [((0, 2), "batch"), ((3, 0), "T")], ids=["batch", "T"])
def test_a_baked_size_is_found_and_named(zoo, sizes, size):
    parts = zoo("parts")
    trace(Baked(parts, (0, 0)).eval(), (6, 16), layout="TBX", steps=3)
    with pytest.raises(TraceError, match="take sizes from the input") as caught:
        trace(Baked(parts, sizes).eval(), (6, 16), layout="TBX", steps=3)
    assert re.search(
        r"test_transformers\.py:\d+: return x\.reshape\(steps, batch, .*shape '\[\d, \d, 6, 4, 4\]'", str(caught.value)
    )
