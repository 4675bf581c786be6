"""PilotNet's folder where it is at hand, and small .net files, written as lava-dl writes them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import h5py
import numpy as np
import pytest

from spikec.frontend.foreign import Reading, Taken, read

PILOTNET = Path(__file__).parents[4] / "shared" / "data" / "pilotnet_lif"

Fields = Mapping[str, Any]


@pytest.fixture(scope="session")
def pilotnet() -> Path:
    if not (PILOTNET / "network.net").is_file():
        pytest.skip(f"needs {PILOTNET}: lava-dl's PilotNet with its spikes")
    return PILOTNET


def neuron(**fields: Any) -> Fields:
    own = {"type": "CUBA", "iDecay": 4096, "vDecay": 700, "vThMant": 3, "refDelay": 1, "gradedSpike": False}
    return {**own, **fields}


def integers(*shape: int, seed: int = 0, least: int = -4, most: int = 5) -> np.ndarray:
    """In float32, as lava-dl stores weights."""
    return np.random.default_rng(seed).integers(least, most + 1, shape).astype(np.float32)


def dense(outputs: int, inputs: int, **fields: Any) -> Fields:
    own = {"type": "dense", "shape": [outputs, 1, 1], "inFeatures": inputs, "outFeatures": outputs}
    return {**own, "weight": integers(outputs, inputs, seed=outputs), "neuron": neuron(), **fields}


def conv(shape: tuple[int, int, int], inputs: int, kernel: tuple[int, int] = (3, 3), **fields: Any) -> Fields:
    own = {"type": "conv", "shape": shape, "inChannels": inputs, "outChannels": shape[0], "kernelSize": kernel}
    own |= {"stride": [1, 1], "padding": [0, 0], "dilation": [1, 1], "groups": 1, "neuron": neuron()}
    weight = integers(
        shape[0], inputs // int(np.sum(fields.get("groups", 1))), *kernel, seed=shape[0], least=-2, most=3
    )
    return {**own, "weight": weight, **fields}


def spikes(*shape: int) -> Fields:
    """An input layer without neurons, which only states a shape."""
    return {"type": "input", "shape": shape}


@pytest.fixture(scope="session")
def make() -> SimpleNamespace:
    """What makes the layers of a file: neuron, integers, dense, conv, spikes."""
    return SimpleNamespace(neuron=neuron, integers=integers, dense=dense, conv=conv, spikes=spikes)


def fill(group: h5py.Group, fields: Fields) -> None:
    for name, value in fields.items():
        if isinstance(value, Mapping):
            fill(group.create_group(name), value)
        elif name == "type" and "neuron" not in group.name:
            group.create_dataset(name, (1,), "S10", [value.encode()])  # a layer's kind stands in an array
        else:
            group.create_dataset(name, data=value)


@pytest.fixture
def net(tmp_path: Path) -> Callable[..., Path]:
    """Writes a .net file of these layers, in order."""

    def write(*layers: Fields, simulation: Fields | None = None) -> Path:
        path = tmp_path / "small.net"
        with h5py.File(path, "w") as file:
            for number, layer in enumerate(layers):
                fill(file.create_group(f"layer/{number}"), layer)
            if simulation is not None:
                fill(file.create_group("simulation"), simulation)
        return path

    return write


@pytest.fixture
def taken(net: Callable[..., Path]) -> Callable[..., Taken]:
    """What is read of a file of these layers, for 12 steps unless the reading says otherwise."""

    def of(*layers: Fields, reading: Reading | None = None) -> Taken:
        return read(net(*layers), reading or Reading(steps=12))

    return of
