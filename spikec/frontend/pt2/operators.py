"""Which operators of torch are taken, and as what: the table."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn import functional as F

from spikec.errors import Offender
from spikec.frontend.pt2 import functions as f
from spikec.frontend.pt2.rewriting import STACKED


@dataclass(frozen=True)
class Operator:
    """How an operator is taken.

    Args:
        function: computes it, by public functions of torch.
        constant: whether it is taken only of what does not depend on the input.
        shape_only: whether its result depends on the operand's shape alone.
    """

    function: Callable[..., Any]  # Any: each has arguments of its own
    constant: bool = False
    shape_only: bool = False


def _of(function: Callable[..., Any], *names: str) -> dict[str, Operator]:  # Any: as above
    return {f"aten.{name}": Operator(function) for name in names}


def _constant(function: Callable[..., Any], *names: str) -> dict[str, Operator]:  # Any: as above
    return {f"aten.{name}": Operator(function, constant=True) for name in names}


def _shape(function: Callable[..., Any], *names: str) -> dict[str, Operator]:  # Any: as above
    return {f"aten.{name}": Operator(function, shape_only=True) for name in names}


NOT_OF_TENSORS: Mapping[str, Operator] = {
    "_operator.add": Operator(operator.add),
    "_operator.sub": Operator(operator.sub),
    "_operator.mul": Operator(operator.mul),
    "_operator.floordiv": Operator(operator.floordiv),
}
"""Arithmetic of sizes."""

OPERATORS: Mapping[str, Operator] = {
    **_of(F.linear, "linear.default"),
    **_of(torch.conv1d, "conv1d.default", "conv1d.padding"),
    **_of(torch.conv2d, "conv2d.default", "conv2d.padding"),
    **_of(f.convolution, "convolution.default"),
    **_of(f.batch_norm, "batch_norm.default"),
    **_of(f.batch_norm_in_evaluation, "_native_batch_norm_legit_no_training.default"),
    **_of(f.layer_norm, "layer_norm.default", "native_layer_norm.default"),
    **_of(f.softmax, "softmax.int", "_softmax.default"),
    **_of(F.gelu, "gelu.default"),
    **_of(torch.exp, "exp.default"),
    **_of(f.max_pool, "max_pool2d.default", "max_pool2d_with_indices.default"),
    **_of(f.avg_pool2d, "avg_pool2d.default"),
    **_of(f.avg_pool1d, "avg_pool1d.default"),
    **_of(F.adaptive_avg_pool2d, "adaptive_avg_pool2d.default", "_adaptive_avg_pool2d.default"),
    **_of(F.adaptive_avg_pool1d, "adaptive_avg_pool1d.default"),
    **_of(f.upsample, "upsample_nearest2d.vec", "upsample_nearest2d.default"),
    **_of(f.pad, "pad.default", "constant_pad_nd.default"),
    **_of(f.dropout, "dropout.default"),
    **_of(f.add, "add.Tensor", "add.Scalar"),
    **_of(f.sub, "sub.Tensor", "sub.Scalar"),
    **_of(f.rsub, "rsub.Tensor", "rsub.Scalar"),
    **_of(torch.mul, "mul.Tensor", "mul.Scalar"),
    **_of(f.div, "div.Tensor", "div.Scalar", "div.Tensor_mode", "div.Scalar_mode"),
    **_of(torch.neg, "neg.default"),
    **_of(f.addmm, "addmm.default"),
    **_of(f.mm, "mm.default"),
    **_of(f.matmul, "matmul.default"),
    **_of(torch.bmm, "bmm.default"),
    **_of(f.mean, "mean.default", "mean.dim"),
    **_of(f.total, "sum.default", "sum.dim_IntList"),
    **_of(torch.transpose, "transpose.int", "swapaxes.default"),
    **_of(f.turned, "t.default"),
    **_of(torch.permute, "permute.default"),
    **_of(torch.movedim, "movedim.int", "movedim.intlist"),
    **_of(f.reshape, "view.default", "_unsafe_view.default", "reshape.default"),
    **_of(f.like, "view_as.default", "reshape_as.default"),
    **_of(torch.flatten, "flatten.using_ints"),
    **_of(f.unflatten, "unflatten.int"),
    **_of(f.unsqueeze, "unsqueeze.default"),
    **_of(f.squeeze, "squeeze.default", "squeeze.dim", "squeeze.dims"),
    **_of(f.expand, "expand.default"),
    **_of(f.expand_as, "expand_as.default"),
    **_of(f.repeat, "repeat.default"),
    **_of(torch.select, "select.int"),
    **_of(f.cut, "slice.Tensor"),
    **_of(torch.narrow, "narrow.default"),
    **_of(f.unbind, "unbind.int"),
    **_of(f.split, "split.Tensor", "split.sizes", "split_with_sizes.default"),
    **_of(f.chunk, "chunk.default"),
    **_of(f.stack, "stack.default"),
    **_of(f.cat, "cat.default", "concat.default"),
    **_of(f.same, "clone.default", "contiguous.default", "detach.default", "alias.default", "lift_fresh_copy.default"),
    **_of(f.same, "to.dtype", "to.device", "to.dtype_layout", "_to_copy.default", "type_as.default"),
    **_shape(f.new_zeros, "new_zeros.default", "zeros.default"),
    **_shape(f.new_ones, "new_ones.default", "ones.default"),
    **_shape(f.new_full, "new_full.default", "full.default"),
    **_shape(f.zeros_like, "zeros_like.default"),
    **_shape(f.ones_like, "ones_like.default"),
    **_shape(f.full_like, "full_like.default"),
    **_shape(f.size, "sym_size.int"),
    **_constant(torch.sigmoid, "sigmoid.default"),
    **_constant(torch.reciprocal, "reciprocal.default"),
    **_constant(torch.sqrt, "sqrt.default"),
    **_constant(torch.rsqrt, "rsqrt.default"),
    **_constant(torch.clamp, "clamp.default"),
    **_constant(torch.where, "where.self"),
    **_constant(torch.gt, "gt.Scalar", "gt.Tensor"),
    **_constant(torch.ge, "ge.Scalar", "ge.Tensor"),
    **_constant(torch.lt, "lt.Scalar", "lt.Tensor"),
    **_constant(torch.le, "le.Scalar", "le.Tensor"),
    STACKED: Operator(f.joined),
    **NOT_OF_TENSORS,
}
"""By the name in the file, without 'torch.ops.'."""

COMPARISONS: Mapping[str, Operator] = {
    **_of(torch.gt, "gt.Scalar"),
    **_of(torch.clamp, "clamp.default"),
    **_of(f.as_numbers, "to.dtype", "_to_copy.default"),
}
"""What a program that was rewritten is compared with, as it was written."""

CHECKS = frozenset(
    (
        "aten._assert_async.msg",
        "aten._assert_scalar.default",
        "aten._assert_tensor_metadata.default",
        "aten.sym_constrain_range.default",
        "aten.sym_constrain_range_for_size.default",
        *(f"_operator.{name}" for name in ("eq", "ge", "gt", "le", "lt", "ne")),
    )
)
"""What an exported program asks of its sizes, which gives no tensor: the recording looks at the sizes itself."""

PLACES = frozenset(("device", "layout", "pin_memory", "memory_format", "non_blocking"))
"""Arguments by name that say where a tensor lies, and change no number."""

UNROLLED = "a neuron that was exported step by step as a comparison"
CHOICE = "a choice by what depends on the input, as a neuron makes it that was exported step by step"
ACTIVATION = "an activation of real numbers, of which gelu, exp and softmax are taken"
RECURRENT = "a recurrent layer of real numbers"
RANDOM = "random numbers, of which a graph has none"
STATISTICS = "statistics of each sample, of which layer_norm is taken"
REORDERED = "elements in another order, of which slices, transposes and reshapes are taken"
JOINED = "attention as one operator; (q @ k.transpose(-2, -1) * scale).softmax(-1) @ v is taken"
SUMMED = "a sum of products as one operator; program.run_decompositions() writes it as those that are taken"

REASONS: Mapping[str, str] = {
    **dict.fromkeys(("gt", "ge", "lt", "le"), UNROLLED),
    **dict.fromkeys(("where", "heaviside", "sign", "masked_fill", "maximum", "minimum"), CHOICE),
    **dict.fromkeys(("relu", "relu6", "leaky_relu", "prelu", "elu", "selu", "celu", "silu", "mish"), ACTIVATION),
    **dict.fromkeys(("tanh", "sigmoid", "hardtanh", "hardsigmoid", "hardswish", "softplus", "log_sigmoid"), ACTIVATION),
    **dict.fromkeys(("gru", "lstm", "rnn_tanh", "rnn_relu"), RECURRENT),
    **dict.fromkeys(("rand", "randn", "rand_like", "randn_like", "bernoulli", "poisson", "randint"), RANDOM),
    **dict.fromkeys(("group_norm", "instance_norm", "native_group_norm"), STATISTICS),
    **dict.fromkeys(
        ("clamp", "clamp_min", "clamp_max", "abs", "pow", "square", "log", "erf", "sin", "cos"), ACTIVATION
    ),
    **dict.fromkeys(("flip", "roll", "index", "index_select", "gather", "sort", "topk"), REORDERED),
    "scaled_dot_product_attention": JOINED,
    "einsum": SUMMED,
}
"""Why operators are refused that are met often."""

NEURON_MEND = (
    "spikec trace --arch takes the neurons of snnTorch and SpikingJelly as the modules that they are; in a .pt2 a "
    "LIFNeuron of spikec or a neuron of SpikingJelly (without run_decompositions) is one operator, and snnTorch's "
    "Leaky and RLeaky are put together again where they start from zeros; torch.onnx.export writes files whose "
    "comparisons are taken"
)
WRITES = "writes into a tensor"
WRITES_MEND = "write y = y * mask, or torch.cat, in the place of y[...] = z"
RANDOM_MEND = "encode the data before the network, and give it the spikes"


def why_untaken(target: str) -> str:
    """Why an operator that is not in the table is refused."""
    name = target.split(".")[1] if target.count(".") else target
    if name in REASONS:
        return REASONS[name]
    if target.startswith("higher_order"):
        return "control flow, of which a graph has none"
    if name.endswith("_") and not name.endswith("__"):
        return WRITES
    return "is not taken"


def mend_of(offenders: Iterable[Offender]) -> str:
    """What to try instead, by the reasons of all that is refused."""
    mends = {UNROLLED: NEURON_MEND, CHOICE: NEURON_MEND, RANDOM: RANDOM_MEND, WRITES: WRITES_MEND}
    return "; ".join(dict.fromkeys(mends[found.reason] for found in offenders if found.reason in mends))
