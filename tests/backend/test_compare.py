"""Graphs compared by value: each difference is one line that names it."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from spikec.backend.compare import compare
from spikec.ir.graph import Graph
from spikec.ir.neurons import LIF
from spikec.ir.types import FLOAT64, Role, Weight


def with_node(graph: Graph, name: str, **changes: object) -> Graph:
    return replace(graph, nodes=tuple(replace(n, **changes) if n.name == name else n for n in graph.nodes))


def with_weight(graph: Graph, name: str, weight: Weight) -> Graph:
    return replace(graph, weights={**graph.weights, name: weight})


def bias(graph: Graph) -> np.ndarray:
    return np.array(graph.weights["fc.bias"].array)


CHANGES: dict[str, tuple[Callable[[Graph], Graph], str, int]] = {
    "op": (
        lambda g: with_node(g, "fc.lif", op=LIF(fires_at=">")),
        "node 'fc.lif': op LIF(reset='hard', fires_at='>'",
        0,
    ),
    "operands": (lambda g: with_node(g, "side.conv", inputs=("repeat",)), "node 'side.conv': operands", 0),
    "scope": (lambda g: with_node(g, "fc", scope="elsewhere"), "node 'fc': module path elsewhere", 0),
    "slot": (lambda g: with_node(g, "head", weights={"weight": "fc.weight"}), "node 'head': weights", 0),
    "type": (lambda g: with_node(g, "fc", types=g.node("head").types), "node 'fc': results", 0),
    "missing": (lambda g: replace(g, nodes=g.nodes[:-1]), "node 'mean' is missing", 0),
    "extra": (lambda g: replace(g, nodes=(*g.nodes, replace(g.nodes[-1], name="more"))), "node 'more' is not in", 0),
    "outputs": (lambda g: replace(g, outputs=("head",)), "outputs: ('head',) instead of ('mean',)", 0),
    "inputs": (lambda g: replace(g, inputs={}), "inputs: {}", 0),
    "steps": (lambda g: replace(g, steps=9), "steps: 9 instead of 4", 0),
    "number": (lambda g: with_weight(g, "fc.bias", Weight(bias(g) + np.eye(12, dtype=np.float32)[3])), "1 of 12", 1),
    "shape": (lambda g: with_weight(g, "fc.bias", Weight(bias(g)[:3])), "shape [3] instead of [12]", 12),
    "role": (lambda g: with_weight(g, "fc.bias", Weight(bias(g), Role.CONSTANT)), "constant float32, not parameter", 0),
    "dtype": (lambda g: with_weight(g, "fc.bias", Weight(bias(g).astype(float))), "float64 instead of float32", 0),
    "format": (lambda g: with_weight(g, "fc.bias", Weight(bias(g), format=FLOAT64)), "parameter float64, not", 0),
    "absent": (
        lambda g: replace(g, weights={k: w for k, w in g.weights.items() if k != "fc.bias"}),
        "weight 'fc.bias' is missing",
        12,
    ),
    "another": (lambda g: with_weight(g, "more", Weight(np.ones(2))), "weight 'more' is not in the graph", 0),
}


@pytest.mark.parametrize("change", CHANGES)
def test_each_difference_is_named(conv_net, change):
    make, said, differing = CHANGES[change]
    graph = conv_net()
    found = compare(graph, make(graph))
    assert len(found.differences) == 1
    assert said in found.differences[0]
    assert found.parameters_differing == differing


def test_inputs_in_another_order_are_a_difference(conv_net):
    graph = conv_net()
    both = {"more": next(iter(graph.inputs.values())), **graph.inputs}
    turned = dict(reversed(list(both.items())))
    (said,) = compare(replace(graph, inputs=both), replace(graph, inputs=turned)).differences
    assert said.startswith("order of inputs: ")


def test_equal_graphs_differ_in_nothing_and_what_was_compared_is_counted(conv_net):
    graph = conv_net()
    found = compare(graph, conv_net())
    assert found.differences == ()
    assert found.nodes == len(graph.nodes)
    assert found.edges == len(graph.nodes) + 1 + len(graph.outputs)
    assert found.parameters == sum(w.array.size for w in graph.weights.values())


def test_the_order_of_nodes_is_no_difference(conv_net):
    graph = conv_net()
    assert compare(graph, replace(graph, nodes=graph.nodes[::-1])).differences == ()
