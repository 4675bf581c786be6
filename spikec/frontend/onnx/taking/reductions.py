"""ReduceSum and ReduceMean over axes of one sample."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from spikec.frontend.onnx.call import Call, Refusal
from spikec.frontend.onnx.drawing import Drawing
from spikec.frontend.onnx.symbol import Data, Symbol
from spikec.frontend.onnx.taking.norms import axis_of
from spikec.ir.pools import Mean, Sum


def reduce_sum(d: Drawing, call: Call) -> Sequence[Symbol]:
    """The sum over axes."""
    return [_reduced(d, call, Sum)]


def reduce_mean(d: Drawing, call: Call) -> Sequence[Symbol]:
    """The mean over axes."""
    return [_reduced(d, call, Mean)]


def _reduced(d: Drawing, call: Call, op: type[Sum] | type[Mean]) -> Data:
    x = call.data()
    axes = call.wholes_of("axes", 1)
    if not axes and call.whole("noop_with_empty_axes", 0):
        return x
    places = {axis_of(axis, len(x.shape)) for axis in axes or range(len(x.shape))}
    items = [item for place in sorted(places) for item in x.view.dims[place]]
    if "B" in items:
        raise Refusal("a reduction over the batch, along which samples are apart")
    own = tuple(item for item in items if isinstance(item, int))
    value = d.add(op(own), x.view.value) if own else x.view.value
    dims = x.view.reduced(places, keepdim=bool(call.whole("keepdims", 1)))
    return Data(replace(x.view, value=value, shape=d.shape(value), dims=dims))
