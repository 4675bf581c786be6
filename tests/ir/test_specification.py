"""Every op's docstring is its specification: equation, operands, weights, results, and each of its fields."""

import inspect
from dataclasses import fields

import pytest

from spikec.ir.neurons import LIF, IntegrateAndFire
from spikec.ir.ops import OPS

DESIGNED = """
Conv1d Conv2d Linear BatchNorm LayerNorm Softmax Gelu Exp Add Mul Scale MatMul Reshape Transpose Concat Slice Pad
Upsample MaxPool AvgPool SumPool Sum Mean Repeat TimeMean TimeSum TimeLast LIF IF LI I CubaLIF Alpha PLIF
MultiLevelSpike Threshold Delay
"""
"""The ops that a graph is to have; a Flatten is a Reshape, Input and Output are the graph's own lists."""
SHARED = {field.name for field in fields(IntegrateAndFire)}


def test_every_op_of_the_design_is_there():
    assert set(DESIGNED.split()) <= {op.__name__ for op in OPS.values()}
    assert all(mnemonic == op.mnemonic for mnemonic, op in OPS.items())


@pytest.mark.parametrize("mnemonic", sorted(OPS))
def test_a_docstring_says_all(mnemonic):
    op = OPS[mnemonic]
    text = inspect.getdoc(op)
    assert text.splitlines()[0].endswith((".", ":")), "the first line says what it gives"
    assert "=" in text, "an equation"
    words = ["Inputs:", "Results:", *(["Weights"] if op.slots or op.optional else [])]
    named = {field.name for field in fields(op)} | {*op.slots, *op.optional}
    if op is not LIF and issubclass(op, IntegrateAndFire):
        words.append("as in LIF")
        named -= SHARED
    assert not [word for word in [*words, *sorted(named)] if word not in text]


def test_what_neurons_share_is_said_where_it_is_referred_to():
    assert not [name for name in SHARED if name not in inspect.getdoc(LIF)]
