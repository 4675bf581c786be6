"""A subnet's Graph from its config is its trace's, as text and as weights; the published counts follow from it."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from hwmodels.dense import dense_macs
from spikec.errors import VerifyError
from spikec.frontend.tracer import trace
from spikec.ir.arithmetic import Add, MatMul
from spikec.ir.linear import Conv1d, Conv2d, Linear
from spikec.ir.neurons import LIF
from spikec.ir.types import REAL, SPIKE, Int, Role, Timing
from spikec.run.interp import Interpreter
from spikec.snn.config import uniform_config
from spikec.snn.graph_builder import build_graph, input_domain
from spikec.snn.neuron import AUTO_SPIKFORMER, SPIKFORMER
from spikec.snn.registry import NETWORKS
from spikec.snn.spikformer import Spikformer, new_spikformer
from spikec.snn.supernet import Supernet, recalibrate

FORMS = {
    "digits": (1, 8, 8),
    "cifar": (3, 16, 16),
    "dvs": (2, 32, 48),
    "imagenet": (3, 48, 32),
    "spikingformer": (3, 48, 32),
}


def network(config, seed=0):
    """With statistics that make its layers fire."""
    made = new_spikformer(config, torch.Generator().manual_seed(seed))
    generator = torch.Generator().manual_seed(seed + 1)
    frames = (config.steps,) if config.layout.frames else ()
    recalibrate(made, torch.rand((*frames, 8, *config.image), generator=generator))
    return made.eval()


def traced(module):
    config = module.config
    layout = "TBX" if config.layout.frames else "BX"
    return trace(module, config.image, layout=layout, steps=config.steps, domain=input_domain(config))


def same(config, seed=0):
    module = network(config, seed)
    by_trace, by_config = traced(module), build_graph(config, module.state_dict())
    assert by_config.text() == by_trace.text()
    assert by_config.sha256 == by_trace.sha256
    return by_config


@pytest.mark.parametrize("neuron", [SPIKFORMER, AUTO_SPIKFORMER], ids=["spikformer", "auto-spikformer"])
@pytest.mark.parametrize("steps", [1, 2, 4])
@pytest.mark.parametrize("form", FORMS)
def test_the_builder_writes_what_the_tracer_meets(form, steps, neuron):
    config = uniform_config(form, FORMS[form], 10, width=32, depth=2, heads=4, steps=steps, neuron=neuron)
    graph = same(config)
    assert graph.steps == steps
    conventions = {(node.op.decay_input, node.op.fires_at) for node in graph.nodes_of(LIF)}
    assert conventions == {(neuron.decay_input, neuron.fires_at)}


@pytest.mark.parametrize(("depth", "heads"), [(0, 2), (1, 1), (1, 2), (2, 1)])
@pytest.mark.parametrize("form", FORMS)
def test_without_blocks_and_with_one_head(form, depth, heads):
    same(uniform_config(form, FORMS[form], 10, width=16, depth=depth, heads=heads, steps=2))


def test_blocks_that_differ(draw, rng):
    for seed in range(4):
        same(replace(draw(rng), neuron=SPIKFORMER if seed % 2 else AUTO_SPIKFORMER), seed)


@pytest.mark.full
def test_fifty_subnets_of_the_digits_space(draw, rng):
    texts = {
        same(replace(draw(rng), neuron=(SPIKFORMER, AUTO_SPIKFORMER)[seed % 2]), seed).text() for seed in range(50)
    }
    assert len(texts) > 25


def test_subnets_of_one_supernet(draw, rng):
    largest = uniform_config("digits", (1, 8, 8), 10, width=64, depth=3, heads=4, ratio=4.0)
    supernet = Supernet(largest, torch.Generator().manual_seed(0))
    images = torch.rand(8, 1, 8, 8)
    for _ in range(2):
        module = supernet.subnet(draw(rng))
        recalibrate(module, images)
        assert build_graph(module.config, module.state_dict()).sha256 == traced(module).sha256


def test_thresholds_taus_and_steps_change_no_structure():
    config = uniform_config("digits", (1, 8, 8), 10, width=16, depth=2, heads=2, steps=2)
    other = replace(config, thresholds=(0.7, 1.2), taus=(4.0, 1.25), steps=4)
    module = network(config)
    one, two = (build_graph(c, module.state_dict()) for c in (config, other))
    assert one.text().splitlines()[1:] == two.text().splitlines()[1:]
    thresholds = [
        float(two.weights[f"blocks.{b}.{n}.v_threshold"].array) for b in (0, 1) for n in ("attn.q_lif", "attn.attn_lif")
    ]
    assert thresholds == [0.7, 0.35, 1.2, 0.6]
    assert float(two.weights["blocks.1.mlp.fc1_lif.tau"].array) == 1.25
    assert float(two.weights["stem.lif0.tau"].array) == 2.0


def test_graph_and_module_give_the_same_logits_and_live_spikes():
    config = uniform_config("digits", (1, 8, 8), 10, width=32, depth=2, heads=2, steps=4)
    module = network(config).double()
    x = np.random.default_rng(0).uniform(size=(6, 1, 8, 8))
    graph = build_graph(config, module.state_dict())
    neurons = [node.name for node in graph.nodes_of(LIF)]
    values = Interpreter().run(graph, {"input": x}, keep=[*neurons, *graph.outputs])
    with torch.no_grad():
        np.testing.assert_allclose(values["head"], module(torch.from_numpy(x)), rtol=1e-9, atol=1e-9)
    assert sum(float(values[name].mean()) > 0.001 for name in neurons) > len(neurons) // 2


def test_a_stream_of_membranes_brings_spikes_alone_to_every_product_but_the_first_and_the_head():
    config = uniform_config("spikingformer", (3, 32, 32), 10, width=32, depth=2, heads=4)
    graph = build_graph(config, network(config).state_dict())
    real = [node.scope for node in graph.nodes_of(Conv1d, Conv2d, Linear) if graph.types[node.inputs[0]].domain == REAL]
    assert real == ["stem.conv0", "head"]
    spikes = [node for node in graph.nodes_of(Conv1d, Conv2d) if graph.types[node.inputs[0]].domain == SPIKE]
    assert len(spikes) == 4 + 2 * 6
    assert {graph.types[node.name].domain for node in graph.nodes_of(Add)} == {REAL}


def test_domains_along_the_network():
    config = uniform_config("cifar", (3, 16, 16), 10, width=32, depth=1, heads=2)
    graph = build_graph(config, network(config).state_dict())
    d, tokens = 16, 16
    assert graph.inputs["input"].domain == REAL
    assert graph.types["stem.add"].domain == Int(0, 2)
    assert graph.types["blocks.0.add"].domain == Int(0, 3)
    assert graph.types["blocks.0.add_1"].domain == Int(0, 4)
    assert graph.types["blocks.0.attn.scale"].domain == Int(0, d, 0.125)
    assert graph.types["blocks.0.attn.matmul_1"].domain == Int(0, d * tokens, 0.125)
    head = graph.node("head")
    assert graph.types[head.inputs[0]].domain == REAL
    assert (head.type.timing, graph.node("mean").type.timing) == (Timing.ONCE, Timing.STEP)


def test_a_missing_or_misshaped_weight():
    config = uniform_config("digits", (1, 8, 8), 10, width=16, depth=1, heads=2)
    state = network(config).state_dict()
    with pytest.raises(KeyError, match=r"stem\.bn0\.running_mean"):
        build_graph(config, {k: v for k, v in state.items() if k != "stem.bn0.running_mean"})
    with pytest.raises(VerifyError, match=r"stem\.conv1"):
        build_graph(config, {**state, "stem.conv1.weight": torch.ones(8, 5, 3, 3)})


# Counts of the networks of models.md; every weight is 0, of 8 bits, since only shapes matter here.


def empty_graph(name):
    config = NETWORKS[name]
    with torch.device("meta"):
        state = Spikformer(config).state_dict()
    return build_graph(config, {k: torch.zeros(v.shape, dtype=torch.int8) for k, v in state.items()})


def macs(graph, *ops, scope=""):
    nodes = [n for n in graph.nodes_of(*ops) if n.scope.startswith(scope) and n.scope != "head"]
    return sum(dense_macs(graph, node) for node in nodes)


MACS = {  # a step, without the head: convolutions and Linear alone, and with attention
    "spikformer-4-256": (409_829_376, 418_217_984),
    "spikformer-2-384": (694_960_128, 701_251_584),
    "spikformer-4-384": (921_452_544, 934_035_456),
    "spikformer-8-384": (4_660_346_880, None),
    "spikformer-8-512": (8_256_159_744, None),
    "spikformer-8-768": (18_511_331_328, None),
    "spikingformer-8-512": (8_256_159_744, None),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_live_parameters_and_macs_of_the_published_networks(name, published_parameters):
    graph = empty_graph(name)
    assert graph.parameters == published_parameters[name]
    body, with_attention = MACS.get(name, (None, None))
    if body is not None:
        assert macs(graph, Conv1d, Conv2d, Linear) == body
    if with_attention is not None:
        assert macs(graph, Conv1d, Conv2d, Linear, MatMul) == with_attention


def check_the_counts_of_4_384(graph):
    assert graph.parameters == 9_324_730
    assert macs(graph, Conv2d, Linear, MatMul) == 934_035_456
    head = graph.node("head")
    assert dense_macs(graph, head) == 3_840
    assert head.type.timing is Timing.ONCE
    layers = {"stem.conv0": 1_327_104, "stem.conv1": 42_467_328, "stem.conv2": 169_869_312, "stem.conv3": 169_869_312}
    layers |= {"stem.rpe_conv": 84_934_656, "blocks.2.attn.proj_linear": 9_437_184}
    layers |= {"blocks.3.mlp.fc1_linear": 37_748_736, "blocks.3.mlp.fc2_linear": 37_748_736}
    assert {name: dense_macs(graph, graph.node(name)) for name in layers} == layers
    assert sum(dense_macs(graph, graph.node(f"blocks.0.attn.{x}_linear")) for x in "qkv") == 28_311_552
    products = [dense_macs(graph, node) for node in graph.nodes_of(MatMul)]
    assert products == [1_572_864] * 8
    neurons = sum(node.type.elements for node in graph.nodes_of(LIF))
    assert round(neurons / 1e6, 2) == 1.45


def test_layer_by_layer_counts_of_4_384():
    check_the_counts_of_4_384(empty_graph("spikformer-4-384"))


def test_k_transposed_v_costs_half_at_32_channels_a_head():
    config = replace(NETWORKS["spikformer-4-384"], form="imagenet", image=(3, 128, 128), pools=(0, 1, 2, 3))
    with torch.device("meta"):
        state = Spikformer(config).state_dict()
    graph = build_graph(config, {k: torch.zeros(v.shape, dtype=torch.int8) for k, v in state.items()})
    assert {dense_macs(graph, node) for node in graph.nodes_of(MatMul)} == {786_432}


@pytest.mark.full
def test_the_trace_of_4_384_at_full_size():
    config = NETWORKS["spikformer-4-384"]
    module = new_spikformer(config, torch.Generator().manual_seed(0)).eval()
    graph = trace(module, config.image, layout="BX", steps=config.steps)
    check_the_counts_of_4_384(graph)
    assert graph.sha256 == build_graph(config, module.state_dict()).sha256
    parameters = {name for name, weight in graph.weights.items() if weight.role is Role.PARAMETER}
    assert parameters == {name for name, _ in module.named_parameters()}


@pytest.mark.full
@pytest.mark.parametrize("name", ["spikformer-dvs-2-256", "spikformer-4-256"])
def test_other_traces_at_full_size(name):
    config = replace(NETWORKS[name], steps=2)
    module = new_spikformer(config, torch.Generator().manual_seed(0)).eval()
    assert traced(module).sha256 == build_graph(config, module.state_dict()).sha256
