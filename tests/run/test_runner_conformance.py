"""What every runner must do, in one suite: a new one is a line in RUNNERS.

Values are held to those of another runner, which has been tested op by op; counts are counted again here from the
values that the runner itself gives.
"""

import itertools
from dataclasses import dataclass
from typing import get_args

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spikec.cost import Probe, ProbeKind
from spikec.errors import DataError, GraphError, UnsupportedOp
from spikec.ir.arithmetic import MatMul
from spikec.ir.graph import Graph
from spikec.ir.neurons import Neuron
from spikec.ir.ops import OPS
from spikec.ir.types import Int, Timing
from spikec.run.interp import Interpreter
from spikec.run.runner import Runner
from spikec.run.torch_module import TorchModuleRunner

F32, F64, I64 = torch.float32, torch.float64, torch.int64


@dataclass(frozen=True)
class Row:
    """A runner, the one whose values it must give bit for bit, and whether it runs whole numbers alone."""

    runner: Runner
    like: Runner | None = None
    whole: bool = False


RUNNERS = {
    "interpreter-fp64": Row(Interpreter(F64)),
    "interpreter-fp32": Row(Interpreter(F32)),
    "interpreter-int64": Row(Interpreter(I64), Interpreter(F64), whole=True),
    "torch-module-fp64": Row(TorchModuleRunner(F64), Interpreter(F64)),
    "torch-module-fp32": Row(TorchModuleRunner(F32), Interpreter(F32)),
}
CASES = ("spikformer", "recurrent", "several", "quantised")
TAKEN = [(name, case) for name, row in RUNNERS.items() for case in CASES if case == "quantised" or not row.whole]
KEEPS = [frozenset(k) for r in range(3) for k in itertools.combinations(("sample", "step"), r)]
ALONE = ("sum", "nonzero", "other", "outside", "max", "per-element")
LEVELS = (0.0, 2.0)
INSIDE = {"nonzero": (0,), "other": (-1, 0, 1), "outside": LEVELS}
PAIRS = ("overlap", "overlap-nonzero")
PRODUCTS = ("coincidence", "coincidence-nonzero")


def test_every_kind_of_probe_is_asked():
    of_its_own = {"touched"}  # tests/run/test_touched.py, of every runner
    assert {*ALONE, *PAIRS, *PRODUCTS} | of_its_own == set(get_args(ProbeKind))


@pytest.fixture(params=TAKEN, ids=lambda taken: "-".join(taken))
def taken(request, networks):
    """A runner's row and a network that it runs."""
    name, case = request.param
    return RUNNERS[name], networks.NETWORKS[case](np.random.default_rng(3))


@pytest.fixture(params=list(RUNNERS))
def row(request):
    return RUNNERS[request.param]


SIZES = [(None, 3), (1, 1), (7, 2)]


@pytest.mark.parametrize(("steps", "batch"), SIZES)
def test_values_are_those_of_the_reference(steps, batch, taken, networks, rng):
    row, graph = taken
    data = networks.data_for(graph, rng, steps or graph.steps, batch)
    found = row.runner.run(graph, data, steps, list(graph.types))
    assert list(found) == list(graph.types)
    for name, kind in graph.types.items():
        lead = (steps or graph.steps, batch) if kind.timing is Timing.STEP else (batch,)
        assert tuple(found[name].shape) == (*lead, *kind.shape), name
    if row.like:
        same(found, row.like.run(graph, data, steps, list(graph.types)))
    if steps is None:
        live = [found[node.name].double().mean() for node in graph.nodes if isinstance(node.op, Neuron)]
        assert live
        assert max(live) > 0.02
        assert min(live) < 0.98


def same(found, expected):
    for name, value in expected.items():
        np.testing.assert_array_equal(found[name].numpy(), value.numpy(), err_msg=name)


def test_what_is_kept_does_not_change_what_is_given(taken, networks, rng):
    row, graph = taken
    data = networks.data_for(graph, rng, graph.steps, 2)
    everything = row.runner.run(graph, data, keep=list(graph.types))
    for names in [[name] for name in graph.types] + [list(graph.types)[::-3], []]:
        found = row.runner.run(graph, data, keep=names)
        assert list(found) == names
        same(found, {name: everything[name] for name in names})
    outputs = row.runner.run(graph, data)
    assert list(outputs) == list(dict.fromkeys(graph.outputs))
    same(outputs, {name: everything[name] for name in graph.outputs})


def test_nothing_is_left_from_one_run_for_the_next(taken, networks, rng):
    row, graph = taken
    one, other = (networks.data_for(graph, rng, graph.steps, batch) for batch in (2, 3))
    first = row.runner.run(graph, one)
    row.runner.run(graph, other)
    same(row.runner.run(graph, one), first)


def test_the_past_knows_no_future(taken, networks, rng):
    """The first steps of a longer run are those of a shorter one."""
    row, graph = taken
    data = networks.data_for(graph, rng, 6, 2)
    timed = [name for name, kind in graph.types.items() if kind.timing is Timing.STEP]
    short = {name: x[:3] if graph.inputs[name].timing is Timing.STEP else x for name, x in data.items()}
    long, found = row.runner.run(graph, data, 6, timed), row.runner.run(graph, short, 3, timed)
    for name in timed:  # rounding apart, which is another where a product has other sizes
        np.testing.assert_allclose(found[name], long[name][:3], rtol=1e-4, atol=1e-5, err_msg=name)


def probes_of(graph: Graph, rng) -> list[Probe]:
    """Every kind, on each value and on pairs of them, with and without groups, for all that can be kept."""
    keeps = itertools.cycle(KEEPS)
    probes = [
        Probe((name,), kind, keep=KEEPS[(at + turn) % len(KEEPS)], levels=LEVELS if kind == "outside" else ())
        for turn, name in enumerate(graph.types)
        for at, kind in enumerate(ALONE)
    ]
    for name, kind in graph.types.items():
        groups = rng.integers(0, 3, kind.shape)
        probes += [Probe((name,), measure, groups, keep=next(keeps)) for measure in ("sum", "nonzero", "other")]
    timed = [name for name, kind in graph.types.items() if kind.timing is Timing.STEP]
    alike = [(a, b) for a in timed for b in timed if graph.types[a].shape == graph.types[b].shape]
    probes += [Probe(pair, kind, keep=next(keeps)) for pair in alike[:: len(alike) // 8 + 1] for kind in PAIRS]
    for node in graph.nodes_of(MatMul):
        turned = (node.op.transpose_a, node.op.transpose_b)
        probes += [Probe(node.inputs, kind, transposed=turned, keep=keep) for kind in PRODUCTS for keep in KEEPS]
    return probes


def codes(value, kind):
    """|n| of each element, of a Real one 1 where it is not zero; [T, B, ...]."""
    value = value.double().numpy()
    n = np.abs(np.rint(value / kind.domain.scale)) if isinstance(kind.domain, Int) else value != 0
    n, value = (x if kind.timing is Timing.STEP else x[None] for x in (n.astype(np.int64), value))
    return n, value


def recount(probe, values, types):
    """The answer by numpy, from whole arrays."""
    (n, value), *others = (codes(values[name], types[name]) for name in probe.values)
    if others:
        m = others[0][0]
        n, m = ((x != 0).astype(np.int64) for x in (n, m)) if probe.kind.endswith("nonzero") else (n, m)
        if probe.kind.startswith("overlap"):
            n = (n * m).reshape(*n.shape[:2], -1).sum(2, keepdims=True)
        else:
            a, b = (np.swapaxes(x, -1, -2) if turned else x for x, turned in zip((n, m), probe.transposed, strict=True))
            n = (a @ b).reshape(*n.shape[:2], -1).sum(2, keepdims=True)
        return kept(n, probe.keep, np.sum)
    if probe.kind in INSIDE:
        n = (~np.isin(value, INSIDE[probe.kind])).astype(np.int64)
    flat = n.reshape(*n.shape[:2], -1)
    if probe.kind == "max":
        return kept(flat.max(2), probe.keep, np.max)
    if probe.kind == "per-element":
        return kept(n, probe.keep, np.sum)
    labels = np.zeros(flat.shape[2], np.int64) if probe.groups is None else probe.groups.reshape(-1)
    groups = [flat[..., labels == group].sum(2) for group in range(labels.max(initial=-1) + 1)]
    return kept(np.stack(groups, -1), probe.keep, np.sum)


def kept(x, keep, reduce):
    x = x if "step" in keep else reduce(x, axis=0, keepdims=True)
    x = x if "sample" in keep else reduce(x, axis=1, keepdims=True)
    x = np.moveaxis(x, 1, 0)
    return x if "step" in keep else x[:, 0]


@pytest.mark.parametrize(("steps", "batch"), SIZES)
def test_counts_are_those_of_the_values(steps, batch, taken, networks, rng):
    row, graph = taken
    data = networks.data_for(graph, rng, steps or graph.steps, batch)
    probes = probes_of(graph, rng)
    outputs, counts = row.runner.run_and_count(graph, data, probes, steps)
    values = row.runner.run(graph, data, steps, list(graph.types))
    same(outputs, {name: values[name] for name in graph.outputs})
    assert (counts.samples, counts.steps) == (batch, steps or graph.steps)
    assert counts.answers.keys() == {probe.key for probe in probes}
    again = row.runner.count(graph, data, probes, steps)
    for probe in probes:
        assert counts.of(probe).dtype == np.int64
        np.testing.assert_array_equal(counts.of(probe), recount(probe, values, graph.types), err_msg=probe.key)
        np.testing.assert_array_equal(again.of(probe), counts.of(probe), err_msg=probe.key)


@pytest.mark.parametrize("mnemonic", sorted(OPS))
@settings(max_examples=4, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
@given(drawn=st.data(), seed=st.integers(0, 2**32 - 1), steps=st.sampled_from([1, 3]), batch=st.sampled_from([1, 2]))
def test_every_op(mnemonic, drawn, seed, steps, batch, random_graphs, networks, row):
    rng = np.random.default_rng(seed)
    graph = networks.tamed(drawn.draw(random_graphs(mnemonic)), rng)
    if not graph.inputs:  # a Constant alone
        return
    data = networks.data_for(graph, rng, steps, batch)
    probes = probes_of(graph, rng)
    try:
        values = row.runner.run(graph, data, steps, list(graph.types))
    except UnsupportedOp:
        assert row.whole
        return
    if row.whole:  # exactly, where fp64 rounds what is no multiple of a power of two
        for name, value in row.like.run(graph, data, steps, list(graph.types)).items():
            np.testing.assert_allclose(values[name], value, rtol=1e-12, atol=1e-12, err_msg=name)
    elif row.like:
        same(values, row.like.run(graph, data, steps, list(graph.types)))
    counts = row.runner.count(graph, data, probes, steps)
    for probe in probes:
        np.testing.assert_array_equal(counts.of(probe), recount(probe, values, graph.types), err_msg=probe.key)


CHANGES = {
    "no image": ({"image": None}, ("%image", "codes", "events")),
    "a size": ({"image": np.zeros((5, 3))}, ("%image", "[5, 3]", "[samples, 4]")),
    "no samples' axis": ({"image": np.zeros(4)}, ("%image", "[4]")),
    "time where there is none": ({"image": np.zeros((3, 5, 4))}, ("%image", "[3, 5, 4]")),
    "no time": ({"events": np.zeros((5, 4))}, ("%events", "[T, samples, 4]")),
    "other steps": ({"events": np.zeros((2, 5, 4))}, ("%events", "2 steps", "4")),
    "other samples": ({"image": np.zeros((1, 4))}, ("[1, 5] samples",)),
    "no sample": ({n: np.zeros((*([4] * (n != "image")), 0, 4)) for n in ("image", "events", "codes")}, ("no sample",)),
    "half an event": ({"events": np.full((4, 5, 4), 0.5)}, ("%events", "0.5", "int(0,3)")),
    "too many events": ({"events": np.full((4, 5, 4), 4)}, ("%events", "4", "int(0,3)")),
    "no code": ({"codes": np.full((4, 5, 4), 0.3)}, ("%codes", "0.3", "int(-2,5,0.25)")),
    "a code too low": ({"codes": np.full((4, 5, 4), -0.75)}, ("%codes", "-0.75")),
    "no number": ({"events": np.full((4, 5, 4), np.nan)}, ("%events", "nan")),
}


@pytest.mark.parametrize("change", CHANGES)
def test_data_that_do_not_fit_are_refused_alike(change, row, networks, rng):
    graph = networks.several(rng)
    changed, words = CHANGES[change]
    data = {**networks.data_for(graph, rng, 4, 5), **changed}
    data = {name: array for name, array in data.items() if array is not None}
    for run in (
        row.runner.run,
        lambda g, d: row.runner.run_and_count(g, d, []),
        lambda g, d: row.runner.count(g, d, []),
    ):
        with pytest.raises(DataError) as caught:
            run(graph, data)
        for word in words:
            assert word in str(caught.value)


@pytest.mark.parametrize("steps", [0, -1])
def test_no_steps_are_refused(steps, row, networks, rng):
    graph = networks.several(rng)
    with pytest.raises(DataError, match="steps"):
        row.runner.run(graph, networks.data_for(graph, rng, 4, 5), steps)


def test_what_the_graph_does_not_have_is_refused(taken, networks, rng):
    row, graph = taken
    data = networks.data_for(graph, rng, graph.steps, 1)
    with pytest.raises(GraphError, match=r"no value '%nowhere'"):
        row.runner.run(graph, data, keep=["nowhere"])
    with pytest.raises(GraphError, match=r"no value '%lost', '%nowhere'"):
        row.runner.count(graph, data, [Probe(("nowhere", "lost"), "overlap")])


def test_the_callers_arrays_are_left_alone(taken, networks, rng):
    row, graph = taken
    data = networks.data_for(graph, rng, graph.steps, 2)
    before = {name: array.copy() for name, array in data.items()}
    row.runner.run(graph, data)
    for name, array in data.items():
        np.testing.assert_array_equal(array, before[name])
        assert array.flags.writeable
