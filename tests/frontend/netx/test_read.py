"""What is said of a file beside its graph: steps, input, and where a chip's numbers are narrower."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from spikec.errors import DataError
from spikec.frontend.foreign import Reading, Taken, read
from spikec.ir.neurons import LIF, CubaLIF
from spikec.ir.types import SPIKE, Int, IntFormat, TensorType, Timing
from spikec.run.interp import Interpreter


def test_steps_are_asked_for_or_the_files_or_a_default_said_aloud(
    net: Callable[..., Path], make: SimpleNamespace
) -> None:
    silent = read(net(make.dense(3, 2)))
    assert silent.graph.steps == 16
    assert "the file states no number of steps: T = 16 is taken; --steps says another" in silent.remarks
    stated = read(net(make.dense(3, 2), simulation={"tSample": 40}))
    assert stated.graph.steps == 40
    assert "T = 40 is the file's simulation/tSample" in stated.remarks
    asked = read(net(make.dense(3, 2), simulation={"tSample": 40}), Reading(steps=5))
    assert asked.graph.steps == 5
    assert not any("T =" in remark for remark in asked.remarks)


def test_an_input_layer_takes_the_image_as_integers(taken: Callable[..., Taken], make: SimpleNamespace) -> None:
    layer = {"type": "input", "shape": [2, 3, 4], "neuron": make.neuron()}
    found = taken(layer)
    assert found.graph.inputs == {"image": TensorType((2, 3, 4), Int(-4096, 4095), Timing.ONCE)}
    assert found.encoder == "direct"
    assert "2*64*x - 64 + 0" in found.preprocessing  # the defaults of lava-dl's loader
    with pytest.raises(DataError, match=r"holds 0.5"):
        Interpreter().run(found.graph, {"image": np.full((1, 2, 3, 4), 0.5)})


@pytest.mark.parametrize("has_shape", [True, False], ids=["a layer of the shape alone", "no input layer"])
def test_without_input_neurons_the_input_is_spikes(
    taken: Callable[..., Taken], make: SimpleNamespace, has_shape: bool
) -> None:
    found = taken(*([make.spikes(2)] if has_shape else []), make.dense(3, 2))
    assert found.graph.inputs == {"spikes": TensorType((2,), SPIKE)}
    assert found.encoder == "frames"
    assert "no input layer has neurons: the input is spikes" in found.remarks


@pytest.mark.parametrize(("decay", "op"), [(4096, LIF), (4095, CubaLIF)])
def test_a_current_that_is_gone_after_a_step_is_none(
    taken: Callable[..., Taken], make: SimpleNamespace, decay: int, op: type
) -> None:
    graph = taken(make.dense(3, 2, neuron=make.neuron(iDecay=decay))).graph
    (node,) = graph.nodes_of(LIF, CubaLIF)
    assert type(node.op) is op
    assert (node.op.fires_at, node.op.reset, node.op.rounding) == (">", "hard", "toward_zero")
    if op is CubaLIF:
        alpha = graph.weights[node.weights["alpha"]]
        assert (int(alpha.array), alpha.format) == (1, IntFormat(8, 2**-12))


def test_an_integrator_stands_for_a_layer_without_neurons(taken: Callable[..., Taken], make: SimpleNamespace) -> None:
    last = {key: value for key, value in make.dense(3, 2).items() if key != "neuron"}
    found = taken(last)
    assert found.graph.outputs == ("layer.0.integrator",)
    assert any("layer.0 states no neuron" in remark for remark in found.remarks)


@pytest.mark.parametrize(("threshold", "outputs"), [(131070, 1), (131071, 2), (2**18 - 1, 2)])
def test_a_last_layer_that_cannot_fire_gives_its_membrane(
    taken: Callable[..., Taken], make: SimpleNamespace, threshold: int, outputs: int
) -> None:
    found = taken(make.dense(3, 2, neuron=make.neuron(vThMant=threshold)))
    assert found.graph.outputs == ("layer.0.neuron", "layer.0.neuron.v")[:outputs]
    assert any("threshold is out of reach" in remark for remark in found.remarks) is (outputs == 2)


def test_what_the_loader_does_not_look_at_is_said(taken: Callable[..., Taken], make: SimpleNamespace) -> None:
    found = taken(make.dense(3, 2, neuron=make.neuron(refDelay=4, wgtExp=-2)))
    assert "refDelay 4 of layer.0 is taken as 3 step(s) of rest; lava-dl's loader does not look at it" in found.remarks
    assert any(remark.startswith("wgtExp -2 of layer.0 multiplies its weights by 2^-2") for remark in found.remarks)
    assert found.graph.weights["layer.0.dense.weight"].format == IntFormat(8, 16.0)


@pytest.mark.parametrize(
    ("fields", "wide"),
    [
        # 64 * 250 * 100 a step, over 5 steps: 8.0 million of 8.4
        ({"iDecay": 4096, "vDecay": 0}, False),
        ({"iDecay": 4096, "vDecay": 0, "wgtExp": 1}, True),
        ({"iDecay": 2048, "vDecay": 4096}, False),
        ({"iDecay": 0, "vDecay": 2048}, True),
    ],
)
def test_a_membrane_that_may_pass_24_bits_is_said(
    taken: Callable[..., Taken], make: SimpleNamespace, fields: dict[str, int], wide: bool
) -> None:
    weight = np.zeros((2, 100))
    weight[1] = -250
    found = taken(make.dense(2, 100, weight=weight, neuron=make.neuron(**fields)), reading=Reading(steps=5))
    assert any("24 bits" in remark and "layer.0" in remark for remark in found.remarks) is wide


@pytest.mark.parametrize(
    ("weight", "dropped"), [([-128, 127], False), ([-129, 2], True), ([-130, 2], False), ([1, 255], False)]
)
def test_weights_whose_lowest_bit_a_chip_drops_are_said(
    taken: Callable[..., Taken], make: SimpleNamespace, weight: list[int], dropped: bool
) -> None:
    found = taken(make.dense(1, 2, weight=np.array([weight])))
    assert any("lowest bit" in remark for remark in found.remarks) is dropped
