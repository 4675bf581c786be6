"""Files that are damaged, foreign or made to harm: one clear error each, and no large allocation."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import h5py
import nir
import numpy as np
import pytest

from spikec.backend.nir.dialect import FILE
from spikec.backend.nir.execute import execute
from spikec.backend.nir.reader import read
from spikec.backend.nir.writer import write
from spikec.errors import DataError, InputError, ModelFileError


@pytest.fixture
def folder(tmp_path: Path, conv_net: Callable[..., object]) -> Path:
    write(conv_net(), tmp_path)
    return tmp_path


def refused(folder: Path, match: str) -> None:
    with pytest.raises(ModelFileError, match=match) as caught:
        read(folder)
    assert isinstance(caught.value, InputError)
    assert str(folder / FILE) in str(caught.value)
    with pytest.raises(ModelFileError, match=re.escape(str(folder / FILE))):
        execute(folder, {"image": np.zeros((1, 2, 8, 8))}, 1)


def test_a_missing_file(tmp_path):
    refused(tmp_path, "no such file")


@pytest.mark.parametrize("content", [b"", b"not HDF5 at all", b"\x89HDF\r\n\x1a\n"])
def test_a_file_of_another_kind(tmp_path, content):
    (tmp_path / FILE).write_bytes(content)
    refused(tmp_path, "cannot be read as HDF5")


@pytest.mark.parametrize("part", [0.1, 0.5, 0.9, 0.999])
def test_a_truncated_file(folder, part):
    whole = (folder / FILE).read_bytes()
    (folder / FILE).write_bytes(whole[: int(part * len(whole))])
    refused(folder, "cannot be read")


def test_a_foreign_nir_file(tmp_path):
    graph = nir.NIRGraph.from_list(nir.Linear(np.ones((2, 3))))
    nir.write(tmp_path / FILE, graph)
    refused(tmp_path, "cannot be read")


def drop_lif(node: h5py.Group) -> None:
    del node["nodes/stem.lif"]


def loop(node: h5py.Group) -> None:
    node["nodes/again"] = node["nodes"]


def declare(node: h5py.Group) -> None:
    del node["nodes/fc/weight"]
    node.create_dataset("nodes/fc/weight", shape=(2**20, 2**20), dtype="f8", chunks=(1024, 1024), compression="gzip")


def link_outside(node: h5py.Group) -> None:
    del node["nodes/fc/weight"]
    node["nodes/fc/weight"] = h5py.ExternalLink("other.h5", "/weight")


def soft_link(node: h5py.Group) -> None:
    del node["nodes/fc/weight"]
    node["nodes/fc/weight"] = h5py.SoftLink("/node/nodes/head/weight")


def external_storage(node: h5py.Group) -> None:
    del node["nodes/fc/weight"]
    node.create_dataset("nodes/fc/weight", shape=(12, 24), dtype="f4", external=[("/etc/hostname", 0, 12 * 24 * 4)])


def virtual(node: h5py.Group) -> None:
    del node["nodes/fc/weight"]
    layout = h5py.VirtualLayout(shape=(12, 24), dtype="f4")
    layout[:] = h5py.VirtualSource("other.h5", "weight", shape=(12, 24))
    node.create_virtual_dataset("nodes/fc/weight", layout)


def no_metadata(node: h5py.Group) -> None:
    del node["nodes/fc/metadata"]


def other_version(node: h5py.Group) -> None:
    said = json.loads(node["metadata/spikec"].asstr()[()])
    node["metadata/spikec"][()] = json.dumps({**said, "version": 2})


def edges_of_numbers(node: h5py.Group) -> None:
    del node["edges"]
    node["edges"] = np.zeros((3, 2))


def long_names(node: h5py.Group) -> None:
    del node["edges"]
    node.create_dataset("edges", data=[("x" * 2**20, "y")] * 80, dtype=h5py.string_dtype())


def a_cycle(node: h5py.Group) -> None:
    edges = node["edges"][()].tolist()
    del node["edges"]
    node.create_dataset("edges", data=[*edges, [b"down.lif", b"stem.conv"]], dtype=h5py.string_dtype())


def an_unknown_type(node: h5py.Group) -> None:
    del node["nodes/pool/type"]
    node["nodes/pool/type"] = "MaxPool2d"


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (drop_lif, "cannot be read|contradicts"),
        (loop, "reached on two ways"),
        (declare, "declares 8796093022208 bytes"),
        (link_outside, "leads elsewhere"),
        (soft_link, "leads elsewhere"),
        (external_storage, "lie elsewhere"),
        (virtual, "lie elsewhere"),
        (no_metadata, "cannot be read|contradicts"),
        (other_version, "expected"),
        (edges_of_numbers, "expected texts"),
        (long_names, "cannot be read|declares more"),
        (a_cycle, "cannot be read|contradicts"),
        (an_unknown_type, "cannot be read|contradicts"),
    ],
)
def test_a_file_made_to_harm(folder, harm, said):
    with h5py.File(folder / FILE, "r+") as file:
        harm(file["node"])
    refused(folder, said)


def test_a_bomb_that_was_written(folder):
    with h5py.File(folder / FILE, "r+") as file:
        del file["node/nodes/fc/weight"]
        data = file.create_dataset(
            "node/nodes/fc/weight", shape=(2**14, 2**18), dtype="f8", chunks=(2**10, 2**10), compression="gzip"
        )
        data[: 2**10, : 2**10] = 0.0
    refused(folder, "declares 34359738368 bytes and stores")


def test_missing_data_are_no_fault_of_the_file(folder):
    with pytest.raises(DataError, match="image"):
        execute(folder, {}, 2)
