"""A published energy log, repeated to nine digits from a graph of the network and the log's rates alone."""

import csv
import math
from pathlib import Path

import numpy as np
import pytest

from hwmodels.dense import ann_energy_pj, ann_macs, dense_macs
from hwmodels.policies import preset
from hwmodels.prices import charge
from hwmodels.totals import total_counts, total_energy_pj
from spikec.cost import Policy, Rates
from spikec.ir.arithmetic import Add, MatMul, Scale
from spikec.ir.builder import GraphBuilder
from spikec.ir.linear import BatchNorm, Conv1d, Conv2d, Linear
from spikec.ir.neurons import LIF
from spikec.ir.pools import MaxPool, Mean
from spikec.ir.shapes import Reshape, Transpose
from spikec.ir.time import Repeat, TimeMean
from spikec.ir.types import REAL, IntFormat, Role, TensorType, Timing, Weight

LOG = Path(__file__).parent / "golden" / "spikingformer_8_512.csv"
STEPS, DEPTH, HEADS, WIDTH, SIDE = 4, 8, 8, 512, 14
TOTAL_MJ = 7.463502601886196
PAPER = preset("spikformer-paper").policy


class Network:
    """Spikformer 8-512 for ImageNet, of weights that hold nothing but their shape."""

    def __init__(self, order):
        self.order = order
        self.builder = GraphBuilder(STEPS)

    def add(self, op, *inputs, scope="", inner=False, **shapes):
        weights = {
            slot: Weight(np.zeros(shape, np.int8), Role.PARAMETER, IntFormat(8)) for slot, shape in shapes.items()
        }
        return self.builder.add(op, *inputs, scope=scope, inner=inner, weights=weights)

    def fire(self, x, scope):
        width = self.builder.type(x).shape[0]
        statistics = dict.fromkeys(("mean", "var", "weight", "bias"), (width,))
        x = self.add(BatchNorm(), x, scope=f"{scope}_bn", **statistics)
        return self.neuron(x, f"{scope}_lif")

    def neuron(self, x, scope):
        return self.add(LIF(), x, scope=scope, tau=(), v_threshold=())

    def stem(self, x):
        widths = (3, WIDTH // 8, WIDTH // 4, WIDTH // 2, WIDTH)
        for index in range(4):
            scope = f"patch_embed.proj_conv{index or ''}"
            kernel = (widths[index + 1], widths[index], 3, 3)
            x = self.fire(self.add(Conv2d(padding=(1, 1)), x, scope=scope, weight=kernel), scope)
            x = self.add(MaxPool((3, 3), (2, 2), (1, 1)), x, scope=f"{scope}_pool")
        scope = "patch_embed.rpe_conv"
        y = self.add(Conv2d(padding=(1, 1)), x, scope=scope, weight=(WIDTH, WIDTH, 3, 3))
        return self.add(Add(), self.fire(y, scope), x, scope="patch_embed", inner=True)

    def attention(self, x, scope):
        tokens, width = SIDE * SIDE, WIDTH // HEADS
        x = self.add(Reshape((WIDTH, tokens)), x, scope=scope, inner=True)
        heads = {}
        for name in "qkv":
            y = self.add(Conv1d(), x, scope=f"{scope}.{name}_conv", weight=(WIDTH, WIDTH, 1))
            y = self.fire(y, f"{scope}.{name}_conv")
            y = self.add(Reshape((HEADS, width, tokens)), y, scope=scope, inner=True)
            heads[name] = self.add(Transpose((0, 2, 1)), y, scope=scope, inner=True)
        y = self.multiply(**heads, scope=scope)
        y = self.add(Transpose((0, 2, 1)), y, scope=scope, inner=True)
        y = self.neuron(self.add(Reshape((WIDTH, tokens)), y, scope=scope, inner=True), f"{scope}.attn_lif")
        y = self.add(Conv1d(), y, scope=f"{scope}.proj_conv", weight=(WIDTH, WIDTH, 1), bias=(WIDTH,))
        y = self.fire(y, f"{scope}.proj_conv")
        return self.add(Reshape((WIDTH, SIDE, SIDE)), y, scope=scope, inner=True)

    def multiply(self, q, k, v, scope):
        if self.order == "kv":
            y = self.add(MatMul(transpose_a=True), k, v, scope=f"{scope}.first")
            return self.add(Scale(0.125), self.add(MatMul(), q, y, scope=f"{scope}.second"), scope=scope, inner=True)
        y = self.add(MatMul(transpose_b=True), q, k, scope=f"{scope}.first")
        return self.add(MatMul(), self.add(Scale(0.125), y, scope=scope, inner=True), v, scope=f"{scope}.second")

    def mlp(self, x, scope):
        for name, outputs, inputs in (("fc1", 4 * WIDTH, WIDTH), ("fc2", WIDTH, 4 * WIDTH)):
            path = f"{scope}.{name}_conv"
            x = self.add(Conv2d(), x, scope=path, weight=(outputs, inputs, 1, 1), bias=(outputs,))
            x = self.fire(x, path)
        return x

    def graph(self):
        image = self.builder.input("image", TensorType((3, 224, 224), REAL, Timing.ONCE))
        x = self.stem(self.add(Repeat(), image))
        for block in range(DEPTH):
            scope = f"block.{block}"
            x = self.add(Add(), x, self.attention(x, f"{scope}.attn"), scope=scope, inner=True)
            x = self.add(Add(), x, self.mlp(x, f"{scope}.mlp"), scope=scope, inner=True)
        x = self.add(TimeMean(), self.add(Mean((1, 2)), x))
        return self.builder.graph(self.add(Linear(), x, scope="head", weight=(1000, WIDTH), bias=(1000,)))


@pytest.fixture(scope="module")
def graphs():
    return {order: Network(order).graph() for order in ("kv", "qk")}


@pytest.fixture(scope="module")
def log():
    lines = [line for line in LOG.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
    return list(csv.DictReader(lines))


def scope_of(row):
    return row["name"].replace("[", ".").replace("]", "")


def rates_of(log, order):
    """The log's rates by operand of the graph's nodes."""
    places = {
        "kv": {"k": ("first", 0), "v": ("first", 1), "q": ("second", 0)},
        "qk": {"q": ("first", 0), "k": ("first", 1), "v": ("second", 1)},
    }[order]
    found = {(scope_of(row), 0): float(row["rate_percent"]) / 100 for row in log if row["op"] != "ssa"}
    for row in log:
        if row["op"] == "ssa":
            scope, _, name = scope_of(row).rpartition(".")
            node, index = places[name]
            found[f"{scope}.{node}", index] = float(row["output_rate"])
    return Rates(found, steps=STEPS)


def test_dense_operations_of_the_graph_are_the_logs(graphs, log, chip):
    """At rate 1 and with biases in ops, the counts are the log's column, as float32 printed it."""
    graph = graphs["kv"]
    rates = Rates(dict.fromkeys(rates_of(log, "kv").rates, 1.0), steps=STEPS)
    costs = {cost.node: cost for cost in chip.price(graph, rates, PAPER)}
    for row in (row for row in log if row["op"] != "ssa"):
        (count,) = (costs[scope_of(row)].counts[kind] for kind in ("ac", "mac") if kind in costs[scope_of(row)].counts)
        assert np.float32(count) == np.float32(float(row["operations"])), row["name"]
    assert costs["block.0.attn.q_conv"].counts["ac"] == 205_520_896
    assert costs["block.0.attn.proj_conv"].counts["ac"] == 205_922_304
    assert costs["head"].counts["mac"] == 513_000


@pytest.mark.parametrize(("order", "ssa"), [("kv", "graph"), ("kv", "kv"), ("qk", "kv")])
def test_the_logs_rates_give_its_total(graphs, log, chip, order, ssa):
    policy = Policy(counting="rate", multibit="ac", first_layer="per-step", bias="in-ops", ssa=ssa)
    costs = chip.price(graphs[order], rates_of(log, order), policy)
    assert total_energy_pj(costs, samples=1) * 1e-9 == pytest.approx(TOTAL_MJ, rel=1e-9)
    counts = total_counts(costs, samples=1)
    assert counts["mac"] == 347_329_512
    assert counts["ac"] == pytest.approx(6_517_540_940.76244, rel=1e-9)


def test_the_preset_is_the_logs_policy_and_prices_the_graph_unfolded():
    assert Policy(counting="rate", multibit="ac", first_layer="per-step", bias="in-ops", ssa="kv") == PAPER
    assert preset("spikformer-paper").pipeline == ()


@pytest.mark.parametrize(
    "changed",
    [{"multibit": "mac"}, {"first_layer": "once"}, {"ssa": "qk"}, {"bias": "apart"}],
    ids=lambda changed: next(iter(changed)),
)
def test_every_field_of_the_policy_matters_to_the_total(graphs, log, chip, changed):
    policy = Policy(**{**vars(PAPER), **changed})
    total = total_energy_pj(chip.price(graphs["kv"], rates_of(log, "kv"), policy), samples=1) * 1e-9
    assert abs(total / TOTAL_MJ - 1) > 1e-4


def test_conv_and_linear_macs_and_parameters_are_the_papers(graphs):
    graph = graphs["kv"]
    weighted = sum(dense_macs(graph, node) for node in graph.nodes_of(Conv1d, Conv2d, Linear))
    assert weighted - 512 * 1000 == 8_256_159_744
    tau_and_threshold = 2 * sum(1 for _ in graph.nodes_of(LIF))
    running = sum(2 * node.type.shape[0] for node in graph.nodes_of(BatchNorm))
    assert graph.parameters - tau_and_threshold - running == 29_689_384


def test_published_rows_are_nine_tenths_of_their_operations_and_the_first_conv(graphs, chip):
    """Rows of Spikformer's table: energy = 0.9 OPs + 4.6 x 0.347 G, at the digits printed."""
    graph = graphs["kv"]
    stem = STEPS * dense_macs(graph, graph.node("patch_embed.proj_conv"))
    for macs in (stem, stem + dense_macs(graph, graph.node("head"))):
        assert round(macs * 1e-9, 3) == 0.347
    for operations_g, printed_mj in ((6.82, 7.734), (11.09, 11.577), (22.09, 21.477)):
        energy = charge({"ac": operations_g * 1e9, "mac": 0.347e9}, chip.prices(graph, Policy()))
        assert round(math.fsum(energy.values()) * 1e-9, 3) == printed_mj


def test_the_ann_of_the_same_shape_runs_every_product_once(graphs, chip):
    graph = graphs["kv"]
    ssa = DEPTH * 2 * HEADS * SIDE**2 * (WIDTH // HEADS) ** 2
    assert ann_macs(graph) == 8_256_159_744 + 512_000 + ssa
    assert ann_energy_pj(graph, chip.prices(graph, Policy())) == pytest.approx(4.6 * ann_macs(graph))
    assert ann_energy_pj(graph, ()) is None


@pytest.mark.parametrize(
    ("steps", "tokens", "width", "heads", "operations", "printed_uj"),
    [(4, 64, 384, 12, 6_291_456, 28.9), (16, 64, 256, 16, 16_777_216, 77.2)],
    ids=["cifar", "dvs"],
)
def test_table_1_of_spikformer(chip, steps, tokens, width, heads, operations, printed_uj):
    """Its dense attention map, T N^2 D operations at the price of a MAC."""
    network = Network("qk")
    shape = TensorType((heads, tokens, width // heads), REAL)
    q, k = (network.builder.input(name, shape) for name in "qk")
    graph = network.builder.graph(network.add(MatMul(transpose_b=True), q, k))
    (cost,) = chip.price(graph, Rates({}, steps=steps), PAPER)
    assert cost.counts == {"mac": operations}
    assert round(total_energy_pj([cost], samples=1) * 1e-6, 1) == printed_uj
