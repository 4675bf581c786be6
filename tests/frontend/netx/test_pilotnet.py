"""lava-dl's PilotNet against the spikes that Lava gave: every layer, step and neuron."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from numpy.typing import NDArray

from cli.main import spikec
from spikec import model as models
from spikec.cost import Policy, Report
from spikec.frontend.foreign import Taken, read
from spikec.ir.edit import assemble
from spikec.ir.graph import Graph
from spikec.ir.linear import Conv2d, Linear
from spikec.ir.neurons import LIF
from spikec.ir.types import SPIKE, IntFormat, TensorType
from spikec.run.interp import Interpreter
from spikec.tasks.estimation import Question, estimate
from spikec.tasks.opening import load

STEPS = 16
NAMES = ("input", "conv-0", "conv-1", "conv-2", "conv-3", "conv-4", "fc-0", "fc-1", "fc-2")
NEURONS = tuple(f"layer.{number}.neuron" for number in (0, 1, 2, 3, 4, 5, 7, 8, 9))
SPIKES = (565_197, 101_310, 44_841, 16_128, 9_582, 4_122, 110, 28, 3)


@pytest.fixture(scope="module")
def taken(pilotnet: Path) -> Taken:
    return read(pilotnet / "network.net")


@pytest.fixture(scope="module")
def image(pilotnet: Path) -> NDArray[np.int32]:
    """[1, C, H, W] of the folder's (W, H, C)."""
    return np.load(pilotnet / "image.npy").transpose(2, 1, 0)[None]


def recorded(folder: Path, layer: int) -> NDArray[np.float64]:
    """A layer's spikes of one inference, [T, C, H, W] or [T, N]: it runs as many steps late as layers precede it."""
    spikes = np.load(folder / f"{NAMES[layer]}.npy").T[layer : layer + STEPS]
    return spikes.astype(np.float64)


def differing(folder: Path, found: dict[str, torch.Tensor], layers: range) -> dict[str, int]:
    """How many spikes of each layer are not the recorded ones."""
    return {
        NAMES[layer]: int((found[NEURONS[layer]][:, 0].numpy() != recorded(folder, layer)).sum()) for layer in layers
    }


def behind_the_input(graph: Graph) -> Graph:
    """The network on spikes of its input layer."""
    rest = [node for node in graph.nodes if not node.name.startswith("layer.0")]
    kinds = {NEURONS[0]: TensorType((3, 66, 200), SPIKE)}
    return assemble(kinds, rest, graph.outputs, graph.weights, graph.steps)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.int64], ids=str)
def test_the_image_gives_every_spike_of_every_layer(
    taken: Taken, pilotnet: Path, image: NDArray[np.int32], dtype: torch.dtype
) -> None:
    found = Interpreter(dtype).run(taken.graph, {"image": image}, keep=NEURONS)
    assert tuple(int(found[name].sum()) for name in NEURONS) == SPIKES
    assert differing(pilotnet, found, range(9)) == dict.fromkeys(NAMES, 0)


def test_the_input_spikes_give_every_spike_of_the_eight_layers(taken: Taken, pilotnet: Path) -> None:
    spikes = recorded(pilotnet, 0)[:, None]
    found = Interpreter().run(behind_the_input(taken.graph), {NEURONS[0]: spikes}, keep=NEURONS[1:])
    assert differing(pilotnet, found, range(1, 9)) == dict.fromkeys(NAMES[1:], 0)


@pytest.mark.parametrize(
    "change", [{"rounding": "none"}, {"rounding": "floor"}, {"fires_at": ">="}, {"reset": "soft"}], ids=str
)
def test_another_convention_would_be_seen(
    taken: Taken, pilotnet: Path, image: NDArray[np.int32], change: dict[str, str]
) -> None:
    changed = {"state": None, **change}  # what does not round is no whole number, and no state of 24 bits
    nodes = [replace(n, op=replace(n.op, **changed)) if isinstance(n.op, LIF) else n for n in taken.graph.nodes]
    found = Interpreter().run(replace(taken.graph, nodes=tuple(nodes)), {"image": image}, keep=NEURONS)
    assert sum(differing(pilotnet, found, range(9)).values()) > 0


def test_the_graph_keeps_the_integers_of_the_file(taken: Taken) -> None:
    graph = taken.graph
    assert [node.op.mnemonic for node in graph.nodes if not isinstance(node.op, LIF)] == [
        *("repeat", "scale", *["conv2d"] * 5, "reshape", *["linear"] * 4)
    ]
    for node in graph.nodes_of(Conv2d, Linear):
        weight, bias = (graph.weights[node.weights[slot]] for slot in ("weight", "bias"))
        assert weight.format == bias.format == IntFormat(8, 64.0)
        assert weight.array.dtype == bias.array.dtype == np.int8
    for node in graph.nodes_of(LIF):
        beta, threshold = (graph.weights[node.weights[slot]] for slot in ("beta", "v_threshold"))
        last = node.scope == "layer.10.neuron"
        assert node.op.state == IntFormat(24)
        assert (int(beta.array), beta.format) == (4096 if last else 3072, IntFormat(16, 2**-12))
        assert float(threshold.values) == 64 * (131071 if last else 25)
    assert (graph.weights["layer.1.conv.weight"].array.min(), graph.weights["layer.1.conv.weight"].array.max()) == (
        *(-20, 18),
    )
    assert graph.parameters == 350_395


def test_what_is_said_of_the_file(taken: Taken) -> None:
    assert taken.remarks == (
        "T = 16 is the file's simulation/tSample",
        "the last layer's threshold is out of reach: its membrane is the second output",
    )
    assert (taken.encoder, taken.graph.steps) == ("direct", STEPS)
    assert taken.graph.outputs == ("layer.10.neuron", "layer.10.neuron.v")
    assert "2*40*x - 40 + 36" in taken.preprocessing
    assert taken.facts["encoder"] == {"weight": 40, "bias": 36}


@pytest.mark.parametrize(("zero_weights", "events"), [("count", 48_267_067), ("skip", 40_871_264 + 3)])
def test_the_synaptic_events_are_those_counted_of_the_folder(
    pilotnet: Path, image: NDArray[np.int32], tmp_path: Path, zero_weights: str, events: int
) -> None:
    """Figures counted from the folder's spikes by another program: the second without the 3 of the last layer."""
    models.save(load(pilotnet / "network.net"), tmp_path / "pilotnet.pt")
    np.savez(tmp_path / "image.npz", inputs=image)
    question = Question(policy=Policy(zero_weights=zero_weights), data=f"npz:{tmp_path / 'image.npz'}")
    (report,) = estimate(tmp_path / "pilotnet.pt", ("45nm",), question)
    assert isinstance(report, Report)
    counts = {row["scope"]: row["counts"].get("ac", 0) for row in report.nodes}
    assert counts["layer.10.dense"] == 3
    assert sum(counts.values()) == events
    assert report.totals["counts"].get("mac", 0) == 0
    assert report.data["samples"] == 1


def test_the_commands_take_it(pilotnet: Path, image: NDArray[np.int32], tmp_path: Path) -> None:
    """As a user does: the file as a model.pt, both shown, and the file itself estimated on the image."""
    source, saved = pilotnet / "network.net", tmp_path / "pilotnet.pt"
    np.savez(tmp_path / "image.npz", inputs=image)

    def run(*words: object) -> str:
        result = CliRunner().invoke(spikec, [str(word) for word in words])
        assert result.exit_code == 0, result.output
        assert "the last layer's threshold is out of reach" in result.stderr
        return result.stdout

    run("trace", source, "-o", saved)
    assert run("show", source) == run("show", saved)
    words = ("--hw", "45nm", "--data", f"npz:{tmp_path / 'image.npz'}", "--format", "json")
    found, again = (json.loads(run("estimate", model, *words)) for model in (source, saved))
    assert found["totals"] == again["totals"]
    assert found["totals"]["counts"]["ac"] == 48_267_067
    spikes = {row["scope"]: row["counts"].get("spike", 0) for row in found["nodes"]}
    assert [spikes[name] for name in NEURONS] == list(SPIKES)
