"""Building, printing, parsing and verifying do as much for a node of a large graph as for one of a small graph.

Counted in calls of functions, which no other work on the machine disturbs; benchmarks/trace.py has the seconds.
"""

import sys

import numpy as np
import pytest

from spikec.ir.arithmetic import Add
from spikec.ir.builder import GraphBuilder
from spikec.ir.linear import Linear
from spikec.ir.neurons import LIF
from spikec.ir.text import parse
from spikec.ir.types import TensorType


def chain(layers):
    """A graph of 4 nodes a layer; the sums have no scope of their own, and so are numbered."""
    b = GraphBuilder(steps=2)
    value = b.input("x", TensorType((3,)))
    for place in range(layers):
        weights = {"weight": np.full((3, 3), place, np.float32)}
        drive = b.add(Linear(), value, scope=f"layers.{place}.fc", weights=weights)
        spikes = b.add(LIF(), drive, scope=f"layers.{place}.lif", weights={"tau": 2.0, "v_threshold": 1.0})
        value = b.add(Add(), b.add(Add(), spikes, drive), drive)
    return b.graph(value)


def calls(run):
    counted = 0

    def count(frame, event, arg):
        nonlocal counted
        counted += event in ("call", "c_call")

    sys.setprofile(count)
    try:
        run()
    finally:
        sys.setprofile(None)
    return counted


WORK = {
    "build": lambda graph: chain(len(graph.nodes) // 4),
    "print": lambda graph: graph.text(),
    "parse": lambda graph: parse(graph.text(), graph.weights),
    "verify": lambda graph: graph.verify(),
}


@pytest.mark.parametrize("work", WORK)
def test_calls_grow_with_the_nodes_alone(work):
    small, large = chain(50), chain(500)
    WORK[work](small)
    few, many = calls(lambda: WORK[work](small)), calls(lambda: WORK[work](large))
    assert few > 200
    assert many < 10.5 * few
