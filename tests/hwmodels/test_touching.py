"""Which neurons are touched, by hand: behind residual sums, behind other neurons, in loops, behind products."""

from __future__ import annotations

import numpy as np

from hwmodels.registry import load
from hwmodels.touching import touched
from spikec.cost import Policy, Probe
from spikec.ir.arithmetic import MatMul
from spikec.ir.builder import GraphBuilder
from spikec.ir.graph import Graph
from spikec.ir.neurons import IF
from spikec.ir.text import parse
from spikec.ir.types import SPIKE, TensorType, constant, weight_of
from spikec.run.interp import Interpreter

EYE = weight_of(np.eye(3, dtype=np.float32))
RESIDUAL = """
    graph(%x: spike step [3], %y: spike step [3]) steps 3
    %a = linear(%x; weight=eye) @a
    %s = add(%a, %y) @s
    %q = if(%s; v_threshold=th) @q
    return %q
"""
BEHIND = """
    graph(%x: spike step [3]) steps 3
    %a = linear(%x; weight=eye) @a
    %p = if(%a; v_threshold=th) @p
    %m = reshape(%p) {shape=(1,3)} @m
    %q = if(%m; v_threshold=th) @q
    return %q
"""
LOOP = """
    graph(%x: spike step [3]) steps 3
    %d = delay(%q; steps=one) : spike step [3] @d
    %a = linear(%x; weight=eye) @a
    %b = linear(%d; weight=eye) @b
    %s = add(%a, %b) @s
    %q = if(%s; v_threshold=th) @q
    return %q
"""


def graph_of(text: str) -> Graph:
    weights = {"eye": EYE, "th": constant(1.0), "one": constant(1.0)}
    return parse(text, {name: weight for name, weight in weights.items() if f"={name}" in text})


def asked(graph: Graph, name: str) -> Probe | None:
    return touched(graph, graph.node(name), skip_zeros=True)


def test_a_residual_sum_touches_by_each_of_its_terms() -> None:
    graph, data = graph_of(RESIDUAL), {name: np.zeros((3, 1, 3)) for name in "xy"}
    data["x"][0, 0, 0] = data["y"][0, 0, 1] = data["y"][2, 0, 2] = 1
    probe = asked(graph, "q")
    assert probe is not None
    assert Interpreter().count(graph, data, [probe]).of(probe).item() == 3  # each fires at once and is left at 0


def test_a_neuron_behind_a_neuron_is_touched_by_that_ones_spikes() -> None:
    graph = graph_of(BEHIND)
    probe = asked(graph, "q")
    assert probe is not None
    assert (probe.values, probe.through) == (("q.v", "p"), ("m",))


def test_what_a_loop_brings_back_touches() -> None:
    graph, data = graph_of(LOOP), {"x": np.zeros((3, 1, 3))}
    data["x"][0, 0, 1] = 1
    probe = asked(graph, "q")
    assert probe is not None
    assert Interpreter().count(graph, data, [probe]).of(probe).item() == 3  # once by x, then twice by itself


def test_coincidences_touch_the_neurons_that_take_them() -> None:
    builder = GraphBuilder(1)
    a, b = builder.input("a", TensorType((2, 3), SPIKE)), builder.input("b", TensorType((3, 2), SPIKE))
    product = builder.add(MatMul(), a, b, scope="ab")
    graph = builder.graph(builder.add(IF(), product, scope="q", weights={"v_threshold": 5.0}))
    data = {"a": np.array([[[[1, 0, 0], [0, 1, 1]]]]), "b": np.array([[[[1, 0], [0, 0], [0, 0]]]])}
    chip, policy = load("loihi1-sanafe"), Policy(attention="coincidence")
    counts = Interpreter().count(graph, data, chip.probes(graph, policy))
    pairs, neuron = chip.price(graph, counts, policy)
    assert neuron.counts["soma_update"] == 1  # the row and the column that meet
    # Of 2 x 3 x 2 neurons two are reached by the first spike of a, one of them by that of b as well, which reaches one
    # more; the other two spikes of a reach two each.
    somas = {"soma_access": 12, "soma_update": 7, "soma_spike": 1}
    assert {kind: pairs.counts[kind] for kind in somas} == somas
    assert set(pairs.energy_pj) == {"synapse_conv", *somas}
