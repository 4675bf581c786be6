"""Files that lie, are cut short, or would run code: refused as unreadable, and nothing of them run."""

from __future__ import annotations

import json
import pickle
import random
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from spikec.errors import ModelFileError, SpikecError, UnsupportedOp
from spikec.frontend.foreign import Reading, read
from spikec.snn.neuron import LIFNeuron

Edit = Callable[[dict], object]
PROGRAM = "net/models/model.json"
WEIGHTS = "net/data/weights/model_weights_config.json"


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc, self.lif = nn.Linear(4, 3), LIFNeuron(2.0, 0.2)

    def forward(self, x: Tensor) -> Tensor:
        return self.lif(self.fc(x)).mean(0)


@pytest.fixture(scope="module")
def original(exported) -> bytes:
    return exported(Net(), torch.rand(5, 2, 4), (1,)).read_bytes()


@pytest.fixture
def small(door, original: bytes):
    door.file.write_bytes(original)
    return door


class Payload:
    """What runs code when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return exec, (f"open({str(self.path)!r}, 'w').close()",)


def test_pickles_beside_the_program_are_never_read(small, tmp_path: Path) -> None:
    payload = pickle.dumps(Payload(tmp_path / "ran"))
    parts = small.parts()
    assert "net/data/sample_inputs/model.pt" in parts
    small.packed({**parts, "net/data/sample_inputs/model.pt": payload, "net/data/constants/custom_obj_0": payload})
    assert read(small.file).graph.text()
    assert not (tmp_path / "ran").exists()
    pickle.loads(payload)  # the payload works
    assert (tmp_path / "ran").exists()


def test_a_pickled_weight_is_refused_unread(small, tmp_path: Path) -> None:
    small.edited(WEIGHTS, lambda plain: plain["config"]["fc.weight"].update(use_pickle=True))
    parts = small.parts()
    small.packed({**parts, "net/data/weights/weight_0": pickle.dumps(Payload(tmp_path / "ran"))})
    with pytest.raises(ModelFileError, match=r"'fc\.weight' is a pickled object, which could run any code"):
        read(small.file)
    assert not (tmp_path / "ran").exists()


def weight(**change: object) -> Edit:
    return lambda plain: plain["config"]["fc.weight"]["tensor_meta"].update(change)


@pytest.mark.parametrize(
    ("edit", "found"),
    [
        (weight(sizes=[{"as_int": 2**33}, {"as_int": 4}]), "declare"),
        (weight(sizes=[{"as_int": 3}, {"as_int": 5}]), "reaches to element 12 of 'data/weights/weight_0'"),
        (weight(sizes=[{"as_int": 0}, {"as_int": 2**80}]), "has sizes"),
        (weight(sizes=[{"as_int": -3}, {"as_int": 4}]), "a size of -3"),
        (weight(sizes=[{"as_int": 12}]), "1 sizes and 2 strides"),
        (weight(sizes=[{"as_expr": {"expr_str": "s0", "hint": None}}, {"as_int": 4}]), "no dense tensor"),
        (weight(sizes="34"), "no list"),
        (weight(strides=[{"as_int": 2**70}, {"as_int": 1}]), "has sizes"),
        (weight(storage_offset={"as_int": 1}), "reaches to element 12"),
        (weight(dtype=99), "no dense tensor of plain numbers: format 99"),
        (weight(dtype=True), "no int"),
        (weight(layout=1), "no dense tensor"),
        (lambda plain: plain["config"]["fc.weight"].update(path_name="../../../etc/passwd"), "reaches to element 11"),
        (lambda plain: plain["config"].pop("fc.weight"), "it has no numbers for 'fc.weight'"),
        (lambda plain: plain.update(config=[]), "no object"),
    ],
)
def test_weights_that_are_not_what_they_declare(small, edit: Edit, found: str) -> None:
    small.edited(WEIGHTS, edit)
    with pytest.raises(ModelFileError, match=found) as caught:
        read(small.file)
    assert caught.value.exit_code == 2
    assert str(small.file) in str(caught.value)


def node(number: int, **change: object) -> Edit:
    return lambda plain: plain["graph_module"]["graph"]["nodes"][number].update(change)


def graph(plain: dict) -> dict:
    return plain["graph_module"]["graph"]


def named(name: str) -> dict:
    return {"name": "self", "arg": {"as_tensor": {"name": name}}, "kind": 1}


@pytest.mark.parametrize(
    ("edit", "found"),
    [
        (lambda plain: plain["schema_version"].update(major=9), "version 9.20 of the schema"),
        (lambda plain: plain.pop("graph_module"), "graph_module: no object"),
        (node(-1, inputs=[named("nothing")]), "takes 'nothing', which no node before it gives"),
        (node(-1, inputs=[{"name": "self", "arg": {}, "kind": 1}]), "one of several kinds"),
        (node(-1, inputs=[{**named("x"), "kind": 7}]), "neither by position nor by name"),
        (node(-1, outputs=[{"as_tensor": {"name": "x"}}]), "gives what another node gave already"),
        (node(-1, target="\x1b[31m"), "no name"),
        (lambda plain: graph(plain).update(nodes={}), "no list"),
        (lambda plain: plain["graph_module"]["signature"]["input_specs"].append({"token": {}}), "kind token"),
        (lambda plain: plain["graph_module"]["signature"]["output_specs"].clear(), "the network gives nothing"),
        (
            lambda plain: plain["graph_module"]["signature"]["input_specs"][0]["parameter"].update(
                parameter_name="fc.bias.weight"
            ),
            "no numbers for 'fc.bias.weight'",
        ),
    ],
)
def test_programs_that_are_not_as_the_schema_says(small, edit: Edit, found: str) -> None:
    small.edited(PROGRAM, edit)
    with pytest.raises(SpikecError, match=found) as caught:
        read(small.file)
    assert caught.value.exit_code == (1 if "gives nothing" in found else 2)


def test_paths_that_clash_with_another_or_with_a_module_are_refused(small, original: bytes) -> None:
    for path in ("lif.op", "forward", "fc"):
        small.file.write_bytes(original)

        def rename(plain: dict, path: str = path) -> None:
            plain["graph_module"]["signature"]["input_specs"][0]["parameter"]["parameter_name"] = path

        def move(plain: dict, path: str = path) -> None:
            plain["config"][path] = plain["config"].pop("fc.weight")

        small.edited(PROGRAM, rename)
        small.edited(WEIGHTS, move)
        with pytest.raises(ModelFileError, match="two things of the path"):
            read(small.file)


@pytest.mark.parametrize(
    ("target", "more"),
    [
        ("expand.default", [{"as_ints": [2**40, 5, 2, 3]}]),
        ("repeat.default", [{"as_ints": [2**20, 2**20, 1, 1]}]),
        ("repeat.default", [{"as_ints": [2**12, 1, 1, 2**12]}]),
        ("constant_pad_nd.default", [{"as_ints": [0, 2**40]}, {"as_float": 0.0}]),
        ("view.default", [{"as_ints": [2**62, 2]}]),
        ("select.int", [{"as_int": 0}, {"as_int": 2**62}]),
        ("full_like.default", [{"as_float": "Infinity"}]),
        ("mean.dim", [{"as_ints": [77]}]),
        ("mean.dim", [{"as_string": "0"}]),
        ("unbind.int", []),
        ("split.Tensor", [{"as_int": 0}]),
        ("chunk.default", [{"as_int": 2**40}]),
        ("permute.default", [{"as_ints": [0, 0, 1]}]),
        ("slice.Tensor", [{"as_int": 0}, {"as_int": 0}, {"as_int": 9}, {"as_int": 0}]),
        ("exp.default", [{"as_graph": {"name": "g", "graph": {}}}]),
    ],
)
def test_arguments_that_ask_for_too_much_or_do_not_fit(small, target: str, more: list[dict]) -> None:
    def edit(plain: dict) -> None:
        last = graph(plain)["nodes"][-1]
        last["target"] = f"torch.ops.aten.{target}"
        last["inputs"] = [last["inputs"][0], *({"name": "a", "arg": arg, "kind": 1} for arg in more)]

    small.edited(PROGRAM, edit)
    with pytest.raises(SpikecError) as caught:
        read(small.file, Reading(max_bytes=2**24))
    assert caught.value.exit_code in (1, 2)
    assert target in str(caught.value) or "--max-bytes" in caught.value.mend


@pytest.mark.parametrize(
    "target", ["clone.default", "gt.Scalar", "t.default", "mm.default", "add.Tensor", "cat.default"]
)
def test_nodes_of_themselves_and_without_arguments_are_refused(small, target: str) -> None:
    def edit(plain: dict) -> None:
        last = graph(plain)["nodes"][-1]
        circle = {**last, "name": "a", "target": f"torch.ops.aten.{target}", "outputs": [{"as_tensor": {"name": "a"}}]}
        graph(plain)["nodes"] += [{**circle, "inputs": []}]
        other = {**circle, "name": "b", "inputs": [named("b")], "outputs": [{"as_tensor": {"name": "b"}}]}
        graph(plain)["nodes"] += [other, {**other, "name": "c", "inputs": [named("a")], "outputs": []}]

    small.edited(PROGRAM, edit)
    with pytest.raises(SpikecError):
        read(small.file)


def test_an_operator_that_writes_is_refused(small) -> None:
    def edit(plain: dict) -> None:
        last = graph(plain)["nodes"][-1]
        last["target"] = "torch.ops.aten.exp.default"
        last["inputs"] = [last["inputs"][0], {**named("p_fc_bias"), "name": "out", "kind": 2}]

    small.edited(PROGRAM, edit)
    with pytest.raises(UnsupportedOp, match="writes into a tensor"):
        read(small.file)


@pytest.mark.parametrize("name", ["os.system", "torch.load", "builtins.eval", "_operator.attrgetter", "aten.__class__"])
def test_targets_are_names_in_a_table_and_nothing_is_looked_up(small, name: str) -> None:
    small.edited(PROGRAM, node(-1, target=name))
    with pytest.raises(UnsupportedOp) as caught:
        read(small.file)
    assert [(o.op, o.reason) for o in caught.value.offenders] == [(name, "is not taken")]


@pytest.mark.parametrize(
    "text",
    [b"[" * 200_000, b'{"a":' * 200_000, b"\xff\xfe", b"", b"null", b"9" * 10_000, b'{"schema_version": {"major": 8}}'],
    ids=["lists", "objects", "bytes", "empty", "null", "digits", "little"],
)
def test_what_is_no_program_is_refused(small, text: bytes) -> None:
    small.packed({**small.parts(), PROGRAM: text})
    with pytest.raises(ModelFileError):
        read(small.file)


def test_json_that_would_grow_in_memory_is_refused_unparsed(small) -> None:
    small.packed({**small.parts(), PROGRAM: json.dumps([[]] * 500_000).encode()})
    with pytest.raises(ModelFileError, match="bytes of JSON"):
        read(small.file, Reading(max_bytes=2**25))


@pytest.mark.parametrize(
    ("part", "data", "found"),
    [
        ("archive_format", b"zip", "no .pt2"),
        ("archive_version", b"1", "version '1' of the archive"),
        ("byteorder", b"big", "byte order 'big'"),
        ("byteorder", b"little" * 1000, "byte order ''"),
        ("models/other.json", b"{}", "2 programs in it"),
    ],
)
def test_other_archives_are_refused(small, part: str, data: bytes, found: str) -> None:
    small.packed({**small.parts(), f"net/{part}": data})
    with pytest.raises(ModelFileError, match=found):
        read(small.file)


def test_archives_that_are_cut_packed_too_large_or_none_are_refused(small) -> None:
    whole = small.file.read_bytes()
    with pytest.raises(ModelFileError, match="of 1000 at most"):
        read(small.file, Reading(max_bytes=1000))
    for size in (0, 1, 100, len(whole) // 2, len(whole) - 1):
        small.file.write_bytes(whole[:size])
        with pytest.raises(ModelFileError):
            read(small.file)
    small.file.write_bytes(whole)
    parts = small.parts()
    small.packed({**parts, "net/data/weights/weight_0": bytes(2**24)}, zipfile.ZIP_DEFLATED)
    with pytest.raises(ModelFileError, match="compressed"):
        read(small.file)
    small.packed({**parts, "elsewhere/x": b""})
    with pytest.raises(ModelFileError, match="one folder"):
        read(small.file)


def test_a_flipped_bit_of_a_weight_is_found(small) -> None:
    whole = bytearray(small.file.read_bytes())
    at = whole.find(small.parts()["net/data/weights/weight_0"])
    whole[at] ^= 1
    small.file.write_bytes(whole)
    with pytest.raises(ModelFileError, match="weight_0' is damaged"):
        read(small.file)


def test_steps_without_end_are_refused(small) -> None:
    def edit(plain: dict) -> None:
        for meta in graph(plain)["tensor_values"].values():
            meta["sizes"] = [{"as_int": 10**9} if size == {"as_int": 5} else size for size in meta["sizes"]]

    small.edited(PROGRAM, edit)
    with pytest.raises(SpikecError, match="1000000000 steps"):
        read(small.file)


VALUES = (None, True, 0, 1, -1, 2, 3, 2**31, 2**63, 10**30, 0.5, "", "x", "lif", [], {}, [1], {"as_int": 1})


def changed(rng: random.Random, value: object) -> object:
    """The JSON with one value somewhere replaced, left out or doubled."""
    if isinstance(value, dict) and value and rng.random() < 0.95:
        key = rng.choice(list(value))
        if rng.random() < 0.03:
            return {k: v for k, v in value.items() if k != key}
        return {**value, key: changed(rng, value[key])}
    if isinstance(value, list) and value and rng.random() < 0.95:
        place = rng.randrange(len(value))
        if rng.random() < 0.05:
            return value[:place] + value[place + 1 :]
        if rng.random() < 0.05:
            return [*value, value[place]]
        return [*value[:place], changed(rng, value[place]), *value[place + 1 :]]
    return rng.choice(VALUES)


def changed_node(rng: random.Random, plain: dict) -> dict:
    """The program with something of a node replaced."""
    module = plain["graph_module"]
    nodes = changed(rng, graph(plain)["nodes"])
    return {**plain, "graph_module": {**module, "graph": {**module["graph"], "nodes": nodes}}}


def survive(small, count: int, seed: int) -> list[int]:
    """How many mutants are taken, refused as unreadable, and refused as untaken; anything else fails."""
    rng = random.Random(seed)
    parts = small.parts()
    programs = {name: json.loads(parts[name]) for name in (PROGRAM, WEIGHTS)}
    kinds = [0, 0, 0]
    for number in range(count):
        name = WEIGHTS if number % 4 == 0 else PROGRAM
        plain = programs[name]
        for _ in range(rng.choice((1, 1, 2))):
            plain = changed(rng, plain) if number % 4 < 3 else changed_node(rng, plain)
        small.packed({**parts, name: json.dumps(plain).encode()})
        try:
            read(small.file, Reading(max_bytes=2**25))
            kinds[0] += 1
        except SpikecError as error:
            kinds[error.exit_code] += 1
    return [kinds[0], kinds[2], kinds[1]]


@pytest.mark.full
def test_mutants_are_read_or_refused(small) -> None:
    taken, unread, _ = survive(small, 60, seed=1)
    assert taken > 10
    assert unread > 10


@pytest.mark.long
@pytest.mark.parametrize("seed", range(2, 10))
def test_many_mutants_are_read_or_refused(small, seed: int) -> None:
    assert sum(survive(small, 250, seed)) == 250
