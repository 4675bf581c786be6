"""What a layer gives of constants alone, computed while reading: a first step from a state of zeros, mostly.

The layer is drawn as for any value, on a graph of its own, and that graph is run: one meaning of each operator, in fp64
and rounded once to the file's own format. Sizes and work are bounded before it runs.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import prod

import numpy as np
import torch

from spikec.errors import GraphError
from spikec.frontend.axes import View
from spikec.frontend.onnx.call import Call, Refusal, check_call
from spikec.frontend.onnx.drawing import VALUE_BYTES, Drawing
from spikec.frontend.onnx.folding import Folder, is_learnt
from spikec.frontend.onnx.movement import filled
from spikec.frontend.onnx.operators import OPERATORS
from spikec.frontend.onnx.symbol import Const, Data, Numbers, Symbol
from spikec.ir.arithmetic import MatMul
from spikec.ir.builder import GraphBuilder
from spikec.ir.graph import Graph
from spikec.ir.types import REAL, TensorType, Timing
from spikec.run.interp import Interpreter

COMPUTED = frozenset(
    (
        *("AveragePool", "BatchNormalization", "Conv", "Gelu", "Gemm", "GlobalAveragePool", "GlobalMaxPool"),
        *("LayerNormalization", "MatMul", "MaxPool", "Pad", "Resize", "Softmax", "Upsample"),
    )
)
"""The layers that are computed where all their operands are known."""

OF_CONSTANTS = "computed while reading, as no operand depends on the input (a first step from zeros is such): {}"
"""The remark on layers that were computed."""

MOST_PRODUCTS = 2**36
"""Multiplications that all constants of a file together may take to compute: some 10 seconds of one core."""


@dataclass
class Layers:
    """Computes layers of constants, within bounds.

    Args:
        folder: counts what all results take.
        products: multiplications that the layers took so far.
    """

    folder: Folder
    products: int = 0

    def computed(self, call: Call, scope: str) -> list[Symbol]:
        """The first result of a layer whose operands are all constants.

        Raises:
            Refusal: it has no form of values either, holds no real numbers, or takes too much.
        """
        operands = [operand for operand in call.operands if isinstance(operand, Const)]
        x = operands[0].array
        for operand in operands:
            if operand.array.dtype.kind == "f" and not np.isfinite(operand.array).all():
                raise Refusal(f"'{operand.name}' holds numbers that are not finite")
        if x.dtype.kind != "f" or x.size == 0:
            raise Refusal(f"a constant first operand of {x.dtype} and shape {list(x.shape)}; real numbers are expected")
        check_call(OPERATORS[call.op], call, len(call.wanted))
        graph, view = self._drawn(call, x, scope)
        self._spend(graph)
        (found,) = Interpreter(torch.float64).run(graph, {"x": x[None].astype(np.float64)}, 1).values()
        with np.errstate(over="ignore"):
            array = found.numpy().reshape(view.torch_shape).astype(x.dtype)
        return [Const(array, learnt=is_learnt(operands, array))]

    def _drawn(self, call: Call, x: Numbers, scope: str) -> tuple[Graph, View]:
        """The layer alone, of an input without a batch; and its result in the file's axes."""
        drawing = Drawing(GraphBuilder(1), None, Timing.ONCE, self.folder.most, scope)
        value = drawing.builder.input("x", TensorType(tuple(x.shape), REAL, Timing.ONCE))
        data = Data(View(value, tuple(x.shape), tuple((axis,) for axis in range(x.ndim)), drawing.sizes))
        # a bias that is added later is added there, to constants too
        result = OPERATORS[call.op].take(drawing, replace(call, operands=(data, *call.operands[1:]), followed=None))[0]
        assert isinstance(result, Data)
        view = filled(drawing, result.view)
        try:
            return drawing.builder.graph(view.value), view
        except GraphError as error:
            raise Refusal(str(error)) from error

    def _spend(self, graph: Graph) -> None:
        """Counts what running the graph takes, before it does."""
        values = sum(kind.elements for kind in graph.types.values())
        weights = sum(weight.array.size for weight in graph.weights.values())
        windows = sum(products // outputs for products, outputs in _products(graph))  # as convolutions lay them out
        self.folder.spend((values + weights + windows) * VALUE_BYTES)
        self.products += sum(products for products, _ in _products(graph))
        if self.products > MOST_PRODUCTS:
            raise Refusal(f"its constant result takes {self.products} multiplications; {MOST_PRODUCTS} are the most")


def _products(graph: Graph) -> Iterator[tuple[int, int]]:
    """Multiplications of each node whose elements are sums, at most; and how many elements share what they sum."""
    for node in graph.nodes:
        elements = max(kind.elements for kind in node.results.values())
        if isinstance(node.op, MatMul):
            rows, inner = graph.types[node.inputs[0]].shape[-2:]
            yield elements * max(rows, inner), elements
        for weight in node.weights.values():
            outputs, *each = graph.weights[weight].array.shape or (1,)
            yield elements * prod(each), outputs
