"""quantize: the units of drives that are products, or that the caller sees too, by the integer model."""

import math

import numpy as np
import pytest

from passes.quantize import Quantize
from spikec.ir.types import weight_of
from spikec.run.interp import Interpreter

HEADER = "graph(%x: spike step [3,6]) steps 12"


@pytest.fixture
def weights():
    random = np.random.default_rng(5)
    return random.normal(0.2, 0.3, (6, 6)), random.normal(0.1, 0.9, (6, 6))


@pytest.mark.parametrize(
    ("product", "multiply"),
    [
        ("mul(%a, %b)", lambda a, b: a * b),
        ("matmul(%a, %b) {transpose_b=True}", lambda a, b: np.einsum("tbnk,tbmk->tbnm", a, b)),
    ],
)
def test_a_product_of_drives_is_in_units_of_both(product, multiply, weights, make_graph, lava):
    graph = make_graph(
        f"""
        {HEADER}
        %a = linear(%x; weight=u)
        %b = linear(%x; weight=w)
        %y = {product}
        %q = lif(%y; tau=two, v_threshold=half)
        return %q
        """,
        u=weight_of(weights[0]),
        w=weight_of(weights[1]),
        two=2.0,
        half=0.4,
    )
    after = Quantize()(graph)
    x = lava.spikes_in((3, 6))
    (a, a_k), (b, b_k) = (lava.linear_in_integers(x, weight) for weight in weights)
    assert a_k != b_k
    assert min(a_k, b_k) > 0
    q, v = lava.neuron_in_integers(multiply(a, b), math.ceil(2 * 0.4 * 2 ** (a_k + b_k)) - 1, 2048)
    lava.check(after, x, {"q": q, "q.v": v})
    assert Quantize()(after) is after


def test_a_drive_that_is_an_output_keeps_its_units(weights, make_graph, lava):
    graph = make_graph(
        f"""
        {HEADER}
        %a = linear(%x; weight=w)
        %q = lif(%a; tau=two, v_threshold=half)
        return %q, %a
        """,
        w=weight_of(weights[0]),
        two=2.0,
        half=0.4,
    )
    after = Quantize()(graph)
    assert after.outputs == ("q", "a")
    x = lava.spikes_in((3, 6))
    drive, k = lava.linear_in_integers(x, weights[0])
    q, v = lava.neuron_in_integers(drive, math.ceil(2 * 0.4 * 2**k) - 1, 2048)
    lava.check(after, x, {"q": q, "q.v": v})
    np.testing.assert_array_equal(Interpreter().run(after, {"x": x})["a"].numpy(), drive / 2.0**k)
    assert Quantize()(after) is after
