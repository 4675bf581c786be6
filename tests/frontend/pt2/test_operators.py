"""Every operator that is claimed, in a file that torch wrote, equal to torch's own; and every other refused by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest
import torch
from torch import Tensor, nn

from spikec.errors import TraceError, UnsupportedOp
from spikec.frontend.pt2.operators import ACTIVATION, CHECKS, NOT_OF_TENSORS, OPERATORS, UNROLLED
from spikec.frontend.pt2.rewriting import STACKED
from spikec.snn.neuron import LIFNeuron

A = torch.ops.aten
Case = Callable[[Tensor, "Own"], Tensor]


class Own:
    """Tensors of the network's own."""

    def __init__(self, module: nn.Module) -> None:
        self.module = module

    def __getattr__(self, name: str) -> Tensor:
        return getattr(self.module, name)


class Many(nn.Module):
    """A network whose outputs are those of many functions of its input."""

    SHAPES: Mapping[str, tuple[int, ...]] = {
        "conv": (4, 6, 3, 3),
        "row": (4, 6, 3),
        "wide": (5, 4),
        "bias": (4,),
        "six": (6,),
        "five": (5,),
        "mean": (6,),
        "var": (6,),
    }

    def __init__(self, cases: Mapping[str, Case]) -> None:
        super().__init__()
        self.cases = dict(cases)
        for name, shape in self.SHAPES.items():
            tensor = torch.rand(shape) + 0.25
            if name in ("mean", "var"):
                self.register_buffer(name, tensor)
            else:
                self.register_parameter(name, nn.Parameter(tensor))

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        own = Own(self)
        return tuple(case(x, own) for case in self.cases.values())


def chosen(test: Callable[[Tensor, Tensor], Tensor]) -> Case:
    """x times what is chosen among the network's own numbers by a comparison of them."""

    def case(x: Tensor, w: Own) -> Tensor:
        middle = A.mean.dim(w.bias, [0], True)
        return A.mul.Tensor(x, A.where.self(test(w.bias, middle), w.bias, A.neg.default(w.bias)))

    return case


ON_MAPS: dict[str, Case] = {
    "conv2d.default": lambda x, w: A.conv2d.default(x, w.conv, w.bias, [2, 1], [1, 0], [1, 1], 1),
    "conv2d.padding": lambda x, w: A.conv2d.padding(x, w.conv, None, [1, 1], "same"),
    "convolution.default": lambda x, w: A.convolution.default(
        x, w.conv, w.bias, [1, 1], [2, 2], [2, 2], False, [0, 0], 1
    ),
    "batch_norm.default": lambda x, w: A.batch_norm.default(x, w.six, w.mean, w.mean, w.var, False, 0.1, 1e-3, False),
    "_native_batch_norm_legit_no_training.default": lambda x, w: A._native_batch_norm_legit_no_training.default(
        x, w.six, w.mean, w.mean, w.var, 0.1, 1e-3
    )[0],
    "max_pool2d.default": lambda x, w: A.max_pool2d.default(x, [2, 2]),
    "max_pool2d_with_indices.default": lambda x, w: A.max_pool2d_with_indices.default(x, [3, 3], [1, 1], [1, 1])[0],
    "avg_pool2d.default": lambda x, w: A.avg_pool2d.default(x, [2, 2], [1, 1]),
    "adaptive_avg_pool2d.default": lambda x, w: A.adaptive_avg_pool2d.default(x, [2, 2]),
    "_adaptive_avg_pool2d.default": lambda x, w: A._adaptive_avg_pool2d.default(x, [1, 1]),
    "upsample_nearest2d.vec": lambda x, w: A.upsample_nearest2d.vec(x, None, [2.0, 3.0]),
    "upsample_nearest2d.default": lambda x, w: A.upsample_nearest2d.default(x, [8, 16]),
    "pad.default": lambda x, w: A.pad.default(x, [1, 0, 2, 1]),
    "constant_pad_nd.default": lambda x, w: A.constant_pad_nd.default(x, [1, 2], 0.0),
    "permute.default": lambda x, w: A.permute.default(x, [0, 2, 3, 1]),
    "transpose.int": lambda x, w: A.transpose.int(x, 1, -1),
    "swapaxes.default": lambda x, w: A.swapaxes.default(x, 2, 1),
    "movedim.int": lambda x, w: A.movedim.int(x, 1, 3),
    "movedim.intlist": lambda x, w: A.movedim.intlist(x, [1, 2], [3, 1]),
    "flatten.using_ints": lambda x, w: A.flatten.using_ints(x, 1, 2),
    "mean.dim": lambda x, w: A.mean.dim(x, [-1, 2], True),
    "sum.dim_IntList": lambda x, w: A.sum.dim_IntList(x, [1]),
    "view.default": lambda x, w: A.view.default(x, [-1, 3, 2, 32]),
    "_unsafe_view.default": lambda x, w: A._unsafe_view.default(x, [x.shape[0], 24, 8]),
    "reshape.default": lambda x, w: A.reshape.default(A.transpose.int(x, 1, 2), [x.shape[0], 4, 48]),
    "unflatten.int": lambda x, w: A.unflatten.int(x, 1, [2, 3]),
    "matmul.default": lambda x, w: A.matmul.default(x, A.transpose.int(x, -1, -2)),
}

ON_ROWS: dict[str, Case] = {
    "conv1d.default": lambda x, w: A.conv1d.default(x, w.row, w.bias, [2], [1]),
    "conv1d.padding": lambda x, w: A.conv1d.padding(x, w.row, None, [1], "valid"),
    "avg_pool1d.default": lambda x, w: A.avg_pool1d.default(x, [2]),
    "adaptive_avg_pool1d.default": lambda x, w: A.adaptive_avg_pool1d.default(x, [1]),
    "linear.default": lambda x, w: A.linear.default(x, w.wide, w.five),
    "layer_norm.default": lambda x, w: A.layer_norm.default(x, [4], w.bias, w.bias, 1e-3),
    "native_layer_norm.default": lambda x, w: A.native_layer_norm.default(x, [6, 4], None, None, 1e-5)[0],
    "softmax.int": lambda x, w: A.softmax.int(x, -1),
    "_softmax.default": lambda x, w: A._softmax.default(x, 1, False),
    "gelu.default": lambda x, w: A.gelu.default(x, approximate="tanh"),
    "exp.default": lambda x, w: A.exp.default(x),
    "neg.default": lambda x, w: A.neg.default(x),
    "add.Tensor": lambda x, w: A.add.Tensor(x, w.bias, alpha=2),
    "add.Scalar": lambda x, w: A.add.Scalar(x, 0.5),
    "sub.Tensor": lambda x, w: A.sub.Tensor(w.bias, x),
    "sub.Scalar": lambda x, w: A.sub.Scalar(x, 0.5, 2),
    "rsub.Tensor": lambda x, w: A.rsub.Tensor(x, w.bias, alpha=2),
    "rsub.Scalar": lambda x, w: A.rsub.Scalar(x, 1.0),
    "mul.Tensor": lambda x, w: A.mul.Tensor(x, A.add.Scalar(x, 1.0)),
    "mul.Scalar": lambda x, w: A.mul.Scalar(x, 0.3),
    "div.Tensor": lambda x, w: A.div.Tensor(x, 4.0),
    "div.Scalar": lambda x, w: A.div.Scalar(x, -0.5),
    "div.Tensor_mode": lambda x, w: A.div.Tensor_mode(x, 2.0, rounding_mode=None),
    "div.Scalar_mode": lambda x, w: A.div.Scalar_mode(x, 2.0, rounding_mode=None),
    "bmm.default": lambda x, w: A.bmm.default(x, A.transpose.int(x, 1, 2)),
    "mean.default": lambda x, w: A.mean.dim(A.unsqueeze.default(x, 1), [2, 3]),
    "unsqueeze.default": lambda x, w: A.unsqueeze.default(x, -2),
    "squeeze.dim": lambda x, w: A.squeeze.dim(A.slice.Tensor(x, 1, 2, 3), 1),
    "squeeze.dims": lambda x, w: A.squeeze.dims(A.slice.Tensor(x, 2, 3), [2]),
    "expand.default": lambda x, w: A.add.Tensor(x, A.expand.default(w.bias, [6, 4])),
    "expand_as.default": lambda x, w: A.add.Tensor(x, A.expand_as.default(w.bias, x)),
    "repeat.default": lambda x, w: A.add.Tensor(x, A.repeat.default(w.bias, [6, 1])),
    "select.int": lambda x, w: A.select.int(x, 1, -2),
    "slice.Tensor": lambda x, w: A.slice.Tensor(x, 1, 1, 6, 2),
    "narrow.default": lambda x, w: A.narrow.default(x, 2, 1, 2),
    "unbind.int": lambda x, w: A.unbind.int(x, 2)[1],
    "split.Tensor": lambda x, w: A.split.Tensor(x, 4, 1)[1],
    "split.sizes": lambda x, w: A.split.sizes(x, [1, 5], 1)[1],
    "split_with_sizes.default": lambda x, w: A.split_with_sizes.default(x, [1, 3], 2)[1],
    "chunk.default": lambda x, w: A.chunk.default(x, 2, 1)[0],
    "stack.default": lambda x, w: A.stack.default([x, A.neg.default(x)], 1),
    "cat.default": lambda x, w: A.cat.default([x, A.neg.default(x)], -1),
    "concat.default": lambda x, w: A.concat.default([x, A.neg.default(x)], 1),
    "view_as.default": lambda x, w: A.view_as.default(A.add.Scalar(x, 1.0), x),
    "reshape_as.default": lambda x, w: A.reshape_as.default(A.flatten.using_ints(x, 1, 2), x),
    "clone.default": lambda x, w: A.neg.default(A.clone.default(x)),
    "contiguous.default": lambda x, w: A.neg.default(A.contiguous.default(x)),
    "detach.default": lambda x, w: A.neg.default(A.detach.default(x)),
    "alias.default": lambda x, w: A.neg.default(A.alias.default(x)),
    "lift_fresh_copy.default": lambda x, w: A.neg.default(A.lift_fresh_copy.default(x)),
    "to.dtype": lambda x, w: A.neg.default(A.to.dtype(x, x.dtype)),
    "_to_copy.default": lambda x, w: A.neg.default(A._to_copy.default(x, dtype=x.dtype)),
    "type_as.default": lambda x, w: A.neg.default(A.type_as.default(x, w.bias)),
    "dropout.default": lambda x, w: A.neg.default(A.dropout.default(x, 0.5, False)),
    "zeros_like.default": lambda x, w: A.add.Tensor(x, A.zeros_like.default(x)),
    "ones_like.default": lambda x, w: A.add.Tensor(x, A.ones_like.default(x)),
    "full_like.default": lambda x, w: A.mul.Tensor(x, A.full_like.default(x, 0.75)),
    "zeros.default": lambda x, w: A.add.Tensor(x, A.zeros.default([6, 4])),
    "new_zeros.default": lambda x, w: A.add.Tensor(x, A.new_zeros.default(x, [4])),
    "ones.default": lambda x, w: A.add.Tensor(x, A.ones.default([x.shape[0], 1, 4])),
    "new_ones.default": lambda x, w: A.add.Tensor(x, A.new_ones.default(w.bias, [6, 1])),
    "full.default": lambda x, w: A.mul.Tensor(x, A.full.default([6, 4], 0.75)),
    "new_full.default": lambda x, w: A.mul.Tensor(x, A.new_full.default(x, [4], -1.5)),
    "gt.Scalar": chosen(lambda b, m: A.gt.Scalar(b, 0.75)),
    "ge.Scalar": chosen(lambda b, m: A.ge.Scalar(b, 0.75)),
    "lt.Scalar": chosen(lambda b, m: A.lt.Scalar(b, 0.75)),
    "le.Scalar": chosen(lambda b, m: A.le.Scalar(b, 0.75)),
    "gt.Tensor": chosen(lambda b, m: A.gt.Tensor(b, m)),
    "ge.Tensor": chosen(lambda b, m: A.ge.Tensor(b, m)),
    "lt.Tensor": chosen(lambda b, m: A.lt.Tensor(b, m)),
    "le.Tensor": chosen(lambda b, m: A.le.Tensor(b, m)),
    "where.self": chosen(lambda b, m: A.gt.Tensor(m, b)),
    "sigmoid.default": lambda x, w: A.mul.Tensor(x, A.sigmoid.default(w.bias)),
    "reciprocal.default": lambda x, w: A.mul.Tensor(x, A.reciprocal.default(w.bias)),
    "sqrt.default": lambda x, w: A.mul.Tensor(x, A.sqrt.default(w.bias)),
    "rsqrt.default": lambda x, w: A.mul.Tensor(x, A.rsqrt.default(w.bias)),
    "clamp.default": lambda x, w: A.mul.Tensor(x, A.clamp.default(w.bias, 0.3, 0.9)),
    "sum.default": lambda x, w: A.add.Tensor(x, A.sum.default(w.bias)),
    "mm.default": lambda x, w: A.mm.default(A.select.int(x, 1, 0), A.t.default(w.wide)),
    "addmm.default": lambda x, w: A.addmm.default(w.five, A.select.int(x, 1, 1), A.permute.default(w.wide, [1, 0])),
    "matmul by a matrix": lambda x, w: A.matmul.default(x, A.mul.Tensor(A.t.default(w.wide), 0.5)),
    "bmm by a matrix repeated": lambda x, w: A.bmm.default(
        x, A.view.default(A.expand.default(A.permute.default(w.wide, [1, 0]), [x.shape[0], 4, 5]), [x.shape[0], 4, 5])
    ),
    "addmm of a product": lambda x, w: A.addmm.default(
        w.bias, A.select.int(x, 1, 1), A.mul.Tensor(A.mm.default(A.t.default(w.wide), w.wide), 0.5)
    ),
}

ALSO = {
    "aten.mean.default": "a mean over everything is one over the batch too; the tracer refuses it",
    "aten.squeeze.default": "a squeeze of every axis takes a batch of one, too; the tracer refuses it",
    "aten.to.device": "torch.export leaves no device conversions on one device",
    "aten.to.dtype_layout": "as above",
    "aten.t.default": "met below mm",
    "aten.sym_size.int": "met where a size is taken from the input",
    STACKED: "met in core's stack",
}


def check(door, cases: Mapping[str, Case], x: Tensor) -> None:
    module = Many(cases)
    door.equal(module, x, (0,))
    unseen = [name for name in cases if f"aten.{name}" not in door.targets and name.rpartition(".")[2] in name]
    assert [name for name in unseen if " " not in name and f"aten.{name}" not in ALSO] == []


def test_operators_on_maps_do_what_torch_does(door) -> None:
    check(door, ON_MAPS, torch.rand(3, 6, 4, 8))


def test_operators_on_rows_do_what_torch_does(door) -> None:
    check(door, ON_ROWS, torch.rand(3, 6, 4))


def test_every_operator_of_the_table_is_tried() -> None:
    tried = {f"aten.{name}" for name in (*ON_MAPS, *ON_ROWS)} | set(ALSO) | set(NOT_OF_TENSORS)
    assert set(OPERATORS) - tried == set()
    assert not set(OPERATORS) & CHECKS


def test_a_matrix_that_is_repeated_along_its_own_axes_is_no_linear_layer(door) -> None:
    def column(x: Tensor, w: Own) -> Tensor:
        sizes = [x.shape[0], 4, 5]
        return A.bmm.default(x, A.view.default(A.expand.default(A.view.default(w.bias, [4, 1]), sizes), sizes))

    with pytest.raises(TraceError, match="a product with a tensor that does not come from the input"):
        door.taken(Many({"column": column}), torch.rand(3, 6, 4), (0,))


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_stack_in_core_operators_is_one_again(door, axis: int) -> None:
    class Stack(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.stack([x, 2 * x, -x], axis + 1).sum(axis + 1)

    found = door.equal(Stack(), torch.rand(2, 4, 5), (0,), core=True)
    assert "aten.cat.default" in door.targets
    assert [node.op.mnemonic for node in found.graph.nodes].count("concat") == 1


def test_steps_that_are_stacked_along_the_batch_in_core_operators_are_steps(door) -> None:
    class Repeats(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc, self.lif = nn.Linear(4, 4), LIFNeuron(2.0, 0.2)

        def forward(self, x: Tensor) -> Tensor:
            return self.lif(torch.stack([self.fc(x)] * 3)).mean(0)

    found = door.equal(Repeats(), torch.rand(2, 4), (0,), core=True)
    assert "aten.cat.default" in door.targets
    assert [node.op.mnemonic for node in found.graph.nodes] == ["linear", "repeat", "lif", "time_mean"]


REFUSED: dict[str, Case] = {
    "aten.sigmoid.default": lambda x, w: torch.sigmoid(x),
    "aten.relu.default": lambda x, w: torch.relu(x),
    "aten.cumsum.default": lambda x, w: x.cumsum(1),
    "aten.sort.default": lambda x, w: x.sort(1)[0],
    "aten.ge.Scalar": lambda x, w: (x >= 0.5).to(x.dtype),
    "aten.where.self": lambda x, w: torch.where(w.bias > 0, x, w.bias),
    "aten.conv_transpose1d.default": lambda x, w: torch.conv_transpose1d(x, w.row.permute(1, 0, 2)),
    "aten.clamp.default": lambda x, w: x.clamp(0, 1),
    "aten.index.Tensor": lambda x, w: x[:, torch.tensor([1, 0])],
    "aten.scaled_dot_product_attention.default": lambda x, w: nn.functional.scaled_dot_product_attention(x, x, x),
    "aten.to.dtype": lambda x, w: x.to(torch.float16).to(torch.float32),
    "aten.div.Tensor_mode": lambda x, w: torch.div(x, 2.0, rounding_mode="floor"),
    "aten.mean.default": lambda x, w: x.mean(),
    "aten.batch_norm.default": lambda x, w: nn.functional.batch_norm(x, None, None, training=True),
}


def test_what_is_not_taken_is_listed_whole_with_the_modules_path(door) -> None:
    class Outer(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            plain = {name: case for name, case in REFUSED.items() if name not in LATER}
            self.inner = Many(plain)

        def forward(self, x: Tensor) -> tuple[Tensor, ...]:
            return self.inner(x)

    with pytest.raises(UnsupportedOp) as caught:
        door.taken(Outer(), torch.rand(3, 6, 4), (0,))
    found = {offender.op: offender for offender in caught.value.offenders}
    assert set(REFUSED) - set(LATER) <= set(found)
    assert {offender.path for offender in found.values()} == {"inner"}
    assert found["aten.ge.Scalar"].reason == UNROLLED
    assert found["aten.relu.default"].reason == ACTIVATION
    assert "LIFNeuron of spikec" in str(caught.value)
    assert found["aten.to.dtype"].reason == "a conversion to float16 in a network of float32"


LATER = {
    "aten.div.Tensor_mode": "rounding_mode",
    "aten.batch_norm.default": "training mode",
    "aten.mean.default": "over the batch",
    "aten.conv_transpose1d.default": "is not taken",
}
"""What is found while it is computed, or recorded."""


@pytest.mark.parametrize("name", LATER)
def test_what_is_found_out_later_is_refused_too(door, name: str) -> None:
    with pytest.raises(Exception, match=LATER[name]) as caught:
        door.taken(Many({name: REFUSED[name]}), torch.rand(3, 6, 4), (0,))
    assert caught.value.exit_code == 1


def test_control_flow_is_refused(door) -> None:
    class Branch(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.cond(x.sum() > 0, lambda x: x + 1, lambda x: x - 1, (x,))

    with pytest.raises(UnsupportedOp, match="control flow, of which a graph has none"):
        door.taken(Branch(), torch.rand(3, 4), (0,))


def test_a_result_beside_the_first_is_refused(door) -> None:
    cases: dict[str, Case] = {"indices": lambda x, w: A.native_layer_norm.default(x, [6, 4], None, None, 1e-5)[1]}
    with pytest.raises(UnsupportedOp, match=r"a further result of aten\.native_layer_norm\.default"):
        door.taken(Many(cases), torch.rand(3, 6, 4), (0,))


def test_sizes_that_differ_with_the_batch_make_no_graph(door) -> None:
    class Baked(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x * x.shape[0]

    with pytest.raises(Exception, match="it is another network than on") as caught:
        door.taken(Baked(), torch.rand(3, 4), (0,))
    assert caught.value.exit_code == 1
