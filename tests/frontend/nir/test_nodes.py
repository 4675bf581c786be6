"""Each of NIR's nodes, read from a file and run, against NIR's equations in numpy."""

import nir
import numpy as np
import pytest

from spikec.errors import ModelFileError, UnsupportedOp
from spikec.ir.arithmetic import Mul, Scale
from spikec.ir.integrators import LI, I
from spikec.ir.linear import Conv1d, Conv2d, Linear
from spikec.ir.neurons import IF, LIF, CubaLIF, Threshold
from spikec.ir.pools import AvgPool, SumPool
from spikec.ir.shapes import Constant, Pad, Reshape
from spikec.ir.time import Delay, Repeat
from spikec.ir.types import REAL, FloatFormat, Role

DT = 1e-4
RANDOM = np.random.default_rng(7)


def full(value, shape=(6,)):
    return np.full(shape, value, dtype=np.float64)


def drawn(low, high, shape=(6,)):
    return RANDOM.uniform(low, high, size=shape)


def lif(**given):
    numbers = {"tau": full(4 * DT), "r": full(4.0), "v_leak": full(0.0), "v_threshold": full(0.8), "v_reset": full(0.0)}
    return nir.LIF(**{**numbers, **given})


def cuba(kind=nir.CubaLIF, **given):
    numbers = {"tau_syn": full(2 * DT), "tau_mem": full(4 * DT), "r": full(4.0), "v_leak": full(0.0), "w_in": full(2.0)}
    fires = {"v_threshold": full(1.5), "v_reset": full(0.0)} if kind is nir.CubaLIF else {}
    return kind(**{**numbers, **fires, **given})


def matrix(*shape):
    return RANDOM.normal(0.1, 0.6, size=shape)


def conv1d(weight, stride=1, padding=0, dilation=1, groups=1, bias=None):
    bias = np.zeros(weight.shape[0]) if bias is None else bias
    return nir.Conv1d(None, weight, stride, padding, dilation, groups, bias)


def conv2d(weight, stride=1, padding=0, dilation=1, groups=1, bias=None):
    bias = np.zeros(weight.shape[0]) if bias is None else bias
    return nir.Conv2d(None, weight, stride, padding, dilation, groups, bias)


SPIKING = {
    "a LIF that snnTorch would write": (lif(), {"lif"}),
    "a LIF that SpikingJelly would write": (lif(r=full(1.0), v_threshold=full(0.3)), {"lif"}),
    "a LIF of another gain": (lif(r=full(0.7), v_threshold=full(0.15)), {"scale", "lif"}),
    "a LIF of a gain for each element": (
        lif(r=drawn(0.5, 3), v_threshold=full(0.4)),
        {"constant", "repeat", "mul", "lif"},
    ),
    "a LIF of a time for each element": (lif(r=full(1.0), tau=drawn(2, 5) * DT, v_threshold=full(0.25)), {"lif"}),
    "a LIF of all numbers for each element": (
        lif(
            tau=drawn(2, 5) * DT,
            r=drawn(1, 4),
            v_leak=drawn(-0.2, 0.2),
            v_threshold=drawn(0.3, 0.6),
            v_reset=drawn(-0.3, 0),
        ),
        {"constant", "repeat", "mul", "lif"},
    ),
    "a LIF that leaks elsewhere than it resets": (lif(v_leak=full(0.2), v_reset=full(-0.1)), {"lif"}),
    "a LIF of one step": (lif(tau=full(DT), r=full(1.0)), {"lif"}),
    "a LIF whose every input fires": (lif(v_threshold=full(0.0)), {"lif"}),
    "an IF of a step": (nir.IF(full(1 / DT), full(1.7), full(0.0)), {"if"}),
    "an IF of another gain": (nir.IF(full(3000.0), full(0.7), full(-0.2)), {"scale", "if"}),
    "a CubaLIF that snnTorch would write": (cuba(), {"cuba_lif"}),
    "a CubaLIF whose input decays": (cuba(r=full(1.0), v_threshold=full(0.5)), {"cuba_lif"}),
    "a CubaLIF of other gains": (cuba(w_in=full(0.9), r=full(2.5), v_threshold=full(0.3)), {"scale", "cuba_lif"}),
    "a CubaLIF of all numbers for each element": (
        cuba(
            tau_syn=drawn(1, 3) * DT,
            tau_mem=drawn(2, 5) * DT,
            r=drawn(1, 3),
            w_in=drawn(0.5, 2),
            v_leak=drawn(-0.2, 0.2),
            v_threshold=drawn(0.3, 0.6),
            v_reset=drawn(-0.3, 0),
        ),
        {"constant", "repeat", "mul", "cuba_lif"},
    ),
    "a Threshold": (nir.Threshold(full(0.4)), {"threshold"}),
    "a Threshold for each element": (nir.Threshold(drawn(0.2, 0.8)), {"threshold"}),
}


@pytest.mark.parametrize("integrator", ["euler", "exponential"])
@pytest.mark.parametrize("name", SPIKING)
def test_a_spiking_node(taken, chain, values, reference, alive, name, integrator):
    node, ops = SPIKING[name]
    nodes, edges = chain([6], [6], node)
    x = np.random.default_rng(1).uniform(-0.3, 1, size=(40, 8, 6))
    graph = taken(nodes, edges, dt=DT, integrator=integrator).graph
    expected = reference(nodes, edges, x, DT, integrator=integrator)["n0"]
    if integrator == "euler":
        assert {found.op.mnemonic for found in graph.nodes} == ops
    (found,) = values(graph, x).values()
    alive(expected)
    assert np.array_equal(found, expected)


GRADED = {
    "an LI": nir.LI(full(3 * DT), full(3.0), full(0.0)),
    "an LI whose input decays": nir.LI(drawn(2, 6) * DT, full(1.0), drawn(-0.3, 0.3)),
    "an LI of other gains": nir.LI(full(3 * DT), drawn(0.2, 3), full(0.1)),
    "an I": nir.I(full(1 / DT)),
    "an I of other gains": nir.I(drawn(100, 5000)),
    "a CubaLI": cuba(nir.CubaLI),
    "a CubaLI whose input decays": cuba(nir.CubaLI, r=full(1.0), v_leak=full(0.25)),
    "a CubaLI of other gains": cuba(nir.CubaLI, r=drawn(0.5, 3), w_in=drawn(0.2, 2), tau_mem=drawn(2, 5) * DT),
    "a Scale by one factor": nir.Scale(full(-1.5)),
    "a Scale by a factor for each element": nir.Scale(drawn(-1, 2)),
    "a Delay": nir.Delay(full(3 * DT)),
    "a Delay for each element": nir.Delay(np.array([1, 2, 3, 5, 8, 60]) * DT),
    "a Delay of nothing": nir.Delay(full(0.0)),
    "an Affine": nir.Affine(matrix(4, 6), drawn(-1, 1, 4)),
    "a Linear": nir.Linear(matrix(4, 6)),
    "a Linear of float32": nir.Linear(matrix(4, 6).astype(np.float32)),
    "a Flatten of nothing": nir.Flatten(np.array([6]), 0, -1),
}


@pytest.mark.parametrize("integrator", ["euler", "exponential"])
@pytest.mark.parametrize("name", GRADED)
def test_a_node_of_real_numbers(taken, chain, values, reference, name, integrator):
    out = [4] if isinstance(GRADED[name], nir.Affine | nir.Linear) else [6]
    nodes, edges = chain([6], out, GRADED[name])
    x = np.random.default_rng(1).normal(size=(12, 3, 6))
    (found,) = values(taken(nodes, edges, dt=DT, integrator=integrator).graph, x).values()
    np.testing.assert_allclose(
        found, reference(nodes, edges, x, DT, integrator=integrator)["n0"], rtol=1e-12, atol=1e-12
    )


SPATIAL = {
    "a Conv2d": ([3, 8, 8], conv2d(matrix(4, 3, 3, 3), padding=1, bias=drawn(-1, 1, 4)), [4, 8, 8]),
    "strides and dilations of each axis": (
        [3, 9, 10],
        conv2d(matrix(4, 3, 3, 2), stride=np.array([2, 1]), padding=np.array([1, 2]), dilation=np.array([1, 3])),
        [4, 5, 11],
    ),
    "groups": ([4, 6, 6], conv2d(matrix(6, 2, 3, 3), groups=2), [6, 4, 4]),
    "a kernel of each channel": ([4, 6, 6], conv2d(matrix(4, 1, 3, 3), groups=4, padding=(1, 1)), [4, 6, 6]),
    "padding valid": ([3, 8, 8], conv2d(matrix(4, 3, 3, 3), padding="valid"), [4, 6, 6]),
    "padding same": ([3, 8, 8], conv2d(matrix(4, 3, 3, 5), padding="same"), [4, 8, 8]),
    "padding same, even kernel": ([3, 8, 8], conv2d(matrix(4, 3, 2, 4), padding="same", dilation=(1, 2)), [4, 8, 8]),
    "a Conv1d": ([3, 20], conv1d(matrix(5, 3, 4), stride=2, padding=3, dilation=2, bias=drawn(-1, 1, 5)), [5, 10]),
    "a Conv1d of groups": ([4, 9], conv1d(matrix(4, 2, 3), groups=2), [4, 7]),
    "a Conv1d padding same, even kernel": ([3, 9], conv1d(matrix(2, 3, 4), padding="same"), [2, 9]),
    "an AvgPool2d": ([2, 8, 8], nir.AvgPool2d(np.array([2, 2]), np.array([2, 2]), np.array([0, 0])), [2, 4, 4]),
    "an AvgPool2d with zeros": (
        [2, 7, 8],
        nir.AvgPool2d(np.array([3, 2]), np.array([2, 1]), np.array([1, 1])),
        [2, 4, 9],
    ),
    "a SumPool2d": ([2, 8, 8], nir.SumPool2d(np.array([2, 3]), np.array([2, 2]), np.array([1, 0])), [2, 5, 3]),
    "a SumPool2d of one number": ([2, 8, 8], nir.SumPool2d(np.array(2), np.array(2), np.array(0)), [2, 4, 4]),
    "more zeros than torch pools": (
        [2, 6, 6],
        nir.SumPool2d(np.array([2, 2]), np.array([2, 2]), np.array([2, 2])),
        [2, 5, 5],
    ),
    "a Flatten": ([2, 3, 4], nir.Flatten(np.array([2, 3, 4]), 0, -1), [24]),
    "a Flatten from the second axis": ([2, 3, 4], nir.Flatten(np.array([2, 3, 4]), 1, -1), [2, 12]),
    "a Flatten of axes from behind": ([2, 3, 4], nir.Flatten(np.array([2, 3, 4]), -3, -2), [6, 4]),
    "an Affine of a matrix for each vector": (
        [2, 3, 5],
        nir.Affine(matrix(2, 3, 4, 5), drawn(-1, 1, (2, 3, 4))),
        [2, 3, 4],
    ),
    "a Linear of a matrix for each vector": ([3, 5], nir.Linear(matrix(3, 4, 5)), [3, 4]),
    "a Linear on each token": ([7, 5], nir.Linear(matrix(4, 5)), [7, 4]),
    "a Scale of a factor for each channel": ([3, 2, 2], nir.Scale(drawn(-1, 1, (3, 1, 1))), [3, 2, 2]),
}


@pytest.mark.parametrize("name", SPATIAL)
def test_a_node_on_several_axes(taken, chain, values, reference, name):
    shape, node, out = SPATIAL[name]
    nodes, edges = chain(shape, out, node)
    x = np.random.default_rng(1).normal(size=(2, 3, *shape))
    (found,) = values(taken(nodes, edges).graph, x).values()
    assert list(found.shape[2:]) == out
    np.testing.assert_allclose(found, reference(nodes, edges, x, DT)["n0"], rtol=1e-12, atol=1e-12)


def test_every_node_of_nir_is_read():
    from spikec.frontend.nir.plan import PARTS

    listed = {name for name in nir.ir.__all__ if isinstance(getattr(nir, name), type)}
    assert listed - {"NIRNode", "NIRGraph", "Delay"} == set(PARTS)


def only(graph, kind):
    (node,) = graph.nodes_of(kind)
    return node


def test_a_lif_of_snntorch_states_what_is_left_after_a_step(taken, chain):
    graph = taken(*chain([6], [6], lif())).graph
    node = only(graph, LIF)
    assert node.op == LIF(fires_at=">", decay_input=False)
    assert {slot: float(graph.weights[name].array) for slot, name in node.weights.items()} == {
        "beta": 0.75,
        "v_threshold": 0.8,
    }


def test_a_lif_of_spikingjelly_states_its_steps(taken, chain):
    graph = taken(*chain([6], [6], lif(r=full(1.0), v_leak=full(-0.25), v_reset=full(-0.25)))).graph
    node = only(graph, LIF)
    assert node.op == LIF(fires_at=">", decay_input=True)
    assert {slot: float(graph.weights[name].array) for slot, name in node.weights.items()} == {
        "tau": 4.0,
        "v_threshold": 0.8,
        "v_reset": -0.25,
    }


def test_a_float32_tau_is_taken_in_its_own_precision(taken, chain):
    node = lif(tau=full(2 * DT).astype(np.float32), r=full(2.0).astype(np.float32))
    graph = taken(*chain([6], [6], node)).graph
    assert float(graph.weights["n0.beta"].array) == 0.5
    assert 1 - DT / float(np.float32(2 * DT)) != 0.5


def test_weights_keep_their_precision_and_are_parameters(taken, chain):
    graph = taken(*chain([6], [4], nir.Linear(matrix(4, 6).astype(np.float32)))).graph
    weight = graph.weights["n0.weight"]
    assert (weight.array.dtype, weight.format, weight.role) == (np.float32, FloatFormat(32), Role.PARAMETER)
    assert graph.parameters == 24


def test_factors_of_a_scale_are_parameters_and_those_of_a_gain_are_not(taken, chain):
    graph = taken(*chain([6], [6], nir.Scale(drawn(1, 2)), lif(r=drawn(1, 2)))).graph
    assert graph.parameters == 6
    assert len(list(graph.nodes_of(Mul, Constant, Repeat))) == 6


@pytest.mark.parametrize(("kind", "op"), [("Conv1d", Conv1d), ("Conv2d", Conv2d)])
def test_a_bias_of_zeros_is_none(taken, chain, kind, op):
    node = conv1d(matrix(2, 3, 3)) if kind == "Conv1d" else conv2d(matrix(2, 3, 3, 3))
    found = taken(*chain([3, 5, 5][: node.weight.ndim - 1], [2, 3, 3][: node.weight.ndim - 1], node))
    assert "bias" not in only(found.graph, op).weights
    assert any("bias" in remark and remark.endswith(": n0") for remark in found.remarks)


def test_the_ops_of_each_node(taken, chain):
    named = [
        (nir.LI(full(3 * DT), full(3.0), full(0.0)), LI),
        (nir.I(full(1 / DT)), I),
        (nir.IF(full(1 / DT), full(1.0), full(0.0)), IF),
        (nir.Threshold(full(1.0)), Threshold),
        (cuba(), CubaLIF),
        (nir.Scale(full(2.0)), Scale),
        (nir.Delay(full(DT)), Delay),
        (nir.Linear(np.eye(6)), Linear),
        (nir.Flatten(np.array([6]), 0, -1), Reshape),
    ]
    for node, op in named:
        graph = taken(*chain([6], [6], node)).graph
        assert [type(found.op) for found in graph.nodes] == [op]
        assert graph.nodes[0].scope == graph.nodes[0].name == "n0"
    pools = [(nir.SumPool2d, SumPool), (nir.AvgPool2d, AvgPool)]
    for kind, op in pools:
        graph = taken(*chain([1, 4, 4], [1, 2, 2], kind(*(np.array([n, n]) for n in (2, 2, 0))))).graph
        assert [type(found.op) for found in graph.nodes] == [op]


def test_padding_that_is_not_the_same_on_both_sides_is_a_pad_of_its_own(taken, chain):
    graph = taken(*chain([3, 8, 8], [4, 8, 8], conv2d(matrix(4, 3, 2, 4), padding="same"))).graph
    pad = only(graph, Pad).op
    assert (pad.before, pad.after) == ((0, 0, 1), (0, 1, 2))


ONE = {"tau": 4 * DT, "r": 4.0, "v_leak": 0.0, "v_threshold": 0.5, "v_reset": 0.0}


def test_a_neuron_of_one_number_takes_any_shape(taken, chain, values):
    node = lif(**{key: np.array([value]) for key, value in ONE.items()})
    graph = taken(*chain([2, 3, 3], [2, 3, 3], node)).graph
    assert graph.types[graph.outputs[0]].shape == (2, 3, 3)


def test_the_input_is_real_and_per_step(taken, chain):
    found = taken(*chain([6], [6], lif()))
    assert found.encoder == "frames"
    (kind,) = found.graph.inputs.values()
    assert str(kind) == "real step [6]"
    assert kind.domain == REAL


REFUSED = {
    "a delay of half a step": (
        nir.Delay(full(1.5 * DT)),
        UnsupportedOp,
        r"1\.5 steps of 0\.0001 s, which is not whole",
    ),
    "a delay a millionth and a half off": (nir.Delay(full(2.0000015 * DT)), UnsupportedOp, "not whole"),
    "a delay into the future": (nir.Delay(full(-DT)), ModelFileError, "0 or more"),
    "an endless delay": (nir.Delay(full(1e9)), ModelFileError, "an end"),
    "a membrane faster than a step": (
        lif(tau=full(DT / 2)),
        UnsupportedOp,
        r"5e-05 s is shorter than a step of 0\.0001",
    ),
    "a time constant of nothing": (lif(tau=full(0.0)), ModelFileError, "above 0"),
    "a negative time constant": (lif(tau=full(-DT)), ModelFileError, "above 0"),
    "numbers of another shape": (
        nir.Threshold(full(1.0, (5,)) * np.arange(5)),
        UnsupportedOp,
        r"\[5\] do not fit \[6\]",
    ),
    "time constants of another shape": (
        nir.LIF(*(full(value, (5,)) for value in (4 * DT, 4.0, 0.0, 0.8, 0.0))),
        UnsupportedOp,
        r"time constants of shape \[5\] do not fit \[6\]",
    ),
    "whole numbers that no float64 is": (nir.Linear(np.full((6, 6), 2**53 + 1)), ModelFileError, "int64 that no float"),
    "the greatest of whole numbers": (
        nir.Linear(np.full((6, 6), 2**64 - 1, np.uint64)),
        ModelFileError,
        "uint64 that no float",
    ),
    "a bias of zeros for other channels": (
        conv1d(matrix(4, 3, 2), bias=np.zeros(5)),
        UnsupportedOp,
        r"its weight is \[4, 3, 2\], its bias \[5\]",
    ),
    "a bias of one zero": (conv2d(matrix(4, 3, 2, 2), bias=np.zeros(())), UnsupportedOp, r"its bias \[\]"),
    "factors that NIR would not broadcast": (nir.Scale(np.arange(1.0, 4.0)), UnsupportedOp, r"\[3\] do not fit \[6\]"),
    "a matrix of another width": (nir.Linear(matrix(4, 5)), UnsupportedOp, "last axis 5 expected"),
    "matrices for other vectors": (nir.Linear(matrix(2, 4, 6)), UnsupportedOp, "weight is"),
    "a pool of a vector": (nir.AvgPool2d(np.array(2), np.array(2), np.array(0)), UnsupportedOp, "C, H, W"),
    "a flatten of axes that are not there": (nir.Flatten(np.array([6]), 1, -1), UnsupportedOp, "counts without batch"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_node_that_cannot_be_taken_is_named(taken, chain, name):
    node, error, said = REFUSED[name]
    with pytest.raises(error, match=said) as caught:
        taken(*chain([6], [6], node))
    assert "n0" in str(caught.value)


@pytest.mark.parametrize("off", [0.0, 9e-7, -9e-7])
def test_a_delay_within_a_millionth_of_whole_steps_is_taken_as_these(taken, chain, off):
    graph = taken(*chain([6], [6], nir.Delay(full((3 + off) * DT)))).graph
    assert graph.weights["n0.steps"].array == 3


def test_padding_same_with_a_stride_is_refused_since_nir_and_torch_disagree(taken, chain):
    with pytest.raises(UnsupportedOp, match=r"'same' with a stride of \[2, 2\]"):
        taken(*chain([3, 8, 8], [4, 8, 8], conv2d(matrix(4, 3, 3, 3), stride=2, padding="same")))


def test_a_shape_that_a_node_states_and_that_does_not_enter_is_refused(taken, chain):
    flat = nir.Flatten(np.array([4, 3, 2]), 0, -1)
    with pytest.raises(UnsupportedOp, match=r"input_type is \[4, 3, 2\], \[2, 3, 4\] enters"):
        taken(*chain([2, 3, 4], [24], flat))
    conv = conv2d(matrix(4, 3, 3, 3))
    conv.input_shape = np.array([9, 8])
    with pytest.raises(UnsupportedOp, match=r"input_shape is \[9, 8\], \[3, 8, 8\] enters"):
        taken(*chain([3, 8, 8], [4, 6, 6], conv))
    with pytest.raises(UnsupportedOp, match=r"its shape is \[7\], \[6\] enters"):
        taken(*chain([6], [7], lif()))


def test_all_that_cannot_be_taken_is_listed_at_once(taken, chain):
    nodes, edges = chain([6], [6], nir.Delay(full(0.5 * DT)), lif(tau=full(0.1 * DT)), lif(), nir.Delay(full(0.7 * DT)))
    with pytest.raises(UnsupportedOp, match="3 of 6 nodes") as caught:
        taken(nodes, edges)
    assert [(o.op, o.path) for o in caught.value.offenders] == [("Delay", "n0"), ("LIF", "n1"), ("Delay", "n3")]
