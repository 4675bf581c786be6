"""SpikeGPT-like blocks: priced as MACs where that is sound, else refused by op and module path."""

import pytest
import torch

from hwmodels.counting import Operand, operand_of_node
from hwmodels.registry import load
from spikec.cost import Policy
from spikec.errors import Offender, TraceError, UnsupportedOp
from spikec.frontend.tracer import trace
from spikec.ir.linear import Linear
from spikec.ir.real import Exp, LayerNorm
from spikec.run.interp import Interpreter

TOKENS = {"shape": (6, 16), "layout": "TBX", "steps": 3}


def test_a_block_with_a_layer_norm_is_proven(made, prove):
    proven = prove(made("real.SpikeGptBlock"), **TOKENS)
    real = [node.scope for node in proven.graph.nodes_of(Linear) if operand_of_node(proven.graph, node) is Operand.REAL]
    assert real == ["mix.key"]
    assert proven.refused == {"quantize, in bytes": (("layer_norm", "mix.norm"),)}
    assert len(proven.rounded) == 1  # what real numbers drive stays in floating point


def test_what_a_layer_norm_does_and_what_takes_it_are_macs(made):
    """16 -> 32 of all values, T = 3, B = 2, N = 6; the norm itself 2 MACs an element; behind the LIF ACs alone."""
    graph = trace(made("real.SpikeGptBlock"), (6, 16), layout="TBX", steps=3)
    chip = load("45nm")
    data = {"input": torch.randn((3, 2, 6, 16), generator=torch.Generator().manual_seed(3)).numpy()}
    counts = Interpreter(torch.float64).count(graph, data, chip.probes(graph, Policy()))
    costs = {cost.scope: cost for cost in chip.price(graph, counts, Policy())}
    values = 3 * 2 * 6 * 16
    assert [node.scope for node in graph.nodes_of(LayerNorm)] == ["mix.norm"]
    assert costs["mix.norm"].counts["mac"] == 2 * values
    assert costs["mix.key"].counts["mac"] == 32 * values
    assert "mac" not in costs["mix.value"].counts
    assert costs["mix.norm"].energy_pj["mac"] == pytest.approx(4.6 * 2 * values)


def test_an_exponential_is_traced_and_refused_by_the_estimate(made, zoo):
    graph = trace(made("real.SpikeGptBlock", mix=zoo("real").TimeMix), (6, 16), layout="TBX", steps=3)
    assert [node.scope for node in graph.nodes_of(Exp)] == ["mix"]
    with pytest.raises(UnsupportedOp) as caught:
        load("45nm").probes(graph, Policy())
    assert caught.value.offenders == (Offender("exp", "mix", "an exponential, which is no multiply-accumulate"),)


def test_a_sigmoid_is_refused_by_the_tracer_with_its_module_and_line(made, zoo):
    with pytest.raises(TraceError, match="the function 'sigmoid' is not taken") as caught:
        trace(made("real.SpikeGptBlock", mix=zoo("real").Gated), (6, 16), layout="TBX", steps=3)
    assert "module 'mix', real.py:" in caught.value.where
    assert "torch.sigmoid(x) * super().forward(x)" in caught.value.where
