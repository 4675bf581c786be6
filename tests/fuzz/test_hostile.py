"""What every front door must withstand: a small file that declares a terabyte, cycles, deep nesting, links, names."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import h5py
import nir
import numpy as np
import onnx
import pytest
import torch
from click.testing import CliRunner
from onnx import TensorProto, helper

from cli.main import spikec
from spikec.errors import GraphError, ModelFileError, SpikecError, TraceError, UnsupportedOp
from spikec.ir.text import parse
from spikec.ir.types import constant, weight_of
from spikec.model import Calibration, InputSpec, Model
from spikec.tasks import exporting, opening

REFUSALS = (ModelFileError, UnsupportedOp, TraceError)
TERABYTE = 2**40
MOST = 2**24
"""Bytes that refusing a small file may take."""


def onnx_file(path: Path, nodes: list[onnx.NodeProto], *constants: onnx.TensorProto) -> None:
    ends = [[helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", 4])] for name in ("x", "y")]
    graph = helper.make_graph(nodes, "net", *ends, list(constants))
    whole = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    path.write_bytes(whole.SerializeToString())


def integer(name: str, *numbers: int) -> onnx.TensorProto:
    return helper.make_tensor(name, TensorProto.INT64, [len(numbers)], numbers)


def declared(path: Path) -> None:
    tensor = onnx.TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[2**19, 2**19], raw_data=b"abcd")
    onnx_file(path, [helper.make_node("Add", ["x", "w"], ["y"])], tensor)


def grown(path: Path) -> None:
    made = helper.make_node("ConstantOfShape", ["size"], ["w"])
    onnx_file(path, [made, helper.make_node("Add", ["x", "w"], ["y"])], integer("size", 2**20, 2**18))


def external(path: Path) -> None:
    (path.parent / "w.bin").write_bytes(b"abcd")
    tensor = onnx.TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[2**19, 2**19], data_location=1)
    tensor.external_data.add(key="location", value="w.bin")
    onnx_file(path, [helper.make_node("Add", ["x", "w"], ["y"])], tensor)


def nir_file(path: Path, change: Callable[[h5py.File], object]) -> None:
    nodes = {"a": nir.Input(np.array([4])), "w": nir.Linear(np.eye(4)), "z": nir.Output(np.array([4]))}
    nir.write(path, nir.NIRGraph(nodes, [("a", "w"), ("w", "z")], type_check=False))
    with h5py.File(path, "r+") as file:
        change(file)


def dataset(name: str, *shape: int, **layout: object) -> Callable[[h5py.File], None]:
    def change(file: h5py.File) -> None:
        if name in file:
            del file[name]
        file.create_dataset(name, shape, "f4", **layout)

    return change


def net_file(path: Path, change: Callable[[h5py.File], object]) -> None:
    with h5py.File(path, "w") as file:
        layer = file.create_group("layer/0")
        layer["type"], layer["shape"] = "input", [1, 2, 2]
        change(file)


def expanded(path: Path) -> None:
    torch.save({"format": "spikec-model", "weights": torch.zeros(1).expand(TERABYTE)}, path)


WEIGHT = "node/nodes/w/weight"
BOMBS: dict[str, tuple[str, Callable[[Path], object]]] = {
    "onnx: a constant": (".onnx", declared),
    "onnx: a constant of another file": (".onnx", external),
    "onnx: a constant that an operator makes": (".onnx", grown),
    "nir: a dataset": (".nir", lambda path: nir_file(path, dataset(WEIGHT, 2**19, 2**19))),
    "nir: a packed dataset": (
        ".nir",
        lambda path: nir_file(path, dataset(WEIGHT, 2**20, 2**20, chunks=(64, 64), compression="gzip")),
    ),
    "net: a dataset": (".net", lambda path: net_file(path, dataset("layer/0/weight", TERABYTE))),
    "model.pt: a tensor": (".pt", expanded),
}


def large(path: Path) -> None:
    """A file of some kB whose numbers are there: a matrix of 32 MB of zeros, packed."""
    nir_file(path, dataset(WEIGHT, 2**21, 4, data=np.zeros((2**21, 4)), chunks=(2**16, 4), compression="gzip"))


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Mapping[str, object]]:
    """How reading each of these files ended, and what memory it took, in one process of their own."""
    folder = tmp_path_factory.mktemp("bombs")
    paths = {}
    for number, (case, (ending, make)) in enumerate({**BOMBS, "sound": (".nir", large)}.items()):
        paths[case] = fresh(folder, str(number)) / f"x{ending}"
        make(paths[case])
        assert paths[case].stat().st_size < (32_000 if case in BOMBS else 64_000)
    words = [sys.executable, str(Path(__file__).with_name("measured.py")), *map(str, paths.values())]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    lines = map(json.loads, done.stdout.splitlines())
    return dict(zip(paths, lines, strict=True))


def fresh(folder: Path, name: str) -> Path:
    (folder / name).mkdir()
    return folder / name


@pytest.mark.parametrize("case", BOMBS)
def test_a_small_file_that_declares_a_terabyte(case: str, measured: Mapping[str, Mapping[str, object]]) -> None:
    assert measured[case]["ended"] in [kind.__name__ for kind in REFUSALS]
    assert measured[case]["bytes"] < MOST


def test_what_libraries_allocate_is_measured(measured: Mapping[str, Mapping[str, object]]) -> None:
    assert measured["sound"]["bytes"] > 2**25 > MOST


def nested_ifs(depth: int) -> onnx.NodeProto:
    inner = onnx.GraphProto()
    for _ in range(depth):
        outer = onnx.GraphProto()
        outer.node.add(op_type="If", output=["y"]).attribute.add(name="then_branch", type=5).g.CopyFrom(inner)
        inner = outer
    return inner.node[0]


def cycle(path: Path) -> None:
    onnx_file(path, [helper.make_node("Add", ["x", "b"], ["a"]), helper.make_node("Add", ["a", "x"], ["b"])])


def linked(path: Path) -> None:
    def change(file: h5py.File) -> None:
        file["node/nodes/w/again"] = file["node"]

    nir_file(path, change)


def loop(path: Path) -> None:
    nodes = {"a": nir.Input(np.array([4])), "w": nir.Linear(np.eye(4)), "z": nir.Output(np.array([4]))}
    whole = nir.NIRGraph(nodes, [("a", "w"), ("w", "w"), ("w", "z")], type_check=False)
    nir.write(path, whole)


def small() -> Model:
    """A network that every target takes."""
    text = "graph(%x: real once [4]) steps 2\n%r = repeat(%x)\n%a = linear(%r; weight=w)\n%q = lif(%a; tau=t, "
    text += "v_threshold=v)\n%m = time_mean(%q)\nreturn %m\n"
    found = parse(text, {"w": weight_of(np.eye(4, dtype=np.float32)), "t": constant(2.0), "v": constant(0.1)})
    batch = Calibration(np.random.default_rng(0).uniform(size=(16, 4)).astype(np.float32), np.arange(16), "made up")
    return Model("small", found, InputSpec((4,), "direct", 2), calibration=batch)


def lists(depth: int) -> object:
    found: object = 1
    for _ in range(depth):
        found = [found]
    return found


def bent(path: Path) -> None:
    """Its edges are no texts."""
    nir_file(path, lambda file: (file["node"].pop("edges"), file["node"].create_dataset("edges", (3,), "V4")))


def no_host(path: Path) -> None:
    """A file of ours whose metadata name an Output that it has not."""
    exporting.export(small(), "nir", path.parent / "out", samples=16, dialect="strict")
    (path.parent / "out" / "network.nir").rename(path)
    with h5py.File(path, "r+") as file:
        for name in file["node/nodes"]:
            metadata = file[f"node/nodes/{name}/metadata"]
            own = metadata["spikec"][()].decode()
            del metadata["spikec"]
            metadata["spikec"] = own.replace('"gives"', '"given"')


def shapeless(path: Path) -> None:
    """A first layer that is refused, and says no shape for those after it."""
    with h5py.File(path, "w") as file:
        file["layer/0/type"], file["layer/1/type"] = "average", "average"


KNOTS: dict[str, tuple[str, Callable[[Path], object], str]] = {
    "onnx: a cycle": (".onnx", cycle, "before|made"),
    "onnx: graphs in each other": (".onnx", lambda path: onnx_file(path, [nested_ifs(15)]), "If|made|no known"),
    "onnx: graphs too deep for protobuf": (".onnx", lambda path: path.write_bytes(too_deep()), "cannot be read"),
    "nir: a group that holds itself": (".nir", linked, "reached on two ways"),
    "nir: a cycle without a state": (".nir", loop, "w"),
    "nir: groups in each other": (
        ".nir",
        lambda path: nir_file(path, lambda file: file.create_group("node/nodes/w/" + "a/" * 500)),
        "too deep",
    ),
    "nir: edges that are no texts": (".nir", bent, "edges"),
    "nir: our own, and an output that is none": (".nir", no_host, "StopIteration"),
    "net: layers of no shape": (".net", shapeless, "average"),
    "net: groups in each other": (
        ".net",
        lambda path: net_file(path, lambda file: file.create_group("layer/0/" + "a/" * 500)),
        "too deep",
    ),
    "model.pt: lists in each other": (".pt", lambda path: torch.save(lists(200), path), "too deep"),
}


def too_deep() -> bytes:
    """A model in whose attribute lie a thousand graphs in each other; protobuf itself would not write it."""
    found = b""
    for _ in range(1000):
        for key in (b"\x32", b"\x2a", b"\x0a"):  # attribute.g, node.attribute, graph.node
            found = key + length(found) + found
    return b"\x3a" + length(found) + found


def length(data: bytes) -> bytes:
    size, found = len(data), bytearray()
    while size > 127:
        found.append(size & 127 | 128)
        size >>= 7
    return bytes([*found, size])


@pytest.mark.parametrize("case", KNOTS)
def test_cycles_and_deep_nesting_end_in_an_error(case: str, tmp_path: Path) -> None:
    ending, make, said = KNOTS[case]
    make(tmp_path / f"x{ending}")
    with pytest.raises(REFUSALS, match=said):
        opening.load(tmp_path / f"x{ending}")


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ("shape=" + "(" * 500 + "1," + ")" * 500, "plain values"),
        ("shape=" + "-" * 5000 + "1", "at most 2000 letters"),
        ("shape=" + "-" * 1500 + "1", "plain values|its type"),
        ("shape=(0x1or 2,)", "plain values"),
        ("shape=(" + "9" * 5000 + ",)", "at most 2000 letters"),
        ("shape=__import__('os').system('true')", "plain values"),
        ("shape=[x for x in (1,)]", "plain values"),
        ("shape=(1,)*10**10", "plain values"),
        ("shape=10**10**10", "plain values"),
    ],
)
def test_fields_of_a_text_that_are_no_plain_values(fields: str, said: str) -> None:
    text = f"graph(%x: real once [4]) steps 2\n%y = reshape(%x) {{{fields}}}\nreturn %y\n"
    with pytest.raises(GraphError, match=said):
        parse(text, {})


@pytest.mark.parametrize(
    "text",
    [
        "graph(%x: real once [4]) steps " + "9" * 5000 + "\n%y = repeat(%x)\nreturn %y\n",
        "graph(%x: real once [" + "9" * 5000 + "]) steps 2\n%y = repeat(%x)\nreturn %y\n",
        "graph(%x: int(0," + "9" * 5000 + ") once [4]) steps 2\n%y = repeat(%x)\nreturn %y\n",
        "graph(%x: spike step [4]) steps 2\n%y = add(%z, %x)\n%z = add(%y, %x)\nreturn %z\n",
        "graph(%x: spike step [4]) steps 2\n%y = delay(%y; steps=zero) : spike step [4]\nreturn %y\n",
    ],
)
def test_a_text_that_no_graph_has(text: str) -> None:
    with pytest.raises(GraphError):
        parse(text, {"zero": constant(0.0)} if "zero" in text else {})


@pytest.mark.parametrize("case", ["onnx: a constant", "net: a dataset"])
def test_the_command_line_says_so_and_writes_nothing(case: str, tmp_path: Path) -> None:
    ending, make = BOMBS[case]
    make(tmp_path / f"x{ending}")
    result = CliRunner().invoke(spikec, ["trace", str(tmp_path / f"x{ending}"), "-o", str(tmp_path / "x.pt")])
    assert result.exit_code == 2
    assert result.stderr.count("error: ") == 1
    assert "Traceback" not in result.output
    assert [path.name for path in tmp_path.iterdir()] == [f"x{ending}"]


def test_what_a_file_calls_its_layers_steers_no_terminal(tmp_path: Path) -> None:
    nodes = {"a": nir.Input(np.array([4])), "\r\x07": nir.Linear(np.eye(4)), "z": nir.Output(np.array([4]))}
    whole = nir.NIRGraph(nodes, [("a", "\r\x07"), ("\r\x07", "z")], type_check=False)
    nir.write(tmp_path / "x.nir", whole)
    result = CliRunner().invoke(spikec, ["trace", str(tmp_path / "x.nir"), "-o", str(tmp_path / "x.pt")])
    assert result.exit_code == 0
    assert not {"\r", "\x07", "\x1b"} & {*result.output}
    with h5py.File(tmp_path / "x.nir", "r+") as file:
        del file["node/nodes/\r\x07/type"]
        file["node/nodes/\r\x07/type"] = "\x1b[2J" + "x" * 10**6
    result = CliRunner().invoke(spikec, ["trace", str(tmp_path / "x.nir"), "-o", str(tmp_path / "y.pt")])
    assert result.exit_code == 1
    assert not {"\r", "\x07", "\x1b"} & {*result.output}
    assert len(result.output) < 10_000


def test_an_output_that_is_a_link_is_replaced_and_not_followed(tmp_path: Path) -> None:
    target, link = tmp_path / "mine", tmp_path / "x.pt"
    target.write_text("mine")
    link.symlink_to(target)
    source = tmp_path / "x.nir"
    nir_file(source, lambda file: None)
    words = ["trace", str(source), "-o", str(link)]
    assert CliRunner().invoke(spikec, words).exit_code == 2
    assert CliRunner().invoke(spikec, [*words, "--force"]).exit_code == 0
    assert target.read_text() == "mine"
    assert not link.is_symlink()
    link.unlink()
    link.symlink_to(tmp_path / "nowhere")  # a link that leads to nothing is taken for no file
    result = CliRunner().invoke(spikec, words)
    assert result.exit_code in (0, 2)
    assert not (tmp_path / "nowhere").exists()


def test_errors_of_hostile_files_are_of_one_family() -> None:
    assert all(issubclass(kind, SpikecError) for kind in REFUSALS)
    assert [kind.exit_code for kind in REFUSALS] == [2, 1, 1]
