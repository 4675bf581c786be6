"""Which torch functions the tracer takes, and what records each: the table."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.nn import functional as F

from spikec.frontend import axis_functions as axes
from spikec.frontend import layer_functions as layers
from spikec.frontend import number_functions as numbers
from spikec.frontend.axes import View
from spikec.ir.linear import Conv1d, Conv2d
from spikec.ir.pools import Mean, Sum
from spikec.ir.time import TimeMean, TimeSum

# Any: torch's own argument lists, which the recording functions spell out again by name
Record = Callable[..., View | tuple[View, ...]]

T = torch.Tensor
_mean = numbers.reduction(TimeMean, Mean)
_sum = numbers.reduction(TimeSum, Sum)

FUNCTIONS: dict[Any, Record] = {  # Any: functions and method descriptors
    F.linear: layers.linear,
    torch.conv1d: layers.convolution(Conv1d, 1),
    torch.conv2d: layers.convolution(Conv2d, 2),
    F.batch_norm: layers.batch_norm,
    torch.batch_norm: layers.torch_batch_norm,
    **dict.fromkeys((F.layer_norm, torch.layer_norm), layers.layer_norm),
    **dict.fromkeys((F.max_pool2d, torch.max_pool2d), layers.max_pool2d),
    F.avg_pool2d: layers.avg_pool2d,
    F.avg_pool1d: layers.avg_pool1d,
    F.adaptive_avg_pool2d: layers.adaptive_avg_pool2d,
    F.adaptive_avg_pool1d: layers.adaptive_avg_pool1d,
    F.interpolate: layers.interpolate,
    F.pad: layers.pad,
    **dict.fromkeys((F.dropout, F.dropout1d, F.dropout2d, F.dropout3d), layers.dropout),
    **dict.fromkeys((F.alpha_dropout, F.feature_alpha_dropout), layers.alpha_dropout),
    **dict.fromkeys((torch.dropout, torch.alpha_dropout, torch.feature_alpha_dropout), layers.torch_dropout),
    F.gelu: layers.gelu,
    **dict.fromkeys((F.softmax, torch.softmax, T.softmax), layers.softmax),
    **dict.fromkeys((torch.exp, T.exp), layers.exp),
    **dict.fromkeys((T.add, torch.add, T.__add__, T.__radd__), numbers.add),
    **dict.fromkeys((T.sub, torch.sub, T.subtract, torch.subtract, T.__sub__), numbers.sub),
    **dict.fromkeys((T.__rsub__, torch.rsub), numbers.rsub),
    **dict.fromkeys((T.neg, torch.neg, T.__neg__), numbers.neg),
    **dict.fromkeys((T.mul, torch.mul, T.multiply, torch.multiply, T.__mul__, T.__rmul__), numbers.mul),
    **dict.fromkeys((T.div, torch.div, T.divide, torch.divide, T.__truediv__), numbers.div),
    **dict.fromkeys((T.true_divide, torch.true_divide), numbers.div),
    **dict.fromkeys((T.matmul, torch.matmul, T.__matmul__, torch.bmm, T.bmm), numbers.matmul),
    **dict.fromkeys((T.mean, torch.mean), _mean),
    **dict.fromkeys((T.sum, torch.sum), _sum),
    **dict.fromkeys(
        (T.transpose, torch.transpose, T.swapaxes, torch.swapaxes, T.swapdims, torch.swapdims), axes.transpose
    ),
    T.mT.__get__: axes.swap_last,  # type: ignore[attr-defined]  # a descriptor, typed as what it gives
    **dict.fromkeys((T.permute, torch.permute), axes.permute),
    **dict.fromkeys((T.movedim, torch.movedim, T.moveaxis, torch.moveaxis), axes.movedim),
    **dict.fromkeys((T.reshape, torch.reshape, T.view, T.flatten, torch.flatten), axes.reshape),
    **dict.fromkeys((T.unflatten, torch.unflatten), axes.reshape),
    **dict.fromkeys((T.unsqueeze, torch.unsqueeze), axes.reshape),
    **dict.fromkeys((T.squeeze, torch.squeeze), axes.squeeze),
    **dict.fromkeys((T.view_as, T.reshape_as), axes.reshape),
    **dict.fromkeys((T.expand, T.repeat, T.expand_as, T.broadcast_to, torch.broadcast_to), axes.expand),
    T.__getitem__: axes.getitem,
    **dict.fromkeys((T.select, torch.select), axes.select),
    **dict.fromkeys((T.narrow, torch.narrow), axes.narrow),
    **dict.fromkeys((T.unbind, torch.unbind), axes.unbind),
    **dict.fromkeys((T.split, torch.split, T.chunk, torch.chunk), axes.split),
    torch.stack: axes.stack,
    **dict.fromkeys((torch.cat, torch.concat, torch.concatenate), axes.cat),
    **dict.fromkeys((T.contiguous, T.detach, T.clone, torch.clone, torch.detach, T.requires_grad_), axes.same),
    **dict.fromkeys((T.positive, torch.positive, T.__pos__), axes.same),
    **dict.fromkeys((T.to, T.float, T.double, T.half, T.type_as, T.cpu), axes.converted),
}

IN_PLACE: dict[Any, Record] = {  # Any: as above
    **dict.fromkeys((T.add_, T.__iadd__), numbers.add),
    **dict.fromkeys((T.sub_, T.__isub__), numbers.sub),
    **dict.fromkeys((T.mul_, T.__imul__), numbers.mul),
    **dict.fromkeys((T.div_, T.__itruediv__), numbers.div),
}
"""Those that write their result into their first operand."""

SHAPED_CONSTANTS: frozenset[Any] = frozenset(  # Any: as above
    (torch.zeros_like, torch.ones_like, torch.full_like, torch.empty_like, T.new_zeros, T.new_ones, T.new_full)
)
"""Those that take a tensor's shape and format alone, and whose result does not come from the input."""
