"""Valid files of other tools, and of spikec's own exports, that mutants are made of."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import h5py
import nir
import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper

from spikec.ir.text import parse
from spikec.ir.types import constant, weight_of
from spikec.model import Calibration, InputSpec, Model
from spikec.snn.neuron import LIFNeuron
from spikec.tasks import exporting


def fresh(folder: Path, name: str) -> Path:
    (folder / name).mkdir()
    return folder / name


def write_nir(folder: Path) -> None:
    """A net with every kind of number, one with a loop and a subgraph, one of ours in each dialect."""
    rng = np.random.default_rng(2)
    ends = {"input": nir.Input(np.array([1, 6, 6])), "output": nir.Output(np.array([3]))}
    chain = {
        "conv": nir.Conv2d((6, 6), rng.normal(size=(2, 1, 3, 3)), 1, 0, 1, 1, rng.normal(size=2)),
        "lif": nir.LIF(*(np.full((2, 4, 4), value) for value in (0.002, 1.0, 0.0, 1.0)), np.zeros((2, 4, 4))),
        "pool": nir.SumPool2d(np.array([2, 2]), np.array([2, 2]), np.array([0, 0])),
        "flat": nir.Flatten({"input": np.array([2, 2, 2])}, 0, -1),
        "fc": nir.Affine(rng.normal(size=(3, 8)), rng.normal(size=3)),
        "cuba": nir.CubaLIF(*(np.full(3, value) for value in (0.002, 0.004, 1.0, 0.0, 1.0, 1.0)), np.zeros(3)),
    }
    write_nirs(folder, "chain", {"input": ends["input"], **chain, "output": ends["output"]}, metadata={"dt": "0.001"})
    inner = {"input": nir.Input(np.array([3])), "w": nir.Linear(np.eye(3)), "output": nir.Output(np.array([3]))}
    loop = {
        "input": nir.Input(np.array([3])),
        "fc": nir.Affine(rng.normal(size=(3, 3)), rng.normal(size=3)),
        "if": nir.IF(np.ones(3), np.ones(3), np.zeros(3)),
        "back": nir.Delay(np.full(3, 0.001)),
        "sub": nir.NIRGraph(inner, [("input", "w"), ("w", "output")], type_check=False),
        "output": nir.Output(np.array([3])),
    }
    edges = [("input", "fc"), ("fc", "if"), ("if", "back"), ("back", "fc"), ("if", "sub"), ("sub", "output")]
    write_nirs(folder, "loop", loop, edges)
    for dialect in ("strict", "extended"):
        out = fresh(folder, dialect)
        export(out / "export", "nir", dialect=dialect)
        (out / "export" / "network.nir").rename(out / "network.nir")
        remove(out / "export")


def write_nirs(folder: Path, name: str, nodes: dict[str, Any], edges: Any = None, metadata: Any = None) -> None:
    pairs = edges or list(zip(nodes, list(nodes)[1:], strict=False))
    whole = nir.NIRGraph(nodes, pairs, metadata or {}, type_check=False)
    nir.write(fresh(folder, name) / "network.nir", whole)


def export(out: Path, target: str, **choices: Any) -> None:
    exporting.export(small(), target, out, samples=16, **choices)


@cache
def small() -> Model:
    """A network that every target takes, with samples enough for a golden run."""
    rng = np.random.default_rng(5)
    text = """graph(%input: real once [4]) steps 2
        %r = repeat(%input)
        %a = linear(%r; bias=b, weight=w) @fc
        %q = lif(%a; tau=t, v_threshold=v) @lif
        %m = time_mean(%q)
        return %m"""
    weights = {"w": weight_of(rng.normal(size=(3, 4)).astype(np.float32)), "b": weight_of(np.ones(3, np.float32))}
    found = parse(text, {**weights, "t": constant(2.0), "v": constant(0.5)})
    batch = Calibration(rng.normal(size=(16, 4)).astype(np.float32), np.arange(16), "made up")
    return Model("small", found, InputSpec((4,), "direct", 2), calibration=batch)


def remove(folder: Path) -> None:
    for path in sorted(folder.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    folder.rmdir()


class Exported(torch.nn.Module):
    """Currents [T, B, 4] through a layer of neurons to scores."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.norm, self.lif = torch.nn.Linear(4, 6), torch.nn.LayerNorm(6), LIFNeuron()
        self.last = torch.nn.Linear(6, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.last(self.lif(self.norm(self.first(x)) * 3)).mean(0)


def write_pt2(folder: Path) -> None:
    torch.manual_seed(0)
    network, x = Exported().eval(), torch.rand(2, 5, 4)
    batch = torch.export.Dim("batch", min=2)
    whole = torch.export.export(network, (x,), dynamic_shapes=({1: batch},))
    torch.export.save(whole, str(fresh(folder, "lif") / "network.pt2"))


def write_net(folder: Path) -> None:
    rng = np.random.default_rng(3)
    neuron = {"type": "CUBA", "iDecay": 4096, "vDecay": 700, "vThMant": 3, "refDelay": 1, "gradedSpike": False}
    conv = {"shape": [2, 4, 4], "inChannels": 1, "outChannels": 2, "kernelSize": [3, 3], "stride": [1, 1]}
    conv |= {"padding": [1, 1], "dilation": [1, 1], "groups": 1, "weight": rng.integers(-4, 5, (2, 1, 3, 3)) * 1.0}
    dense = {"shape": [3, 1, 1], "inFeatures": 32, "outFeatures": 3, "weight": rng.integers(-4, 5, (3, 32)) * 1.0}
    again = {**dense, "inFeatures": 3, "weight": rng.integers(-4, 5, (3, 3)) * 1.0, "bias": np.arange(3.0)}
    layers = (
        {"type": "input", "shape": [1, 4, 4], "neuron": neuron, "bias": 36, "weight": 40},
        {"type": "conv", **conv, "neuron": neuron},
        {"type": "flatten", "shape": [32]},
        {"type": "dense", **dense, "delay": 2, "neuron": neuron},
        {"type": "dense_rec", **again, "weight_rec": np.eye(3), "neuron": neuron},
    )

    def fill(group: Any, fields: Mapping[str, Any]) -> None:
        for name, value in fields.items():
            if isinstance(value, Mapping):
                fill(group.create_group(name), value)
            elif name == "type" and "neuron" not in group.name:
                group.create_dataset(name, (1,), "S10", [value.encode()])
            else:
                group.create_dataset(name, data=value)

    with h5py.File(fresh(folder, "net") / "network.net", "w") as file:
        fill(file, {"layer": {str(number): layer for number, layer in enumerate(layers)}})
        file["simulation/tSample"] = 8


def write_onnx(folder: Path) -> None:
    """A convnet with a LIF and its state, an attention block, and a net whose numbers lie beside it."""
    rng = np.random.default_rng(4)
    f32 = {
        "wc": rng.normal(size=(2, 1, 3, 3)),
        "bc": rng.normal(size=2),
        **{k: np.ones(2) for k in ("g", "b", "m", "s")},
    }
    f32 |= {"half": 0.5, "one": 1.0, "wl": rng.normal(size=(3, 32)), "bl": rng.normal(size=3)}
    stateful = [
        helper.make_node("Conv", ["x", "wc", "bc"], ["c"], pads=[1, 1, 1, 1]),
        helper.make_node("BatchNormalization", ["c", "g", "b", "m", "s"], ["n"]),
        helper.make_node("Mul", ["v", "half"], ["vd"]),
        helper.make_node("Add", ["vd", "n"], ["h"]),
        helper.make_node("GreaterOrEqual", ["h", "one"], ["fires"]),
        helper.make_node("Cast", ["fires"], ["q"], to=TensorProto.FLOAT),
        helper.make_node("Sub", ["h", "q"], ["v_out"]),
        helper.make_node("Flatten", ["q"], ["f"]),
        helper.make_node("Gemm", ["f", "wl", "bl"], ["y"], transB=1),
    ]
    ends = ([("x", ["N", 1, 4, 4]), ("v", ["N", 2, 4, 4])], [("y", ["N", 3]), ("v_out", ["N", 2, 4, 4])])
    write_onnxs(folder, "stateful", stateful, *ends, f32)
    attention = [
        helper.make_node("MatMul", ["x", "wq"], ["q"]),
        helper.make_node("Transpose", ["q"], ["k"], perm=[0, 2, 1]),
        helper.make_node("MatMul", ["q", "k"], ["s"]),
        helper.make_node("Softmax", ["s"], ["p"], axis=-1),
        helper.make_node("MatMul", ["p", "q"], ["o"]),
        helper.make_node("LayerNormalization", ["o", "g", "b"], ["l"]),
        helper.make_node("Shape", ["x"], ["size"]),
        helper.make_node("Gather", ["size", "zero"], ["n"]),
        helper.make_node("Unsqueeze", ["n", "zeros"], ["n1"]),
        helper.make_node("Concat", ["n1", "rest"], ["to"], axis=0),
        helper.make_node("Reshape", ["l", "to"], ["y"]),
    ]
    ints = {"zero": np.array(0), "zeros": np.array([0]), "rest": np.array([16])}
    floats = {"wq": rng.normal(size=(4, 4)), "g": np.ones(4), "b": np.zeros(4)}
    write_onnxs(folder, "attention", attention, [("x", ["N", 4, 4])], [("y", ["N", 16])], floats, ints)
    gemm = [helper.make_node("Gemm", ["x", "w", "b"], ["y"], transB=1)]
    numbers = {"w": rng.normal(size=(3, 4)), "b": np.ones(3)}
    path = write_onnxs(folder, "beside", gemm, [("x", ["N", 4])], [("y", ["N", 3])], numbers)
    onnx.save(onnx.load(path), path, save_as_external_data=True, location="data.bin", size_threshold=0)


def write_onnxs(folder: Path, name: str, nodes: Any, inputs: Any, outputs: Any, floats: Any, ints: Any = None) -> Path:
    ports = [
        [helper.make_tensor_value_info(end, TensorProto.FLOAT, axes) for end, axes in ends]
        for ends in (inputs, outputs)
    ]
    held = {key: np.asarray(value, np.float32) for key, value in floats.items()} | (ints or {})
    constants = [numpy_helper.from_array(value, key) for key, value in held.items()]
    whole = helper.make_graph(nodes, "net", *ports, constants)
    path = fresh(folder, name) / "network.onnx"
    onnx.save(helper.make_model(whole, opset_imports=[helper.make_opsetid("", 20)], ir_version=10), path)
    return path
