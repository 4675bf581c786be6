"""Products of two activations on cores: refused, done by programmable neurons, or counted by coincidence neurons."""

from __future__ import annotations

import numpy as np
import pytest

from hwmodels.cores_schema import CoresTable
from hwmodels.mapping.activity import questions_of
from hwmodels.mapping.layers import Form, InputLayer
from hwmodels.mapping.plans import Plan, plan_of
from hwmodels.mapping.wiring import wire
from spikec.errors import UnsupportedOp
from spikec.ir.arithmetic import MatMul, Mul
from spikec.ir.builder import GraphBuilder
from spikec.ir.graph import Graph
from spikec.ir.linear import Linear
from spikec.ir.neurons import LIF
from spikec.ir.time import Repeat
from spikec.ir.types import REAL, SPIKE, TensorType, Timing

KNOWN = {"evidence": "assumed", "source": "a test"}
LIMITS = {"neurons": {"value": 1024, "unit": "neurons", **KNOWN}}
TABLE = CoresTable.model_validate(
    {"rule": "contiguous", "mesh": {"columns": 8, "rows": 4, "cores_a_tile": 4, **KNOWN}, "limits": LIMITS}
)


def neuron(builder: GraphBuilder, value: str, scope: str) -> str:
    return builder.add(LIF(), value, scope=scope, weights={"tau": 2.0, "v_threshold": 1.0})


def attention(tokens: int, width: int, *, values: bool = False) -> Graph:
    """One head's q k^T, and its product with v, on spikes."""
    builder = GraphBuilder(1)
    kind = TensorType((tokens, width), SPIKE)
    q, k, v = (neuron(builder, builder.input(name, kind), f"{name}_lif") for name in "qkv")
    product = builder.add(MatMul(transpose_b=True), q, k, scope="qk")
    if values:
        product = builder.add(MatMul(), product, v, scope="qkv")
    return builder.graph(neuron(builder, product, "out"), v)


def masked(tokens: int, width: int) -> Graph:
    builder = GraphBuilder(1)
    q, k = (neuron(builder, builder.input(n, TensorType((tokens, width), SPIKE)), f"{n}_lif") for n in "qk")
    return builder.graph(neuron(builder, builder.add(Mul(), q, k, scope="mask"), "out"))


def planned(graph: Graph, products: str, *, graded: bool = False) -> Plan:
    return plan_of(graph, TABLE, Form(graded=graded, products=products), "a chip")  # type: ignore[arg-type]


def cores(plan: Plan, scope: str) -> int:
    (row,) = (row for row in plan.rows if row.wired.scope == scope)
    return row.cores


def test_a_product_is_refused_by_name_where_nothing_is_said() -> None:
    with pytest.raises(UnsupportedOp) as caught:
        planned(attention(4, 8), "refused")
    assert [(offender.op, offender.path) for offender in caught.value.offenders] == [("matmul", "qk")]
    assert "no stored weight" in str(caught.value)


def test_coincidence_neurons_of_64_tokens_of_width_256_take_1024_cores_of_loihi_1() -> None:
    """N^2 d compartments for q k^T, N d for SDSA's Hadamard product, of 1,024 compartments a core."""
    assert cores(planned(attention(64, 256), "coincidence"), "qk (coincidences)") == 1024
    assert cores(planned(masked(64, 256), "coincidence"), "mask (coincidences)") == 16


def test_a_product_of_scores_has_a_coincidence_neuron_for_each_value_that_a_score_can_have() -> None:
    plan = planned(attention(4, 8, values=True), "coincidence")
    banks = {row.wired.scope: row.wired.bank for row in plan.rows if row.wired.bank}
    assert banks == {"qk (coincidences)": 4 * 4 * 8, "qkv (coincidences)": 4 * 4 * 8 * 8}
    assert [layer.wired.node for layer in plan.layers] == ["q_lif", "k_lif", "v_lif", "out"]
    assert [not sender.synapses for sender in plan.senders] == [True] * 4
    assert sum("messages are not in the traffic" in reason for reason in plan.extrapolated) == 1


def test_a_core_visits_the_coincidence_neurons_that_stand_on_it() -> None:
    plan = planned(attention(64, 256), "coincidence")
    ((row, first),) = [(row, first) for row, first in zip(plan.rows, plan.firsts, strict=True) if row.wired.bank]
    visited = questions_of(plan).neurons
    assert visited[first : first + row.cores].tolist() == [1024] * row.cores
    assert visited.sum() == 64 * 64 * 256 + sum(layer.core_of.size for layer in plan.layers)


def test_programmable_neurons_form_scores_as_numbers_and_say_that_it_is_assumed() -> None:
    plan = planned(attention(4, 8, values=True), "programmable", graded=True)
    assert [layer.wired.node for layer in plan.layers] == ["q_lif", "k_lif", "v_lif", "qk", "out"]
    senders = {sender.value: sender for sender in plan.senders}
    assert list(senders["v_lif"].synapses) == ["out"]
    assert list(senders["qk"].synapses) == ["out"]
    assert senders["q_lif"].synapses["qk"].toarray().sum() == 4
    assert sum("assumed" in reason for reason in plan.extrapolated) == 2


def test_what_real_inputs_drive_is_computed_off_chip_where_the_host_does_it() -> None:
    builder = GraphBuilder(2)
    image = builder.add(Repeat(), builder.input("image", TensorType((5,), REAL, Timing.ONCE)))
    value = builder.add(Linear(), image, scope="first", weights={"weight": np.ones((3, 5))})
    value = neuron(builder, value, "q")
    graph = builder.graph(neuron(builder, builder.add(Linear(), value, weights={"weight": np.ones((2, 3))}), "k"))
    first, second = wire(graph, Form(host=True), "a chip")
    assert (first.layer, first.sources) == (InputLayer(1, 1, 3), ())
    assert ["off chip" in reason for reason in first.extrapolated] == [True]
    assert second.sources == ("q",)
    assert wire(graph, Form(), "a chip")[0].sources == ("image",)
