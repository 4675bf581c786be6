"""Files of torch.save made to harm: nothing of them is run, and nothing allocated that they have not."""

from __future__ import annotations

import pickle
import struct
import tracemalloc
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from spikec.errors import ModelFileError, SpikecError
from spikec.model import load
from spikec.pickled import MOST_EXPANDED
from spikec.snn.checkpoint import load_checkpoint, save_checkpoint
from spikec.tasks.tracing import load_weights
from spikec.torch_file import read_plain

MOST = 2**22
"""Bytes that refusing a file of a kB may take."""


def read(path: Path) -> object:
    return read_plain(path, "plain data", "save plain data")


def saved(path: Path, plain: object) -> Path:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of deprecated kinds of tensors
        torch.save(plain, path)
    return path


def rewritten(path: Path, change: Callable[[dict[str, bytes]], object], method: int = zipfile.ZIP_STORED) -> Path:
    """The archive with parts changed, its checksums right."""
    with zipfile.ZipFile(path) as archive:
        parts = {info.filename: archive.read(info) for info in archive.infolist()}
    change(parts)
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return path


def pickled(folder: Path, body: bytes) -> Path:
    """A file of torch.save with this pickle in place of its own."""
    path = saved(folder / "x.pt", {"a": torch.ones(4)})
    return rewritten(path, lambda parts: parts.update({"x/data.pkl": b"\x80\x02" + body + b"."}))


def refused(path: Path, said: str) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(ModelFileError, match=said):
            read(path)
        assert tracemalloc.get_traced_memory()[1] < MOST
    finally:
        tracemalloc.stop()


HARM = {
    "a byte array of a gigabyte": (b"c__builtin__\nbytearray\nJ\x00\x00\x00\x40\x85R", "bytearray"),
    "a range": (b"c__builtin__\nrange\nJ\x00\x00\x00\x40\x85R", "range"),
    "a function of torch": (b"ctorch\nload\nX\x01\x00\x00\x00x\x85R", r"torch\.load"),
    "a module of torch that is imported when asked for": (b"ctorch\n_inductor\n", r"torch\._inductor"),
    "an opcode of later protocols": (b"\x8c\x01x", "SHORT_BINUNICODE"),
    "an object by its class": (b"ccollections\nOrderedDict\n)\x81", "NEWOBJ"),
    "a key that takes years to hash": (b"})" + b"q\x00h\x00\x86" * 60 + b"Ns", "a tuple as the key of a dict"),
    "a text that cannot be printed": (b"X\x03\x00\x00\x00\xed\xb2\x80", "cannot be read"),
    "a place in the memo that none was put to": (b"h\x05", "cannot be read"),
    "nothing on the stack": (b"a", "cannot be read|damaged"),
    "a call of text": (b"X\x01\x00\x00\x00x)R", "calls what cannot be called"),
    "a tensor without numbers": (b"ctorch._utils\n_rebuild_tensor_v2\n(NK\x00))\x89NtR", "a tensor without numbers"),
    "a storage of another thing": (b"(X\x03\x00\x00\x00fooNNNNtQ", "something besides the numbers"),
    "attributes of a list": (b"]}b", "attributes to what has none"),
    "another protocol": (b"\x80\x4f}", "of protocol 79"),
    "an odd number of items": (b"}(Nu", "an item of no dict"),
    "lists in each other": (b"]" * 5000 + b"a" * 4999, "too deep"),
    "tuples in each other": (b")" + b"\x85" * 5000, "too deep"),
    "a list that holds itself": (b"]q\x00h\x00a", "too deep"),
    "a dict that holds itself": (b"}q\x00Nh\x00s", "too deep"),
    "lists that share their lists": (b"]q\x00" + b"](h\x00h\x00eq\x00" * 60, "too many"),
    "a long text that says it is longer": (b"X\xff\xff\xff\x7fx", "cannot be read"),
}


@pytest.mark.parametrize("case", HARM)
def test_a_pickle_made_to_harm(case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("spikec.pickled.MOST_VALUES", 10_000)
    body, said = HARM[case]
    refused(pickled(tmp_path, body), said)


def test_the_cases_differ_from_a_sound_pickle_in_their_harm_alone(tmp_path: Path) -> None:
    body = b"}q\x00X\x01\x00\x00\x00a](K\x01K\x02es"
    assert read(pickled(tmp_path, body)) == {"a": [1, 2]}


def test_a_pickle_of_millions_of_opcodes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("spikec.pickled.MOST_OPCODES", 1000)
    path = pickled(tmp_path, b"N0" * 1000 + b"}")
    with pytest.raises(ModelFileError, match="POP"):
        read(path)
    with pytest.raises(ModelFileError, match="too long"):
        read(pickled(tmp_path, b"](" + b"N" * 1000 + b"e"))


@pytest.mark.parametrize("count", [5, 2**40, 3])
def test_a_storage_that_is_not_what_the_file_has(tmp_path: Path, count: int) -> None:
    number = b"\x8a\x08" + struct.pack("<q", count)
    path = saved(tmp_path / "x.pt", {"a": torch.ones(4)})
    rewritten(path, lambda parts: parts.update({"x/data.pkl": parts["x/data.pkl"].replace(b"K\x04", number, 1)}))
    refused(path, f"a tensor of {count} numbers of torch.FloatStorage, and 16 bytes for it")


def test_a_tensor_that_reaches_beyond_its_storage(tmp_path: Path) -> None:
    path = saved(tmp_path / "x.pt", {"a": torch.ones(4)})
    rewritten(path, lambda parts: parts.update({"x/data.pkl": parts["x/data.pkl"].replace(b"K\x04\x85", b"K\x05\x85")}))
    refused(path, r"a tensor of shape \[5\] over 4 numbers")


@pytest.mark.parametrize("beyond", [0, 1])
def test_expanded_tensors_are_taken_up_to_a_bound(tmp_path: Path, beyond: int) -> None:
    path = saved(tmp_path / "x.pt", {"a": torch.zeros(1).expand(MOST_EXPANDED // 4 + 1 + beyond)})
    if beyond:
        refused(path, "bytes more than it has")
    else:
        assert read(path)["a"].shape == (MOST_EXPANDED // 4 + 1,)
    refused(saved(path, {"a": torch.zeros(1).expand(10**6, 10**6)}), "bytes more than it has")


@pytest.mark.parametrize(
    "plain", [torch.zeros(2, device="meta"), torch.eye(3).to_sparse(), torch.nn.Linear(2, 2), {1, 2}, 1j, b"x"]
)
def test_what_is_no_plain_data(tmp_path: Path, plain: object) -> None:
    refused(saved(tmp_path / "x.pt", plain), "refused without executing it")


def test_what_plain_data_and_tensors_can_be(tmp_path: Path) -> None:
    plain = {
        "numbers": [1, -(2**70), 0.5, True, None, (1, 2, 3, 4), ()],
        3: torch.Size((1, 2)),
        "tensors": [torch.ones(2, dtype=kind) for kind in (torch.float16, torch.bfloat16, torch.uint16, torch.bool)],
        "others": [torch.ones(()), torch.ones(0, 3), torch.ones(2, 3).T, torch.ones(1).expand(3), torch.ones(9)[2:4]],
        "parameter": torch.nn.Parameter(torch.ones(2)),
        "state": torch.nn.BatchNorm2d(2).state_dict(),
    }
    found = read(saved(tmp_path / "x.pt", plain))
    assert found["numbers"] == plain["numbers"]
    assert found[3] == (1, 2)
    for key in ("tensors", "others"):
        assert all(torch.equal(a, b) and a.dtype == b.dtype for a, b in zip(found[key], plain[key], strict=True))
    assert list(found["state"]) == list(plain["state"])


def test_two_parts_of_one_name(tmp_path: Path) -> None:
    path = saved(tmp_path / "x.pt", {"a": 1})
    with warnings.catch_warnings(), zipfile.ZipFile(path, "a") as archive:
        warnings.simplefilter("ignore")
        archive.writestr("x/data.pkl", b"\x80\x02N.")
    refused(path, "two of its parts have one name")


def test_parts_in_several_folders(tmp_path: Path) -> None:
    path = saved(tmp_path / "x.pt", {"a": 1})
    refused(rewritten(path, lambda parts: parts.update({"y/data.pkl": b"\x80\x02N."})), "several folders")


def test_compressed_parts(tmp_path: Path) -> None:
    path = saved(tmp_path / "x.pt", {"a": torch.zeros(2**20)})
    refused(rewritten(path, lambda parts: None, zipfile.ZIP_DEFLATED), "is compressed")


def test_parts_that_share_their_bytes(tmp_path: Path) -> None:
    """Every entry of the directory points to one part: a file of a MB would be many."""
    path = rewritten(saved(tmp_path / "x.pt", {"a": 1}), lambda parts: parts.update({"x/big": bytes(2**20)}))
    data = bytearray(path.read_bytes())
    at = data.rindex(b"PK\x01\x02")
    entry, end = bytes(data[at : data.index(b"PK\x05\x06", at)]), data[data.rindex(b"PK\x05\x06") :]
    assert entry.endswith(b"x/big")
    more = b"".join(entry[:-5] + f"x/{number:03}".encode() for number in range(100))
    count = struct.unpack_from("<H", end, 10)[0] + 100
    struct.pack_into("<HH", end, 8, count, count)
    struct.pack_into("<I", end, 12, struct.unpack_from("<I", end, 12)[0] + len(more))
    path.write_bytes(bytes(data[: data.rindex(b"PK\x05\x06")]) + more + bytes(end))
    refused(path, "declares 1058|declares [0-9]{9} bytes and has")


class Payload:
    """Runs a command when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return Path.mkdir, (self.path,)


@pytest.mark.parametrize("legacy", [True, False])
def test_no_entry_runs_a_pickle(tmp_path: Path, legacy: bool) -> None:
    trap, path = tmp_path / "trap", tmp_path / "x.pt"
    for plain in (Payload(trap), {"format": "spikec-model", "version": 1, "a": Payload(trap)}):
        torch.save(plain, path, _use_new_zipfile_serialization=not legacy)
        entries = (load, lambda p: load_checkpoint(p, ["a"]), lambda p: load_weights(torch.nn.Linear(2, 2), p))
        for entry in entries:
            with pytest.raises(ModelFileError, match="which could run any code when read"):
                entry(path)
    assert not trap.exists()
    pickle.loads(pickle.dumps(Payload(trap)))  # the payload is a live one
    assert trap.exists()


def test_a_checkpoint_is_read_as_it_was_written(tmp_path: Path) -> None:
    network = torch.nn.Linear(3, 2)
    optimiser = torch.optim.AdamW(network.parameters())
    network(torch.ones(1, 3)).sum().backward()
    optimiser.step()
    state = {"optimiser": optimiser.state_dict(), "generator": torch.get_rng_state(), "epoch": 3}
    save_checkpoint(tmp_path / "x.pt", state)
    found = load_checkpoint(tmp_path / "x.pt", list(state))
    assert torch.equal(found["generator"], state["generator"])
    assert found["optimiser"]["state"].keys() == state["optimiser"]["state"].keys()
    data = bytearray((tmp_path / "x.pt").read_bytes())
    at = data.index(state["generator"].numpy().tobytes()[:64])
    data[at] ^= 1
    (tmp_path / "x.pt").write_bytes(data)
    with pytest.raises(ModelFileError, match="checksum"):
        load_checkpoint(tmp_path / "x.pt", list(state))


NAMES = ("../x", "/x", "a/b", "..", ".", "a b", "-x", "a\\b", "a%b", "", "é")


@pytest.mark.parametrize("name", NAMES)
def test_names_that_lead_out_of_a_folder_are_no_names(name: str, saved: Path) -> None:
    whole = torch.load(saved, weights_only=True)
    for change in (
        lambda plain: plain.update(graph=plain["graph"].replace("%q", f"%{name}")),
        lambda plain: plain.update(graph=plain["graph"].replace("@fc", f"@{name}")) if name else plain.clear(),
        lambda plain: plain["weights"].update({name: plain["weights"].pop("t")}),
        lambda plain: plain.update(
            graph=plain["graph"].replace("tau=t", f"tau={name}"),
            weights={name if key == "t" else key: value for key, value in plain["weights"].items()},
        ),
    ):
        plain = {**whole, "weights": dict(whole["weights"])}
        change(plain)
        torch.save(plain, saved)
        with pytest.raises(SpikecError):
            load(saved)


def text(key: str, value: object) -> Callable[[dict[str, object]], object]:
    return lambda plain: plain.update({key: value})


TOLD = {
    "a name that steers a terminal": (text("name", "\x1b[31mred"), "names or remarks"),
    "a name of two lines": (text("name", "a\nb"), "names or remarks"),
    "a number as the name": (text("name", 7), "key 'name' holds a int"),
    "numbers as class names": (text("class_names", [1, 2]), "names or remarks"),
    "provenance as a list": (text("provenance", [1]), "damaged"),
    "remarks of numbers": (text("provenance", {"remarks": [1]}), "names or remarks"),
    "an architecture of a word": (text("architecture", "x"), "key 'architecture' holds a str"),
    "an input of another shape": (lambda plain: plain["input"].update(shape=[9]), r"an input InputSpec\(shape=\(9,\)"),
    "an input of another kind": (lambda plain: plain["input"].update(encoder="frames"), "encoder='frames'"),
    "no steps": (lambda plain: plain["input"].update(steps=0), "steps 0"),
    "half a step": (lambda plain: plain["input"].update(steps=2.5), r"steps 2\.5"),
}


@pytest.mark.parametrize("case", TOLD)
def test_what_is_said_beside_the_graph(case: str, saved: Path) -> None:
    change, said = TOLD[case]
    plain = torch.load(saved, weights_only=True)
    change(plain)
    torch.save(plain, saved)
    with pytest.raises(ModelFileError, match=said):
        load(saved)


def test_a_graph_of_two_inputs_or_none(saved: Path) -> None:
    plain = torch.load(saved, weights_only=True)
    plain["calibration"] = None
    for header in ("graph(%input: real once [1,2,2], %other: real once [1])", "graph()"):
        plain["graph"] = plain["graph"].replace("graph(%input: real once [1,2,2])", header)
        torch.save(plain, saved)
        with pytest.raises(ModelFileError, match=r"2 inputs|not defined"):
            load(saved)


@pytest.mark.parametrize("version", [torch.ones(3), torch.ones(0), torch.ones(())])
def test_a_version_that_is_no_number(saved: Path, version: torch.Tensor) -> None:
    plain = torch.load(saved, weights_only=True)
    torch.save({**plain, "version": version}, saved)
    with pytest.raises(ModelFileError, match=r"version (tensor|1\.0)"):
        load(saved)
    save_checkpoint(saved, {"version": version, "a": 1})
    with pytest.raises(ModelFileError, match="no training checkpoint"):
        load_checkpoint(saved, ["a"])


@pytest.mark.parametrize("entry", [torch.ones(()), [], 7, None, {"value": torch.ones(3)}])
def test_a_weight_that_is_none(saved: Path, entry: object) -> None:
    plain = torch.load(saved, weights_only=True)
    plain["weights"]["t"] = entry
    torch.save(plain, saved)
    with pytest.raises(ModelFileError, match="damaged"):
        load(saved)
