"""Every class that nir 1.0.8 can write, with every field drawn at random, against its equation in plain numpy.

The equations are those of nir's docstrings (nir 1.0.8, `nir/ir/*.py`), stepped by forward Euler where they are in time;
those of what has none there are of the layer that it is named for. No torch here, which is what computes the graphs.
"""

from dataclasses import fields
from itertools import pairwise

import nir
import numpy as np
import pytest

from spikec.errors import UnsupportedOp

DT = 2.0**-13
STEPS, SAMPLES = 24, 3


def per_element(random, shape, **ranges):
    """A number for each element between each two bounds."""
    return {name: random.uniform(low, high, size=shape) for name, (low, high) in ranges.items()}


def numbers(random, count, low, high):
    return random.integers(low, high + 1, size=count)


def neuron(kind, **ranges):
    """Draws of a neuron; `tau` and its like are in steps."""

    def draw(random):
        shape = tuple(numbers(random, int(random.integers(1, 4)), 2, 4))
        drawn = per_element(random, shape, **ranges)
        return kind(**{name: v * DT if name.startswith("tau") else v for name, v in drawn.items()}), shape

    return draw


LEAKY = {"tau": (1.2, 6), "r": (0.5, 4), "v_leak": (-0.3, 0.3)}
CURRENT = {"tau_syn": (1.1, 3), "tau_mem": (1.2, 6), "r": (0.5, 4), "v_leak": (-0.3, 0.3), "w_in": (0.5, 3)}
FIRES = {"v_threshold": (0.2, 0.6), "v_reset": (-0.3, 0.1)}


def matrix(kind):
    def draw(random):
        lead, (out, into) = numbers(random, int(random.integers(0, 3)), 2, 3), numbers(random, 2, 2, 5)
        weight = random.normal(size=(*lead, out, into))
        bias = {"bias": random.normal(size=(*lead, out))} if kind is nir.Affine else {}
        return kind(weight=weight, **bias), (*lead, into)

    return draw


def size_of(axes):
    """As nir has it: a whole number of one axis, an array of several."""
    return int(axes[0]) if len(axes) == 1 else axes


def conv(kind, axes):
    def draw(random):
        groups = int(random.integers(1, 4))
        kernel, stride, dilation = (numbers(random, axes, *ends) for ends in ((1, 3), (1, 3), (1, 2)))
        size, padding = numbers(random, axes, 5, 9), numbers(random, axes, 0, 2)
        weight = random.normal(size=(2 * groups, int(random.integers(1, 3)), *kernel))
        node = kind(
            input_shape=None if random.uniform() < 0.5 else size_of(size),
            weight=weight,
            stride=size_of(stride),
            padding=size_of(padding),
            dilation=size_of(dilation),
            groups=groups,
            bias=random.normal(size=2 * groups),
        )
        return node, (groups * weight.shape[1], *size)

    return draw


def pool(kind):
    def draw(random):
        kernel = numbers(random, 2, 1, 4)
        node = kind(kernel_size=kernel, stride=numbers(random, 2, 1, 3), padding=numbers(random, 2, 0, 3))
        return node, (2, *numbers(random, 2, 4, 8))

    return draw


def flatten(random):
    shape = tuple(numbers(random, 4, 2, 3))
    start, end = sorted(numbers(random, 2, 0, 3))
    return nir.Flatten(np.array(shape), int(start), int(end) - (4 if random.uniform() < 0.5 else 0)), shape


def delay(random):
    return nir.Delay(numbers(random, (2, 3), 0, STEPS + 2) * DT), (2, 3)


def vector(kind, field):
    def draw(random):
        shape = tuple(numbers(random, 2, 2, 4))
        return kind(**{field: random.uniform(-0.5, 1, size=shape)}), shape

    return draw


def end(kind):
    return lambda random: (kind(np.array([3, 2])), (3, 2))


def graph(random):
    """A recurrent subgraph as snnTorch writes one."""
    lif, _ = neuron(nir.LIF, **LEAKY, **FIRES)(np.random.default_rng(random.integers(2**32)))
    size = int(lif.r.size)
    lif = nir.LIF(**{field.name: getattr(lif, field.name).reshape(-1) for field in named(nir.LIF)})
    back = nir.Affine(random.normal(size=(size, size)) / size, random.normal(size=size) / 5)
    nodes = {"input": nir.Input(np.array([size])), "lif": lif, "w_rec": back, "output": nir.Output(np.array([size]))}
    edges = [("input", "lif"), ("lif", "w_rec"), ("w_rec", "lif"), ("lif", "output")]
    return nir.NIRGraph(nodes, edges, type_check=False), (size,)


DRAWS = {
    nir.Affine: matrix(nir.Affine),
    nir.AvgPool2d: pool(nir.AvgPool2d),
    nir.Conv1d: conv(nir.Conv1d, 1),
    nir.Conv2d: conv(nir.Conv2d, 2),
    nir.CubaLI: neuron(nir.CubaLI, **CURRENT),
    nir.CubaLIF: neuron(nir.CubaLIF, **CURRENT, **FIRES),
    nir.Delay: delay,
    nir.Flatten: flatten,
    nir.I: neuron(nir.I, r=(-3e3, 9e3)),
    nir.IF: neuron(nir.IF, r=(1e3, 9e3), **FIRES),
    nir.Input: end(nir.Input),
    nir.LI: neuron(nir.LI, **LEAKY),
    nir.LIF: neuron(nir.LIF, **LEAKY, **FIRES),
    nir.Linear: matrix(nir.Linear),
    nir.NIRGraph: graph,
    nir.Output: end(nir.Output),
    nir.Scale: vector(nir.Scale, "scale"),
    nir.SumPool2d: pool(nir.SumPool2d),
    nir.Threshold: vector(nir.Threshold, "threshold"),
}


def named(kind):
    """The fields that nir writes of a class, but for metadata."""
    return [field for field in fields(kind) if field.name not in ("input_type", "output_type", "metadata")]


def membrane(node, x):
    """v and z of the neurons, step by step: v += dt dv/dt, then z = v > v_threshold, which resets v."""
    v = getattr(node, "v_leak", getattr(node, "v_reset", np.zeros_like(node.r))) + np.zeros_like(x[0])
    current, given = np.zeros_like(x[0]), []
    for s in x:
        if hasattr(node, "tau_syn"):
            current = current + DT * (node.w_in * s - current) / node.tau_syn
            v = v + DT * ((node.v_leak - v) + node.r * current) / node.tau_mem
        elif hasattr(node, "tau"):
            v = v + DT * ((node.v_leak - v) + node.r * s) / node.tau
        else:
            v = v + DT * node.r * s
        if hasattr(node, "v_threshold"):
            z = v > node.v_threshold
            v = np.where(z, node.v_reset, v)
        given.append(z.astype(float) if hasattr(node, "v_threshold") else v)
    return np.stack(given)


def times(node, x):
    y = np.stack([(node.weight @ x[t, b][..., None])[..., 0] for t in range(STEPS) for b in range(SAMPLES)])
    y = y.reshape(STEPS, SAMPLES, *y.shape[1:])
    return y + node.bias if isinstance(node, nir.Affine) else y


def windows(x, kernel, stride, padding, dilation):
    """For each place of a window the values under it: [T, B, C, *places, *kernel]."""
    axes = len(kernel)
    x = np.pad(x, [(0, 0)] * 3 + [(p, p) for p in padding])
    spans = [d * (k - 1) for d, k in zip(dilation, kernel, strict=True)]
    places = [(n - span - 1) // s + 1 for n, span, s in zip(x.shape[3:], spans, stride, strict=True)]
    found = np.empty((*x.shape[:3], *places, *kernel))
    for place in np.ndindex(*places):
        under = tuple(slice(p * s, p * s + n + 1, d) for p, s, n, d in zip(place, stride, spans, dilation, strict=True))
        found[(slice(None),) * 3 + place] = x[(slice(None),) * 3 + under]
    return found, axes


def convolved(node, x):
    outputs, per_group, *kernel = node.weight.shape
    stride, padding, dilation = (
        np.broadcast_to(n, len(kernel)).tolist() for n in (node.stride, node.padding, node.dilation)
    )
    under, axes = windows(x, kernel, stride, padding, dilation)
    y = np.empty((*x.shape[:2], outputs, *under.shape[3 : 3 + axes]))
    for out in range(outputs):
        first = out // (outputs // node.groups) * per_group
        weight = node.weight[out].reshape(1, 1, per_group, *([1] * axes), *kernel)
        axes_summed = (2, *range(3 + axes, 3 + 2 * axes))
        y[:, :, out] = (under[:, :, first : first + per_group] * weight).sum(axes_summed) + node.bias[out]
    return y


def pooled(node, x):
    under, _ = windows(x, node.kernel_size.tolist(), node.stride.tolist(), node.padding.tolist(), (1, 1))
    total = under.sum((-1, -2))
    return total / node.kernel_size.prod() if isinstance(node, nir.AvgPool2d) else total


def flattened(node, x):
    shape = x.shape[2:]
    end = node.end_dim % 4
    merged = (*shape[: node.start_dim], -1, *shape[end + 1 :])
    return x.reshape(STEPS, SAMPLES, *merged)


def delayed(node, x):
    y = np.zeros_like(x)
    for place in np.ndindex(*node.delay.shape):
        steps = round(node.delay[place] / DT)
        if steps < STEPS:
            y[(slice(steps, None), slice(None), *place)] = x[(slice(0, STEPS - steps), slice(None), *place)]
    return y


def recurrent(node, x):
    """The neurons of the subgraph with what they made a step ago; silent before the first."""
    lif, back = node.nodes["lif"], node.nodes["w_rec"]
    v, z, given = lif.v_leak + np.zeros_like(x[0]), np.zeros_like(x[0]), []
    for s in x:
        v = v + DT * ((lif.v_leak - v) + lif.r * (s + z @ back.weight.T + back.bias)) / lif.tau
        z = (v > lif.v_threshold).astype(float)
        v = np.where(z > 0, lif.v_reset, v)
        given.append(z)
    return np.stack(given)


EQUATIONS = {
    **dict.fromkeys((nir.I, nir.IF, nir.LI, nir.LIF, nir.CubaLI, nir.CubaLIF), membrane),
    **dict.fromkeys((nir.Affine, nir.Linear), times),
    **dict.fromkeys((nir.Conv1d, nir.Conv2d), convolved),
    **dict.fromkeys((nir.AvgPool2d, nir.SumPool2d), pooled),
    **dict.fromkeys((nir.Input, nir.Output), lambda node, x: x),
    nir.Delay: delayed,
    nir.Flatten: flattened,
    nir.NIRGraph: recurrent,
    nir.Scale: lambda node, x: x * node.scale,
    nir.Threshold: lambda node, x: (x > node.threshold).astype(float),
}
SPIKING = (nir.IF, nir.LIF, nir.CubaLIF, nir.Threshold, nir.NIRGraph)


def test_every_class_of_nir_has_its_equation():
    written = {getattr(nir.ir, name) for name in nir.ir.__dict__["__all_ir"]}
    assert len(written) == 19
    assert set(DRAWS) == set(EQUATIONS) == written


def test_the_one_class_beside_them_is_no_node_of_a_file(written, taken):
    """`nir.ir.graph.Identity` is in no list of nir's, and nir.read knows it as little as we do."""
    classes = {kind for kind in subclasses(nir.ir.node.NIRNode) if kind.__module__.startswith("nir.ir.")}
    assert classes - set(DRAWS) == {nir.ir.graph.Identity}
    nodes, edges = between_ends(nir.ir.graph.Identity({"input": np.array([3]), "output": np.array([3])}), (3,), (3,))
    nodes["node"].to_dict = lambda: {"type": "Identity", "shape": np.array([3])}
    with pytest.raises(UnsupportedOp, match=r"Identity +is no node of NIR 1\.0\.8"):
        taken(nodes, edges)
    with pytest.raises(AssertionError):  # an empty one
        nir.read(written(nodes, edges))


def subclasses(kind):
    return {kind for child in kind.__subclasses__() for kind in (child, *subclasses(child))}


@pytest.mark.parametrize("kind", DRAWS, ids=lambda kind: kind.__name__)
def test_draws_state_every_field(kind):
    node, _ = DRAWS[kind](np.random.default_rng(0))
    plain = {field.name: getattr(node, field.name, None) for field in named(kind)}
    unset = [name for name, value in plain.items() if value is None and name != "input_shape"]
    assert not unset
    usual = [name for name in ("v_reset", "w_in") if name in plain and len(np.unique(plain[name])) == 1]
    assert not usual, "drawn, not what nir takes where nothing is stated"


def between_ends(node, shape, out):
    if isinstance(node, nir.Input | nir.Output):
        nodes = {"input": nir.Input(np.array(shape)), "output": nir.Output(np.array(shape))}
    else:
        nodes = {"input": nir.Input(np.array(shape)), "node": node, "output": nir.Output(np.array(out))}
    return nodes, list(pairwise(nodes))


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("kind", DRAWS, ids=lambda kind: kind.__name__)
def test_it_gives_what_its_equation_gives(taken, values, kind, seed):
    random = np.random.default_rng([seed, *kind.__name__.encode()])
    node, shape = DRAWS[kind](random)
    x = random.uniform(-0.4, 1.2, size=(STEPS, SAMPLES, *shape))
    expected = EQUATIONS[kind](node, x)
    found = taken(*between_ends(node, shape, expected.shape[2:]), dt=DT, integrator="euler", steps=STEPS)
    (y,) = values(found.graph, x).values()
    if kind in SPIKING:
        assert 0.02 < expected.mean() < 0.98
        assert np.array_equal(y, expected)
    else:
        assert np.abs(expected).max() > 0.1
        np.testing.assert_allclose(y, expected, rtol=1e-11, atol=1e-11)
