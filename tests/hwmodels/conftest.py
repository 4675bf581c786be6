"""What the tests of this room share: graphs of one layer, and the road from a graph and data to costs."""

from collections.abc import Callable, Mapping

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from hwmodels.model import HardwareModel
from hwmodels.registry import load
from spikec.cost import Cost, Policy
from spikec.ir.builder import GraphBuilder
from spikec.ir.graph import Graph
from spikec.ir.types import TensorType
from spikec.run.interp import Interpreter

Data = Mapping[str, NDArray[np.generic]]


@pytest.fixture(scope="session")
def chip() -> HardwareModel:
    return load("45nm")


@pytest.fixture
def single() -> Callable[..., Graph]:
    """A graph of one op on inputs a (and b), with weights as arrays."""

    def build(op, *kinds: TensorType, steps: int = 1, **weights) -> Graph:
        builder = GraphBuilder(steps)
        values = [builder.input(name, kind) for name, kind in zip("ab", kinds, strict=False)]
        arrays = {slot: np.asarray(w, dtype=np.float64) for slot, w in weights.items()}
        return builder.graph(builder.add(op, *values, scope="layer", weights=arrays))

    return build


@pytest.fixture
def priced(chip) -> Callable[..., tuple[Cost, ...]]:
    """Counts with the interpreter in fp64 and prices; 45nm and the default policy unless given."""

    def price(graph: Graph, data: Data, policy: Policy | None = None, hardware=chip) -> tuple[Cost, ...]:
        policy = policy or Policy()
        partition = hardware.plan(graph, policy)
        counts = Interpreter(torch.float64).count(graph, data, hardware.probes(graph, policy, partition))
        return hardware.price(graph, counts, policy, hardware.place(partition, counts))

    return price
