"""Every file that is no sound model.pt: an error that says where, what and how to mend it; nothing in it is run."""

import contextlib
import os
import pickle
import random
import zipfile

import numpy as np
import pytest
import torch
from torch import nn

from spikec.errors import ModelFileError
from spikec.model import load


def refused(path, *words):
    with pytest.raises(ModelFileError) as caught:
        load(path)
    assert str(path) in str(caught.value)
    assert caught.value.mend
    for word in words:
        assert word in str(caught.value), str(caught.value)


def test_missing_or_a_folder_or_empty(tmp_path):
    refused(tmp_path / "none.pt", "no such file")
    refused(tmp_path, "folder")
    (tmp_path / "empty.pt").write_bytes(b"")
    refused(tmp_path / "empty.pt", "empty")


@pytest.mark.parametrize("share", [0.001, 0.01, 0.2, 0.5, 0.9, 0.99, 0.9999])
def test_truncated_at_any_point(share, saved, tmp_path):
    whole = saved.read_bytes()
    (tmp_path / "cut.pt").write_bytes(whole[: max(1, int(len(whole) * share))])
    refused(tmp_path / "cut.pt")


class Payload:
    """Runs a command when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


class Module(nn.Module):
    """A module whose unpickling runs a command."""

    def __init__(self, path):
        super().__init__()
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def test_a_live_payload_is_never_run(tmp_path):
    trap = tmp_path / "trap"
    for name, protocol in (("old", 0), ("bare", 2), ("new", 5)):
        (tmp_path / name).write_bytes(pickle.dumps(Payload(trap), protocol=protocol))
        refused(tmp_path / name, "spikec trace")
    for name, zipped in (("zip", True), ("legacy", False)):
        torch.save(Payload(trap), tmp_path / name, _use_new_zipfile_serialization=zipped)
        refused(tmp_path / name, "pickle")
    torch.save({"format": "spikec-model", "version": 1, "name": Payload(trap)}, tmp_path / "inside")
    refused(tmp_path / "inside", "pickled Python objects", "without executing")
    torch.save(Module(trap), tmp_path / "module")
    refused(tmp_path / "module", "pickled Python objects", "without executing", "spikec trace")
    assert not trap.exists()
    pickle.loads((tmp_path / "bare").read_bytes())  # the payload is a live one
    assert trap.exists()


def test_a_real_module_is_refused_with_the_mend(tmp_path):
    torch.save(nn.Linear(2, 2), tmp_path / "module.pt")
    refused(tmp_path / "module.pt", "pickled Python objects", "--weights state_dict.pt")


def test_foreign_files(tmp_path):
    torch.save(nn.Linear(2, 2).state_dict(), tmp_path / "state.pt")
    refused(tmp_path / "state.pt", "no model of spikec", "bias")
    torch.save([1, 2], tmp_path / "list.pt")
    refused(tmp_path / "list.pt", "list")
    with zipfile.ZipFile(tmp_path / "foreign.zip", "w") as archive:
        archive.writestr("readme.txt", "hello")
    refused(tmp_path / "foreign.zip")
    np.savez(tmp_path / "arrays.npz", a=np.ones(3))
    refused(tmp_path / "arrays.npz")
    (tmp_path / "text.pt").write_text("not a model")
    refused(tmp_path / "text.pt")
    (tmp_path / "noise.pt").write_bytes(random.Random(0).randbytes(5000))
    refused(tmp_path / "noise.pt")


def plain(saved):
    return torch.load(saved, weights_only=True)


def rewritten(saved, change):
    content = plain(saved)
    change(content)
    torch.save(content, saved)
    return saved


def setting(*path, value):
    def change(content):
        for key in path[:-1]:
            content = content[key]
        content[path[-1]] = value

    return change


def removing(*path):
    def change(content):
        for key in path[:-1]:
            content = content[key]
        del content[path[-1]]

    return change


def text(edit):
    def change(content):
        content["graph"] = edit(content["graph"])

    return change


NAN = torch.tensor([[float("nan")] * 4] * 3)
DAMAGED = {
    "NaN weights": (setting("weights", "fc.weight", "value", value=NAN), "'fc.weight' holds 12 NaN"),
    "another version": (setting("version", value=99), "version 99"),
    "no version": (removing("version"), "version None"),
    "no graph": (removing("graph"), "graph"),
    "graph of another type": (setting("graph", value=7), "damaged"),
    "graph cut short": (text(lambda t: t[:80]), "line"),
    "graph of an unknown op": (text(lambda t: t.replace("lif(", "lif9(")), "line 5"),
    "graph with another shape": (text(lambda t: t.replace("[1,2,2]", "[1,2,3]")), "%f"),
    "a weight missing": (removing("weights", "fc.bias"), "fc.bias"),
    "a weight too many": (lambda c: c["weights"].update(x=c["weights"]["t"]), "'x'"),
    "a weight of no numbers": (setting("weights", "t", "value", value="2.0"), "damaged"),
    "a weight in bfloat16": (setting("weights", "t", "value", value=torch.ones((), dtype=torch.bfloat16)), "damaged"),
    "a weight of complex numbers": (setting("weights", "t", "value", value=torch.ones((), dtype=torch.cfloat)), "'t'"),
    "a weight of another shape": (setting("weights", "fc.bias", "value", value=torch.ones(4)), "bias must be [3]"),
    "an unknown role": (setting("weights", "t", "role", value="boss"), "boss"),
    "an unknown format": (setting("weights", "t", "format", "kind", value="posit"), "posit"),
    "a float of 13 bits": (setting("weights", "t", "format", "bits", value=13), "13"),
    "weights as a list": (setting("weights", value=[1]), "damaged"),
    "no input": (removing("input"), "input"),
    "input of no shape": (removing("input", "shape"), "shape"),
    "input of an unknown field": (setting("input", "colour", value="red"), "colour"),
    "input as a word": (setting("input", value="image"), "damaged"),
    "class names as a number": (setting("class_names", value=3), "damaged"),
    "no calibration entry": (removing("calibration"), "calibration"),
    "calibration as a word": (setting("calibration", value="batch"), "damaged"),
    "calibration without inputs": (removing("calibration", "inputs"), "inputs"),
    "calibration of no samples": (
        lambda c: c["calibration"].update(inputs=torch.ones(0, 1, 2, 2), ids=torch.ones(0, dtype=torch.int64)),
        "1 to 256 samples",
    ),
    "calibration of another shape": (setting("calibration", "inputs", value=torch.ones(5, 4)), "[5, 4]"),
    "calibration without ids for all": (setting("calibration", "ids", value=torch.arange(4)), "each with an id"),
    "calibration of NaN": (setting("calibration", "inputs", value=torch.full((5, 1, 2, 2), float("nan"))), "NaN"),
}


@pytest.mark.parametrize("case", DAMAGED)
def test_damaged_fields(case, saved):
    change, word = DAMAGED[case]
    refused(rewritten(saved, change), word)


def same(one, other):
    return one.graph.sha256 == other.graph.sha256 and (
        one.calibration.inputs.tobytes() == other.calibration.inputs.tobytes()
    )


def test_a_flipped_bit_is_refused_or_without_effect(model, saved, tmp_path):
    whole, rng = saved.read_bytes(), random.Random(0)
    survivors = []
    for _ in range(300):
        at = rng.randrange(len(whole))
        broken = whole[:at] + bytes([whole[at] ^ (1 << rng.randrange(8))]) + whole[at + 1 :]
        (tmp_path / "flipped.pt").write_bytes(broken)
        with contextlib.suppress(ModelFileError):
            survivors.append(load(tmp_path / "flipped.pt"))
    assert all(same(survivor, model) for survivor in survivors)
    assert len(survivors) < 250  # the rest of so small a file is padding


def test_a_changed_weight_is_told_by_its_checksum(model, saved):
    whole = saved.read_bytes()
    at = whole.index(np.asarray(1.1).tobytes())
    saved.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
    refused(saved, "checksum")


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("graph", None, "key 'graph' holds a NoneType in the place of a str"),
        ("weights", [1], "key 'weights' holds a list in the place of a dict"),
        ("calibration", 3, "key 'calibration' holds a int in the place of a dict"),
        ("provenance", "x", "key 'provenance' holds a str in the place of a dict"),
    ],
)
def test_a_key_that_holds_what_it_cannot_is_named(key, value, said, saved, tmp_path):
    plain = torch.load(saved, weights_only=True)
    torch.save({**plain, key: value}, tmp_path / "odd.pt")
    refused(tmp_path / "odd.pt", said)


def test_keys_that_are_missing_are_named(saved, tmp_path):
    plain = torch.load(saved, weights_only=True)
    torch.save({key: value for key, value in plain.items() if key not in ("input", "counts")}, tmp_path / "odd.pt")
    refused(tmp_path / "odd.pt", "its keys lack input, counts")


def test_weights_that_are_none_are_named(saved, tmp_path):
    plain = torch.load(saved, weights_only=True)
    name = next(iter(plain["weights"]))
    torch.save({**plain, "weights": {**plain["weights"], name: None}}, tmp_path / "odd.pt")
    refused(tmp_path / "odd.pt", f"key 'weights.{name}' holds a NoneType")
