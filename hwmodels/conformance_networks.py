"""The networks, policies and spikes on which `hwmodels.conformance` tries a hardware model."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

import numpy as np
from numpy.typing import NDArray

from spikec.cost import Policy
from spikec.ir.arithmetic import Add, MatMul, Mul
from spikec.ir.builder import GraphBuilder, WeightLike
from spikec.ir.graph import Graph
from spikec.ir.linear import Conv2d, Linear
from spikec.ir.neurons import LIF, Threshold
from spikec.ir.op import Inputs, Op, WeightTypes
from spikec.ir.pools import MaxPool, Mean, SumPool
from spikec.ir.shapes import Reshape
from spikec.ir.time import TimeMean
from spikec.ir.types import SPIKE, IntFormat, Role, TensorType, Weight

STEPS = 2
SHAPE = (2, 4, 4)
Data = Mapping[str, NDArray[np.float64]]

POLICIES: tuple[Policy, ...] = (
    Policy(),
    Policy(multibit="ac"),
    Policy(multibit="mac", zero_weights="skip"),
    Policy(zero_weights="skip"),
    Policy(domain="observed", attention="skip"),
    Policy(attention="coincidence"),
    Policy(counting="rate"),
    Policy(counting="rate", rate_of="nonzero", multibit="mac", ssa="kv"),
    Policy(counting="rate", multibit="ac"),
)


class Unheard(Op):
    """An op that no model can know."""

    mnemonic = "unheard"

    def infer(self, inputs: Inputs, weights: WeightTypes) -> tuple[TensorType, ...]:
        """See `Op.infer`."""
        return (inputs[0],)


@cache
def dense_network(*, bias: bool) -> Graph:
    """Every kind of node that spikes alone reach without a neuron, so that more spikes in are more everywhere."""
    rng = np.random.default_rng(1)
    builder = GraphBuilder(STEPS)
    x, y = (builder.input(name, TensorType(SHAPE, SPIKE)) for name in "xy")
    weights = {"weight": rng.integers(-1, 2, (3, 2, 3, 3)).astype(np.float64)}
    if bias:
        weights["bias"] = rng.normal(size=3)
    conv = builder.add(Conv2d((2, 1), (1, 1)), x, scope="conv", weights=weights)
    lif = builder.add(LIF(), conv, scope="lif", weights={"tau": 2.0, "v_threshold": 1.0})
    products = _products(builder, x, y)
    stream = builder.add(Add(), builder.add(MaxPool(), x), builder.add(MaxPool(), y), scope="stream")
    linear = builder.add(Linear(), stream, scope="linear", weights={"weight": rng.normal(size=(3, 2))})
    head = builder.add(TimeMean(), builder.add(Mean((1, 2)), x))
    head = builder.add(Linear(), head, scope="head", weights={"weight": np.eye(2)})
    return builder.graph(lif, *products, linear, head)


@cache
def spiking_network(*, bias: bool, products: bool) -> Graph:
    """The same for chips whose synapses take spikes: integer weights, no maximum, the mean over time last."""
    rng = np.random.default_rng(1)
    builder = GraphBuilder(STEPS)
    x, y = (builder.input(name, TensorType(SHAPE, SPIKE)) for name in "xy")
    weights: dict[str, WeightLike] = {"weight": _whole(rng.integers(-1, 2, (3, 2, 3, 3)))}
    if bias:
        weights["bias"] = _whole(rng.integers(-2, 3, 3))
    conv = builder.add(Conv2d((2, 1), (1, 1)), x, scope="conv", weights=weights)
    lif = builder.add(LIF(), conv, scope="lif", weights={"tau": 2.0, "v_threshold": 1.0})
    multiplied = _products(builder, x, y) if products else ()
    sums = (builder.add(SumPool(), value, scope=f"pool_{value}") for value in (x, y))
    pools = [builder.add(Threshold(), value, scope="spikes", weights={"v_threshold": 0.5}) for value in sums]
    stream = builder.add(Add(), *pools, scope="stream")
    linear = builder.add(Linear(), stream, scope="linear", weights={"weight": _whole(rng.integers(-3, 4, (3, 2)))})
    # Where there are no products, the head reads spikes themselves: of a mean nothing stands on cores before the head.
    pooled = builder.add(Mean((1, 2)), x) if products else builder.add(Reshape((32,)), x)
    size = builder.type(pooled).elements
    head = builder.add(Linear(), pooled, scope="head", weights={"weight": _whole(np.tile([[1], [-1]], size))})
    return builder.graph(lif, *multiplied, linear, builder.add(TimeMean(), head))


def _products(builder: GraphBuilder, x: str, y: str) -> tuple[str, str]:
    a, b = (builder.add(Reshape((2, 16)), value) for value in (x, y))
    scores = builder.add(MatMul(transpose_b=True), a, b, scope="scores")
    product = builder.add(MatMul(transpose_a=True), scores, b, scope="product")
    return product, builder.add(Mul(), a, b, scope="masked")


def _whole(values: NDArray[np.generic]) -> Weight:
    return Weight(np.asarray(values, dtype=np.int64), Role.PARAMETER, IntFormat(8))


def unheard_network() -> Graph:
    """A graph of one op that no model can know."""
    builder = GraphBuilder()
    x = builder.input("x", TensorType((2,), SPIKE))
    return builder.graph(builder.add(Unheard(), x, scope="blocks.0.odd"))


def spikes(seed: int, rate: float, samples: int = 3) -> Data:
    """Random spikes [T, samples, *shape] for both inputs."""
    rng = np.random.default_rng(seed)
    return {name: (rng.random((STEPS, samples, *SHAPE)) < rate).astype(np.float64) for name in "xy"}
