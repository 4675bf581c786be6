"""Products of activations as coincidence neurons, against a simulation of every one of them."""

import numpy as np
import pytest

from hwmodels.coincidence import Coincidence
from hwmodels.registry import load
from spikec.cost import Evidence, Policy
from spikec.ir.arithmetic import MatMul, Mul, Scale
from spikec.ir.builder import GraphBuilder
from spikec.ir.neurons import IF
from spikec.ir.types import SPIKE, Int, TensorType

POLICY = Policy(attention="coincidence")
CHIP = load("loihi1").chip
UPDATES = ("neuron_update_active", "neuron_update_inactive")


def product(op, a, b, steps=2):
    builder = GraphBuilder(steps)
    x, y = (builder.input(name, TensorType(shape, domain)) for name, (shape, domain) in zip("ab", (a, b), strict=True))
    return builder.graph(builder.add(op, x, y, scope="product"))


def lines(values, levels):
    """[..., levels]: the lines that carry a stream, of which the first n fire for a value n."""
    return np.arange(levels) < np.abs(values)[..., None]


def simulated(a, b, levels_a, levels_b):
    """Deliveries, active neurons and coincidences of a [.., n, k] b [.., k, m], neuron by neuron."""
    one = lines(a, levels_a)[..., :, :, None, :, None]  # [.., n, k, 1, la, 1]
    two = lines(b, levels_b)[..., None, :, :, None, :]  # [.., 1, k, m, 1, lb]
    one, two = np.broadcast_arrays(one, two)
    return int(one.sum() + two.sum()), int((one | two).sum()), int((one & two).sum()), one.size


@pytest.mark.parametrize("op", [MatMul(), MatMul(transpose_b=True), MatMul(transpose_a=True)], ids=["ab", "abT", "aTb"])
@pytest.mark.parametrize("most", [(1, 1), (3, 1), (2, 3)])
def test_a_matrix_product_is_every_pair_of_lines(priced, op, most):
    rng = np.random.default_rng(0)
    a, b = rng.integers(0, most[0] + 1, (2, 1, 2, 3, 4)), rng.integers(0, most[1] + 1, (2, 1, 2, 4, 5))
    expected = simulated(a, b, *most)
    a = np.swapaxes(a, -1, -2) if op.transpose_a else a
    b = np.swapaxes(b, -1, -2) if op.transpose_b else b
    kinds = [(x.shape[2:], SPIKE if m == 1 else Int(0, m)) for x, m in zip((a, b), most, strict=True)]
    graph = product(op, *kinds)
    (cost,) = priced(graph, {"a": a.astype(float), "b": b.astype(float)}, POLICY, CHIP)
    delivered, active, meeting, updates = expected
    assert cost.counts == {
        "ac": delivered,
        "neuron_update_active": active,
        "neuron_update_inactive": updates - active,
        "spike": meeting,
    }
    assert cost.evidence is Evidence.ASSUMED
    assert 0 < meeting < active < updates


def test_an_element_wise_product_has_a_neuron_an_element(priced):
    graph = product(Mul(), ((2, 3), SPIKE), ((2, 3), SPIKE), steps=1)
    a, b = np.array([[1, 1, 0], [0, 0, 1]]), np.array([[1, 0, 0], [1, 0, 1]])
    (cost,) = priced(graph, {"a": a[None, None].astype(float), "b": b[None, None].astype(float)}, POLICY, CHIP)
    assert cost.counts == {"ac": 6, "neuron_update_active": 4, "neuron_update_inactive": 2, "spike": 2}


def neurons_of(graph):
    return Coincidence(graph, graph.nodes[0]).neurons


def test_as_many_cores_of_loihi_1_as_are_published():
    """N = 64 tokens of d = 256: 1,024 cores of 1,024 compartments for q k^T, 16 for a Hadamard product."""
    scores = product(MatMul(transpose_b=True), ((64, 256), SPIKE), ((64, 256), SPIKE))
    assert neurons_of(scores) == 64 * 64 * 256 == 1024 * 1024
    assert neurons_of(product(Mul(), ((64, 256), SPIKE), ((64, 256), SPIKE))) == 16 * 1024
    heads = product(MatMul(transpose_b=True), ((8, 64, 32), SPIKE), ((8, 64, 32), SPIKE))
    assert neurons_of(heads) == 1024 * 1024  # heads part the channels, not the pairs


@pytest.fixture
def attention():
    """(q k^T) v into a neuron."""
    builder = GraphBuilder()
    q, k, v = (builder.input(name, TensorType((3, 2), SPIKE)) for name in "qkv")
    scores = builder.add(MatMul(transpose_b=True), q, k, scope="qk")
    value = builder.add(Scale(0.25), builder.add(MatMul(), scores, v, scope="v"), scope="scale")
    return builder.graph(builder.add(IF(), value, scope="if", weights={"v_threshold": 1.0}))


Q, K, V = [[1, 0], [1, 1], [0, 1]], [[1, 1], [0, 1], [1, 0]], [[1, 0], [0, 1], [1, 1]]


def test_coincidences_are_delivered_once_to_whoever_takes_them(attention, priced):
    data = {name: np.array(x, dtype=float)[None, None] for name, x in zip("qkv", (Q, K, V), strict=True)}
    found = {cost.scope: cost.counts for cost in priced(attention, data, POLICY, CHIP)}
    assert found["qk"]["ac"] == 4 * 3 + 4 * 3  # four spikes each of q and k, to three rows or columns
    assert found["qk"]["spike"] == 8
    # Eight units of score to two columns; four spikes of v to three rows and the two lines of a score.
    assert found["v"]["ac"] == 8 * 2 + 4 * 3 * 2
    assert found["if"]["ac"] == found["v"]["spike"] == 10
    assert "coincidence neurons, 54 in all" in " ".join(CHIP.assumptions(attention, POLICY))  # 3 2 3 + 3 3 2 times 2
    skipped = {c.scope: c.counts for c in priced(attention, data, Policy(attention="skip"), CHIP)}
    assert "ac" not in skipped["if"]


def test_a_chip_that_prices_updates_as_a_whole_counts_them_so(attention, priced):
    data = {name: np.array(x, dtype=float)[None, None] for name, x in zip("qkv", (Q, K, V), strict=True)}
    for cost in priced(attention, data, POLICY, load("spinnaker")):
        assert not set(cost.counts) & set(UPDATES)
    assert cost.counts["neuron_update"] == 6


def test_arithmetic_counts_coincidences_as_ever(attention, priced, chip):
    data = {name: np.array(x, dtype=float)[None, None] for name, x in zip("qkv", (Q, K, V), strict=True)}
    pair = [[cost.counts for cost in priced(attention, data, policy, chip)] for policy in (POLICY, Policy())]
    assert pair[0] == pair[1]
