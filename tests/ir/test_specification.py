"""Every op's docstring is its specification: equation, operands, weights, results, each of its fields, its source."""

import inspect
import re
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
DEFINITION = re.compile(r"\b([a-z])(?:_\d+)?(?:\[[^\]=]*\])? = (.+)")
"""A name, of one element where it has an index, and what it is."""


def definitions(text):
    """What a docstring's lines define: by each name, the names that stand on the right."""
    found = {}
    for line in text.splitlines():
        while match := DEFINITION.search(line):
            name, line = match.groups()
            formula = re.split(r", (?=[a-z]{2})", line)[0]  # what follows are words
            found.setdefault(name, set()).update(re.findall(r"\b([a-z]+)(?![a-z'])", formula))
    return found


def defined_by(text, result):
    """The names that `result` comes from, through what else the docstring defines."""
    known, reached, waiting = definitions(text), set(), [result]
    while waiting:
        for name in known.get(waiting.pop(), ()):
            if name not in reached:
                reached.add(name)
                waiting.append(name)
    return reached


def operands_of(text):
    """The names after 'Inputs:', each once; x_0, x_1, ... are all x."""
    (said,) = re.findall(r"Inputs: (.+?)\.\s", text)
    return list(dict.fromkeys(re.findall(r"(?<![\w'])([a-z])(?:_\d)?(?=[ ,]|$)", said)))


def specification(op):
    """The docstring, with LIF's where it refers to it."""
    text = inspect.getdoc(op)
    return f"{text}\n{inspect.getdoc(LIF)}" if "as in LIF" in text else text


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


@pytest.mark.parametrize("mnemonic", sorted(OPS))
def test_an_equation_makes_every_result_of_every_operand(mnemonic):
    op = OPS[mnemonic]
    operands = operands_of(inspect.getdoc(op))
    assert op.variadic or len(operands) == op.arity
    (first,) = re.findall(r"Results: ([a-z])\b", inspect.getdoc(op))
    assert not [name for name in op.extra_results if f"; {name} (" not in inspect.getdoc(op)]
    for result in (first, *op.extra_results):
        assert {*operands, *([] if operands else op.slots)} <= defined_by(specification(op), result)


@pytest.mark.parametrize("mnemonic", sorted(OPS))
def test_a_source_is_named_so_that_it_can_be_looked_up(mnemonic):
    said = re.findall(r"\bSource: (.+?)(?:\n\n|$)", inspect.getdoc(OPS[mnemonic]), flags=re.DOTALL)
    assert len(said) == 1
    assert re.search(r"\d|spikec's own design", said[0]), "a year, an equation, a version; or that it is ours"


def test_what_neurons_share_is_said_where_it_is_referred_to():
    assert not [name for name in SHARED if name not in inspect.getdoc(LIF)]


@pytest.mark.parametrize(
    "text",
    [
        "y is x with its axes swapped.",
        "y = the operand, turned round.",
        "y = x's elements in another order.",
        "axis = 0 of x, and y is the sum.",
        "q = [h >= v_threshold], where h is charged by x.",
        "y[n] == x[n] holds.",
    ],
)
def test_words_beside_an_equals_sign_are_no_equation(text):
    assert not {"x"} & (defined_by(text, "y") | defined_by(text, "q"))


def test_an_equation_may_go_through_others():
    text = "q = [h > v_threshold]\n    h = g (e + i),   g = ln(alpha)\n    e = alpha e + x"
    assert {"x", "alpha", "h"} <= defined_by(text, "q")
    assert defined_by("a = b = 0 at the step after", "a") >= {"b"}
