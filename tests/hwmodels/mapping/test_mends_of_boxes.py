"""What would make a layer fit by boxes: networks with that change are planned again, and the next larger ones."""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np
import pytest

from hwmodels.cores_schema import CoresTable
from hwmodels.mapping.facts import plan_facts
from hwmodels.mapping.layers import Form
from hwmodels.mapping.plans import Plan, plan_of
from spikec.ir.arithmetic import Add
from spikec.ir.builder import GraphBuilder
from spikec.ir.graph import Graph
from spikec.ir.linear import Conv2d, Linear
from spikec.ir.neurons import LIF
from spikec.ir.pools import SumPool
from spikec.ir.types import SPIKE, IntFormat, TensorType, Weight

Network = Callable[[int, int], Graph]
KNOWN = {"evidence": "assumed", "source": "a test"}
UNITS = {"neurons": "neurons", "axons_in": "axons", "axons_out": "axons", "synapse_words": "words"}
WIDTHS = (1, 2, 4, 6, 8)


def table(**limits: int) -> CoresTable:
    """A word is 16 bits, and a run begins with 10: one weight of 6 bits fits into the first word, of 8 not."""
    encoding = {"word_bits": 16, "header_bits": 10, "index_bits_dense": 0, "index_bits_conv": 0, "weight_bits": WIDTHS}
    found = {name: {"value": value, "unit": UNITS[name], **KNOWN} for name, value in limits.items()}
    mesh = {"columns": 4, "rows": 4, "cores_a_tile": 4, **KNOWN}
    whole = {"rule": "contiguous", "mesh": mesh, "limits": found, "encoding": {**encoding, **KNOWN}}
    return CoresTable.model_validate(whole)


def driven(builder: GraphBuilder, op: object, value: str, shape: tuple[int, ...], bits: int) -> Graph:
    weight = Weight(np.full(shape, 2**bits - 1, dtype=np.int16), format=IntFormat(9))
    drive = builder.add(op, value, scope="w", weights={"weight": weight})  # type: ignore[arg-type]  # an op of a test
    return builder.graph(builder.add(LIF(), drive, scope="q", weights={"tau": 2.0, "v_threshold": 1.0}))


def dense(inputs: int, bits: int = 8) -> Graph:
    builder = GraphBuilder()
    return driven(builder, Linear(), builder.input("x", TensorType((inputs,), SPIKE)), (3, inputs), bits)


def residual(inputs: int, bits: int = 8) -> Graph:
    """Every input is the sum of two values."""
    builder = GraphBuilder()
    one, other = (builder.input(name, TensorType((inputs // 2,), SPIKE)) for name in "xy")
    return driven(builder, Linear(), builder.add(Add(), one, other), (3, inputs // 2), bits)


def conv(inputs: int, bits: int = 8) -> Graph:
    builder = GraphBuilder()
    value = builder.input("x", TensorType((inputs, 6, 6), SPIKE))
    return driven(builder, Conv2d(padding=(1, 1)), value, (4, inputs, 3, 3), bits)


def grouped(inputs: int, bits: int = 8) -> Graph:
    builder = GraphBuilder()
    value = builder.input("x", TensorType((inputs, 6, 6), SPIKE))
    return driven(builder, Conv2d(groups=2), value, (4, inputs // 2, 3, 3), bits)


def pooled(inputs: int, bits: int = 8) -> Graph:
    """Four values of a window come together in each input."""
    builder = GraphBuilder()
    value = builder.add(SumPool((2, 2), (2, 2)), builder.input("x", TensorType((inputs, 8, 8), SPIKE)))
    return driven(builder, Conv2d(), value, (4, inputs, 3, 3), bits)


def planned(graph: Graph, cores: CoresTable) -> Plan:
    return plan_of(graph, cores, Form(WIDTHS), "a chip")


def mends(graph: Graph, cores: CoresTable) -> list[str]:
    (misfit,) = plan_facts(planned(graph, cores))["misfits"]
    return list(misfit["mends"])


@pytest.mark.parametrize(
    ("network", "step", "most"),
    [(dense, 1, 50), (residual, 2, 50), (conv, 1, 5), (grouped, 2, 10), (pooled, 1, 1)],
)
def test_fewer_inputs_fit_and_more_do_not(network: Network, step: int, most: int) -> None:
    """50 axons a neuron: of 3 x 3 taps five channels, ten of two groups, one of windows of four."""
    cores = table(neurons=8, axons_in=50)
    wide = network(60, 8)
    said = mends(wide, cores)
    found = re.findall(r"at most (\d+) inputs in place of (\d+): fewer channels before it", said[0])
    assert found == [(str(most), "60")]
    assert not planned(network(most, 8), cores).misfits
    assert planned(network(most + step, 8), cores).misfits
    assert said[-1].startswith("another chip: a core of ")
    assert said[-1].endswith("more chips do not help, since the smallest part of the layer is too large")
    assert len(said) == 2  # no width of weights changes what reaches a neuron


@pytest.mark.parametrize("network", [dense, conv])
def test_narrower_weights_fit_and_wider_do_not(network: Network) -> None:
    """A run of one weight is a word, of 8 bits two: 20 inputs, or 2 channels of 9 taps."""
    inputs = {dense: 20, conv: 2}[network]
    cores = table(neurons=8, synapse_words=inputs * (1 if network is dense else 9) + 1)
    said = mends(network(inputs, 8), cores)
    assert said[0] == "weights of 6 bits in place of 8"
    assert not planned(network(inputs, 6), cores).misfits
    (fewer,) = re.findall(r"at most (\d+) inputs in place of (\d+)", said[1])
    assert fewer == (str(inputs // 2), str(inputs))
    assert not planned(network(inputs // 2, 8), cores).misfits
    assert planned(network(inputs // 2 + 1, 8), cores).misfits


def test_where_a_single_input_is_too_many_none_is_offered() -> None:
    said = mends(conv(2), table(neurons=8, axons_in=8))
    assert said == [
        "another chip: a core of 18 input axons in place of 8; more chips do not help, since the smallest part of the "
        "layer is too large"
    ]


def test_output_axons_are_mended_by_no_change_of_the_layer_itself() -> None:
    """A neuron that eight others hear, one a core, takes eight output axons."""
    builder = GraphBuilder()
    value = builder.input("x", TensorType((2,), SPIKE))
    for at, shape in enumerate(((1, 2), (8, 1))):
        weight = Weight(np.full(shape, 3, dtype=np.int8), format=IntFormat(8))
        drive = builder.add(Linear(), value, scope=f"w{at}", weights={"weight": weight})
        value = builder.add(LIF(), drive, scope=f"q{at}", weights={"tau": 2.0, "v_threshold": 1.0})
    cores = table(neurons=1, axons_out=7)
    assert mends(builder.graph(value), cores) == [
        "another chip: a core of 8 output axons in place of 7; more chips do not help, since a neuron has an output "
        "axon for each core that hears it, on whatever chip"
    ]
