"""Random wirings of NIR's nodes: several ends, cycles, subgraphs. Each is taken by its equations, or refused by name.

What leads back a step later is what the remarks say, so that a reading is right by its own words.
"""

import re
from collections import Counter

import networkx as nx
import nir
import numpy as np
import pytest

from spikec.errors import UnsupportedOp

DT, N, STEPS = 2.0**-13, 3, 12
LATE = re.compile(r"a cycle without a Delay: '(.+)' takes what '(.+)' gave a step ago")
KINDS = (nir.LIF, nir.CubaLIF, nir.IF, nir.LI, nir.CubaLI, nir.Affine, nir.Linear, nir.Scale, nir.Threshold, nir.Delay)
SHARES = (0.22, 0.1, 0.06, 0.08, 0.04, 0.17, 0.12, 0.07, 0.04, 0.1)
BOUNDS = {
    "tau": (1.2 * DT, 5 * DT),
    "tau_syn": (1.2 * DT, 3 * DT),
    "tau_mem": (1.2 * DT, 5 * DT),
    "v_leak": (-0.2, 0.2),
    "v_threshold": (0.2, 0.6),
    "v_reset": (-0.2, 0.1),
    "w_in": (0.5, 2.0),
    "scale": (-0.5, 0.9),
    "threshold": (0.1, 0.5),
    "bias": (-0.2, 0.2),
}


def node(random):
    kind = random.choice(KINDS, p=SHARES)
    if kind is nir.Delay:
        steps = random.integers(1, 4, size=N) if random.uniform() < 0.5 else np.full(N, random.integers(1, 4))
        return nir.Delay(steps * DT)
    fields = [name for name in kind.__dataclass_fields__ if not name.endswith("_type") and name != "metadata"]
    gain = (2e3, 9e3) if kind is nir.IF else (0.5, 4.0 if hasattr(kind, "v_reset") else 1.0)
    bounds = {**BOUNDS, "r": gain}
    sizes = {name: (N, N) if name == "weight" else (N,) for name in fields}
    return kind(**{name: random.uniform(*bounds.get(name, (-0.6, 0.7)), size=sizes[name]) for name in fields})


def graph(random, inputs, outputs, depth=0):
    """Nodes of which each hears some before it, one or two edges that lead anywhere, and none that hangs loose."""
    count = int(random.integers(1, 8 if depth == 0 else 4))
    inner = {
        f"n{i}": graph(random, 1, 1, depth + 1) if random.uniform() < 0.1 and depth < 2 else node(random)
        for i in range(count)
    }
    starts, names = [f"in{i}" for i in range(inputs)], list(inner)
    stops = [f"out{i}" for i in range(outputs)]
    nodes = {**{name: nir.Input(np.array([N])) for name in starts}, **inner}
    nodes |= {name: nir.Output(np.array([N])) for name in stops}
    edges = {(str(random.choice(starts + names[:at])), name) for at, name in enumerate(names)}
    edges |= {(str(random.choice(names)), str(random.choice(names))) for _ in range(int(random.integers(0, 3)))}
    edges |= {(str(random.choice(names)), stop) for stop in stops}
    for name in [*starts, *names]:
        if name not in {source for source, _ in edges}:
            later = names if name in starts else names[names.index(name) + 1 :] + stops
            edges.add((name, str(random.choice(later))))
    return nir.NIRGraph(nodes, sorted(edges), type_check=False)


def flat(whole, prefix=""):
    """Nodes and edges with those of subgraphs among them, under joined names."""
    nodes, edges = {}, []
    enters, leaves = ({name: prefix + name for name in whole.nodes} for _ in range(2))
    for name, found in whole.nodes.items():
        if isinstance(found, nir.NIRGraph):
            inner = flat(found, f"{prefix}{name}.")
            nodes, edges = nodes | inner[0], edges + inner[1]
            enters[name], leaves[name] = f"{prefix}{name}.in0", f"{prefix}{name}.out0"
        else:
            nodes[prefix + name] = found
    return nodes, edges + [(leaves[a], enters[b]) for a, b in whole.edges]


def hopeless(nodes, edges, ends):
    """Whether something hangs loose, or goes round where no time passes: in neither a neuron nor a Delay."""
    wired = nx.DiGraph(edges)
    wired.add_nodes_from(nodes)
    starts, stops = ([name for name in ends if isinstance(nodes.get(name), kind)] for kind in (nir.Input, nir.Output))
    fed = set(starts).union(*(nx.descendants(wired, name) for name in starts))
    heard = set(stops).union(*(nx.ancestors(wired, name) for name in stops))
    instant = wired.subgraph([n for n, found in nodes.items() if not (hasattr(found, "r") or hasattr(found, "delay"))])
    return fed & heard != set(nodes) or not nx.is_directed_acyclic_graph(instant)


def test_a_random_graph_is_taken_as_it_says_or_refused(taken, values, reference):
    met = Counter()
    for seed in range(80):
        random = np.random.default_rng(seed)
        whole = graph(random, *(int(n) for n in random.integers(1, 4, size=2)))
        nodes, edges = flat(whole)
        x = {name: random.uniform(-0.4, 1.2, size=(STEPS, 3, N)) for name in whole.nodes if name.startswith("in")}
        if hopeless(nodes, edges, whole.nodes):
            met["refused"] += 1
            with pytest.raises(UnsupportedOp, match=r"no way leads|on a cycle without"):
                taken(whole.nodes, whole.edges, dt=DT)
            continue
        found = taken(whole.nodes, whole.edges, dt=DT, integrator="euler", steps=STEPS)
        late = [(source, target) for target, source in (m.groups() for m in map(LATE.fullmatch, found.remarks) if m)]
        expected = reference(nodes, edges, x, DT, late=late)
        run = values(found.graph, x if len(x) > 1 else x["in0"])
        for output, value in found.facts["outputs"].items():
            np.testing.assert_allclose(run[value], expected[output], rtol=1e-9, atol=1e-9, err_msg=f"{seed}: {output}")
        met["cycles"] += bool(late)
        met["subgraphs"] += len(nodes) > len(whole.nodes)
        met["several inputs"] += len(x) > 1
        met["several outputs"] += len(found.graph.outputs) > 1
    assert all(count >= 5 for count in met.values())
    assert len(met) == 5


@pytest.mark.parametrize("name", ["n0", "in0"])
def test_a_double_edge_is_refused_wherever_it_is(taken, name):
    whole = graph(np.random.default_rng(1), 2, 1)
    (edge,) = [edge for edge in whole.edges if name in edge][:1]
    with pytest.raises(UnsupportedOp, match="2 edges from"):
        taken(whole.nodes, [*whole.edges, edge])
