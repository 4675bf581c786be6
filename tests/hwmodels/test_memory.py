"""Accesses and their prices against the table of Lemaire et al. 2022, worked out by hand."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from hwmodels.registry import load
from spikec.cost import Policy, Rates
from spikec.errors import DataError, UnsupportedOp, UsageError
from spikec.ir.builder import GraphBuilder
from spikec.ir.integrators import LI
from spikec.ir.linear import Conv2d, Linear
from spikec.ir.neurons import IF, LIF, CubaLIF, Threshold
from spikec.ir.shapes import Reshape, Transpose
from spikec.ir.time import Repeat
from spikec.ir.types import REAL, SPIKE, Int, TensorType, Timing
from spikec.run.interp import Interpreter

STEPS = 2
TABLE = Policy(counting="rate")
LINE = Policy(counting="rate", memory="line")
CHIP = load("45nm-memory")


def network(layer, shape, *, neuron=None, bias=True, outputs=3, inputs=SPIKE, kernel=(), timing=Timing.STEP, zeros=()):
    """A layer behind the input, and a neuron behind it; the weights have no zero but those asked for."""
    rng = np.random.default_rng(0)
    builder = GraphBuilder(STEPS)
    x = builder.input("x", TensorType(shape, inputs, timing))
    x = builder.add(Repeat(), x) if timing is Timing.ONCE else x
    weights = {"weight": rng.random((outputs, shape[0], *kernel)) + 0.1}
    for place in zeros:
        weights["weight"][place] = 0
    if bias:
        weights["bias"] = rng.random(outputs)
    y = builder.add(layer, x, scope="layer", weights=weights)
    if neuron is None:
        return builder.graph(y)
    slots = {"v_threshold": 0.5} | ({"tau": 2.0} if isinstance(neuron, LIF) else {})
    return builder.graph(builder.add(neuron, y, scope="neuron", weights=slots))


def conv(**fields):
    """[2, 5, 4] to [3, 3, 3]: a kernel of 3 x 2 in strides of 2 and 1, so K = 6 and N_out = 27."""
    return network(Conv2d((2, 1), (1, 0)), (2, 5, 4), kernel=(3, 2), **fields)


def costs(graph, data, policy, chip=CHIP):
    counts = Interpreter(torch.float64).count(graph, {"x": data}, chip.probes(graph, policy))
    return {cost.scope: cost for cost in chip.price(graph, counts, policy)}


def seven_spikes(shape=(2, 5, 4)):
    data = np.zeros((STEPS, 1, *shape))
    data.reshape(STEPS, -1)[0, [0, 3, 11, 25]] = 1
    data.reshape(STEPS, -1)[1, [7, 12, 39]] = 1
    return data


@pytest.mark.parametrize(
    ("policy", "addresses"), [(TABLE, 7 * 3 * 6), (LINE, 7 * 6)], ids=["for each channel", "for each place"]
)
def test_a_convolution_counts_what_the_table_says(policy, addresses):
    found = costs(conv(neuron=LIF()), seven_spikes(), policy)
    assert found["layer"].counts == {
        "ac": 7 * 2 * 2 * 3,
        "read_input": 7,
        "read_weight": 7 * 3 * 6,
        "read_bias": STEPS * 27,
        "read_potential": 7 * 3 * 6,
        "write_potential": 7 * 3 * 6,
        "bias_add": STEPS * 27,
        "address_ac": addresses,
        "address_mac": 2 * 7,
    }
    fired = found["neuron"].counts["spike"]
    assert 0 < fired < STEPS * 27
    assert found["neuron"].counts == {
        "read_potential": STEPS * 27,
        "write_potential": STEPS * 27,
        "leak_mac": STEPS * 27,
        "spike": fired,
        "reset_ac": fired,
    }


@pytest.mark.parametrize(("policy", "adds"), [(TABLE, None), (LINE, STEPS * 3)])
def test_a_linear_counts_what_the_table_says(policy, adds):
    data = np.zeros((STEPS, 1, 4))
    data[0, 0, :3] = data[1, 0, 1:3] = 1
    found = costs(network(Linear(), (4,), neuron=IF(), bias=False), data, policy)
    layer = {
        "ac": 15,
        "read_input": 5,
        "read_weight": 15,
        "read_potential": 15,
        "write_potential": 15,
        "address_ac": 15,
    }
    assert found["layer"].counts == (layer if adds is None else layer | {"bias_add": adds})
    assert "leak_mac" not in found["neuron"].counts
    assert found["neuron"].counts["read_potential"] == STEPS * 3


def test_each_term_is_its_count_times_its_price():
    found = costs(conv(neuron=LIF()), seven_spikes(), TABLE)
    layer, fired = found["layer"], found["neuron"].counts["spike"]
    # 32-bit words, E(s) = 10 pJ s / 8 KiB: 36 weights and 3 biases in one memory, 27 potentials, 1,000 messages.
    params, potential, queue = (10 * 4 * words / 8192 for words in (39, 27, 1000))
    assert layer.energy_pj == pytest.approx(
        {
            "ac": 84 * 0.1,
            "bias_add": 54 * 0.1,
            "address_ac": 126 * 0.1,
            "address_mac": 14 * 3.2,
            "read_input": 7 * queue,
            "read_weight": 126 * params,
            "read_bias": 54 * params,
            "read_potential": 126 * potential,
            "write_potential": 126 * potential,
        },
        rel=1e-12,
    )
    assert found["neuron"].energy_pj == pytest.approx(
        {
            "leak_mac": 54 * 3.2,
            "reset_ac": fired * 0.1,
            "read_potential": 54 * potential,
            "write_potential": 54 * potential,
            "write_output": fired * queue,
        },
        rel=1e-12,
    )


def test_the_other_reading_prices_weights_and_biases_apart_and_no_memory_below_13_pj():
    found = costs(conv(neuron=LIF()), seven_spikes(), LINE)["layer"].energy_pj
    weights, biases, potentials, queue = (13.2 + 1.09e-5 * 32 * words for words in (36, 3, 27, 0))
    assert found["read_weight"] == pytest.approx(126 * weights, rel=1e-12)
    assert found["read_bias"] == pytest.approx(54 * biases, rel=1e-12)
    assert found["read_potential"] == pytest.approx(126 * potentials, rel=1e-12)
    assert found["read_input"] == pytest.approx(7 * queue, rel=1e-12)


@pytest.mark.parametrize(("policy", "places"), [(Policy(), 8), (Policy(memory="line"), 4)])
def test_events_are_charged_for_the_outputs_that_they_reach(policy, places):
    """A spike in the corner of a padded 3 x 3 convolution of two channels reaches 4 places, not 9."""
    data = np.zeros((STEPS, 1, 1, 4, 4))
    data[0, 0, 0, 0, 0] = 1
    graph = network(Conv2d((1, 1), (1, 1)), (1, 4, 4), outputs=2, kernel=(3, 3), bias=False)
    found = costs(graph, data, policy)["layer"].counts
    kinds = ("ac", "read_weight", "read_potential", "write_potential")
    assert [found[kind] for kind in kinds] == [8, 8, 8, 8]
    assert (found["address_ac"], found["address_mac"], found["read_input"]) == (places, 2, 1)


def test_weights_of_zero_are_not_read_where_the_policy_skips_them():
    padded = Conv2d((1, 1), (1, 1))
    graph = network(padded, (1, 4, 4), outputs=2, kernel=(3, 3), bias=False, zeros=[(0, 0, 1, 1)])
    data = np.zeros((STEPS, 1, 1, 4, 4))
    data[0, 0, 0, 0, 0] = 1
    found = costs(graph, data, Policy(zero_weights="skip", memory="line"))["layer"].counts
    assert (found["ac"], found["read_weight"], found["address_ac"]) == (7, 7, 4)


def test_a_layer_of_real_inputs_is_a_formal_one_under_the_table():
    data = np.zeros((STEPS, 1, 2, 5, 4))
    found = costs(conv(inputs=REAL, neuron=LIF()), data, TABLE)["layer"]
    dense = STEPS * 27 * 2 * 6
    assert found.counts == {
        "mac": dense,
        "read_input": dense,
        "read_weight": dense,
        "read_bias": STEPS * 27,
        "bias_add": STEPS * 27,
        "address_ac": STEPS * (40 + 27 + 3 * 6),
    }
    assert found.energy_pj["read_input"] == pytest.approx(dense * 10 * 4 * 40 / 8192, rel=1e-12)


def test_a_network_without_neurons_writes_its_results():
    found = costs(conv(inputs=REAL), np.ones((STEPS, 1, 2, 5, 4)), TABLE)["layer"]
    assert found.counts["write_output"] == STEPS * 27


@pytest.mark.parametrize(("value", "kind"), [(1.0, "ac"), (2.0, "mac"), (0.5, "mac")])
def test_values_that_are_no_spikes_make_a_formal_layer_where_values_decide(value, kind):
    observed = replace(TABLE, domain="observed")
    domain = REAL if value == 0.5 else Int(0, 2)
    data = value * seven_spikes()
    found = costs(conv(inputs=domain, neuron=LIF()), data, observed)["layer"].counts
    assert kind in found
    assert ("read_potential" in found) == (kind == "ac")


@pytest.mark.parametrize(
    ("policy", "kind", "size"),
    [
        (Policy(), "ac", 2),
        (Policy(multibit="ac"), "ac", 1),
        (Policy(multibit="mac"), "mac", 1),
        (Policy(domain="observed"), "mac", 1),
        (TABLE, "ac", 2),
        (replace(TABLE, rate_of="nonzero"), "ac", 1),
    ],
)
def test_a_value_of_2_is_as_many_events_as_the_policy_says(policy, kind, size):
    found = costs(network(Linear(), (4,), inputs=Int(0, 2)), np.full((STEPS, 1, 4), 2.0), policy)["layer"].counts
    assert (found[kind], found["read_input"], found["read_weight"]) == (size * 24, size * 8, size * 24)


def test_a_neuron_that_is_never_reset_subtracts_nothing():
    found = costs(conv(neuron=LIF(reset="none")), seven_spikes(), TABLE)["neuron"]
    assert found.counts["spike"] > 0
    assert "reset_ac" not in found.counts
    assert "reset_ac" not in found.energy_pj


@pytest.mark.parametrize(("first_layer", "times"), [("per-step", STEPS), ("once", 1)])
def test_what_is_the_same_at_every_step_is_counted_as_the_policy_says(first_layer, times):
    graph = network(Linear(), (4,), neuron=LIF(), timing=Timing.ONCE)
    found = costs(graph, np.array([[1.0, 1.0, 1.0, 0.0]]), replace(TABLE, first_layer=first_layer))
    assert found["layer"].counts["read_weight"] == times * 9
    assert found["layer"].counts["read_bias"] == times * 3
    assert found["neuron"].counts["read_potential"] == STEPS * 3


def test_biases_among_the_operations_are_not_counted_twice():
    found = costs(conv(neuron=LIF()), seven_spikes(), replace(TABLE, bias="in-ops"))["layer"].counts
    assert found["ac"] == 84 + 54
    assert "bias_add" not in found


def test_published_rates_price_the_table():
    builder = GraphBuilder(STEPS)
    y = builder.input("x", TensorType((4,), SPIKE))
    for name, shape in (("a", (3, 4)), ("b", (2, 3))):
        y = builder.add(Linear(), y, scope=name, weights={"weight": np.ones(shape)})
        y = builder.add(IF(), y, scope=f"{name}.lif", weights={"v_threshold": 1.0})
    graph = builder.graph(y)
    names = {node.scope: node.name for node in graph.nodes}
    known = {(names["a"], 0): 0.25, (names["b"], 0): 0.5}
    with pytest.raises(DataError, match="no rate of the spikes that it sends"):
        CHIP.price(graph, Rates(known, STEPS), TABLE)
    builder = GraphBuilder(STEPS)
    x = builder.input("x", TensorType((4,), SPIKE))
    y = builder.add(Linear(), x, scope="a", weights={"weight": np.ones((3, 4))})
    y = builder.add(IF(), y, scope="a.lif", weights={"v_threshold": 1.0})
    y = builder.add(Transpose((0,)), builder.add(Reshape((3,)), y))
    y = builder.add(Linear(), y, scope="b", weights={"weight": np.ones((2, 3))})
    graph = builder.graph(y)
    known = {(node.name, 0): rate for node, rate in zip(graph.nodes_of(Linear), (0.25, 0.5), strict=True)}
    found = {cost.scope: cost.counts for cost in CHIP.price(graph, Rates(known, STEPS), TABLE)}
    assert found["a"]["read_input"] == 0.25 * 4 * STEPS
    assert found["a"]["read_weight"] == 0.25 * 4 * STEPS * 3
    assert found["a.lif"]["spike"] == 0.5 * 3 * STEPS
    assert found["b"]["ac"] == 0.5 * 3 * STEPS * 2


def test_published_rates_do_not_say_which_values_were_seen():
    graph = network(Linear(), (4,))
    rates = Rates({(graph.nodes[0].name, 0): 0.25}, STEPS)
    with pytest.raises(UsageError, match="published rates tell no values"):
        CHIP.price(graph, rates, replace(TABLE, domain="observed"))


@pytest.mark.parametrize(("neuron", "why"), [(CubaLIF(), "two states"), (Threshold(), "no potential")])
def test_neurons_that_the_table_does_not_know_are_refused_by_name(neuron, why):
    builder = GraphBuilder(STEPS)
    slots = {"v_threshold": 1.0} | ({"alpha": 0.5, "beta": 0.5} if isinstance(neuron, CubaLIF) else {})
    x = builder.input("x", TensorType((2,), REAL))
    graph = builder.graph(builder.add(neuron, x, scope="block.fire", weights=slots))
    for ask in (CHIP.plan, CHIP.probes):
        with pytest.raises(UnsupportedOp, match=why) as caught:
            ask(graph, Policy())
        assert caught.value.offenders[0].path == "block.fire"


def test_an_integrator_has_a_potential_and_sends_nothing():
    builder = GraphBuilder(STEPS)
    x = builder.input("x", TensorType((3,), REAL))
    graph = builder.graph(builder.add(LI(), x, scope="out", weights={"tau": 2.0}))
    assert costs(graph, np.ones((STEPS, 1, 3)), Policy())["out"].counts == dict.fromkeys(
        ("read_potential", "write_potential", "leak_mac"), STEPS * 3
    )
    assert "write_output" not in {term.name for term in CHIP.prices(graph, Policy())}


@pytest.mark.parametrize(
    "policy", [Policy(counting="spikingjelly"), Policy(counting="rate", zero_weights="skip")], ids=["way", "zeros"]
)
def test_policies_of_which_the_table_says_nothing_are_refused(policy):
    with pytest.raises(UsageError, match="45nm-memory"):
        CHIP.probes(conv(), policy)


def test_counts_of_another_policy_are_refused():
    graph = conv(neuron=LIF())
    counts = Interpreter(torch.float64).count(graph, {"x": seven_spikes()}, CHIP.probes(graph, Policy()))
    with pytest.raises(DataError, match="other questions"):
        CHIP.price(graph, counts, TABLE)


def test_counts_that_lack_what_this_chip_alone_asks_are_refused():
    graph, skipped = conv(neuron=LIF(), zeros=[(0, 0, 1, 1)]), Policy(zero_weights="skip")
    counts = Interpreter(torch.float64).count(graph, {"x": seven_spikes()}, CHIP.probes(graph, skipped))
    with pytest.raises(DataError, match="other questions"):
        CHIP.price(graph, counts, replace(skipped, memory="line"))
