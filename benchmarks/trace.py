"""Recording a network against running it, and how printing, parsing and verifying a graph grow with its nodes.

The recording is one pass of Spikformer-4-384 at T = 4 with two samples, which tell time and batch apart, and the graph
finished and verified; the peer is one forward pass of the module on one sample. The replays and the recordings at
other sizes, of more samples and steps, are apart. Growth is the slope of log seconds over log nodes, by least squares,
of chains of Linear, LIF and Add.
"""

from __future__ import annotations

import gc
from collections.abc import Callable
from functools import partial
from itertools import pairwise

import numpy as np
import torch
from pairs import line, seconds, where

from spikec.frontend.recording import Asked, finished, record
from spikec.ir.arithmetic import Add
from spikec.ir.builder import GraphBuilder
from spikec.ir.graph import Graph
from spikec.ir.linear import Linear
from spikec.ir.neurons import LIF
from spikec.ir.text import parse
from spikec.ir.types import TensorType, Timing
from spikec.snn.registry import network_config
from spikec.snn.spikformer import new_spikformer

NODES = (100, 316, 1000, 3162, 10_000)
REPEATS = 7


def recording() -> str:
    """The line of the recording."""
    network = new_spikformer(network_config("spikformer-4-384"), torch.Generator().manual_seed(0)).eval()
    asked = Asked(TensorType((3, 32, 32), timing=Timing.ONCE), "BX", 4, "input")
    image = torch.rand(1, 3, 32, 32)

    @torch.no_grad()
    def forward() -> None:
        network(image)

    work = "a recording, spikformer-4-384, T=4, 1 thread"
    names = ("recording", "torch forward")
    return line(work, lambda: finished(record(network, asked, asked.sizes)), forward, names, "at most 3")


def chain(nodes: int) -> Graph:
    """A graph of Linear, LIF and Add, again and again."""
    b = GraphBuilder(steps=4)
    value = b.input("x", TensorType((4,)))
    for place in range(nodes):
        scope = f"layers.{place // 3}"
        if place % 3 == 0:
            weight = np.full((4, 4), place, np.float32)
            value = drive = b.add(Linear(), value, scope=f"{scope}.fc", weights={"weight": weight})
        elif place % 3 == 1:
            value = b.add(LIF(), value, scope=f"{scope}.lif", weights={"tau": 2.0, "v_threshold": 1.0})
        else:
            value = b.add(Add(), value, drive, scope=scope, inner=True)
    return b.graph(value)


def parsed(graph: Graph) -> Graph:
    """The graph, printed and read back."""
    return parse(graph.text(), graph.weights)


def growth(work: str, run: Callable[[Graph], object]) -> str:
    """The line of how a piece of work grows with the nodes of a graph."""
    graphs = [chain(nodes) for nodes in NODES]
    found = [float("inf")] * len(NODES)
    gc.collect()
    gc.disable()  # as timeit does: its passes grow with what else is alive
    for _ in range(REPEATS):  # all sizes in turn, so that what else the machine does is spread over them
        for place, graph in enumerate(graphs):
            found[place] = min(found[place], seconds(partial(run, graph)))
    gc.enable()
    logs = np.log(NODES), np.log(found)
    slope = np.polyfit(*logs, 1)[0]
    parts = [float((b - a) / (y - x)) for (x, a), (y, b) in pairwise(zip(*logs, strict=True))]
    spread = f"{slope:.2f} ({min(parts):.2f}..{max(parts):.2f}, {len(NODES)} sizes)"
    grown = f"{NODES[0]} to {NODES[-1]:,} nodes, {found[-1] * 1e6 / NODES[-1]:.1f} us a node at last"
    return f"{work}, {grown}   log seconds / log nodes  {spread}   linear is 1   {where()}"


if __name__ == "__main__":
    torch.set_num_threads(1)
    print(recording())
    print(growth("build", lambda graph: chain(len(graph.nodes))))
    print(growth("print", Graph.text))
    print(growth("print and parse", parsed))
    print(growth("verify", Graph.verify))
