"""Cycles by the builder: a Delay whose operand is defined after it."""

import numpy as np
import pytest

from spikec.errors import GraphError, VerifyError
from spikec.ir.arithmetic import Add
from spikec.ir.builder import GraphBuilder
from spikec.ir.linear import Linear
from spikec.ir.neurons import IF
from spikec.ir.text import parse
from spikec.ir.types import REAL, SPIKE, TensorType
from spikec.run.interp import Interpreter

SPIKES = TensorType((2,), SPIKE)


def counting(steps):
    """Each neuron adds the other's spike of `steps` steps ago to its drive."""
    b = GraphBuilder(steps=6)
    x = b.input("x", TensorType((2,)))
    before = b.feedback(SPIKES, steps, scope="rec.delay")
    swapped = b.add(Linear(), before, scope="rec", weights={"weight": np.array([[0.0, 1.0], [1.0, 0.0]])})
    total = b.add(Add(), x, swapped, scope="rec", inner=True)
    fired = b.add(IF(), total, scope="lif", weights={"v_threshold": 1.0})
    b.close(before, fired)
    return b.graph(fired)


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        (1.0, [[1, 0], [0, 1], [1, 0], [0, 1], [1, 0], [0, 1]]),
        (2.0, [[1, 0], [0, 0], [0, 1], [0, 0], [1, 0], [0, 0]]),
        (np.array([1.0, 3.0]), [[1, 0], [0, 1], [0, 0], [0, 0], [1, 0], [0, 1]]),
    ],
    ids=["one step", "two steps", "by element"],
)
def test_a_spike_comes_back_after_its_delay(steps, expected):
    data = np.zeros((6, 1, 2))
    data[0, 0, 0] = 1.0
    spikes = Interpreter().run(counting(steps), {"x": data})["lif"]
    assert spikes[:, 0].tolist() == expected


def test_the_text_is_read_back():
    graph = counting(1.0)
    assert parse(graph.text(), graph.weights).text() == graph.text()
    assert "%rec.delay = delay(%lif; steps=rec.delay.steps) : spike step [2] @rec.delay" in graph.text()


def test_a_graph_with_an_open_feedback_is_refused():
    b = GraphBuilder()
    b.input("x", SPIKES)
    before = b.feedback(SPIKES)
    with pytest.raises(GraphError, match=r"without an operand: %delay"):
        b.graph(before)


def test_what_closes_it_is_of_the_declared_type():
    b = GraphBuilder()
    b.input("x", SPIKES)
    before = b.feedback(TensorType((2,), REAL))
    with pytest.raises(VerifyError, match=r"%delay: declared as real step \[2\], closed with spike step \[2\]"):
        b.close(before, "x")


@pytest.mark.parametrize("value", ["x", "delay"], ids=["no feedback", "closed already"])
def test_only_an_open_feedback_is_closed(value):
    b = GraphBuilder()
    b.input("x", SPIKES)
    b.close(b.feedback(SPIKES), "x")
    with pytest.raises(GraphError, match="no feedback that waits"):
        b.close(value, "x")
