"""Networks that every runner must run alike, with data, and numbers that make the layers of random graphs live."""

from dataclasses import replace

import numpy as np
import torch

from spikec.ir.graph import Graph
from spikec.ir.text import parse
from spikec.ir.types import Int, IntFormat, Role, Timing, Weight, constant, weight_of
from spikec.snn.config import uniform_config
from spikec.snn.graph_builder import build_graph
from spikec.snn.spikformer import new_spikformer
from spikec.snn.supernet import recalibrate


def spikformer(rng):
    """A Spikformer of two blocks whose statistics make it fire."""
    config = uniform_config("digits", (1, 8, 8), 10, width=32, depth=2, heads=4, steps=3)
    network = new_spikformer(config, torch.Generator().manual_seed(0))
    recalibrate(network, torch.rand((16, 1, 8, 8), generator=torch.Generator().manual_seed(1)))
    return build_graph(config, network.state_dict())


RECURRENT = """graph(%x: real step [5]) steps 6
%d = delay(%q; steps=steps) : spike step [4] @back
%r = linear(%d; weight=wr) @rec
%c = linear(%x; weight=wx) @ff
%a = add(%c, %r)
%q = cuba_lif(%a; alpha=decay, beta=decay, v_threshold=half) {reset='soft', reset_delay=True, fires_at='>'} @cell
%late = delay(%q; steps=one) : spike step [4]
%o = linear(%late; weight=wr) @out
%m = li(%o; tau=tau) @readout
%y = time_last(%m)
return %y, %q
"""


def recurrent(rng):
    """A layer that feeds itself after 1 to 3 steps, then a readout."""
    weights = {
        "steps": Weight(np.array([1, 2, 3, 1]), Role.CONSTANT, IntFormat(8)),
        "wr": weight_of(rng.normal(size=(4, 4))),
        "wx": weight_of(rng.normal(size=(4, 5))),
    }
    return parse(
        RECURRENT, weights | {"one": constant(1), "half": constant(0.5), "decay": constant(0.7), "tau": constant(3)}
    )


SEVERAL = """graph(%image: real once [4], %events: int(0,3) step [4], %codes: int(-2,5,0.25) step [4]) steps 4
%w = linear(%image; weight=w)
%r = repeat(%w)
%a = add(%r, %events)
%b = add(%a, %codes)
%q = lif(%b; tau=tau, v_threshold=one) {refractory=1}
%m = time_mean(%q)
%s = time_sum(%b)
return %m, %q.v, %s, %codes, %q
"""


def several(rng):
    """Several inputs, once and per step, integers among them; several outputs, an input among them."""
    weights = {"w": weight_of(rng.normal(size=(4, 4)).astype(np.float32)), "tau": constant(1.5), "one": constant(1)}
    return parse(SEVERAL, weights)


QUANTISED = """graph(%x: int(0,3) step [2,6,6]) steps 5
%c = conv2d(%x; bias=b, weight=w) {padding=(1, 1), stride=(2, 2)} @conv
%q = lif(%c; beta=decay, v_threshold=theta) {decay_input=False, fires_at='>', rounding='toward_zero'} @q
%p = max_pool(%q) {kernel=(3, 3), stride=(1, 1), padding=(1, 1)}
%a = add(%p, %q)
%f = reshape(%a) {shape=(3,9)}
%s = matmul(%f, %f) {transpose_b=True}
%k = if(%s; v_threshold=three) {reset='soft'} @k
%d = delay(%k; steps=one) : spike step [3,3]
%y = time_sum(%d)
return %y, %q.v, %k
"""


def quantised(rng):
    """In whole numbers alone: fixed-point weights, neurons that round, integer inputs."""
    weights = {
        "w": Weight(rng.integers(-7, 8, (3, 2, 3, 3)).astype(np.int8), Role.PARAMETER, IntFormat(8)),
        "b": Weight(rng.integers(-7, 8, 3).astype(np.int8), Role.PARAMETER, IntFormat(8)),
        "decay": Weight(np.array(3000, np.int16), Role.CONSTANT, IntFormat(12, 1 / 4096, signed=False)),
    }
    return parse(QUANTISED, weights | {"theta": constant(9), "three": constant(3), "one": constant(1)})


NETWORKS = {"spikformer": spikformer, "recurrent": recurrent, "several": several, "quantised": quantised}
"""By name: makes the graph from a random generator."""

TAMED = {  # in place of random numbers: what a slot may hold, from a draw of normal numbers
    "alpha": lambda n: 0.9 - 0.05 / (1 + np.abs(n)),
    "beta": lambda n: 0.6 / (1 + 0.1 * np.abs(n)),
    "tau": lambda n: 1 + np.abs(n),
    "tau_syn": lambda n: 1 + np.abs(n),
    "v_threshold": lambda n: 0.1 + np.abs(n) / 4,
    "var": lambda n: 0.1 + np.abs(n),
}


def tamed(graph: Graph, rng) -> Graph:
    """The graph with numbers that its ops are made for, so that neurons fire and no root is of a negative number."""
    slots = {name: slot for node in graph.nodes for slot, name in node.weights.items() if slot in TAMED}
    made = {
        name: weight_of(TAMED[slot](rng.normal(size=graph.weights[name].array.shape))) for name, slot in slots.items()
    }
    nodes = [  # whose states hold what comes
        replace(node, op=replace(node.op, state=None)) if getattr(node.op, "state", None) else node
        for node in graph.nodes
    ]
    tame = replace(graph, nodes=tuple(nodes), weights={**graph.weights, **made})
    tame.verify()
    return tame


def data_for(graph: Graph, rng, steps, batch):
    """Random data of the inputs' domains: all codes of an Int, normal numbers where Real."""
    data = {}
    for name, kind in graph.inputs.items():
        shape = (*([steps] if kind.timing is Timing.STEP else []), batch, *kind.shape)
        domain = kind.domain
        codes = isinstance(domain, Int)
        data[name] = rng.integers(domain.lo, domain.hi + 1, shape) * domain.scale if codes else rng.normal(size=shape)
    return data
