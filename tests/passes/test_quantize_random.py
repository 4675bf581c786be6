"""quantize on random networks: what integers give is, bit for bit, what an integer model of its own gives."""

import importlib.util
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch

from passes.manager import run
from passes.quantize import Quantize
from spikec.errors import UnsupportedOp
from spikec.run.interp import Interpreter

SPEC = importlib.util.spec_from_file_location("integer_networks", Path(__file__).with_name("integer_networks.py"))
integer_networks = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(integer_networks)

BEFORE = ([], ["canonicalise", "remove-dead"], ["fold-scale"], ["unroll-levels"], ["repeat-first", "fold-scale"])
"""Passes that keep every code, so that the integers are the same behind them."""


def refusal(graph, pipeline):
    """What the pipeline cannot take, or None."""
    try:
        run(graph, pipeline)
    except UnsupportedOp as error:
        return error
    return None


def check(seed, before, lava, seen):
    """One network, given integers as it is or behind other passes."""
    graph, network = integer_networks.network(seed, lava)
    pipeline = [*before, {"pass": "quantize", "weight_bits": network.bits}]
    refused = refusal(graph, pipeline)
    if refused is not None:
        seen["refused"] += 1
        unrolled = {name for name in network.spikes if graph.node(name).op.mnemonic == "multi_level_spike"}
        paths = {offender.path.removeprefix("%") for offender in refused.offenders}
        levels = {path for path in paths if path.rpartition(".")[0] in unrolled and "unroll-levels" in before}
        assert paths - levels == network.refused, f"seed {seed}: {refused}"
        return
    passed = run(graph, pipeline).graph
    expected = {name: numbers for name, numbers in (network.spikes | network.membranes).items() if name in passed.types}
    assert not network.refused & set(passed.types), f"seed {seed}"
    for dtype in (torch.float64, torch.int64):
        values = Interpreter(dtype).run(passed, network.data, keep=list(expected))
        for name, numbers in expected.items():
            np.testing.assert_array_equal(values[name].numpy(), numbers, err_msg=f"seed {seed}: {name} in {dtype}")
    outputs = Interpreter().run(passed, network.data)
    for own, found in zip(graph.outputs, passed.outputs, strict=True):
        seen["shown"] += own in network.shown
        np.testing.assert_allclose(outputs[found].numpy(), network.number(own), rtol=1e-14, err_msg=f"seed {seed}")
    assert Quantize(network.bits)(passed) is passed, f"seed {seed}: twice is not once"
    seen["networks"] += 1
    seen["neurons"] += len(network.spikes)
    seen["live"] += sum(len(np.unique(numbers)) > 1 for numbers in network.spikes.values())


def test_integers_equal_the_integer_model(lava):
    seen = Counter()
    for seed in range(80):
        check(seed, BEFORE[seed % len(BEFORE)], lava, seen)
    assert seen["networks"] >= 50
    assert seen["refused"] >= 2
    assert seen["shown"] >= 5
    assert seen["neurons"] > 80
    assert seen["live"] > 0.7 * seen["neurons"]


@pytest.mark.long
@pytest.mark.parametrize("before", BEFORE, ids=str)
def test_integers_equal_the_integer_model_at_length(before, lava):
    seen = Counter()
    for seed in range(1000, 2000):
        check(seed, before, lava, seen)
    assert seen["networks"] > 800
    assert seen["live"] > 0.7 * seen["neurons"]
