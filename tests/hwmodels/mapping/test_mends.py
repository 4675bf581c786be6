"""What would make a layer fit: every change that is named does, and the next larger does not."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from hwmodels.cores_model import CoresModel
from hwmodels.cores_schema import CoresTable
from hwmodels.mapping.cores import cores_of
from hwmodels.mapping.layers import ConvLayer, DenseLayer, Layer
from hwmodels.mapping.loads import Misfit
from hwmodels.mapping.mends import mends_of
from hwmodels.mapping.wiring import WiredLayer
from hwmodels.registry import load
from spikec.ir.builder import GraphBuilder
from spikec.ir.types import SPIKE, TensorType

_builder = GraphBuilder()
UNREAD = _builder.graph(_builder.input("x", TensorType((1,), SPIKE)))
"""The rule 'tiles' asks for sizes alone."""


@pytest.fixture(scope="module")
def table() -> CoresTable:
    chip = load("loihi2")
    assert isinstance(chip, CoresModel)
    return chip.table


def conv(inputs: int, groups: int) -> ConvLayer:
    return ConvLayer(width=8, height=8, channels=1024, kernel=(5, 5), inputs=inputs, weight_bits=8, groups=groups)


LAYERS = [conv(4096, 1), conv(4096, 2), DenseLayer(outputs=10, inputs=40_000, weight_bits=8)]


@pytest.mark.parametrize("layer", LAYERS, ids=["conv", "two groups", "dense"])
def test_fewer_inputs_fit_and_more_do_not(layer: ConvLayer | DenseLayer, table: CoresTable) -> None:
    misfit = cores_of(layer, table.core_limits())
    assert isinstance(misfit, Misfit)
    mends = list(mends_of(UNREAD, WiredLayer("q", "q", "conv", layer, ("x",)), misfit, table))
    most, had = (int(found) for found in re.findall(r"at most (\d+) inputs in place of (\d+)", " ".join(mends))[0])
    assert had == layer.inputs
    step = layer.groups if isinstance(layer, ConvLayer) else 1
    larger: Layer = replace(layer, inputs=most + step)
    assert not isinstance(cores_of(replace(layer, inputs=most), table.core_limits()), Misfit)
    assert isinstance(cores_of(larger, table.core_limits()), Misfit)
    assert mends[-1].startswith(f"another chip: a core of {misfit.needed} ")
