"""Every op in every dtype: it runs, in whole numbers exactly as in fp64, or whole numbers are refused by its name."""

import numpy as np
import pytest
import torch

from spikec.errors import UnsupportedOp
from spikec.ir.ops import OPS
from spikec.ir.text import parse
from spikec.ir.types import IntFormat, Role, Weight, constant
from spikec.run.interp import Interpreter

HEADER = "graph(%x: int(-3,4) step [4,4,4], %p: int(0,2,0.5) step [4,4,4], %o: int(0,5) once [4]) steps 5"
WHOLE = {
    "add": "%y = add(%x, %p)",
    "avg_pool": "%y = avg_pool(%x)",
    "concat": "%y = concat(%x, %p, %x) {axis=1}",
    "constant": "%c = constant(; value=row)\n%y = add(%c, %o)",
    "conv1d": "%s = sum(%x) {axes=(2,)}\n%y = conv1d(%s; weight=w3, bias=row) {padding=(1,)}",
    "conv2d": "%y = conv2d(%x; weight=w4) {padding=(1, 1), stride=(2, 1)}",
    "cuba_lif": "%y = cuba_lif(%x; alpha=share, beta=share, v_threshold=two) {rounding='toward_zero'}",
    "delay": "%y = delay(%x; steps=two) : int(-3,4) step [4,4,4]",
    "expand": "%s = slice(%x)\n%y = expand(%s) {shape=(3,4,4)}",
    "i": "%y = i(%p; v0=two)",
    "if": "%y = if(%x; v_threshold=two) {reset='soft'}",
    "lif": "%y = lif(%x; beta=share, v_threshold=two) {decay_input=False, rounding='floor'}",
    "linear": "%y = linear(%p; weight=w2, bias=row)",
    "matmul": "%y = matmul(%x, %p) {transpose_b=True}",
    "max_pool": "%y = max_pool(%x)",
    "mean": "%y = mean(%x) {axes=(0, 2)}",
    "mul": "%y = mul(%x, %p)",
    "multi_level_spike": "%y = multi_level_spike(%p) {levels=1}",
    "pad": "%y = pad(%x) {before=(0, 1, 0), after=(1, 0, 2)}",
    "repeat": "%y = repeat(%o)",
    "reshape": "%y = reshape(%x) {shape=(8,8)}",
    "scale": "%y = scale(%x) {factor=-0.5}",
    "slice": "%y = slice(%x) {axis=2, start=1, stop=4, step=2}",
    "sum": "%y = sum(%x) {axes=(1,)}",
    "sum_pool": "%y = sum_pool(%x) {padding=(1, 1)}",
    "threshold": "%y = threshold(%x; v_threshold=two)",
    "time_last": "%y = time_last(%x)",
    "time_mean": "%y = time_mean(%x)",
    "time_sum": "%y = time_sum(%p)",
    "transpose": "%y = transpose(%x) {axes=(2, 0, 1)}",
    "upsample": "%y = upsample(%x) {factors=(1, 3)}",
}
REAL = {
    "alpha": "%y = alpha(%x; alpha=high, beta=share, v_threshold=share)",
    "batch_norm": "%y = batch_norm(%x; mean=row, var=ones)",
    "exp": "%y = exp(%x)",
    "gelu": "%y = gelu(%x)",
    "layer_norm": "%y = layer_norm(%x; weight=row)",
    "li": "%y = li(%x; tau=two)",
    "plif": "%y = plif(%x; w=zero, v_threshold=two)",
    "softmax": "%y = softmax(%x)",
}
"""What leaves whole numbers, whatever its weights."""


def test_every_op_is_in_one_of_the_tables():
    assert set(WHOLE) | set(REAL) == set(OPS)
    assert not set(WHOLE) & set(REAL)


@pytest.fixture
def graph_of(rng):
    codes = {
        "w2": rng.integers(-7, 8, (3, 4)),
        "w3": rng.integers(-7, 8, (4, 4, 3)),
        "w4": rng.integers(-7, 8, (4, 4, 3, 3)),
        "row": rng.integers(-7, 8, 4),
    }
    weights = {name: Weight(array, Role.PARAMETER, IntFormat(8)) for name, array in codes.items()}
    weights["ones"] = Weight(np.ones(4, np.int8), Role.STATISTIC, IntFormat(8))
    weights |= {"two": constant(2.0), "zero": constant(0.0), "share": constant(0.75), "high": constant(0.875)}

    def made(line):
        used = {name: weight for name, weight in weights.items() if f"={name}," in line or f"={name})" in line}
        if "linear" in line:
            used["row"] = Weight(weights["row"].array[:3], Role.PARAMETER, IntFormat(8))
        return parse(f"{HEADER}\n{line}\nreturn %y", used)

    return made


@pytest.fixture
def data(rng):
    return {
        "x": rng.integers(-3, 5, (5, 3, 4, 4, 4)),
        "p": rng.integers(0, 3, (5, 3, 4, 4, 4)) / 2,
        "o": rng.integers(0, 6, (3, 4)),
    }


def everything(graph, data, dtype):
    return Interpreter(dtype).run(graph, data, keep=[v for v in graph.types if v not in graph.inputs])


@pytest.mark.parametrize("mnemonic", sorted(OPS))
def test_floating_point_runs_every_op(mnemonic, graph_of, data):
    graph = graph_of((WHOLE | REAL)[mnemonic])
    double, single = (everything(graph, data, dtype) for dtype in (torch.float64, torch.float32))
    for name, value in double.items():
        assert (value.dtype, single[name].dtype) == (torch.float64, torch.float32)
        assert len(value.unique()) > 1, name
        torch.testing.assert_close(single[name].double(), value, rtol=1e-5, atol=1e-5, msg=name)


@pytest.mark.parametrize("mnemonic", sorted(WHOLE))
def test_whole_numbers_are_exact(mnemonic, graph_of, data):
    graph = graph_of(WHOLE[mnemonic])
    found = everything(graph, data, torch.int64)
    for name, value in everything(graph, data, torch.float64).items():
        np.testing.assert_array_equal(found[name].numpy(), value.numpy(), err_msg=name)


@pytest.mark.parametrize("mnemonic", sorted(REAL))
def test_whole_numbers_are_refused_by_name(mnemonic, graph_of, data):
    graph = graph_of(f"{REAL[mnemonic]} @blocks.0.here")
    with pytest.raises(UnsupportedOp) as caught:
        everything(graph, data, torch.int64)
    assert [(offender.op, offender.path) for offender in caught.value.offenders] == [(mnemonic, "blocks.0.here")]
