"""The table of ONNX operators that are taken, in ONNX's names."""

from __future__ import annotations

from collections.abc import Mapping

from spikec.frontend.onnx.call import AttributeKind, Operator
from spikec.frontend.onnx.taking.arithmetic import add, add_all, div, mul, neg, sub
from spikec.frontend.onnx.taking.cutting import concat, gather, scatter_elements, scatter_nd, slice_, split
from spikec.frontend.onnx.taking.norms import batch_normalization, dropout, exp, gelu, layer_normalization, softmax
from spikec.frontend.onnx.taking.pools import average_pool, global_average_pool, global_max_pool, max_pool
from spikec.frontend.onnx.taking.products import conv, gemm, matmul
from spikec.frontend.onnx.taking.reductions import reduce_mean, reduce_sum
from spikec.frontend.onnx.taking.resizing import pad, resize
from spikec.frontend.onnx.taking.shaping import (
    expand,
    flatten,
    identity,
    reshape,
    shape_of,
    size_of,
    squeeze,
    tile,
    transpose,
    unsqueeze,
)
from spikec.frontend.onnx.taking.spiking import (
    cast,
    clip,
    comparison,
    logical_and,
    logical_not,
    logical_or,
    rounded,
    where,
)

_WINDOW: Mapping[str, AttributeKind] = {
    "auto_pad": "text",
    "dilations": "ints",
    "kernel_shape": "ints",
    "pads": "ints",
    "strides": "ints",
}
_CAST: Mapping[str, AttributeKind] = {"round_mode": "text", "saturate": "int", "to": "int"}
_REDUCTION: Mapping[str, AttributeKind] = {"axes": "ints", "keepdims": "int", "noop_with_empty_axes": "int"}
_RESIZE: Mapping[str, AttributeKind] = {
    "antialias": "int",
    "axes": "ints",
    "coordinate_transformation_mode": "text",
    "cubic_coeff_a": "float",
    "exclude_outside": "int",
    "extrapolation_value": "float",
    "keep_aspect_ratio_policy": "text",
    "mode": "text",
    "nearest_mode": "text",
}

OPERATORS: Mapping[str, Operator] = {
    "Add": Operator(add, (2, 2)),
    "And": Operator(logical_and, (2, 2)),
    "AveragePool": Operator(average_pool, (1, 1), {**_WINDOW, "ceil_mode": "int", "count_include_pad": "int"}),
    "BatchNormalization": Operator(
        batch_normalization,
        (5, 5),
        {"epsilon": "float", "momentum": "float", "spatial": "int", "training_mode": "int"},
        results=5,
    ),
    "Cast": Operator(cast, (1, 1), _CAST),
    "Clip": Operator(clip, (1, 3), {"max": "float", "min": "float"}),
    "Concat": Operator(concat, (1, 2**20), {"axis": "int"}),
    "Conv": Operator(conv, (2, 3), {**_WINDOW, "group": "int"}),
    "Div": Operator(div, (2, 2)),
    "Dropout": Operator(dropout, (1, 3), {"ratio": "float", "seed": "int"}, results=2),
    "Exp": Operator(exp, (1, 1)),
    "Expand": Operator(expand, (2, 2)),
    "Flatten": Operator(flatten, (1, 1), {"axis": "int"}),
    "Gather": Operator(gather, (2, 2), {"axis": "int"}),
    "Gelu": Operator(gelu, (1, 1), {"approximate": "text"}),
    "Gemm": Operator(gemm, (2, 3), {"alpha": "float", "beta": "float", "transA": "int", "transB": "int"}),
    "GlobalAveragePool": Operator(global_average_pool, (1, 1)),
    "GlobalMaxPool": Operator(global_max_pool, (1, 1)),
    "Greater": Operator(comparison(">", turned=False), (2, 2)),
    "GreaterOrEqual": Operator(comparison(">=", turned=False), (2, 2)),
    "Identity": Operator(identity, (1, 1)),
    "LayerNormalization": Operator(
        layer_normalization, (2, 3), {"axis": "int", "epsilon": "float", "stash_type": "int"}, results=3
    ),
    "Less": Operator(comparison(">", turned=True), (2, 2)),
    "LessOrEqual": Operator(comparison(">=", turned=True), (2, 2)),
    "MatMul": Operator(matmul, (2, 2)),
    "MaxPool": Operator(max_pool, (1, 1), {**_WINDOW, "ceil_mode": "int", "storage_order": "int"}, results=2),
    "Mul": Operator(mul, (2, 2)),
    "Neg": Operator(neg, (1, 1)),
    "Not": Operator(logical_not, (1, 1)),
    "Or": Operator(logical_or, (2, 2)),
    "Pad": Operator(pad, (1, 4), {"mode": "text", "pads": "ints", "value": "float"}),
    "ReduceMean": Operator(reduce_mean, (1, 2), _REDUCTION),
    "ReduceSum": Operator(reduce_sum, (1, 2), _REDUCTION),
    "Reshape": Operator(reshape, (2, 2), {"allowzero": "int"}),
    "Resize": Operator(resize, (1, 4), _RESIZE),
    "Round": Operator(rounded, (1, 1)),
    "ScatterElements": Operator(scatter_elements, (3, 3), {"axis": "int", "reduction": "text"}),
    "ScatterND": Operator(scatter_nd, (3, 3), {"reduction": "text"}),
    "Shape": Operator(shape_of, (1, 1), {"end": "int", "start": "int"}),
    "Size": Operator(size_of, (1, 1)),
    "Slice": Operator(slice_, (1, 5), {"axes": "ints", "ends": "places", "starts": "places"}),
    "Softmax": Operator(softmax, (1, 1), {"axis": "int"}),
    "Split": Operator(split, (1, 2), {"axis": "int", "num_outputs": "int", "split": "ints"}, results=2**20),
    "Squeeze": Operator(squeeze, (1, 2), {"axes": "ints"}),
    "Sub": Operator(sub, (2, 2)),
    "Sum": Operator(add_all, (1, 2**20)),
    "Tile": Operator(tile, (2, 2)),
    "Transpose": Operator(transpose, (1, 1), {"perm": "ints"}),
    "Unsqueeze": Operator(unsqueeze, (1, 2), {"axes": "ints"}),
    "Upsample": Operator(resize, (1, 2), {"mode": "text", "scales": "floats"}),
    "Where": Operator(where, (3, 3)),
}
"""Every operator that is taken where an operand comes from the input; see docs/from-onnx.md for the limits of each."""

_WORDS: Mapping[str, str] = {
    "Abs Celu Elu HardSigmoid HardSwish LeakyRelu LogSoftmax Mish PRelu Pow Relu Selu Sigmoid Softplus Softsign Sqrt "
    "Swish Tanh ThresholdedRelu": "an activation of real numbers, of which Gelu, Exp and Softmax are",
    "GRU LSTM RNN": "a recurrent layer of real numbers; a spiking one is, unrolled or as one step with its states",
    "GroupNormalization InstanceNormalization LpNormalization RMSNormalization": "statistics of each sample, of which "
    "LayerNormalization is",
    "Bernoulli RandomNormal RandomNormalLike RandomUniform RandomUniformLike": "random numbers; encode the data before "
    "the network",
    "ConvInteger DequantizeLinear DynamicQuantizeLinear MatMulInteger QLinearConv QLinearMatMul QuantizeLinear": (
        "integer arithmetic; export the network before it is quantised"
    ),
    "Attention": "attention as one operator; export with opset_version 20, which has it as products",
    "ConvTranspose": "a transposed convolution; Resize and Conv are",
    "Einsum": "a sum of products as one operator; MatMul, Mul and ReduceSum are",
}
WORDS: Mapping[str, str] = {op: words for ops, words in _WORDS.items() for op in ops.split()}
"""What operators are that are met often and not taken, and what is in their place."""

_CONTROL = ("If", "Loop", "Scan", "SequenceMap")


def why_untaken(op: str) -> str:
    """Why an operator is refused that is in no table."""
    if op in _CONTROL:
        return "control flow, of which a graph has none"
    return f"is not taken: {WORDS[op]}" if op in WORDS else "is not taken"
