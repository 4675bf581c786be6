"""A network's cores together: chips, layers that fit nowhere, and what is said of them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from hwmodels.mapping.loads import Misfit
from hwmodels.mapping.plans import Plan, plan_of
from hwmodels.registry import load
from spikec.ir.builder import GraphBuilder
from spikec.ir.linear import Conv2d, Linear
from spikec.ir.neurons import LIF
from spikec.ir.shapes import Reshape
from spikec.ir.types import REAL, SPIKE, Domain, IntFormat, TensorType, Weight


def codes(*shape: int) -> Weight:
    return Weight(np.ones(shape, dtype=np.int8), format=IntFormat(8))


def table(channels: int, *, groups: int = 1, rows: int = 64, domain: Domain = SPIKE) -> Plan:
    """A convolution to 8 channels and a dense layer on rows x 64 places of them."""
    builder = GraphBuilder()
    x = builder.input("x", TensorType((channels, rows, 64), domain))

    def layer(op, value: str, weight: Weight, scope: str) -> str:
        drive = builder.add(op, value, scope=scope, weights={"weight": weight})
        return builder.add(LIF(), drive, scope=f"{scope}.q", weights={"tau": 2.0, "v_threshold": 1.0})

    q = layer(Conv2d(padding=(1, 1), groups=groups), x, codes(8, channels // groups, 3, 3), "conv")
    flat = builder.add(Reshape((8 * rows * 64,)), q)
    graph = builder.graph(layer(Linear(), flat, codes(2, 8 * rows * 64), "fc"))
    chip = load("loihi2-older")
    return plan_of(graph, chip.table, replace(chip.form, graded=False, host=False), "a chip")


def test_a_layer_that_fits_nowhere_is_named_beside_those_that_fit() -> None:
    """32,768 inputs are as many words of synapses and of axons a core. 4 columns of 512 slots are a tile."""
    found = table(2)
    assert [(wired.scope, misfit) for wired, misfit in found.misfits] == [
        ("fc.q", Misfit("synapse_words", 65536, 12000))
    ]
    assert (found.cores, found.chips) == (16, 1)
    assert {row.wired.node: row.cores for row in found.rows} == {"conv.q": 16, "fc.q": 0}
    assert set(found.core_of) == {"conv.q"}


def test_more_cores_than_a_chip_has_are_several_chips_and_extrapolated() -> None:
    """8 channels of 512 rows are a slot too many, 4 are a core: 64 columns twice. Of 1,024 rows it is 2 channels."""
    found = table(2, rows=512)
    assert (found.cores, found.chips) == (64 * 2, 1)
    found = table(2, rows=1024)
    assert (found.cores, found.chips) == (64 * 4, 2)
    assert found.extrapolated == ("conv.q: channels split, 2 of 8 a core", "2 chips")


def test_what_is_extrapolated_is_said_with_its_layer() -> None:
    assert table(2).extrapolated == ()
    assert table(2, groups=2, domain=REAL).extrapolated == (
        "conv.q: numbers and not spikes are sent: %x",
        "conv.q: a convolution in 2 groups",
    )
