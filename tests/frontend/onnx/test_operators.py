"""Operators as networks use them, on any number of samples, against onnx's own reference."""

import numpy as np
import pytest
from onnx import TensorProto

from spikec.errors import UnsupportedOp
from spikec.ir.types import SPIKE, Int, Role

RNG = np.random.default_rng(3)


def f32(*shape: int) -> np.ndarray:
    return RNG.normal(size=shape).astype(np.float32)


def ints(*numbers: int) -> np.ndarray:
    return np.array(numbers, np.int64)


# By name: nodes as (operator, inputs, attributes), the last one giving y; the sample's shape; the constants.
NETS = {
    "conv2d with all": (
        [("Conv", ["x", "w", "b"], {"group": 2, "strides": [2, 1], "dilations": [1, 2], "pads": [1, 2, 1, 2]})],
        (4, 7, 9),
        {"w": f32(6, 2, 3, 3), "b": f32(6)},
    ),
    "conv2d with padding at one end": (
        [("Conv", ["x", "w"], {"pads": [0, 1, 2, 0]})],
        (2, 5, 5),
        {"w": f32(3, 2, 3, 3)},
    ),
    "conv2d same upper": (
        [("Conv", ["x", "w"], {"auto_pad": "SAME_UPPER", "strides": [2, 2]})],
        (2, 6, 5),
        {"w": f32(3, 2, 3, 4)},
    ),
    "conv2d same lower": ([("Conv", ["x", "w"], {"auto_pad": "SAME_LOWER"})], (2, 6, 5), {"w": f32(3, 2, 2, 2)}),
    "conv2d valid": ([("Conv", ["x", "w"], {"auto_pad": "VALID"})], (2, 6, 5), {"w": f32(3, 2, 2, 2)}),
    "conv1d": (
        [("Conv", ["x", "w", "b"], {"strides": [2], "pads": [1, 1], "kernel_shape": [3]})],
        (4, 9),
        {"w": f32(3, 4, 3), "b": f32(3)},
    ),
    "depthwise": ([("Conv", ["x", "w"], {"group": 4})], (4, 5, 5), {"w": f32(4, 1, 3, 3)}),
    "gemm as torch writes it": (
        [("Gemm", ["x", "w", "b"], {"transB": 1, "alpha": 1.0, "beta": 1.0})],
        (5,),
        {"w": f32(3, 5), "b": f32(3)},
    ),
    "gemm with factors": (
        [("Gemm", ["x", "w", "b"], {"alpha": 0.3, "beta": 0.7})],
        (5,),
        {"w": f32(5, 3), "b": f32(1, 3)},
    ),
    "gemm without bias": ([("Gemm", ["x", "w"], {})], (5,), {"w": f32(5, 3)}),
    "gemm with one number": ([("Gemm", ["x", "w", "b"], {})], (5,), {"w": f32(5, 3), "b": f32(1)}),
    "matmul and add": ([("MatMul", ["x", "w"], {}), ("Add", ["b", "0"], {})], (6, 5), {"w": f32(5, 3), "b": f32(3)}),
    "matmul and add of a table": (
        [("MatMul", ["x", "w"], {}), ("Add", ["0", "b"], {})],
        (6, 5),
        {"w": f32(5, 3), "b": f32(6, 3)},
    ),
    "matmul from the left": ([("MatMul", ["w", "x"], {})], (5, 4), {"w": f32(3, 5)}),
    "matmul by a vector": ([("MatMul", ["x", "w"], {})], (5, 4), {"w": f32(4)}),
    "matmul of a vector": ([("MatMul", ["w", "x"], {})], (5, 4), {"w": f32(5)}),
    "matmul by stacked matrices": ([("MatMul", ["x", "w"], {})], (2, 5, 4), {"w": f32(2, 4, 3)}),
    "matmul of stacked matrices": ([("MatMul", ["w", "x"], {})], (2, 5, 4), {"w": f32(1, 2, 3, 5)}),
    "batch norm": (
        [("BatchNormalization", ["x", "g", "b", "m", "v"], {"epsilon": 0.01})],
        (3, 4, 4),
        {"g": f32(3), "b": f32(3), "m": f32(3), "v": f32(3) ** 2},
    ),
    "batch norm of rows": (
        [("BatchNormalization", ["x", "g", "b", "m", "v"], {})],
        (3,),
        {"g": f32(3), "b": f32(3), "m": f32(3), "v": f32(3) ** 2},
    ),
    "layer norm over two axes": (
        [("LayerNormalization", ["x", "g", "b"], {"axis": 2, "epsilon": 0.1})],
        (2, 3, 4),
        {"g": f32(3, 4), "b": f32(3, 4)},
    ),
    "layer norm without bias": ([("LayerNormalization", ["x", "g"], {"axis": -1})], (2, 4), {"g": f32(4)}),
    "softmax over tokens": ([("Softmax", ["x"], {"axis": 1})], (5, 4), {}),
    "exp and gelu": ([("Exp", ["x"], {}), ("Gelu", ["0"], {"approximate": "tanh"})], (3, 4), {}),
    "max pool": (
        [("MaxPool", ["x"], {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 1, 1]})],
        (2, 7, 6),
        {},
    ),
    "max pool with ceil": (
        [("MaxPool", ["x"], {"kernel_shape": [3, 2], "strides": [2, 2], "ceil_mode": 1})],
        (2, 8, 7),
        {},
    ),
    "max pool padded at one end": (
        [("MaxPool", ["x"], {"kernel_shape": [4, 3], "strides": [2, 1], "pads": [3, 0, 1, 2]})],
        (2, 5, 6),
        {},
    ),
    "max pool over one axis": ([("MaxPool", ["x"], {"kernel_shape": [2], "strides": [2]})], (3, 7), {}),
    "average pool": (
        [
            (
                "AveragePool",
                ["x"],
                {"kernel_shape": [2, 2], "strides": [2, 2], "pads": [1, 1, 1, 1], "count_include_pad": 1},
            )
        ],
        (2, 6, 6),
        {},
    ),
    "average pool without its padding": (
        [("AveragePool", ["x"], {"kernel_shape": [3, 3], "strides": [2, 1], "pads": [1, 1, 1, 0]})],
        (2, 6, 6),
        {},
    ),
    "average pool with ceil": (
        [("AveragePool", ["x"], {"kernel_shape": [3, 3], "strides": [2, 2], "ceil_mode": 1, "count_include_pad": 1})],
        (2, 6, 6),
        {},
    ),
    "average pool over one axis": ([("AveragePool", ["x"], {"kernel_shape": [3], "pads": [1, 1]})], (3, 7), {}),
    "global pools": ([("GlobalAveragePool", ["x"], {})], (3, 4, 5), {}),
    "global max pool": ([("GlobalMaxPool", ["x"], {})], (3, 4, 5), {}),
    "means": ([("ReduceMean", ["x", "a"], {"keepdims": 0})], (3, 4, 5), {"a": ints(1, 3)}),
    "sums kept": ([("ReduceSum", ["x", "a"], {"keepdims": 1})], (3, 4, 5), {"a": ints(-1, 1)}),
    "a sum over nothing": ([("ReduceSum", ["x"], {"noop_with_empty_axes": 1})], (3,), {}),
    "division by a power of two": ([("Div", ["x", "c"], {})], (3, 4), {"c": np.float32(4)}),
    "division by three": ([("Div", ["x", "c"], {})], (3, 4), {"c": np.float32(3)}),
    "division by a column": ([("Div", ["x", "c"], {})], (3, 4), {"c": f32(3, 1)}),
    "from a constant": ([("Sub", ["c", "x"], {}), ("Neg", ["0"], {})], (3, 4), {"c": f32(4)}),
    "sum of three": ([("Sum", ["x", "c", "x"], {})], (3, 4), {"c": f32(3, 1)}),
    "products": ([("Mul", ["x", "x"], {}), ("Mul", ["0", "c"], {})], (3, 4), {"c": f32(3, 1)}),
    "attention": (
        [("Transpose", ["x"], {"perm": [0, 1, 3, 2]}), ("MatMul", ["x", "0"], {}), ("MatMul", ["1", "x"], {})],
        (2, 5, 3),
        {},
    ),
    "reshapes": (
        [
            ("Reshape", ["x", "s"], {}),
            ("Transpose", ["0"], {"perm": [2, 0, 1]}),
            ("Reshape", ["1", "t"], {}),
            ("Reshape", ["2", "u"], {}),
            ("Transpose", ["3"], {"perm": [1, 0, 2]}),
        ],
        (4, 6),
        {"s": ints(0, -1, 3), "t": ints(3, -1, 4, 2), "u": ints(3, 0, 8)},
    ),
    "reshape across axes": ([("Reshape", ["x", "s"], {})], (4, 6), {"s": ints(0, 6, 4)}),
    "flatten": ([("Flatten", ["x"], {})], (2, 3, 4), {}),
    "squeeze": ([("Unsqueeze", ["x", "a"], {}), ("Squeeze", ["0", "b"], {})], (1, 4), {"a": ints(-1), "b": ints(1)}),
    "concat with a constant": (
        [
            ("Shape", ["x"], {"end": 1}),
            ("Concat", ["0", "rest"], {"axis": 0}),
            ("Expand", ["c", "1"], {}),
            ("Concat", ["x", "2", "x"], {"axis": -1}),
        ],
        (3, 4),
        {"c": f32(1, 3, 2), "rest": ints(3, 2)},
    ),
    "concat": ([("Neg", ["x"], {}), ("Concat", ["x", "0", "x"], {"axis": 2})], (3, 4), {}),
    "slices": (
        [("Slice", ["x", "s", "e", "a", "t"], {})],
        (6, 9),
        {"s": ints(-5, 1), "e": ints(2**62, -1), "a": ints(1, -1), "t": ints(2, 3)},
    ),
    "a slice across what was joined": (
        [
            ("Expand", ["x", "s"], {}),
            ("Neg", ["0"], {}),
            ("Concat", ["0", "1"], {"axis": 1}),
            ("Slice", ["2", "b", "e", "a"], {}),
        ],
        (3, 1),
        {"s": ints(1, 1, 4), "b": ints(0), "e": ints(2), "a": ints(2)},
    ),
    "a size that is computed with": (
        [
            ("Size", ["x"], {}),
            ("Div", ["0", "each"], {}),
            ("Concat", ["1", "rest"], {"axis": 0}),
            ("Reshape", ["x", "2"], {}),
        ],
        (2, 3),
        {"each": ints(6), "rest": ints(3, 2)},
    ),
    "split": ([("Split", ["x", "s"], {"axis": 1}), ("Add", ["0", "0"], {})], (6,), {"s": ints(6)}),
    "gather one": ([("Gather", ["x", "i"], {"axis": 2})], (3, 4), {"i": np.int64(-1)}),
    "gather some": ([("Gather", ["x", "i"], {"axis": 1})], (5, 2), {"i": np.array([[0, 2, 4], [4, 1, 0]])}),
    "pads": ([("Pad", ["x", "p"], {})], (3, 4), {"p": ints(0, 1, 2, 0, 2, 3)}),
    "pads with a number": ([("Pad", ["x", "p", "v"], {})], (3, 4), {"p": ints(0, 1, 0, 0, 2, 3), "v": np.float32(0.5)}),
    "expand": ([("Unsqueeze", ["x", "i"], {}), ("Expand", ["0", "s"], {})], (4,), {"i": ints(1), "s": ints(3, 1)}),
    "tile": ([("Tile", ["x", "s"], {})], (2, 4), {"s": ints(1, 3, 2)}),
    "resize": (
        [
            (
                "Resize",
                ["x", "", "s"],
                {"mode": "nearest", "nearest_mode": "floor", "coordinate_transformation_mode": "asymmetric"},
            )
        ],
        (2, 3, 4),
        {"s": np.array([1, 1, 2, 3], np.float32)},
    ),
    "resize in the middle of pixels": (
        [("Resize", ["x", "", "s"], {})],
        (2, 3, 4),
        {"s": np.array([1, 1, 3, 2], np.float32)},
    ),
    "resize along one axis": ([("Resize", ["x", "", "s"], {})], (2, 3), {"s": np.array([1, 1, 4], np.float32)}),
    "dropout": ([("Dropout", ["x"], {})], (3,), {}),
    "greater": ([("Greater", ["x", "c"], {}), ("Cast", ["0"], {"to": 1})], (3, 4), {"c": np.float32(0.2)}),
    "less of columns": ([("Less", ["x", "c"], {}), ("Cast", ["0"], {"to": 1})], (3, 4), {"c": f32(3, 1)}),
    "a constant is at most": ([("LessOrEqual", ["c", "x"], {}), ("Cast", ["0"], {"to": 1})], (3, 4), {"c": f32(4)}),
    "a constant is above": ([("Greater", ["c", "x"], {}), ("Cast", ["0"], {"to": 1})], (3, 4), {"c": f32(4)}),
    "compared with itself turned": (
        [("Transpose", ["x"], {"perm": [0, 2, 1]}), ("GreaterOrEqual", ["x", "0"], {}), ("Cast", ["1"], {"to": 1})],
        (3, 3),
        {},
    ),
    "logic": (
        [
            ("Greater", ["x", "c"], {}),
            ("Less", ["x", "d"], {}),
            ("And", ["0", "1"], {}),
            ("Not", ["2"], {}),
            ("Or", ["3", "0"], {}),
            ("Cast", ["4"], {"to": 7}),
            ("Cast", ["5"], {"to": 1}),
        ],
        (3, 4),
        {"c": np.float32(-0.5), "d": np.float32(0.5)},
    ),
    "where": ([("Greater", ["x", "c"], {}), ("Neg", ["x"], {}), ("Where", ["0", "x", "1"], {})], (3, 4), {"c": f32(4)}),
    "where with constants": (
        [("Greater", ["x", "c"], {}), ("Where", ["0", "a", "x"], {})],
        (3, 4),
        {"c": f32(4), "a": f32(3, 1)},
    ),
    "where by a constant": ([("Where", ["m", "x", "a"], {})], (3, 4), {"m": f32(3, 4) > 0, "a": f32(4)}),
    "an integer neuron": (
        [("Clip", ["x", "l", "h"], {}), ("Round", ["0"], {}), ("Div", ["1", "h"], {})],
        (3, 4),
        {"l": np.float32(0), "h": np.float32(4)},
    ),
    "an integer neuron, rounded first": (
        [("Round", ["x"], {}), ("Clip", ["0", "l", "h"], {})],
        (3, 4),
        {"l": np.float32(0), "h": np.float32(2)},
    ),
    "rows written": (
        [("Neg", ["x"], {}), ("Slice", ["0", "s", "e", "a"], {}), ("ScatterElements", ["x", "i", "1"], {"axis": 2})],
        (3, 4),
        {"s": ints(0), "e": ints(2), "a": ints(2), "i": None},
    ),
}


def build(case, node, model, port):
    nodes, shape, constants = NETS[case]
    made = []
    for number, (op, inputs, attributes) in enumerate(nodes):
        result = "y" if number == len(nodes) - 1 else f"v{number}"
        names = [f"v{name}" if name.isdigit() else name for name in inputs]
        made.append(node(op, names, [result], name=f"n{number}", **attributes))
    return made, shape, dict(constants)


@pytest.mark.parametrize("case", NETS)
def test_equals_the_reference(case, reader, node, model, port):
    nodes, shape, constants = build(case, node, model, port)
    batch = "batch"
    if case == "rows written":  # the places have the batch in their shape
        constants["i"], batch = np.broadcast_to(ints(3, 1), (4, 3, 2)).copy(), 4
    content = model(nodes, [port("x", batch, *shape)], ["y"], **constants)
    reader.equal(content, exact=nodes[-1].op_type in ("Cast", "Where", "Not"))


def test_old_operators_say_axes_by_attributes(reader, node, model, port):
    nodes = [
        node("Unsqueeze", ["x"], ["a"], axes=[1]),
        node("Slice", ["a"], ["b"], axes=[2], starts=[1], ends=[2**31 - 1]),
        node("ReduceSum", ["b"], ["c"], axes=[1], keepdims=0),
        node("Pad", ["c"], ["d"], pads=[0, 1, 0, 1]),
        node("Squeeze", ["e"], ["f"], axes=[1]),
        node("Unsqueeze", ["d"], ["e"], axes=[1]),
        node("Softmax", ["f"], ["y"]),
    ]
    nodes[4], nodes[5] = nodes[5], nodes[4]
    reader.equal(model(nodes, [port("x", "n", 5)], ["y"], opset=9))


def test_old_softmax_over_several_axes_is_refused(reader, node, model, port):
    content = model([node("Softmax", ["x"], ["y"], axis=1)], [port("x", "n", 3, 5)], ["y"], opset=11)
    with pytest.raises(UnsupportedOp, match="over 2 axes together, as operators of version 11"):
        reader.taken(content)


def test_upsample_of_an_old_file(reader, node, model, port):
    scales = np.array([1, 1, 2, 2], np.float32)
    graph = reader.taken(
        model([node("Upsample", ["x", "s"], ["y"])], [port("x", 1, 2, 3, 3)], ["y"], 9, s=scales)
    ).graph
    assert "upsample(%x) @Upsample_0" in graph.text()


def test_a_linear_takes_the_bias_that_is_added_to_it_alone(reader, node, model, port, ops):
    nodes = [node("MatMul", ["x", "w"], ["a"]), node("Add", ["a", "b"], ["y"])]
    weights = {"w": f32(5, 3), "b": f32(3)}
    graph = reader.equal(model(nodes, [port("x", "n", 6, 5)], ["y"], **weights))
    assert ops(graph) == ["linear"]
    other = node("Neg", ["a"], ["z"])  # another user of the product, before the sum or behind it
    graph = reader.equal(model([*nodes, other], [port("x", "n", 6, 5)], ["y", "z"], **weights))
    assert ops(graph) == ["linear", "constant", "expand", "add", "scale"]
    graph = reader.equal(model([nodes[0], other, nodes[1]], [port("x", "n", 6, 5)], ["y", "z"], **weights))
    assert ops(graph) == ["linear", "scale", "constant", "expand", "add"]


def test_a_comparison_is_a_spike_and_its_mask_keeps_integers(reader, node, model, port):
    nodes = [
        node("GreaterOrEqual", ["x", "c"], ["q"]),
        node("Cast", ["q"], ["s"], to=1),
        node("Add", ["s", "s"], ["y"]),
        node("Where", ["q", "y", "z"], ["w"]),
    ]
    content = model(nodes, [port("x", "n", 3)], ["s", "w"], c=np.float32(0.5), z=np.float32(0))
    graph = reader.equal(content, exact=True)
    assert [graph.types[value].domain for value in graph.outputs] == [SPIKE, Int(0, 2)]


def test_an_integer_neuron_has_levels(reader, node, model, port):
    nodes = [node("Clip", ["x", "l", "h"], ["a"]), node("Round", ["a"], ["b"]), node("Mul", ["b", "q"], ["y"])]
    numbers = {"l": np.float32(0), "h": np.float32(4), "q": np.float32(0.25)}
    graph = reader.taken(model(nodes, [port("x", "n", 3)], ["y"], **numbers)).graph
    assert graph.types[graph.outputs[0]].domain == Int(0, 4, 0.25)


def test_inputs_of_whole_numbers_and_of_bits(reader, node, model, port):
    for element, domain in ((TensorProto.UINT8, Int(0, 255)), (TensorProto.BOOL, SPIKE)):
        content = model([node("Cast", ["x"], ["y"], to=1)], [port("x", "n", 3, element=element)], ["y"])
        graph = reader.taken(content).graph
        assert graph.types["x"].domain == domain


def test_an_inexact_division_is_remarked_and_an_exact_one_is_not(reader, node, model, port):
    for number, remarks in ((4.0, 0), (3.0, 1)):
        content = model([node("Div", ["x", "c"], ["y"])], [port("x", "n", 3)], ["y"], c=np.float32(number))
        found = reader.taken(content).remarks
        assert len(found) == remarks
        assert all("division by 3" in text and "could flip" in text for text in found)


def test_constants_are_computed(reader, node, model, port):
    """A weight that the file rearranges, and a shape that it works out."""
    nodes = [
        node("Transpose", ["w"], ["t"], perm=[1, 0]),
        node("Sigmoid", ["k"], ["g"]),
        node("Mul", ["t", "g"], ["m"]),
        node("MatMul", ["x", "m"], ["a"]),
        node("Shape", ["a"], ["s"]),
        node("Gather", ["s", "zero"], ["n"]),
        node("Unsqueeze", ["n", "axis"], ["u"]),
        node("Concat", ["u", "rest"], ["target"], axis=0),
        node("Reshape", ["a", "target"], ["y"]),
    ]
    constants = {"w": f32(6, 5), "k": f32(1), "zero": np.int64(0), "axis": ints(0), "rest": ints(3, 2)}
    graph = reader.equal(model(nodes, [port("x", "n", 5)], ["y"], **constants))
    assert [(name, w.role) for name, w in graph.weights.items()] == [("m", Role.PARAMETER)]
