"""Presets and what they reproduce; the passes that a policy adds."""

import numpy as np
import pytest
import torch

from hwmodels.policies import POLICIES, pipeline_for, preset
from spikec.cost import Policy
from spikec.errors import UnknownName
from spikec.ir.arithmetic import Add, MatMul
from spikec.ir.builder import GraphBuilder
from spikec.ir.linear import Conv1d, Conv2d, Linear
from spikec.ir.types import REAL, SPIKE, Int, TensorType
from spikec.run.interp import Interpreter

NEUROBENCH = preset("neurobench").policy


def test_the_default_policy_hoists_the_first_layer():
    assert pipeline_for(Policy(), ("fold-batchnorm",)) == ("fold-batchnorm", "hoist-repeat")
    assert pipeline_for(Policy(first_layer="per-step"), ("fold-batchnorm",)) == ("fold-batchnorm",)


def test_an_order_of_attention_chooses_a_pass_under_events_alone():
    reorder = {"pass": "reorder-attention", "order": "kv"}
    assert pipeline_for(Policy(ssa="kv"), ()) == (reorder, "hoist-repeat")
    assert pipeline_for(Policy(ssa="kv", counting="rate"), ("fold-batchnorm",)) == ("fold-batchnorm",)


def test_a_pass_that_is_there_already_is_not_added_again():
    chip = ({"pass": "reorder-attention", "order": "qk"}, "hoist-repeat")
    assert pipeline_for(Policy(ssa="kv"), chip) == chip


def test_neurobench_runs_the_graph_as_traced():
    assert preset("neurobench").pipeline == ()
    assert pipeline_for(NEUROBENCH, ()) == ()


def test_an_unknown_policy_gives_the_nearest():
    with pytest.raises(UnknownName, match="neurobench") as caught:
        preset("neurobnech")
    assert caught.value.nearest[0] == "neurobench"


@pytest.mark.parametrize("name", POLICIES)
def test_every_preset_is_a_valid_policy(name):
    for field, choices in Policy.choices().items():
        assert getattr(POLICIES[name].policy, field) in choices


LAYERS = {
    "linear": (Linear(), (5, 6), (4, 6), lambda: torch.nn.Linear(6, 4)),
    "conv1d": (Conv1d((2,), (1,)), (3, 7), (4, 3, 3), lambda: torch.nn.Conv1d(3, 4, 3, 2, 1)),
    "conv2d": (
        Conv2d((2, 1), (1, 2), (1, 2), 2),
        (4, 6, 7),
        (4, 2, 3, 2),
        lambda: torch.nn.Conv2d(4, 4, (3, 2), (2, 1), (1, 2), (1, 2), 2),
    ),
}
INPUTS = {
    "spikes": (SPIKE, [0, 1]),
    "residual": (Int(0, 2), [0, 1, 2]),
    "residual that happens to be spikes": (Int(0, 2), [0, 1]),
    "signs": (Int(-1, 1), [-1, 0, 1]),
    "scaled codes": (Int(0, 2, 0.5), [0, 0.5, 1.0]),
    "scaled codes of value one": (Int(0, 2, 0.5), [0, 1.0]),
    "image": (REAL, [0, 0.25, 0.75]),
    "binary image": (REAL, [0, 1]),
}


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("inputs", INPUTS)
def test_layers_count_as_neurobench_counts_them(chip, layer, inputs):
    """The oracle's own rule for one layer, fed with all steps and samples as one call."""
    oracle = pytest.importorskip("neurobench.metrics.utils.layers", reason="scripts/install-oracles installs it")
    op, shape, weight_shape, make = LAYERS[layer]
    domain, levels = INPUTS[inputs]
    rng = np.random.default_rng(0)
    x = rng.choice(levels, (3, 2, *shape)).astype(np.float64)
    weight = rng.integers(-1, 2, weight_shape).astype(np.float64)
    builder = GraphBuilder(3)
    value = builder.input("x", TensorType(shape, domain))
    graph = builder.graph(
        builder.add(op, value, scope="layer", weights={"weight": weight, "bias": np.ones(weight_shape[0])})
    )
    counts = Interpreter(torch.float64).count(graph, {"x": x}, chip.probes(graph, NEUROBENCH))
    (cost,) = chip.price(graph, counts, NEUROBENCH)
    module = make().double()
    module.weight.data = torch.as_tensor(weight)
    operations, spiking = oracle.single_layer_MACs(torch.as_tensor(x.reshape(6, *shape)), module)
    assert cost.counts["ac" if spiking else "mac"] == operations
    assert operations > 0
    assert spiking == set(levels).issubset({-1, 0, 1})


def test_one_value_above_one_in_any_sample_or_step_makes_macs_of_all(chip):
    builder = GraphBuilder(2)
    a, b = (builder.input(name, TensorType((2,), SPIKE)) for name in "ab")
    x = builder.add(Add(), a, b)
    graph = builder.graph(builder.add(Linear(), x, scope="layer", weights={"weight": np.ones((3, 2))}))

    def counted(second):
        data = {"a": np.ones((2, 2, 2)), "b": second}
        counts = Interpreter().count(graph, data, chip.probes(graph, NEUROBENCH))
        return chip.price(graph, counts, NEUROBENCH)[-1]

    one_two = np.zeros((2, 2, 2))
    assert counted(one_two).counts == {"ac": 24}
    one_two[1, 1, 0] = 1
    assert counted(one_two).counts == {"mac": 24}
    assert counted(one_two).rate == 9 / 8


def test_observed_products_follow_either_operand(chip):
    builder = GraphBuilder()
    a, b = (builder.input(name, TensorType((2, 2), Int(0, 3))) for name in "ab")
    graph = builder.graph(builder.add(MatMul(), a, b))
    policy = Policy(domain="observed")
    for value, kind in ((1, "ac"), (3, "mac")):
        data = {"a": np.ones((1, 1, 2, 2)), "b": np.full((1, 1, 2, 2), value)}
        counts = Interpreter().count(graph, data, chip.probes(graph, policy))
        assert chip.price(graph, counts, policy)[0].counts == {kind: 8}
