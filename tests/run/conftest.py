"""Graphs of one op, run by the interpreter in fp64; networks and random graphs for all runners."""

import importlib.util
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from hypothesis.strategies import SearchStrategy
from numpy.typing import NDArray

from spikec.ir.builder import GraphBuilder
from spikec.ir.graph import Graph
from spikec.ir.op import Op
from spikec.ir.types import REAL, TensorType, Timing
from spikec.run.interp import Interpreter

Apply = Callable[..., NDArray[np.float64]]


def apply_op(op: Op, *arrays, weights=None, timing=Timing.STEP, result=0, domain=REAL, interpreter=None):
    """The result of `op` on arrays [T, B, ...] (or [B, ...] with timing ONCE)."""
    lead = 2 if timing is Timing.STEP else 1
    builder = GraphBuilder(len(arrays[0]) if lead == 2 else 1)
    inputs = [builder.input(f"x{i}", TensorType(a.shape[lead:], domain, timing)) for i, a in enumerate(arrays)]
    name = builder.add(op, *inputs, weights=weights)
    wanted = [name, *(f"{name}.{suffix}" for suffix in op.extra_results)][result]
    graph = builder.graph(wanted)
    values = (interpreter or Interpreter()).run(graph, dict(zip(inputs, arrays, strict=True)))
    return values[wanted].numpy()


@pytest.fixture(name="apply_op")
def apply_op_fixture() -> Apply:
    return apply_op


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(11)


def by_path(path: Path) -> ModuleType:
    """A module of the tests' own, which no import finds."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def networks() -> ModuleType:
    return by_path(Path(__file__).with_name("networks.py"))


@pytest.fixture(scope="session")
def random_graphs() -> Callable[[str], SearchStrategy[Graph]]:
    """Strategies of random graphs that end in an op, by its mnemonic."""
    found: Callable[[str], SearchStrategy[Graph]] = by_path(
        Path(__file__).parents[1] / "ir/test_text_roundtrip.py"
    ).graphs
    return found
