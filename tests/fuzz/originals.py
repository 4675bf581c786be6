"""The valid files that mutants are made of, and how each format is read. A new format is a line in FORMATS.

A reader gives words that tell one content from another; what it raises must be one of the format's errors.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import torch
from bytes_mutants import BYTES, TEXT
from foreign_originals import export, fresh, remove, write_net, write_nir, write_onnx, write_pt2
from hdf5_mutants import HDF5
from onnx_mutants import ONNX
from zip_mutants import PT2, RAW, TORCH, ZIP

from hwmodels.registry import CHIPS
from spikec import model as models
from spikec.backend.arrays import read_arrays, write_arrays
from spikec.backend.lava import reader as lava
from spikec.data import source
from spikec.errors import (
    DataError,
    GraphError,
    HardwareFileError,
    ModelFileError,
    SpaceError,
    SpikecError,
    StudyError,
    TraceError,
    UnknownName,
    UnsupportedOp,
)
from spikec.frontend.foreign import Reading
from spikec.ir.graph import Graph
from spikec.ir.text import parse
from spikec.ir.types import FLOAT64, IntFormat, Role, Weight, constant, weight_of
from spikec.model import Calibration, InputSpec, Model
from spikec.search import spacefile
from spikec.search import study as studies
from spikec.search.config import StudyConfig
from spikec.search.objectives import Objective
from spikec.snn.checkpoint import load_checkpoint, save_checkpoint
from spikec.tasks import hardware, opening, study_view
from spikec.tasks.rates import read_rates
from spikec.tasks.search_setup import SearchSettings
from spikec.tasks.showing import summary_of
from spikec.tasks.tracing import load_weights

MAX_BYTES = 2**26
READING = Reading(max_bytes=MAX_BYTES)
FOREIGN = (ModelFileError, UnsupportedOp, TraceError)


@dataclass(frozen=True)
class Format:
    """A kind of file.

    Args:
        write: puts valid files into a folder, each variant in a folder of its own.
        read: such a folder; gives what it holds in words.
        errors: that reading may raise.
        mutators: by the ending of the file that is mutated, '' for any other.
    """

    write: Callable[[Path], None]
    read: Callable[[Path], str]
    errors: tuple[type[SpikecError], ...]
    mutators: Mapping[str, tuple[Callable[..., bytes], ...]]


TEXT_GRAPH = """graph(%input: real once [1,4,4]) steps 3
%r = repeat(%input)
%c = conv2d(%r; bias=c.bias, weight=c.weight) {padding=(1, 1)} @stem.conv
%n = batch_norm(%c; bias=n.b, mean=n.m, var=n.v, weight=n.g) @stem.bn
%q = lif(%n; tau=t, v_threshold=v) @stem.lif
%p = max_pool(%q) {kernel=(2, 2), stride=(2, 2)}
%f = reshape(%p) {shape=(2, 4)}
%k = matmul(%f, %f) {transpose_b=True}
%g = reshape(%k) {shape=(4,)}
%d = delay(%h.q; steps=one) : spike step [4]
%s = add(%g, %d)
%h.q = lif(%s; tau=t, v_threshold=v) {decay_input=False, reset='soft'} @head.lif
%l = linear(%h.q; bias=l.bias, weight=l.weight) @head
%m = time_mean(%l)
return %m
"""


@cache
def graph() -> Graph:
    """A graph with the shapes of a network: a stem, a product of activations, a loop, a head."""
    rng = np.random.default_rng(0)
    weights = {
        "c.weight": weight_of(rng.normal(size=(2, 1, 3, 3)).astype(np.float32)),
        "c.bias": weight_of(rng.normal(size=2).astype(np.float32)),
        **{f"n.{name}": weight_of(rng.uniform(1, 2, 2).astype(np.float32)) for name in "gbmv"},
        "t": constant(2.0),
        "v": Weight(np.asarray(1.0), Role.CONSTANT, FLOAT64),
        "one": constant(1.0),
        "l.weight": Weight(rng.integers(-9, 9, (3, 4)).astype(np.int8), Role.PARAMETER, IntFormat(8, 0.125)),
        "l.bias": weight_of(rng.normal(size=3).astype(np.float32)),
    }
    return parse(TEXT_GRAPH, weights)


@cache
def model() -> Model:
    rng = np.random.default_rng(1)
    return Model(
        name="small",
        graph=graph(),
        input=InputSpec((1, 4, 4), "direct", 3, "grey values over 16"),
        class_names=("a", "b", "c"),
        calibration=Calibration(rng.normal(size=(3, 1, 4, 4)).astype(np.float32), np.arange(3), "digits:0", seed=3),
        architecture={"family": "made up", "config": {"ratios": [2.0, 3.0], "image": [1, 4, 4]}},
        provenance={"study": "runs/a", "trial": 17, "nested": {"none": None, "yes": True}, "remarks": ["said"]},
    )


def told(found: Model) -> str:
    """Words that tell one model from another; whatever a command would do with any model is done with it."""
    found.graph.verify()
    summary = summary_of(found)
    facts = {key: value for key, value in found.provenance.items() if key != "sha256"}
    plain = repr((found.name, found.input, found.class_names, found.architecture, facts))
    batch = found.calibration
    numbers = b"" if batch is None else batch.inputs.tobytes() + batch.ids.tobytes() + batch.spec.encode()
    words = (
        summary.graph_sha256,
        found.graph.steps,
        plain,
        hashlib.sha256(numbers).hexdigest(),
        opening.remarks_of(found),
    )
    "\n".join(summary.lines()).encode()
    return repr(words)


def write_model(folder: Path) -> None:
    models.save(model(), fresh(folder, "whole") / "model.pt")


def read_model(folder: Path) -> str:
    found = models.load(folder / "model.pt")
    models.save(found, folder / "again.pt", force=True)
    return told(found)


class Net(torch.nn.Module):
    """Something that weights are for."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm = torch.nn.Conv2d(1, 2, 3), torch.nn.BatchNorm2d(2)


def write_weights(folder: Path) -> None:
    torch.manual_seed(0)
    state = Net().state_dict()
    torch.save(state, fresh(folder, "plain") / "weights.pt")
    torch.save({"epoch": 3, "model": state}, fresh(folder, "inner") / "weights.pt")


def read_weights(folder: Path) -> str:
    network = Net()
    load_weights(network, folder / "weights.pt")
    return repr([tensor.tolist() for tensor in network.state_dict().values()])


def write_checkpoint(folder: Path) -> None:
    torch.manual_seed(0)
    network = torch.nn.Linear(3, 2)
    optimiser = torch.optim.AdamW(network.parameters())
    network(torch.ones(1, 3)).sum().backward()
    optimiser.step()
    state = {"network": network.state_dict(), "optimiser": optimiser.state_dict(), "epoch": 3, "seed": (1, 2)}
    save_checkpoint(fresh(folder, "one") / "epoch.pt", state)


def read_checkpoint(folder: Path) -> str:
    return repr(load_checkpoint(folder / "epoch.pt", ("network", "optimiser", "epoch")))


def read_foreign(folder: Path) -> str:
    (path,) = (path for path in folder.iterdir() if path.stem == "network")
    return told(opening.load(path, READING, "network"))


def write_text(folder: Path) -> None:
    (fresh(folder, "text") / "graph.txt").write_text(TEXT_GRAPH)


def read_text(folder: Path) -> str:
    text = (folder / "graph.txt").read_bytes().decode("utf-8", "surrogateescape")
    found = parse(text, graph().weights)
    found.verify()
    return f"{found.sha256} {found.steps} {parse(found.text(), found.weights).sha256}"


def write_rates(folder: Path) -> None:
    (fresh(folder, "json") / "rates.json").write_text(json.dumps({"stem.conv": 0.25, "head": [0.1], "k": [0.2, 0.3]}))
    (fresh(folder, "csv") / "rates.csv").write_text(
        "scope,rate,operand\nstem.conv,0.25,\nhead,0.1,0\nk,0.2,0\nk,0.3,1\n"
    )


def read_the_rates(folder: Path) -> str:
    (path,) = folder.iterdir()
    found = read_rates(path, graph(), 4)
    return repr(found)


def write_npz(folder: Path) -> None:
    rng = np.random.default_rng(6)
    arrays = {"inputs": rng.normal(size=(3, 1, 4, 4)).astype(np.float32), "labels": np.arange(3), "ids": np.arange(3)}
    np.savez(fresh(folder, "plain") / "data.npz", **arrays)
    np.savez_compressed(fresh(folder, "packed") / "data.npz", **arrays)


def read_npz(folder: Path) -> str:
    found = source.load(f"npz:{folder / 'data.npz'}")
    assert np.isfinite(found.inputs).all()
    return repr((found.inputs.tolist(), None if found.labels is None else found.labels.tolist(), found.ids.tolist()))


def write_the_arrays(folder: Path) -> None:
    write_arrays(fresh(folder, "arrays") / "a.npz", {"a/b": np.ones((3, 4)), "file": np.arange(5, dtype=np.int8)})


def read_the_arrays(folder: Path) -> str:
    return repr({name: (array.dtype, array.tolist()) for name, array in read_arrays(folder / "a.npz").items()})


def write_chips(folder: Path) -> None:
    for path in sorted(CHIPS.glob("*.toml")):
        (fresh(folder, path.stem) / "chip.toml").write_bytes(path.read_bytes())


def read_chip(folder: Path) -> str:
    found = hardware.check(folder / "chip.toml")
    prices = getattr(found, "chip", found)  # a chip with cores holds them apart
    return repr((found.name, found.pipeline, prices.terms, getattr(found, "table", None)))


def write_spaces(folder: Path) -> None:
    for name in spacefile.names():
        (fresh(folder, name) / "space.toml").write_text(spacefile.space_toml(spacefile.load(name)))


def read_space(folder: Path) -> str:
    found = spacefile.load(folder / "space.toml")
    return spacefile.space_toml(found)


RESULT = {
    "winner": {"trial": 1, "final": {"accuracy": 0.9, "energy_pj": 1200.0}},
    "largest": {"final": {"accuracy": 0.9, "energy_pj": 1200.0}},
    "test": {"samples": 9, "winner_accuracy": 0.95, "largest_accuracy": 0.97, "paired": {"text": "-2.00 points"}},
    "rule": "made up",
}


def write_study(folder: Path) -> None:
    objectives = (Objective("accuracy", "max", "linear", 0.5), Objective("energy_pj", "min", "log10", 1e8))
    config = StudyConfig("random", 0, objectives, {}, SearchSettings().to_plain())
    space = spacefile.load("digits")
    out = fresh(folder, "study")
    with studies.create(out / "run", space, config, {"space": "abc", "data": "digits"}) as search:
        for number in range(4):
            search.tell(search.ask(), {"accuracy": 0.8 + 0.01 * number, "energy_pj": 1000.0 * 1.2**number})
    (out / "run" / "result.json").write_text(json.dumps(RESULT))


def read_study(folder: Path) -> str:
    view = study_view.view_of(folder / "run")
    return repr(view).replace(str(folder), "")


def write_lava(folder: Path) -> None:
    out = fresh(folder, "lava")
    export(out / "export", "lava")
    for name in ("network.json", "weights.npz"):
        (out / "export" / name).rename(out / name)
    remove(out / "export")


def read_lava(folder: Path) -> str:
    found = lava.read(folder)
    found.verify()
    return found.sha256


def text_of(*endings: str) -> dict[str, tuple[Callable[..., bytes], ...]]:
    return dict.fromkeys(endings, TEXT)


CHECKED = (".pt", ".pt2", ".npz")
"""The endings of archives whose parts have checksums, which are looked at."""


def is_checked(ending: str, mutators: Iterable[str]) -> bool:
    """Whether a file of this ending, so mutated, is what it was or is refused: its checksums would tell."""
    return ending in CHECKED and set(mutators) <= {mutator.__name__ for mutator in RAW}


FORMATS: dict[str, Format] = {
    "model": Format(write_model, read_model, (ModelFileError,), {".pt": TORCH}),
    "weights": Format(write_weights, read_weights, (ModelFileError,), {".pt": TORCH}),
    "checkpoint": Format(write_checkpoint, read_checkpoint, (ModelFileError,), {".pt": TORCH}),
    "nir": Format(write_nir, read_foreign, FOREIGN, {".nir": HDF5}),
    "net": Format(write_net, read_foreign, FOREIGN, {".net": HDF5}),
    "pt2": Format(write_pt2, read_foreign, FOREIGN, {".pt2": PT2}),
    "onnx": Format(write_onnx, read_foreign, FOREIGN, {".onnx": ONNX, ".bin": BYTES}),
    "text": Format(write_text, read_text, (GraphError,), text_of(".txt")),
    "rates": Format(write_rates, read_the_rates, (DataError, UnknownName), text_of(".json", ".csv")),
    "npz": Format(write_npz, read_npz, (DataError,), {".npz": ZIP}),
    "arrays": Format(write_the_arrays, read_the_arrays, (ModelFileError,), {".npz": ZIP}),
    "lava": Format(write_lava, read_lava, (ModelFileError,), {**text_of(".json"), ".npz": ZIP}),
    "chip": Format(write_chips, read_chip, (HardwareFileError,), text_of(".toml")),
    "space": Format(write_spaces, read_space, (SpaceError,), text_of(".toml")),
    "study": Format(write_study, read_study, (StudyError,), {**text_of(".json", ".toml"), ".db": BYTES}),
}
