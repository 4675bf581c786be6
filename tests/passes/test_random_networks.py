"""Passes on random networks: each keeps the function, bit for bit, alone and in any order with the others.

The numbers of these networks are exact in fp64 in whatever order they are added up (see `random_networks.py`), so that
nothing is left to a tolerance.
"""

import importlib.util
from collections import Counter
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from passes.manager import PASSES, run
from spikec.ir.neurons import MultiLevelSpike, Neuron, Threshold
from spikec.ir.text import parse
from spikec.ir.time import Repeat, TimeLast, TimeMean, TimeSum
from spikec.run.interp import Interpreter

SPEC = importlib.util.spec_from_file_location("random_networks", Path(__file__).with_name("random_networks.py"))
random_networks = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(random_networks)

KEEPING = [*(name for name in PASSES if name != "quantize"), {"pass": "reorder-attention", "order": "qk"}]
"""All but quantize keep the function."""
EXACTLY = {"deadline": None, "derandomize": True, "database": None, "suppress_health_check": list(HealthCheck)}
SEEDS = st.integers(0, 2**32 - 1)


def outputs(graph, data):
    found = Interpreter().run(graph, data)
    return [found[value] for value in graph.outputs]


def same(graph, passed, seed, live):
    """Compares the outputs of both on random data; counts the neuron layers that fire, and not always."""
    data = random_networks.data_for(graph, seed)
    for before, after in zip(outputs(graph, data), outputs(passed, data), strict=True):
        assert torch.equal(before, after), graph.text() + passed.text()
    layers = [node.name for node in graph.nodes_of(Neuron, Threshold, MultiLevelSpike)]
    spikes = Interpreter().run(graph, data, keep=layers).values()
    live["live"] += sum(bool(q.any()) and len(q.unique()) > 1 for q in spikes)
    live["layers"] += len(layers)


def each(examples):
    """Every pass by itself; gives how often each one changed a network, and how many layers were live."""
    changed = Counter()

    @settings(max_examples=examples, **EXACTLY)
    @given(random_networks.networks(), SEEDS)
    def check(graph, seed):
        for entry in KEEPING:
            passed = run(graph, [entry])
            if passed.graph is graph:
                continue
            changed[str(entry)] += 1
            same(graph, passed.graph, seed, changed)
            assert run(passed.graph, [entry]).graph is passed.graph, f"{entry} twice is not once: {graph.text()}"
            assert parse(passed.graph.text(), passed.graph.weights).sha256 == passed.graph.sha256

    check()
    return changed


def ordered(examples):
    """All of them in a random order; gives how often each order changed a network, and how many layers were live."""
    changed = Counter()

    @settings(max_examples=examples, **EXACTLY)
    @given(random_networks.networks(), st.permutations(KEEPING), SEEDS)
    def check(graph, order, seed):
        passed = run(graph, order)
        changed["orders"] += len(passed.applied) > 1
        same(graph, passed.graph, seed, changed)

    check()
    return changed


def origins(graph, value):
    """The inputs that a value comes from, and the nodes between."""
    inputs, nodes, waiting = set(), {}, [value]
    while waiting:
        value = waiting.pop()
        node = graph.producers.get(value)
        if node is None:
            inputs.add(value)
        elif node.name not in nodes:
            nodes[node.name] = node
            waiting.extend(node.inputs)
    return inputs, nodes.values()


def test_repeats_stand_at_inputs_unless_a_reduction_or_a_constant_is_repeated():
    changed = Counter()

    @settings(max_examples=120, **EXACTLY)
    @given(random_networks.networks())
    def check(graph):
        passed = run(graph, ["repeat-first"])
        changed["graphs"] += bool(passed.applied)
        for node in passed.graph.nodes_of(Repeat):
            inputs, nodes = origins(passed.graph, node.inputs[0])
            reduced = any(isinstance(other.op, TimeMean | TimeSum | TimeLast) for other in nodes)
            assert node.inputs[0] in passed.graph.inputs or reduced or not inputs, passed.graph.text()
            changed["inputs"] += node.inputs[0] in passed.graph.inputs

    check()
    assert changed["graphs"] > 5
    assert changed["inputs"] > 10


@pytest.mark.full
def test_each_keeps_the_function_and_twice_is_once():
    changed = each(60)
    assert not [entry for entry in map(str, KEEPING) if not changed[entry]]
    assert changed["live"] > 0.4 * changed["layers"]


def test_any_order_keeps_the_function():
    changed = ordered(60)
    assert changed["orders"] > 25
    assert changed["live"] > 0.4 * changed["layers"]


@pytest.mark.long
def test_each_keeps_the_function_at_length():
    changed = each(500)
    assert min(changed[str(entry)] for entry in KEEPING) > 20


@pytest.mark.long
def test_any_order_keeps_the_function_at_length():
    assert ordered(500)["orders"] > 250
