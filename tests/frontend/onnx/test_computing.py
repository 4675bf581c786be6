"""Layers whose operands are all constants are computed while reading, as onnx's reference computes them."""

import numpy as np
import pytest
from onnx import TensorProto, numpy_helper
from onnx.reference import ReferenceEvaluator

from spikec.errors import UnsupportedOp
from spikec.frontend.onnx import computing
from spikec.frontend.onnx.computing import COMPUTED
from spikec.ir.types import Role
from spikec.run.interp import Interpreter

MAP = (2, 3, 4, 6)
EACH = np.linspace(-1, 1, 3, dtype=np.float32)

# operator: the shapes of operands, or their numbers; attributes; the versions that have it so
CASES = {
    "AveragePool": ([MAP], {"kernel_shape": [2, 3], "pads": [1, 0, 0, 2], "count_include_pad": 1}, range(7, 29)),
    "BatchNormalization": ([MAP, EACH, EACH[::-1].copy(), EACH, EACH + 2], {"epsilon": 0.01}, range(14, 29)),
    "Conv": ([MAP, (6, 1, 3, 2), (6,)], {"group": 3, "strides": [2, 1], "pads": [1, 1, 0, 0]}, range(7, 29)),
    "Gelu": ([MAP], {"approximate": "tanh"}, range(20, 29)),
    "Gemm": ([(6, 4), (5, 6), (4, 1)], {"alpha": 0.5, "beta": -2.0, "transA": 1, "transB": 1}, range(7, 29)),
    "GlobalAveragePool": ([MAP], {}, range(7, 29)),
    "GlobalMaxPool": ([MAP], {}, range(7, 29)),
    "LayerNormalization": ([MAP, (4, 6), (4, 6)], {"axis": 2}, range(17, 29)),
    "MatMul": ([MAP, (2, 3, 6, 5)], {}, range(7, 29)),
    "MaxPool": ([MAP], {"kernel_shape": [3, 2], "strides": [1, 2], "auto_pad": "SAME_UPPER"}, range(7, 29)),
    "Pad": ([MAP, np.array([0, 0, 1, 0, 1, 0, 2, 0]), np.float32(0.5)], {}, range(11, 29)),
    "Resize": ([MAP, np.array([], np.float32), np.array([1, 1, 2, 3], np.float32)], {"mode": "nearest"}, range(13, 29)),
    "Softmax": ([MAP], {"axis": 1}, range(13, 29)),
    "Upsample": ([MAP, np.array([1, 1, 2, 3], np.float32)], {"mode": "nearest"}, range(9, 10)),
}


@pytest.fixture
def beside(node, model, port):
    """A model of a layer of constants, and of x beside it: their sum, where x broadcasts to the layer's result."""

    def make(op, given, attributes, opset=20, dtype=np.float32):
        rng = np.random.default_rng(3)
        drawn = [rng.normal(size=one).astype(dtype) if isinstance(one, tuple) else one for one in given]
        drawn = [one.astype(dtype) if op == "BatchNormalization" else one for one in drawn]
        constants = {f"c{at}": one for at, one in enumerate(drawn)}
        nodes = [
            node(op, list(constants), ["made"], name=f"/net/layer/{op}", **attributes),
            node("Add", ["x", "made"], ["y"]),
        ]
        element = TensorProto.FLOAT if dtype == np.float32 else TensorProto.DOUBLE
        return model(nodes, [port("x", 1, element=element)], ["y"], opset, **constants)

    return make


def test_every_layer_that_is_claimed_has_a_case():
    assert set(CASES) == set(COMPUTED)


def gelu(x):
    """By tanh: the reference has none for a node alone."""
    return x / 2 * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))


@pytest.mark.parametrize(("dtype", "near"), [(np.float32, 1e-6), (np.float64, 1e-12)])
@pytest.mark.parametrize("op", CASES)
def test_a_layer_of_constants_is_what_the_reference_makes_of_it(reader, beside, ops, op, dtype, near):
    given, attributes, versions = CASES[op]
    x = np.array([0.25], dtype)
    for opset in sorted({versions.start, max(versions.start, 13), versions.stop - 1} & set(versions)):
        content = beside(op, given, attributes, opset, dtype)
        taken = reader.taken(content)
        assert set(ops(taken.graph)) <= {"constant", "add", "expand", "reshape"}
        assert any(f"'net.layer' ({op})" in remark for remark in taken.remarks)
        if op == "Gelu":
            expected = gelu(numpy_helper.to_array(content.graph.initializer[0])) + x
        else:
            (expected,) = ReferenceEvaluator(content).run(None, {"x": x})
        (found,) = Interpreter().run(taken.graph, {"x": x}, 1).values()
        np.testing.assert_allclose(found.numpy().reshape(expected.shape), expected, rtol=near, atol=near)


def test_what_is_refused_of_values_is_refused_of_constants(reader, beside):
    for op, given, attributes, reason in (
        ("MaxPool", [MAP], {"kernel_shape": [2, 2], "dilations": [2, 2]}, "a max pool with dilation"),
        ("Softmax", [MAP], {"axis": 1}, "a softmax over 3 axes together"),
        ("MatMul", [(3, 4), (5, 6)], {}, "last axis 5 expected"),
        ("Conv", [MAP, np.full((6, 3, 1, 1), np.inf, np.float32)], {}, "'c1' holds numbers that are not finite"),
        ("MaxPool", [np.ones(MAP, np.int8)], {"kernel_shape": [2, 2]}, "a constant first operand of int8"),
    ):
        with pytest.raises(UnsupportedOp, match=reason) as caught:
            reader.taken(beside(op, given, attributes, opset=12))
        assert [(offender.op, offender.path) for offender in caught.value.offenders] == [(op, "net.layer")]


def test_sizes_and_work_are_bounded_before_anything_is_computed(reader, beside, node, model, port, monkeypatch):
    wide = [node("Expand", ["one", f"s{at}"], [f"w{at}"]) for at in range(2)]
    product = node("MatMul", ["w0", "w1"], ["made"])
    sizes = {"one": np.ones((1, 1), np.float32), "s0": np.array([30000, 1]), "s1": np.array([1, 30000])}
    content = model([*wide, product, node("Add", ["x", "made"], ["y"])], [port("x", 1)], ["y"], **sizes)
    with pytest.raises(UnsupportedOp, match=r"a value of shape \[30000, 30000\], which is more than --max-bytes"):
        reader.taken(content)
    windows = beside("Conv", [(1, 1, 5000), (1, 1, 2500)], {})  # 2501 windows of 2500 elements
    with pytest.raises(UnsupportedOp, match="more than --max-bytes leaves"):
        reader.taken(windows, max_bytes=40_000_000)
    assert reader.taken(windows, max_bytes=60_000_000)
    monkeypatch.setattr(computing, "MOST_PRODUCTS", 2501 * 2500 - 1)
    with pytest.raises(UnsupportedOp, match="6252500 multiplications; 6252499 are the most"):
        reader.taken(windows)


def test_a_product_of_parameters_alone_is_a_parameter(reader, node, model, port):
    """Such as a weight that is made of two of low rank; a product of a state of zeros is a value."""
    numbers = {
        "a": np.arange(6, dtype=np.float32).reshape(3, 2),
        "b": np.full((2, 4), 0.5, np.float32),
        "size": np.array([1, 3]),
    }
    nodes = [
        node("MatMul", ["a", "b"], ["w"]),
        node("ConstantOfShape", ["size"], ["zeros"]),
        node("MatMul", ["zeros", "w"], ["v"]),
        node("Add", ["v", "bias"], ["begun"]),
        node("Add", ["x", "begun"], ["z"]),
        node("Mul", ["z", "w"], ["y"]),
    ]
    graph = reader.equal(model(nodes, [port("x", "n", 1, 4)], ["y"], bias=np.arange(4, dtype=np.float32), **numbers))
    assert {name: weight.role for name, weight in graph.weights.items()} == {
        "w": Role.PARAMETER,
        "begun": Role.CONSTANT,
    }


LAYERS = {
    "Conv": ([(3, 3, 3, 3), (3,)], {"pads": [1, 1, 1, 1]}),
    "BatchNormalization": ([(3,), (3,), (3,), np.full(3, 0.7, np.float32)], {}),
    "MaxPool": ([], {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]}),
    "AveragePool": ([], {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]}),
    "MatMul": ([(4, 4)], {}),
    "Softmax": ([], {"axis": 2}),
    "LayerNormalization": ([(4,), (4,)], {}),
}
PAIRS = ("Add", "Sub", "Mul", "MatMul", "Greater")


@pytest.mark.parametrize("seed", range(30))
def test_networks_whose_steps_begin_from_constants_are_what_the_reference_makes_of_them(
    reader, node, model, port, seed
):
    """Layers and sums of the input, of its like in zeros and of constants, in any order."""
    rng = np.random.default_rng(seed)
    weights = {"c": rng.normal(size=(1, 3, 4, 4)).astype(np.float32)}
    nodes, values = (
        [node("Shape", ["x"], ["sizes"]), node("ConstantOfShape", ["sizes"], ["zeros"])],
        ["x", "zeros", "c"],
    )
    for at in range(10):
        first, second = rng.choice(values, 2)
        op, made = str(rng.choice([*LAYERS, *PAIRS])), f"y{at}"
        if op in LAYERS and rng.random() < 0.7:
            given, attributes = LAYERS[op]
            drawn = [0.5 * rng.normal(size=one).astype(np.float32) if isinstance(one, tuple) else one for one in given]
            weights |= {f"w{at}{place}": one.astype(np.float32) for place, one in enumerate(drawn)}
            nodes.append(node(op, [first, *(f"w{at}{place}" for place in range(len(drawn)))], [made], **attributes))
        elif op == "Greater":
            nodes += [node(op, [first, second], [f"{made}b"]), node("Cast", [f"{made}b"], [made], to=1)]
        else:
            nodes.append(node(op if op in PAIRS else "Add", [first, second], [made]))
        values.append(made)
    nodes.append(node("Add", ["x", values[-1]], ["y"]))
    reader.equal(model(nodes, [port("x", "n", 3, 4, 4)], ["y"], **weights), seed=seed)
