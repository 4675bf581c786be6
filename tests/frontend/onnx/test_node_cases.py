"""The ONNX standard's own cases of operators, which ship with the onnx package: each passes, or is in a list by name.

Weights are inputs in these cases. A case is read as it stands, every input a value, and with each of its inputs in
turn the only one, the others being initialisers of the case's own numbers. It passes where one of these is taken;
none that is taken may differ from the case's outputs. untaken.toml lists those of which none is taken, by the reason,
each with the words that the reader's refusal says it in.
"""

import copy
import re
import tomllib
import warnings
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper

from spikec.errors import ModelFileError, SpikecError, TraceError, UnsupportedOp
from spikec.frontend.foreign import Reading
from spikec.frontend.onnx.ends import ends_of
from spikec.frontend.onnx.folding import NATIVE
from spikec.frontend.onnx.operators import OPERATORS
from spikec.frontend.onnx.read import network
from spikec.frontend.onnx.source import source_of
from spikec.frontend.replay import as_torch
from spikec.run.interp import Interpreter

UNTAKEN = Path(__file__).with_name("untaken.toml")
CLAIMED = {*OPERATORS, *NATIVE}


@cache
def cases() -> dict:
    from onnx.backend.test.loader import load_model_tests

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the cases divide by zero on purpose
        return {case.name: case for case in load_model_tests(kind="node")}


def operators_of(case) -> set[str]:
    return {f"{node.domain}::{node.op_type}" if node.domain else node.op_type for node in case.model.graph.node}


def claimed() -> list[str]:
    return sorted(name for name, case in cases().items() if operators_of(case) <= CLAIMED)


def array(value) -> np.ndarray:
    return numpy_helper.to_array(value) if isinstance(value, onnx.TensorProto) else np.asarray(value)


def forms(case) -> Iterator[onnx.ModelProto]:
    """The case's model as it stands, and with each input in turn the only one."""
    yield case.model
    names = [value.name for value in case.model.graph.input]
    for kept in names if len(names) > 1 else ():
        frozen = onnx.ModelProto()
        frozen.CopyFrom(case.model)
        for name, value in zip(names, case.data_sets[0][0], strict=True):
            if name != kept:
                frozen.graph.initializer.append(numpy_helper.from_array(array(value), name))
        left = [value for value in case.model.graph.input if value.name == kept]
        del frozen.graph.input[:]
        frozen.graph.input.extend(left)
        yield frozen


def check(case, model: onnx.ModelProto) -> None:
    """Reads the model and compares its outputs with the case's."""
    source = source_of(model, Path(f"{case.name}.onnx"), Reading())
    ends = ends_of(source)
    found = network(source, ends)
    names = [value.name for value in case.model.graph.input]
    for inputs, outputs in case.data_sets:
        given = dict(zip(names, map(array, inputs), strict=True))
        data = {}
        for (name, kind), port in zip(found.graph.inputs.items(), ends.data, strict=True):
            value = given[port.name]
            data[name] = value[np.newaxis] if value.ndim == len(kind.shape) else value
        values = Interpreter(torch.float64).run(found.graph, data, 1)
        for end, expected in zip(model.graph.output, map(array, outputs), strict=False):
            view = found.outputs[end.name]
            value = values[view.value]
            batched = any("B" in group for group in view.dims)
            mine = (as_torch(value, view) if batched else value[0].reshape(view.torch_shape)).numpy()
            assert mine.shape == expected.shape
            np.testing.assert_allclose(mine.astype(expected.dtype), expected, rtol=case.rtol, atol=case.atol)


def outcome(name: str) -> tuple[bool, str]:
    """Whether a form of the case is taken, all that are being right, and what the others' refusals say."""
    case, taken, refusals = cases()[name], False, []
    for model in forms(case):
        try:
            check(case, model)
            taken = True
        except (ModelFileError, TraceError, UnsupportedOp) as error:
            refusals.append(str(error))
    return taken, "\n".join(refusals)


def untaken() -> dict[str, str]:
    """By the case's name, the words of its refusal."""
    groups = tomllib.loads(UNTAKEN.read_text("utf-8"))
    listed = [(name, group["says"]) for group in groups.values() for name in group["cases"]]
    assert len(dict(listed)) == len(listed), "a case stands in the list twice"
    return dict(listed)


def test_the_cases_are_there():
    assert len(cases()) > 1500
    assert len(claimed()) > 500


def test_every_listed_case_is_one_of_ours():
    assert not set(untaken()) - set(claimed())


@pytest.mark.parametrize("operator", sorted(CLAIMED))
def test_every_case_passes_or_is_listed(operator):
    """Cases of several operators are looked at under the first of them."""
    wrong = []
    for name in claimed():
        if min(operators_of(cases()[name])) != operator:
            continue
        taken, refusals = outcome(name)
        if taken is (name in untaken()):
            wrong.append(f"{name}: {'passes, and is listed' if taken else f'is not listed: {refusals}'}")
        elif not taken and not re.search(untaken()[name], refusals):
            wrong.append(f"{name}: listed for another reason than {refusals}")
    assert not wrong, "\n".join(wrong)


def test_operators_have_a_case_that_passes():
    """Those that have none in the standard, or only listed ones, are named here: tests of our own cover them."""
    passing = {op for name in claimed() if name not in untaken() for op in operators_of(cases()[name])}
    alone = {"Clip", "ConstantOfShape", "LayerNormalization", "Not", "Round", "Size"}
    assert CLAIMED - passing == alone


def first_result(case) -> onnx.ModelProto:
    """The case without its results but the first."""
    (*_, model) = [form for form in forms(case) if form.graph.input[0].name == case.model.graph.input[0].name]
    (node,) = model.graph.node
    del node.output[1:]
    del model.graph.output[1:]
    return model


@pytest.mark.parametrize("name", [n for n in claimed() if n.startswith("test_layer_normalization")])
def test_layer_norm_without_the_deviations_that_have_no_form(name):
    case = cases()[name]
    if len(case.model.graph.node) == 1:
        check(case, first_result(case))


def test_a_case_that_differs_is_seen():
    """The comparison itself: a case whose expected numbers are another's fails."""
    case = cases()["test_exp"]
    wrong = copy.copy(case)
    wrong.data_sets = [([inputs[0] + 1], outputs) for inputs, outputs in case.data_sets]
    check(case, case.model)
    with pytest.raises(AssertionError):
        check(wrong, case.model)


@pytest.mark.full
def test_cases_of_other_operators_are_refused_or_right():
    """What is claimed nowhere: most are refused by name, those of known operands or shapes alone may pass."""
    refused, unnamed = 0, list[str]()
    for name in sorted(set(cases()) - set(claimed())):
        case = cases()[name]
        try:
            check(case, case.model)
        except UnsupportedOp as error:
            refused += 1
            unnamed += [name] * any(not (o.op and o.path and o.reason) for o in error.offenders)
        except SpikecError:
            refused += 1
    assert refused > 1000
    assert not unnamed
