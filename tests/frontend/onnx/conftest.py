"""Small ONNX models, read and compared with onnx's own reference evaluator; and networks as torch exports them."""

import contextlib
import io
import logging
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from spikec.frontend.foreign import Reading, Taken, read
from spikec.ir.graph import Graph
from spikec.run.interp import Interpreter

OPSET = 20
TYPES = {"f": TensorProto.FLOAT, "d": TensorProto.DOUBLE, "b": TensorProto.BOOL, "i": TensorProto.INT64}


def port(name: str, *axes: int | str, element: int = TensorProto.FLOAT) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, element, axes)


def model(
    nodes: Sequence[onnx.NodeProto],
    inputs: Sequence[onnx.ValueInfoProto],
    outputs: Sequence[str],
    opset: int = OPSET,
    **constants: np.ndarray,
) -> onnx.ModelProto:
    """A model of these nodes; outputs are declared without shapes."""
    ends = [helper.make_empty_tensor_value_info(name) for name in outputs]
    for end in ends:
        end.type.tensor_type.elem_type = TensorProto.FLOAT
    initialisers = [numpy_helper.from_array(np.asarray(array), name) for name, array in constants.items()]
    graph = helper.make_graph(list(nodes), "net", list(inputs), ends, initialisers)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=10)


class Reader:
    """Writes models into a folder and reads them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.count = 0

    def file(self, content: onnx.ModelProto | bytes) -> Path:
        self.count += 1
        path = self.folder / f"{self.count}.onnx"
        path.write_bytes(content if isinstance(content, bytes) else content.SerializeToString())
        return path

    def taken(self, content: onnx.ModelProto | bytes, **reading: int) -> Taken:
        return read(self.file(content), Reading(**reading))

    def equal(self, content: onnx.ModelProto, batch: int = 4, seed: int = 0, values=None, exact=False) -> Graph:
        """The graph, its outputs found equal to those of onnx's reference on random samples."""
        graph = self.taken(content).graph
        rng = np.random.default_rng(seed)
        ((name, kind),) = graph.inputs.items()
        x = rng.normal(size=(batch, *kind.shape)).astype(np.float32) if values is None else values
        expected = ReferenceEvaluator(content).run(None, {content.graph.input[0].name: x})
        found = Interpreter(torch.float32).run(graph, {name: x}, 1)
        for value, mine, theirs in zip(graph.outputs, found.values(), expected, strict=True):
            if exact:
                np.testing.assert_array_equal(mine.numpy(), theirs.astype(np.float32), err_msg=value)
            else:
                np.testing.assert_allclose(mine.numpy(), theirs, rtol=1e-4, atol=1e-5, err_msg=value)
        return graph


@pytest.fixture
def reader(tmp_path: Path) -> Reader:
    return Reader(tmp_path)


@pytest.fixture(name="model")
def model_fixture() -> Callable[..., onnx.ModelProto]:
    return model


@pytest.fixture(name="port")
def port_fixture() -> Callable[..., onnx.ValueInfoProto]:
    return port


@pytest.fixture
def node() -> Callable[..., onnx.NodeProto]:
    return helper.make_node


@pytest.fixture
def ops() -> Callable[[Graph], list[str]]:
    return lambda graph: [node.op.mnemonic for node in graph.nodes]


@pytest.fixture
def exported(tmp_path: Path) -> Iterator[Callable[..., Taken]]:
    """Exports a module on some arguments, and reads the file."""
    torch.set_num_threads(1)
    torch.manual_seed(0)

    def make(network, arguments, *, dynamo, opened=True, inputs=("x",), outputs=("y",), steps=None) -> Taken:
        path = tmp_path / "network.onnx"
        names = {"input_names": list(inputs), "output_names": list(outputs)}
        if opened and dynamo:
            names["dynamic_shapes"] = tuple({0: torch.export.Dim("batch")} for _ in arguments)
        elif opened:
            names["dynamic_axes"] = {name: {0: "batch"} for name in inputs}
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            torch.onnx.export(network.eval(), tuple(arguments), path, dynamo=dynamo, **names)
        return read(path, Reading(steps=steps))

    logging.disable(logging.WARNING)
    yield make
    logging.disable(logging.NOTSET)
