"""What is read of a .net file and not taken: all of it at once, by layer and field."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import h5py
import numpy as np
import pytest

from spikec.errors import ModelFileError, SpikecError, UnsupportedOp
from spikec.frontend.foreign import Reading, Taken, read

Build = Callable[[SimpleNamespace], tuple[Any, ...]]


def pool(m: SimpleNamespace, **fields: Any) -> dict[str, Any]:
    own = {"type": "pool", "shape": [2, 2, 2], "kernelSize": [2, 2], "stride": [2, 2], "padding": [0, 0]}
    return {**own, "dilation": [1, 1], "weight": np.ones((1, 1, 2, 2)), "neuron": m.neuron(), **fields}


REFUSED: dict[str, tuple[Build, str]] = {
    "SDNN": (lambda m: (m.dense(3, 2, neuron={"type": "SDNN", "vThMant": 1}),), "layer.0  neuron SDNN .*differences"),
    "RF": (lambda m: (m.dense(3, 2, neuron=m.neuron(type="RF_PHASE")),), "neuron RF_PHASE .*complex state"),
    "ADRF": (lambda m: (m.dense(3, 2, neuron=m.neuron(type="ADRF_IZ")),), "neuron ADRF_IZ .*complex state"),
    "ALIF": (lambda m: (m.dense(3, 2, neuron=m.neuron(type="ALIF")),), "neuron ALIF .*threshold adapts"),
    "another neuron": (lambda m: (m.dense(3, 2, neuron=m.neuron(type="X" * 99)),), r"neuron X{33}\.\.\.  no CUBA"),
    "graded spikes": (lambda m: (m.dense(3, 2, neuron=m.neuron(gradedSpike=True)),), "neuron/gradedSpike .*a value"),
    "message bits": (lambda m: (m.dense(3, 2, neuron=m.neuron(messageBits=16)),), "neuron/messageBits .*a value"),
    "weight_exp": (lambda m: (m.dense(3, 2, neuron=m.neuron(weight_exp=-1.0)),), "weight_exp .*the weights lack"),
    "a field of neurons": (lambda m: (m.dense(3, 2, neuron=m.neuron(vDacey=9)),), "neuron/vDacey .*does not know"),
    "a field of a layer": (lambda m: (m.dense(3, 2, wieght=np.ones(3)),), "wieght .*does not know"),
    "a kind of layer": (lambda m: ({"type": "lstm", "shape": [3]},), "lstm .*does not know"),
    "concat": (lambda m: (m.dense(3, 2), {"type": "concat", "shape": [5], "layers": [0]}), "layer.1  concat .*skip"),
    "convT": (lambda m: ({"type": "convT", "shape": [3, 4, 4]},), "convT .*transposed"),
    "unpool": (lambda m: ({"type": "unpool", "shape": [3, 4, 4]},), "unpool .*unpooling"),
    "dense_comp": (lambda m: ({**m.dense(3, 2), "type": "dense_comp"},), "dense_comp .*complex"),
    "complex weights": (
        lambda m: (m.dense(3, 2, weight={"real": np.ones((3, 2)), "imag": np.ones((3, 2))}),),
        "weight .*complex weights",
    ),
    "real weights": (lambda m: (m.dense(3, 2, weight=np.full((3, 2), 0.5)),), "weight .*no integers.*cut off"),
    "a real bias": (lambda m: (m.dense(3, 2, bias=np.full(3, 0.5)),), "bias .*no integers"),
    "wide weights": (lambda m: (m.dense(3, 2, weight=np.full((3, 2), 256.0)),), r"weight .*256\.\.256; .*-256\.\.255"),
    "a delay of each synapse": (
        lambda m: (m.dense(3, 2, delay=np.arange(6).reshape(3, 2)),),
        "delay .*one for each synapse",
    ),
    "a long delay": (lambda m: (m.dense(3, 2, delay=[0, 63, 1]),), r"delay .*0\.\.63 steps; 0\.\.62"),
    "a negative delay": (lambda m: (m.dense(3, 2, delay=-1),), r"delay .*-1\.\.-1 steps"),
    "a delay of a conv": (lambda m: (m.spikes(2, 5, 5), m.conv((4, 3, 3), 2, delay=1)), "delay .*leaves away"),
    "a delay of a recurrence": (
        lambda m: ({**m.dense(3, 2), "type": "dense_rec", "weight_rec": np.ones((3, 3)), "delay": 1},),
        "delay .*no form for",
    ),
    "a recurrence without neurons": (
        lambda m: ({"type": "dense_rec", "shape": [3], "weight": np.ones((3, 2)), "weight_rec": np.ones((3, 3))},),
        "dense_rec .*nothing comes back",
    ),
    "a bias beside currents": (
        lambda m: (m.dense(3, 2, bias=np.ones(3), neuron=m.neuron(iDecay=4095)),),
        "bias .*charges the membrane",
    ),
    "a bias without neurons": (
        lambda m: ({"type": "dense", "shape": [3], "weight": np.ones((3, 2)), "bias": np.ones(3)},),
        "bias .*integrates",
    ),
    "a bias of each neuron": (
        lambda m: (m.spikes(2, 5, 5), m.conv((4, 3, 3), 2, bias=np.ones((3, 3, 4)))),
        "bias .*one for each neuron",
    ),
    "a conv as first layer": (lambda m: (m.conv((4, 3, 3), 2, stride=[2, 1]),), "conv .*how large a plane"),
    "a pool as first layer": (lambda m: (pool(m),), "pool .*nothing says"),
    "a flatten as first layer": (lambda m: ({"type": "flatten", "shape": [9]},), "flatten .*nothing says"),
    "an average as first layer": (lambda m: ({"type": "average", "shape": [9]},), "average .*nothing says"),
    "a late input": (lambda m: (m.dense(3, 2), m.spikes(3)), "layer.1  input .*behind"),
    "an average in between": (
        lambda m: (m.dense(4, 2), {"type": "average", "shape": [2]}, m.dense(3, 2)),
        "layer.1  average .*another layer takes",
    ),
    "windows that overlap": (lambda m: (m.spikes(2, 4, 4), pool(m, stride=[1, 1])), "pool .*do not tile"),
    "windows with padding": (lambda m: (m.spikes(2, 4, 4), pool(m, padding=[1, 0])), "pool .*do not tile"),
    "windows with holes": (lambda m: (m.spikes(2, 4, 4), pool(m, dilation=[2, 2])), "pool .*do not tile"),
    "windows that leave a rest": (lambda m: (m.spikes(2, 5, 4), pool(m)), "pool .*do not tile"),
    "a plane without flatten": (lambda m: (m.spikes(2, 3, 1), m.dense(4, 6)), "dense .*a flatten"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_it_is_refused_by_name(taken: Callable[..., Taken], make: SimpleNamespace, case: str) -> None:
    build, said = REFUSED[case]
    with pytest.raises(UnsupportedOp, match=said) as caught:
        taken(*build(make))
    assert len(caught.value.offenders) == 1
    assert caught.value.exit_code == 1


def test_all_that_is_not_taken_is_listed_at_once(taken: Callable[..., Taken], make: SimpleNamespace) -> None:
    layers = (
        make.conv((4, 6, 6), 2, stride=[2, 2]),
        pool(make, shape=[4, 2, 2]),
        {"type": "flatten", "shape": [16]},
        make.dense(6, 16, delay=np.arange(96).reshape(6, 16) % 5, surprise=1),
        {"type": "concat", "shape": [9], "layers": [0]},
        make.dense(3, 9, weight=np.full((3, 9), 0.5), neuron=make.neuron(type="RF")),
        {"type": "lstm"},
        {"type": "average", "shape": [3]},
    )
    with pytest.raises(UnsupportedOp) as caught:
        taken(*layers)
    assert [(o.path, o.op) for o in caught.value.offenders] == [
        ("layer.0", "conv"),
        ("layer.1", "pool"),
        ("layer.3", "surprise"),
        ("layer.4", "concat"),
        ("layer.5", "neuron RF"),
        ("layer.5", "weight"),
        ("layer.6", "lstm"),
    ]


MALFORMED: dict[str, tuple[Build, str]] = {
    "no type": (lambda m: ({"shape": [3]},), "/layer/0/type is missing"),
    "a type of numbers": (lambda m: ({"kind": 1, "type ": 1},), "/layer/0/type is missing"),
    "no shape": (lambda m: ({k: v for k, v in m.dense(3, 2).items() if k != "shape"},), "shape is missing"),
    "a shape of 0": (lambda m: (m.dense(3, 2, shape=[0]),), "shape is .0.; expected one to three sizes"),
    "four axes": (lambda m: (m.dense(3, 2, shape=[1, 1, 1, 3]),), "shape is .*one to three"),
    "no weights": (lambda m: ({k: v for k, v in m.dense(3, 2).items() if k != "weight"},), "weight is missing"),
    "weights of NaN": (lambda m: (m.dense(3, 2, weight=np.full((3, 2), np.nan)),), "weight holds NaN"),
    "weights of another number": (lambda m: (m.dense(3, 2, weight=np.ones(5)),), "does not divide among the outputs"),
    "weights turned": (lambda m: (m.dense(3, 2, weight=np.ones((2, 3))),), r"weight has shape \[2, 3\]; .*\[3, 2\]"),
    "no elements": (lambda m: (m.dense(3, 2, weight=np.ones((3, 0))),), "weight"),
    "other inputs stated": (lambda m: (m.dense(3, 2, inFeatures=4),), "inFeatures contradicts"),
    "other inputs given": (lambda m: (m.dense(3, 2), m.dense(3, 2)), "/layer/1: 2 inputs; expected 3"),
    "a bias of another number": (lambda m: (m.dense(3, 2, bias=np.ones(2)),), "bias holds 2 numbers"),
    "a delay of another number": (lambda m: (m.dense(3, 2, delay=np.arange(4)),), r"delay has shape \[4\]"),
    "no threshold": (
        lambda m: (m.dense(3, 2, neuron={"type": "CUBA", "iDecay": 1, "vDecay": 1}),),
        "/layer/0/neuron/vThMant is missing",
    ),
    "a decay above 4096": (lambda m: (m.dense(3, 2, neuron=m.neuron(vDecay=4097)),), "vDecay holds 4097"),
    "a decay of halves": (lambda m: (m.dense(3, 2, neuron=m.neuron(iDecay=0.5)),), "iDecay holds numbers that are no"),
    "a decay too many": (lambda m: (m.dense(3, 2, neuron=m.neuron(iDecay=[1, 2])),), "iDecay holds 2 numbers"),
    "a negative threshold": (lambda m: (m.dense(3, 2, neuron=m.neuron(vThMant=-1)),), "vThMant holds -1"),
    "a rest of none": (lambda m: (m.dense(3, 2, neuron=m.neuron(refDelay=0)),), "refDelay is 0"),
    "an exponent": (lambda m: (m.dense(3, 2, neuron=m.neuron(wgtExp=8)),), "wgtExp is 8"),
    "a plane of two axes": (lambda m: (m.spikes(2, 5, 5), {**m.conv((4, 3, 3), 2), "shape": [9, 4]}), "three sizes"),
    "another plane": (lambda m: (m.spikes(2, 5, 5), m.conv((4, 4, 3), 2)), r"shape is \[4, 4, 3\]; .*\[4, 3, 3\]"),
    "other channels": (lambda m: (m.spikes(3, 5, 5), m.conv((4, 3, 3), 2)), "/layer/1: .*3 channels|2 channels"),
    "a kernel of three axes": (
        lambda m: (m.spikes(2, 5, 5), {**m.conv((4, 3, 3), 2), "weight": np.ones((4, 2, 3))}),
        r"weight has shape \[4, 2, 3\]",
    ),
    "another kernel": (lambda m: (m.spikes(2, 5, 5), m.conv((4, 3, 3), 2, kernelSize=[3, 2])), "kernelSize contra"),
    "a stride of 0": (lambda m: (m.spikes(2, 5, 5), m.conv((4, 3, 3), 2, stride=0)), "field stride"),
    "three strides": (lambda m: (m.spikes(2, 5, 5), m.conv((4, 3, 3), 2, stride=[1, 1, 1])), "stride holds 3"),
    "no groups": (lambda m: (m.spikes(2, 5, 5), {**m.conv((4, 3, 3), 2), "groups": [0]}), "groups is 0"),
    "uneven groups": (lambda m: (m.spikes(2, 5, 5), {**m.conv((4, 3, 3), 2), "groups": 3}), "inChannels contradicts"),
    "a negative plane": (lambda m: (m.conv((4, 1, 1), 2, padding=[9, 9]),), "leaves a plane of"),
    "a flatten of another number": (lambda m: (m.spikes(2, 2), {"type": "flatten", "shape": [5]}), "4 elements"),
    "an uneven average": (lambda m: (m.dense(5, 2), {"type": "average", "shape": [2]}), "divisor of the 5"),
    "channels without end": (
        lambda m: (m.spikes(2**30, 2, 2), pool(m, shape=[2**30, 1, 1])),
        "1073741824 channels of kernel",
    ),
}


@pytest.mark.parametrize("case", MALFORMED)
def test_what_contradicts_itself_cannot_be_read(net: Callable[..., Path], make: SimpleNamespace, case: str) -> None:
    build, said = MALFORMED[case]
    path = net(*build(make))
    with pytest.raises(ModelFileError, match=said) as caught:
        read(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    ("numbers", "said"),
    [
        ((), "/layer holds .., or is missing|/layer"),
        (("0", "2"), r"/layer holds \['0', '2'\]; expected layers 0, 1, 2"),
        (("1",), "/layer holds .'1'"),
        (("0", "01"), "/layer holds"),
        (("0", "one"), "/layer holds"),
    ],
)
def test_numbers_of_layers_have_no_gap(tmp_path: Path, numbers: tuple[str, ...], said: str) -> None:
    with h5py.File(tmp_path / "x.net", "w") as file:
        layers = file.create_group("layer")
        for number in numbers:
            layers.create_group(number)["type"] = "flatten"
    with pytest.raises(ModelFileError, match=said):
        read(tmp_path / "x.net")


@pytest.mark.parametrize("steps", [0, 2**40, 1.5])
def test_a_number_of_steps_that_is_none(net: Callable[..., Path], make: SimpleNamespace, steps: float) -> None:
    path = net(make.dense(3, 2), simulation={"tSample": steps})
    with pytest.raises(ModelFileError, match="/simulation/tSample"):
        read(path)
    assert read(path, Reading(steps=3)).graph.steps == 3


def test_the_errors_are_of_one_family(net: Callable[..., Path], make: SimpleNamespace) -> None:
    path = net(make.dense(3, 2, neuron=make.neuron(type="SDNN", vThMant=-1)))
    with pytest.raises(SpikecError):
        read(path)
