"""Runs of whole graphs: time, delays, data that does not fit, and what a run gives back."""

import numpy as np
import pytest
import torch

from spikec.cost import Probe
from spikec.errors import DataError, UnsupportedOp
from spikec.ir.builder import GraphBuilder
from spikec.ir.linear import Linear
from spikec.ir.neurons import IF, LIF
from spikec.ir.op import Op
from spikec.ir.text import parse
from spikec.ir.time import Delay, Repeat
from spikec.ir.types import IntFormat, Role, TensorType, Timing, Weight, constant, weight_of
from spikec.run.interp import Interpreter

TEXT = """graph(%image: real once [4], %frames: spike step [4]) steps 3
%w = linear(%image; weight=w)
%r = repeat(%w)
%a = add(%r, %frames)
%q = lif(%a; tau=t, v_threshold=v)
%m = time_mean(%q)
return %m, %q.v
"""


@pytest.fixture
def graph(rng):
    return parse(TEXT, {"w": weight_of(rng.normal(size=(4, 4))), "t": constant(2.0), "v": constant(0.5)})


@pytest.fixture
def data(rng):
    return {"image": rng.uniform(size=(5, 4)), "frames": (rng.uniform(size=(3, 5, 4)) < 0.5).astype(np.uint8)}


def expected(graph, data):
    """The same network in numpy."""
    drive = data["image"] @ graph.weights["w"].array.T + data["frames"]
    v, spikes, membranes = np.zeros((5, 4)), [], []
    for x in drive:
        h = v + (x - v) / 2.0
        q = h >= 0.5
        v = np.where(q, 0.0, h)
        spikes.append(q.astype(float))
        membranes.append(v)
    return np.mean(spikes, 0), np.stack(membranes)


def test_a_network_with_values_once_and_per_step(graph, data):
    found = Interpreter().run(graph, data)
    mean, membranes = expected(graph, data)
    assert list(found) == ["m", "q.v"]
    np.testing.assert_allclose(found["m"], mean, rtol=1e-15)
    np.testing.assert_allclose(found["q.v"], membranes, rtol=1e-12, atol=1e-15)
    assert 0 < mean.mean() < 1


def test_any_value_can_be_kept(graph, data):
    found = Interpreter().run(graph, data, keep=["q", "image", "r", "m"])
    assert {name: tuple(value.shape) for name, value in found.items()} == {
        "q": (3, 5, 4),
        "image": (5, 4),
        "r": (3, 5, 4),
        "m": (5, 4),
    }


def test_run_and_run_and_count_give_the_same(graph, data):
    probes = [Probe(("q",), "sum"), Probe(("frames",), "nonzero"), Probe(("a",), "max")]
    outputs, counts = Interpreter().run_and_count(graph, data, probes)
    for name, value in Interpreter().run(graph, data).items():
        assert torch.equal(outputs[name], value)
    assert Interpreter().count(graph, data, probes).answers.keys() == counts.answers.keys()
    assert (counts.samples, counts.steps) == (5, 3)
    spikes = Interpreter().run(graph, data, keep=["q"])["q"].numpy()
    np.testing.assert_array_equal(counts.of(probes[0]), spikes.sum((0, 2))[:, None])


def test_steps_are_the_runs(data):
    graph = parse("graph(%x: real once [4]) steps 2\n%r = repeat(%x)\n%s = time_sum(%r)\nreturn %s, %r", {})
    for steps in (1, 2, 7):
        found = Interpreter().run(graph, {"x": data["image"]}, steps)
        assert tuple(found["r"].shape) == (steps, 5, 4)
        np.testing.assert_allclose(found["s"], data["image"] * steps)


def test_the_dtype_is_the_interpreters(graph, data):
    for dtype in (torch.float32, torch.float64):
        assert {v.dtype for v in Interpreter(dtype).run(graph, data).values()} == {dtype}


def delayed(x, steps):
    """Delay of x [T, B, N] by `steps` (broadcast to [N]), element by element."""
    y = np.zeros_like(x)
    for t, b, n in np.ndindex(x.shape):
        amount = int(np.broadcast_to(steps, x.shape[2:])[n])
        if t >= amount:
            y[t, b, n] = x[t - amount, b, n]
    return y


@pytest.mark.parametrize("steps", [0, 1, 3, 99, [0, 1, 2, 5]])
def test_a_feed_forward_delay_is_a_shift(steps, apply_op, rng):
    x = rng.normal(size=(4, 2, 4))
    weight = Weight(np.asarray(steps), Role.CONSTANT, IntFormat(16))
    np.testing.assert_array_equal(apply_op(Delay(), x, weights={"steps": weight}), delayed(x, steps))


CYCLE = """graph(%x: spike step [4]) steps 3
%d = delay(%q; steps=one) : spike step [4]
%a = add(%x, %d)
%q = if(%a; v_threshold=one) @cell
return %q
"""


def test_feedback_comes_back_a_step_later():
    graph = parse(CYCLE, {"one": constant(1.0)})
    x = np.zeros((3, 1, 4))
    x[0, 0, :2] = 1
    q = Interpreter().run(graph, {"x": x})["q"].numpy()[:, 0]
    assert q.tolist() == [[1, 1, 0, 0]] * 3  # each spike is the next step's input


RECURRENT = """graph(%x: real step [4]) steps 6
%d = delay(%q; steps=steps) : spike step [3] @back
%r = linear(%d; weight=wr) @rec
%c = linear(%x; weight=wx) @ff
%a = add(%c, %r)
%q = cuba_lif(%a; alpha=decay, beta=decay, v_threshold=half) {reset='soft', reset_delay=True, fires_at='>'} @cell
%late = delay(%q; steps=one) : spike step [3]
%o = linear(%late; weight=wr) @out
%m = time_mean(%o)
return %m, %q, %q.i
"""


@pytest.mark.parametrize("steps", [1, 2, np.array([1, 2, 7])])
def test_a_cycle_is_a_python_loop(steps, rng):
    weights = {
        "steps": Weight(np.asarray(steps), Role.CONSTANT, IntFormat(16)),
        "one": constant(1.0),
        "half": constant(0.5),
        "decay": constant(0.7),
        "wr": weight_of(rng.normal(size=(3, 3))),
        "wx": weight_of(rng.normal(size=(3, 4))),
    }
    x = rng.normal(size=(6, 2, 4)) * 2
    found = {k: v.numpy() for k, v in Interpreter().run(parse(RECURRENT, weights), {"x": x}).items()}
    wr, wx, back = weights["wr"].array, weights["wx"].array, np.broadcast_to(steps, (3,))
    i, v, q, spikes = np.zeros((2, 3)), np.zeros((2, 3)), np.zeros((2, 3)), []
    for t in range(6):
        fed = np.stack([spikes[t - d][:, n] if t >= d else np.zeros(2) for n, d in enumerate(back)], -1)
        i = 0.7 * i + x[t] @ wx.T + fed @ wr.T
        v = 0.7 * v + i - q * 0.5
        q = (v > 0.5).astype(float)
        spikes.append(q)
    np.testing.assert_array_equal(found["q"], np.stack(spikes))
    np.testing.assert_allclose(found["q.i"][-1], i, rtol=1e-12)
    np.testing.assert_allclose(found["m"], sum(s @ wr.T for s in spikes[:-1]) / 6, rtol=1e-12, atol=1e-15)
    assert 0.1 < np.stack(spikes).mean() < 0.9


def test_a_delay_of_itself_is_silent():
    graph = parse(
        "graph(%x: spike step [4]) steps 3\n%d = delay(%d; steps=one) : real step [2]\nreturn %d",
        {"one": constant(1.0)},
    )
    assert not Interpreter().run(graph, {"x": np.ones((3, 1, 4))})["d"].any()


class Unknown(Op):
    """An op that no kernel runs."""

    mnemonic = "unknown"

    def infer(self, inputs, weights):
        return tuple(inputs)


def test_an_op_without_a_kernel_is_refused_with_its_module_path():
    builder = GraphBuilder()
    x = builder.input("x", TensorType((2,)))
    graph = builder.graph(builder.add(Unknown(), x, scope="blocks.0.mystery"))
    with pytest.raises(UnsupportedOp, match=r"(?s)blocks\.0\.mystery.*unknown"):
        Interpreter().run(graph, {"x": np.zeros((1, 1, 2))})


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"image": None}, ("%image", "frames")),
        ({"image": np.zeros((5, 3))}, ("%image", "[5, 3]", "[samples, 4]")),
        ({"image": np.zeros(4)}, ("%image", "[4]")),
        ({"image": np.zeros((3, 5, 4))}, ("%image", "[3, 5, 4]")),
        ({"frames": np.zeros((5, 4))}, ("%frames", "[T, samples, 4]")),
        ({"frames": np.zeros((2, 5, 4))}, ("%frames", "2 steps", "3")),
        ({"image": np.zeros((0, 4)), "frames": np.zeros((3, 0, 4))}, ("no sample",)),
        ({"image": np.zeros((1, 4))}, ("[1, 5] samples",)),
    ],
    ids=lambda case: " ".join(case) if isinstance(case, tuple) else "",
)
def test_data_that_does_not_fit(change, words, graph, data):
    given = {name: array for name, array in {**data, **change}.items() if array is not None}
    with pytest.raises(DataError) as caught:
        Interpreter().run(graph, given)
    for word in words:
        assert word in str(caught.value)


@pytest.mark.parametrize("steps", [0, -1])
def test_no_steps_at_all(steps, graph, data):
    for run in (Interpreter().run, lambda *a: Interpreter().run_and_count(a[0], a[1], [], a[2])):
        with pytest.raises(DataError, match="steps"):
            run(graph, data, steps)


def test_the_callers_arrays_are_left_alone(graph, data):
    before = {name: array.copy() for name, array in data.items()}
    Interpreter().run(graph, data)
    for name, array in data.items():
        np.testing.assert_array_equal(array, before[name])


def test_values_are_freed_after_their_last_user_and_not_before(data):
    builder = GraphBuilder(3)
    x = builder.input("x", TensorType((4,), timing=Timing.ONCE))
    r = builder.add(Repeat(), x)
    first = builder.add(Linear(), r, weights={"weight": np.eye(4)})
    q = builder.add(LIF(), first, scope="a", weights={"tau": 2.0, "v_threshold": 0.4})
    p = builder.add(IF(), first, scope="b", weights={"v_threshold": 0.4})
    graph = builder.graph(p, q, r)
    found = Interpreter().run(graph, {"x": data["image"]})
    again = Interpreter().run(graph, {"x": data["image"]}, keep=[r, first, p, q])
    for name in (p, q, r):
        assert torch.equal(found[name], again[name])
