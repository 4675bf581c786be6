"""The verification: what it compares, and that each kind of fault turns the verdict."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest

from spikec.backend.nir import forms
from spikec.backend.nir.dialect import FILE
from spikec.backend.nir.wiring import Wiring
from spikec.backend.nir.writer import Tree
from spikec.backend.registry import load
from spikec.backend.verdict import Verdict
from spikec.backend.verify import LEAST_SAMPLES, judge, settle
from spikec.errors import DataError, VerificationFailed
from spikec.ir.arithmetic import Scale
from spikec.ir.builder import GraphBuilder
from spikec.ir.graph import Graph
from spikec.ir.neurons import LIF
from spikec.ir.types import TensorType, Weight
from spikec.target import Arrays, Target, Traces


def verify(target: Target, folder: Path, graph: Graph, data: Arrays) -> Verdict:
    """As `verify_export` does, with a graph and data that are not of the folder."""
    return settle(judge(target, folder, graph, data), folder)


@pytest.fixture
def target() -> Target:
    return load("nir", "extended")


@pytest.fixture
def written(target: Target, spikformer: Graph, tmp_path: Path) -> Path:
    target.writer(spikformer, tmp_path)
    return tmp_path


def verdict_of(folder: Path) -> dict[str, object]:
    found: dict[str, object] = json.loads((folder / "verdict.json").read_text())
    return found


def test_a_sound_export_passes_and_says_what_was_compared(target, spikformer, written, data_for):
    verdict = verify(target, written, spikformer, data_for(spikformer))
    said = verdict_of(written)
    assert verdict.passed
    assert said["passed"] is True
    assert said["reasons"] == []
    assert said["samples"] == LEAST_SAMPLES
    assert said["steps"] == 3
    assert said["graph_sha256"] == spikformer.sha256
    comparison = said["comparison"]
    assert comparison["nodes"] == len(spikformer.nodes)
    assert comparison["weights"] == len(spikformer.weights)
    assert comparison["parameters"] == sum(w.array.size for w in spikformer.weights.values())
    assert comparison["parameters_differing"] == 0
    assert [layer["name"] for layer in said["layers"]] == [node.name for node in spikformer.nodes_of(LIF)]
    for layer in said["layers"]:
        assert layer["spikes_differing"] == 0
        assert 0 < layer["rate"] < 1
        assert layer["membrane_difference"] <= 1e-9
    elements = sum(spikformer.types[layer["name"]].elements for layer in said["layers"])
    assert said["spikes_compared"] == elements * 3 * LEAST_SAMPLES
    assert {"spikec", "nir", "torch", "numpy"} <= set(said["versions"])
    assert set(said["outputs"]) == set(spikformer.outputs)


def fails(target: Target, folder: Path, graph: Graph, data: dict[str, np.ndarray], match: str) -> dict[str, object]:
    with pytest.raises(VerificationFailed, match=match) as caught:
        verify(target, folder, graph, data)
    assert caught.value.exit_code == 1
    said = verdict_of(folder)
    assert said["passed"] is False
    assert said["reasons"]
    return said


@pytest.mark.parametrize(
    ("node", "field"),
    [
        ("stem.conv1", "weight"),
        ("stem.conv1", "bias"),
        ("blocks.0.attn.q_linear", "weight"),
        ("blocks.0.mlp.fc2_lif", "v_threshold"),
        ("blocks.0.attn.attn_lif", "tau"),
        ("head", "weight"),
    ],
)
def test_a_number_changed_by_one_part_in_a_thousand_in_the_file(target, spikformer, written, data_for, node, field):
    with h5py.File(written / FILE, "r+") as file:
        numbers = file[f"node/nodes/{node}/{field}"]
        place = np.unravel_index(np.argmax(np.abs(numbers[()])), numbers.shape)
        numbers[place] *= 1.001
    said = fails(target, written, spikformer, data_for(spikformer), f"weight '{node}.{field}'|contradicts")
    if said["comparison"] is not None:
        assert said["comparison"]["parameters_differing"] >= 1


@pytest.mark.parametrize(
    ("node", "field"),
    [("stem.lif0", "r"), ("stem.lif0", "v_leak"), ("stem.lif0", "v_reset"), ("stem.conv0", "stride")],
)
def test_a_convention_changed_in_the_file(target, spikformer, written, data_for, node, field):
    with h5py.File(written / FILE, "r+") as file:
        numbers = file[f"node/nodes/{node}/{field}"]
        numbers[...] = numbers[()] + 1
    fails(target, written, spikformer, data_for(spikformer), "contradicts|differ|cannot be read")


@pytest.mark.parametrize("change", ["dropped", "turned", "doubled"])
def test_an_edge_changed_in_the_file(target, spikformer, written, data_for, change):
    with h5py.File(written / FILE, "r+") as file:
        edges = [tuple(pair) for pair in file["node/edges"].asstr()[()]]
        at = edges.index(("blocks.0.attn.proj_lif", "blocks.0.mlp.fc1_linear"))
        pair = edges.pop(at)
        edges += {"dropped": [], "turned": [("blocks.0.attn.v_lif", pair[1])], "doubled": [pair, pair]}[change]
        del file["node/edges"]
        file["node"].create_dataset("edges", data=edges, dtype=h5py.string_dtype())
    fails(target, written, spikformer, data_for(spikformer), "cannot be read back|operands")


def faulty(form: Callable[..., object], change: Callable[[dict[str, object]], None]) -> Callable[..., object]:
    def wrong(site: forms.Site) -> object:
        kind, fields = form(site)
        change(fields)
        return kind, fields

    return wrong


def scaled(fields: dict[str, object]) -> None:
    weight = np.array(fields["weight"])
    weight.flat[int(np.argmax(np.abs(weight)))] *= 1.001
    fields["weight"] = weight


def without_padding(fields: dict[str, object]) -> None:
    fields.update(padding=np.array([0, 0]), input_shape=np.array(fields["input_shape"]) + 2)


FAULTS = {
    "a weight by one part in a thousand": ("Conv2d", scaled),
    "r doubled": ("LIF", lambda fields: fields.update(r=np.asarray(fields["r"]) * 2)),
    "tau in steps": ("LIF", lambda fields: fields.update(tau=np.asarray(fields["tau"]) * 1.01)),
    "fires at > for >=": ("LIF", lambda fields: fields.update(v_threshold=np.nextafter(fields["v_threshold"], 9))),
    "another stride": ("Conv2d", lambda fields: fields.update(stride=np.array([1, 1]))),
}


@pytest.mark.parametrize("op", [LIF(), LIF(decay_input=False)], ids=["decayed", "undecayed"])
@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_of_the_writer(fault, op, conv_net, data_for, tmp_path, monkeypatch):
    """Also where reader and writer share it: the file is then run by what NIR says, not by what was meant."""
    kind, change = FAULTS[fault]
    for written, form in forms.STANDARD.items():
        if written.__name__ == kind:
            monkeypatch.setitem(forms.STANDARD, written, faulty(form, change))
    monkeypatch.setattr("spikec.backend.nir.writer.checked", Tree)  # nir's own check would see the stride
    graph = conv_net(op)
    target = load("nir")
    target.writer(graph, tmp_path)
    fails(target, tmp_path, graph, data_for(graph), "differ|cannot be read back")


def test_a_writer_that_forgets_an_edge(conv_net, data_for, tmp_path, monkeypatch):
    """The reader encodes with the same fault, and still sees that the operand is another."""
    whole = Wiring.sources
    monkeypatch.setattr(Wiring, "sources", lambda self, value: whole(self, value)[:1])
    graph = conv_net()
    target = load("nir", "extended")  # in strict, nir's own check sees the loose end
    target.writer(graph, tmp_path)
    fails(target, tmp_path, graph, data_for(graph), "operands|cannot be read back")


def one_layer(v_threshold: float) -> Graph:
    build = GraphBuilder(steps=2)
    weights = {"tau": 2.0, "v_threshold": 0.3}
    x = build.add(LIF(), build.input("x", TensorType((6,))), scope="live", weights=weights)
    weights = {"tau": 2.0, "v_threshold": v_threshold}
    return build.graph(build.add(LIF(), x, scope="block.lif", weights=weights))


@pytest.mark.parametrize(("v_threshold", "why"), [(9.0, "never firing"), (-9.0, "firing at every step")])
def test_a_layer_that_proves_nothing_fails_by_name(target, tmp_path, data_for, v_threshold, why):
    graph = one_layer(v_threshold)
    target.writer(graph, tmp_path)
    said = fails(
        target, tmp_path, graph, data_for(graph), rf"proven of 1 of 2 neuron layers, {why}.*: block\.lif;.*--data"
    )
    assert len(said["reasons"]) == 1, "the other layer is fine"
    assert [bool(layer["fault"]) for layer in said["layers"]] == [False, True]
    assert [layer["spikes_differing"] for layer in said["layers"]] == [0, 0]


def read_out(v_threshold: float, *, membrane: bool = True, taken: bool = False, moves: bool = True) -> Graph:
    """A live layer before one whose threshold is out of reach, its membrane an output unless said."""
    build = GraphBuilder(steps=2)
    weights = {"tau": 2.0, "v_threshold": 0.3}
    x = build.add(LIF(), build.input("x", TensorType((6,))), scope="live", weights=weights)
    if not moves:
        x = build.add(Scale(0.0), x, scope="nothing")
    weights = {"tau": 2.0, "v_threshold": v_threshold}
    last = build.add(LIF(), x, scope="out", weights=weights)
    spikes = build.add(Scale(0.5), last, scope="after") if taken else last
    return build.graph(spikes, *([f"{last}.v"] if membrane else []))


def test_a_read_out_that_never_fires_is_judged_by_its_membrane(target, tmp_path, data_for):
    graph = read_out(99.0)
    target.writer(graph, tmp_path)
    verdict = verify(target, tmp_path, graph, data_for(graph))
    assert [layer.rate > 0 for layer in verdict.layers] == [True, False]
    assert ["judged by its membrane" in layer.note for layer in verdict.layers] == [False, True]
    assert ["note" in layer for layer in verdict_of(tmp_path)["layers"]] == [True, True]
    other = altered(target, lambda t: replace(t, membranes={n: v + (n == "out") for n, v in t.membranes.items()}))
    fails(other, tmp_path, graph, data_for(graph), "layer 'out': membranes differ")


def test_a_read_out_that_fires_is_judged_by_its_spikes_as_well(target, tmp_path, data_for):
    graph = read_out(0.2)
    target.writer(graph, tmp_path)
    assert [layer.note for layer in verify(target, tmp_path, graph, data_for(graph)).layers] == ["", ""]


@pytest.mark.parametrize("change", [{"membrane": False}, {"taken": True}, {"moves": False}], ids=str)
def test_a_silent_layer_whose_membrane_shows_nothing_proves_nothing(target, tmp_path, data_for, change):
    graph = read_out(99.0, **change)
    target.writer(graph, tmp_path)
    fails(target, tmp_path, graph, data_for(graph), "proven of 1 of 2 neuron layers, never firing.*: out;")


def test_many_dead_layers_are_one_sentence_that_names_them(target, tmp_path, data_for):
    build = GraphBuilder(steps=2)
    x = build.input("x", TensorType((6,)))
    for number in range(45):
        x = build.add(LIF(), x, scope=f"lif{number}", weights={"tau": 2.0, "v_threshold": 9.0})
    graph = build.graph(x)
    target.writer(graph, tmp_path)
    (reason,) = fails(target, tmp_path, graph, data_for(graph), "45 of 45 neuron layers")["reasons"]
    assert ": lif0, lif1, lif2, " in reason
    assert "lif39 and 5 more; export again with --data" in reason
    assert reason.count("proven") == 1


def test_a_network_without_neurons_proves_nothing(target, tmp_path, data_for):
    build = GraphBuilder()
    graph = build.graph(build.input("x", TensorType((6,))))
    target.writer(graph, tmp_path)
    fails(target, tmp_path, graph, data_for(graph), "no neuron layer")


def test_too_few_samples_are_no_verification(target, spikformer, written, data_for):
    with pytest.raises(DataError, match="at least 16"):
        verify(target, written, spikformer, data_for(spikformer, samples=LEAST_SAMPLES - 1))
    with pytest.raises(DataError, match="input"):
        verify(target, written, spikformer, {})
    assert not (written / "verdict.json").exists()


def altered(target: Target, change: Callable[[Traces], Traces]) -> Target:
    return replace(target, execute=lambda folder, inputs, steps: change(target.execute(folder, inputs, steps)))


def flipped(traces: Traces) -> Traces:
    spikes = {name: array.copy() for name, array in traces.spikes.items()}
    spikes["stem.lif2"][-1, -1].flat[-1] ^= 1
    return replace(traces, spikes=spikes)


def drifted(by: float) -> Callable[[Traces], Traces]:
    def change(traces: Traces) -> Traces:
        membranes = {name: array.copy() for name, array in traces.membranes.items()}
        membranes["stem.lif2"][0, 0].flat[0] += by
        return replace(traces, membranes=membranes)

    return change


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (flipped, "layer 'stem.lif2': 1 of .* spikes differ"),
        (drifted(1e-6), "layer 'stem.lif2': membranes differ"),
        (drifted(np.nan), "layer 'stem.lif2': membranes differ"),
        (lambda t: replace(t, spikes={**t.spikes, "stem.lif1": t.spikes["stem.lif2"]}), "lif1': the run gave spikes"),
        (lambda t: replace(t, spikes={n: s for n, s in t.spikes.items() if n != "stem.lif1"}), "the run gave none"),
        (lambda t: replace(t, membranes={}), "membranes differ"),
        (lambda t: replace(t, outputs={n: y + 1e-6 for n, y in t.outputs.items()}), "output"),
        (lambda t: replace(t, outputs={}), "output"),
    ],
)  # fmt: skip
def test_a_run_that_differs(target, spikformer, written, data_for, change, said):
    fails(altered(target, change), written, spikformer, data_for(spikformer), said)


def test_rounding_of_a_membrane_is_no_difference(target, spikformer, written, data_for):
    assert verify(altered(target, drifted(1e-12)), written, spikformer, data_for(spikformer)).passed


def test_a_run_that_fails_is_a_verdict_and_so_is_an_unreadable_file(target, spikformer, written, data_for):
    def broken(folder: Path, inputs: object, steps: int) -> Traces:
        raise VerificationFailed("run.py failed: a traceback")

    fails(replace(target, execute=broken), written, spikformer, data_for(spikformer), "did not run: run.py failed")
    (written / FILE).write_bytes((written / FILE).read_bytes()[:1000])
    said = fails(target, written, spikformer, data_for(spikformer), "cannot be read back")
    assert said["comparison"] is None


def test_a_graph_that_differs_only_by_value_is_not_the_one_written(target, spikformer, written, data_for):
    name = "blocks.0.mlp.fc1_linear.weight"
    weight = spikformer.weights[name]
    other = replace(
        spikformer, weights={**spikformer.weights, name: Weight(weight.array * 1.001, weight.role, weight.format)}
    )
    verdict = judge(target, written, other, data_for(other))
    assert not verdict.passed
    assert verdict.comparison.parameters_differing == weight.array.size


def test_a_failed_verdict_replaces_a_passed_one(target, spikformer, written, data_for):
    verify(target, written, spikformer, data_for(spikformer))
    fails(altered(target, flipped), written, spikformer, data_for(spikformer), "spikes differ")
    assert [path.name for path in written.glob("*verdict*")] == ["verdict.json"]
