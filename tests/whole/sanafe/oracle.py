"""SANA-FE itself, run on a case: the description of its chip in our own words, and what it says of each step."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sanafe_cases import CASES
from sanafe_networks import INPUT, MESH, UNIT, Case, Layer
from sanafe_simulation import offsets

from hwmodels.mapping.core_activity import SYNAPSE_KINDS

PJ = {
    "synapse_dense": 35.5,
    "synapse_sparse": 33.6,
    "synapse_conv": 24.0,
    "soma_access": 51.2,
    "soma_update": 21.6,
    "soma_spike": 69.3,
    "message": 111.0,
    "message_in": 0.0,
    "hop_ew": 3.0,
    "hop_ns": 4.2,
}
NS = {
    "synapse_dense": 3.8,
    "synapse_sparse": 4.7,
    "synapse_conv": 3.1,
    "soma_access": 6.0,
    "soma_update": 3.7,
    "soma_spike": 30.0,
    "message": 5.1,
    "message_in": 16.0,
    "hop_ew": 4.1,
    "hop_ns": 6.5,
}
SYNC_NS = {1: 600.0, 2: 1000.0, 4: 1400.0, 29: 1800.0}
"""Loihi as SANA-FE has it. Source: Boyle et al., SANA-FE, IEEE TCAD 44(8), 2025, and its description of the chip."""


@dataclass(frozen=True, eq=False)
class Measured:
    """What SANA-FE says of each step, [T] each, in pJ and ns; and the spikes of every neuron [T, N], inputs first."""

    synapse_pj: NDArray[np.float64]
    soma_pj: NDArray[np.float64]
    network_pj: NDArray[np.float64]
    total_ns: NDArray[np.float64]
    updated: NDArray[np.int64]
    packets: int
    spikes: NDArray[np.bool_]


def installed() -> Any:  # Any: the package ships no types
    return pytest.importorskip("sanafe", reason="scripts/install-oracles installs it")


def described(inputs: int) -> dict[str, Any]:  # Any: JSON
    """A chip with a soma for each of so many inputs a core: in SANA-FE each such soma holds one train of spikes."""
    free = dict.fromkeys(("access_neuron", "update_neuron", "spike_out"))
    soma = {"access_neuron": "soma_access", "update_neuron": "soma_update", "spike_out": "soma_spike"}
    hops = {"east_hop": "hop_ew", "west_hop": "hop_ew", "north_hop": "hop_ns", "south_hop": "hop_ns"}
    core = {
        "name": f"core[0..{MESH.cores_a_tile - 1}]",
        "attributes": {"buffer_position": "soma", "buffer_inside_unit": False, "max_neurons_supported": 1024},
        "axon_in": [unit("in", {"message_in": "message_in"})],
        "synapse": [unit(kind, {"process_spike": f"synapse_{kind}"}, "current_based") for kind in SYNAPSE_KINDS],
        "dendrite": [unit("sum", {"update": None}, "accumulator")],
        "soma": [unit("lif", soma, "leaky_integrate_fire"), unit(f"train[0..{inputs - 1}]", free, "input")],
        "axon_out": [unit("out", {"message_out": "message"})],
    }
    sync = {tiles: ns * 1e-9 for tiles, ns in SYNC_NS.items()}
    mesh = {"topology": "mesh", "width": MESH.columns, "height": MESH.rows, "link_buffer_size": 16}
    tile = unit(f"tile[0..{MESH.tiles - 1}]", hops) | {"core": [core]}
    attributes = mesh | {"sync_model": "table", "latency_sync": sync}
    return {"architecture": {"name": "mesh", "attributes": attributes, "tile": [tile]}}


def unit(name: str, costs: dict[str, str | None], model: str | None = None) -> dict[str, Any]:  # Any: JSON
    """A unit whose every event costs what PJ and NS say of a count; None costs nothing."""
    found: dict[str, Any] = {} if model is None else {"model": model}  # Any: JSON
    for event, count in costs.items():
        found[f"energy_{event}"] = 0.0 if count is None else PJ[count] * 1e-12
        found[f"latency_{event}"] = 0.0 if count is None else NS[count] * 1e-9
    return {"name": name, "attributes": found}


def chip_for(case: Case) -> Any:  # Any: the package ships no types
    """The chip, its cores in the order of MESH: SANA-FE numbers tiles column by column, MESH row by row."""
    most = int(np.bincount(case.input_cores).max())
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "chip.yaml"
        # JSON is YAML, too; but SANA-FE takes the tiles of its barrier for numbers where they bear no quotes alone.
        path.write_text(re.sub(r'"(\d+)":', r"\1:", json.dumps(described(most))), encoding="utf-8")
        return installed().load_arch(path)


def core_number(core: int) -> int:
    """SANA-FE's number of a core of MESH."""
    tile, slot = divmod(core, MESH.cores_a_tile)
    y, x = divmod(tile, MESH.columns)
    return (x * MESH.rows + y) * MESH.cores_a_tile + slot


def connect(source: Any, target: Any, layer: Layer, given: tuple[int, ...]) -> None:  # Any: the package ships no types
    """The synapses of a layer, by SANA-FE's own call for their kind."""
    weights = layer.weights / UNIT
    if layer.kind == "dense":
        source.connect_neurons_dense(target, {"w": weights.T.ravel().tolist()})
    elif layer.kind == "sparse":
        o, i = np.nonzero(weights)
        source.connect_neurons_sparse(
            target, {"w": weights[o, i].tolist()}, list(zip(i.tolist(), o.tolist(), strict=True))
        )
    else:
        channels, height, width = given
        kernels, _, rows, columns = weights.shape
        taps = weights.transpose(2, 3, 1, 0).ravel().tolist()
        sizes = (width, height, channels, columns, rows, kernels, layer.stride, layer.stride)
        source.connect_neurons_conv2d(target, {"w": taps}, *sizes)


def network_for(case: Case, cores: list[Any]) -> Any:  # Any: the package ships no types
    net = installed().Network()
    trains = case.spikes.reshape(case.steps, -1)
    groups = {INPUT: net.create_neuron_group(INPUT, trains.shape[1])}
    used = dict.fromkeys(range(MESH.cores), 0)
    for number, core in enumerate(case.input_cores.tolist()):
        neuron = groups[INPUT][number]
        train = {"spikes": trains[:, number].tolist()}
        neuron.set_attributes(soma_hw_name=f"train[{used[core]}]", log_spikes=True, model_attributes=train)
        neuron.map_to_core(cores[core_number(core)])
        used[core] += 1
    for layer in case.layers:
        numbers = {"threshold": layer.threshold / UNIT, "leak_decay": layer.decay, "reset_mode": layer.reset}
        group = groups[layer.name] = net.create_neuron_group(
            layer.name,
            layer.size,
            model_attributes=numbers,
            default_synapse_hw_name=layer.kind,
            log_spikes=True,
            soma_hw_name="lif",
        )
        for number, core in enumerate(layer.cores.tolist()):
            group[number].map_to_core(cores[core_number(core)])
        connect(groups[layer.source], group, layer, case.shape_of(layer.source))
    return net


def run(case: Case) -> Measured:
    """The case on SANA-FE, with its simple model of time."""
    arch = chip_for(case)
    chip = installed().SpikingChip(arch)
    chip.load(network_for(case, arch.cores()))
    found = chip.sim(case.steps, timing_model="simple", processing_threads=1, spike_trace=True, perf_trace=True)
    perf, at = found["perf_trace"], offsets(case)
    spikes = np.zeros((case.steps, sum(each.size for each in case.layers) + case.input_cores.size), bool)
    for step, names in enumerate(found["spike_trace"]):
        for name in names:
            group, number = str(name).split(".")
            spikes[step, at[group] + int(number)] = True
    return Measured(
        *(np.array(perf[f"{part}_energy"]) * 1e12 for part in ("synapse", "soma", "network")),
        total_ns=np.array(perf["sim_time"]) * 1e9,
        updated=np.array(perf["updated"]),
        packets=found["packets_sent"],
        spikes=spikes,
    )


measured: Callable[[str], Measured] = cache(lambda name: run(CASES[name]))
"""What SANA-FE says of a case, run once."""
