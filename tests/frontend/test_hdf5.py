"""HDF5 files as trees of numbers and text, and what is refused before it is read."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest

from spikec.errors import ModelFileError
from spikec.frontend import hdf5
from spikec.frontend.hdf5 import Group, read_tree
from spikec.frontend.hdf5_parts import lzf_size

BUDGET = 2**24


def written(path: Path, fill: Callable[[h5py.File], object]) -> Path:
    with h5py.File(path / "x.h5", "w") as file:
        fill(file)
    return path / "x.h5"


def everything(file: h5py.File) -> None:
    file["a/b/ints"] = np.arange(6, dtype=np.int8).reshape(2, 3)
    file["a/scalar"] = 2.5
    file["a/flag"] = True
    file["a/half"] = np.float16(0.5)
    file.create_dataset("a/packed", data=np.ones((64, 64)), chunks=(8, 8), compression="gzip", shuffle=True)
    file.create_dataset("a/lzf", data=np.ones((64, 64)), compression="lzf", fletcher32=True)
    file.create_dataset("a/unwritten", shape=(100,), dtype="f8")
    file.create_dataset("a/none", shape=(0, 3), dtype="f8")
    file["text"] = "größer"
    file.create_dataset("fixed", (1,), "S10", [b"conv"])
    file.create_dataset("pairs", data=[["a", "b"], ["c", "d"]], dtype=h5py.string_dtype())


def test_a_file_is_a_tree_of_numbers_and_text(tmp_path):
    tree = read_tree(written(tmp_path, everything), BUDGET)
    assert list(tree) == ["a", "fixed", "pairs", "text"]
    a = tree.group("a")
    assert a.path == "/a"
    np.testing.assert_array_equal(a.group("b").array("ints"), [[0, 1, 2], [3, 4, 5]])
    assert a.array("scalar").shape == ()
    assert float(a.array("scalar")) == 2.5
    assert bool(a.array("flag")) is True
    assert float(a.array("half")) == 0.5
    assert a.array("packed").sum() == a.array("lzf").sum() == 64 * 64
    assert a.array("unwritten").sum() == 0
    assert a.array("none").shape == (0, 3)
    assert (tree.text("text"), tree.text("fixed")) == ("größer", "conv")
    assert tree.texts("pairs").tolist() == [["a", "b"], ["c", "d"]]
    assert tree.texts("text").tolist() == "größer"
    assert "b" in a
    assert "c" not in a


@pytest.mark.parametrize(
    ("ask", "said"),
    [
        (lambda t: t.group("z"), "/z is missing; expected a group"),
        (lambda t: t.group("text"), "/text is a dataset; expected a group"),
        (lambda t: t.array("a"), "/a is a group; expected numbers"),
        (lambda t: t.array("fixed"), r"/fixed holds text \[1\]; expected numbers"),
        (lambda t: t.text("pairs"), r"/pairs holds text \[2, 2\]; expected text"),
        (lambda t: t.group("a").text("scalar"), r"/a/scalar holds float64 \[\]; expected text"),
        (lambda t: t.texts("a"), "/a is a group; expected texts"),
    ],
)
def test_what_is_asked_for_and_is_not_there(tmp_path, ask, said):
    path = written(tmp_path, everything)
    with pytest.raises(ModelFileError, match=said) as caught:
        ask(read_tree(path, BUDGET))
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    ("fill", "said"),
    [
        (lambda f: f.create_dataset("x", data=np.zeros(2, dtype=[("a", "i4"), ("b", "f4")])), "is of type"),
        (lambda f: f.create_dataset("x", data=np.ones(2, complex)), "is of type complex128"),
        (lambda f: f.create_dataset("x", data=[f.ref], dtype=h5py.ref_dtype), "is of type object"),
        (lambda f: f.create_dataset("x", (2,), h5py.vlen_dtype(np.int32)), "is of type object"),
        (lambda f: f.create_dataset("x", data=h5py.Empty("f4")), "is empty"),
        (lambda f: f.__setitem__("x", np.dtype("f8")), "is a stored type"),
    ],
)
def test_what_is_neither_numbers_nor_text_harms_only_who_asks_for_it(tmp_path, fill, said):
    tree = read_tree(written(tmp_path, fill), BUDGET)
    with pytest.raises(ModelFileError, match=f"/x {said}"):
        tree.array("x")


def test_the_budget_is_of_all_together(tmp_path):
    def fill(file: h5py.File) -> None:
        for name in "abc":
            file[name] = np.ones(1000)
        file["t"] = "x" * 500

    path = written(tmp_path, fill)
    assert len(read_tree(path, 24_508)) == 4  # 8 for where the text stands
    with pytest.raises(ModelFileError, match="declares more than 24507 bytes; expected no more, or a higher --max"):
        read_tree(path, 24_507)
    with pytest.raises(ModelFileError, match="declares more than 23999 bytes"):
        read_tree(path, 23_999)


def bomb(file: h5py.File) -> None:
    data = file.create_dataset("x", shape=(2**12, 2**12), dtype="f8", chunks=(2**7, 2**7), compression="gzip")
    data[0, 0] = 1.0


def big_chunk(file: h5py.File) -> None:
    file.create_dataset("x", shape=(1,), maxshape=(None,), dtype="f8", chunks=(2**24,), compression="gzip")[0] = 1.0


def one_long_text(file: h5py.File) -> None:
    text = "x" * 2**20
    file.create_dataset("x", data=np.array([text] * 100, dtype=object), dtype=h5py.string_dtype())


def chunk_bomb(file: h5py.File) -> None:
    data = file.create_dataset("x", shape=(64, 64), dtype="f4", chunks=(64, 64), compression="gzip")
    data.id.write_direct_chunk((0, 0), zlib.compress(bytes(2**24), 9))


def shuffled_bomb(file: h5py.File) -> None:
    data = file.create_dataset("x", (64, 64), "f4", chunks=(64, 64), compression="gzip", shuffle=True, fletcher32=True)
    data.id.write_direct_chunk((0, 0), zlib.compress(bytes(2**24), 9) + b"sums")


def lzf_bomb(file: h5py.File) -> None:
    data = file.create_dataset("x", shape=(64, 64), dtype="f4", chunks=(64, 64), compression="lzf")
    data.id.write_direct_chunk((0, 0), b"\x00a" + b"\xe0\xff\x00" * 10_000)


def no_deflate(file: h5py.File) -> None:
    data = file.create_dataset("x", shape=(64, 64), dtype="f4", chunks=(64, 64), compression="gzip")
    data.id.write_direct_chunk((0, 0), b"no deflate")


def texts_in_lzf(file: h5py.File) -> None:
    texts = np.array(["a", "b"], dtype=object)
    file.create_dataset("x", data=texts, dtype=h5py.string_dtype(), chunks=(2,), compression="lzf")


def packed_references(file: h5py.File) -> None:
    kind = {"dtype": h5py.string_dtype(), "chunks": (2,), "compression": "gzip", "shuffle": True}
    data = file.create_dataset("x", (2,), **kind)
    raw = np.frombuffer(struct.pack("<IQI", 1, 0, 0) + struct.pack("<IQI", 2**30, 0, 0), np.uint8)
    data.id.write_direct_chunk((0,), zlib.compress(raw.reshape(2, 16).T.tobytes()))


def external_link(file: h5py.File) -> None:
    file["x"] = h5py.ExternalLink("other.h5", "/x")


def soft_link(file: h5py.File) -> None:
    file["y"], file["x"] = 1, h5py.SoftLink("/y")


def dangling(file: h5py.File) -> None:
    file["x"] = h5py.SoftLink("/nowhere")


def external_storage(file: h5py.File) -> None:
    file.create_dataset("x", shape=(8,), dtype="u1", external=[("/etc/hostname", 0, 8)])


def virtual(file: h5py.File) -> None:
    layout = h5py.VirtualLayout(shape=(8,), dtype="f4")
    layout[:] = h5py.VirtualSource("other.h5", "x", shape=(8,))
    file.create_virtual_dataset("x", layout)


def a_plugin(file: h5py.File) -> None:
    file.create_dataset("x", data=np.arange(64), chunks=(8,), scaleoffset=0)


def deep(file: h5py.File) -> None:
    file.create_group("/".join("x" * 80))


def a_cycle(file: h5py.File) -> None:
    inner = file.create_group("x/y")
    inner["z"] = file["x"]


def a_diamond(file: h5py.File) -> None:
    file.create_group("x")["z"] = file.create_group("y")


@pytest.mark.parametrize(
    ("fill", "said"),
    [
        (bomb, "/x declares 134217728 bytes and stores"),
        (big_chunk, "declares more than 16777216 bytes"),
        (one_long_text, "declares more than 16777216 bytes"),
        (chunk_bomb, "/x has a chunk that holds more than it declares"),
        (shuffled_bomb, "/x has a chunk that holds more than it declares"),
        (lzf_bomb, "/x has a chunk that holds more than it declares"),
        (no_deflate, "/x has a chunk .* is damaged"),
        (texts_in_lzf, "/x has texts that are .* packed by lzf"),
        (packed_references, "/x has a text that is longer than the file"),
        (external_link, "/x is a link that leads elsewhere"),
        (soft_link, "/x is a link that leads elsewhere"),
        (dangling, "/x is a link that leads elsewhere"),
        (external_storage, "the data of /x lie elsewhere"),
        (virtual, "the data of /x lie elsewhere"),
        (a_plugin, "/x is stored through filter 6"),
        (deep, "/x/x/x.* lies too deep"),
        (a_cycle, "/x/y/z is reached on two ways"),
        (a_diamond, "/y is reached on two ways"),
    ],
)
def test_a_file_made_to_harm(tmp_path, fill, said):
    with pytest.raises(ModelFileError, match=said):
        read_tree(written(tmp_path, fill), BUDGET)


def test_more_objects_than_a_network_has(tmp_path, monkeypatch):
    monkeypatch.setattr(hdf5, "MOST_OBJECTS", 10)

    def fill(file: h5py.File) -> None:
        for n in range(12):
            file.create_group(f"g{n}")

    with pytest.raises(ModelFileError, match="more than 10 groups and datasets"):
        read_tree(written(tmp_path, fill), BUDGET)


@pytest.mark.parametrize("content", [b"", b"no HDF5 at all", b"\x89HDF\r\n\x1a\n", b"PK\x03\x04"])
def test_a_file_of_another_kind(tmp_path, content):
    (tmp_path / "x.h5").write_bytes(content)
    with pytest.raises(ModelFileError, match=r"cannot be read as HDF5: .*; expected a thing"):
        read_tree(tmp_path / "x.h5", BUDGET, "a thing")


@pytest.mark.parametrize("part", [0.1, 0.5, 0.9, 0.999])
def test_a_truncated_file(tmp_path, part):
    path = written(tmp_path, everything)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(part * len(whole))])
    with pytest.raises(ModelFileError, match="cannot be read as HDF5"):
        read_tree(path, BUDGET)


def test_a_missing_file_and_a_folder(tmp_path):
    for path, said in ((tmp_path / "none.h5", "no such file"), (tmp_path, "this is a folder")):
        with pytest.raises(ModelFileError, match=said):
            read_tree(path, BUDGET)


def test_text_that_is_none(tmp_path):
    path = written(tmp_path, lambda f: f.create_dataset("x", (1,), "S4", [b"\xff\xfe\x00\x01"]))
    with pytest.raises(ModelFileError, match=r"cannot be read as HDF5: .*utf-8"):
        read_tree(path, BUDGET)


def test_a_group_prints_what_it_holds():
    group = Group("f", "/", {"x": 1})
    assert list(group) == ["x"]
    assert len(group) == 1


def test_a_text_whose_reference_says_it_is_longer_than_the_file(tmp_path):
    path = written(tmp_path, lambda file: file.create_dataset("x", data="a text of this very length"))
    data = path.read_bytes()
    reference = struct.pack("<I", len("a text of this very length"))
    with h5py.File(path) as file:
        at = file["x"].id.get_offset()
    assert data[at : at + 4] == reference
    path.write_bytes(data[:at] + struct.pack("<I", 2**31) + data[at + 4 :])
    with pytest.raises(ModelFileError, match="/x has a text that is longer than the file"):
        read_tree(path, BUDGET)


def test_packed_numbers_and_texts_of_every_kind(tmp_path):
    rng = np.random.default_rng(0)
    numbers, texts = rng.normal(size=(100, 33)), [["ab", "größer"], ["", "x" * 99]]

    def fill(file: h5py.File) -> None:
        for packing in ("gzip", "lzf", None):
            for shuffle in (False, True):
                words = {"chunks": (64, 8), "compression": packing, "shuffle": shuffle, "fletcher32": not shuffle}
                file.create_dataset(f"{packing}{shuffle}", data=numbers, **words)
        for packing in ("gzip", None):
            words = {"chunks": (1, 2), "compression": packing, "shuffle": packing is not None}
            file.create_dataset(f"text{packing}", data=texts, dtype=h5py.string_dtype(), **words)

    tree = read_tree(written(tmp_path, fill), BUDGET)
    for name in tree:
        if name.startswith("text"):
            assert tree.texts(name).tolist() == texts
        else:
            np.testing.assert_array_equal(tree.array(name), numbers)
    assert len(tree) == 8


@pytest.mark.parametrize(
    ("packed", "size"),
    [
        (b"", 0),
        (b"\x00a", 1),
        (b"\x1f" + b"a" * 32, 32),
        (b"\x00a\x20\x00", 1 + 3),
        (b"\x00a\xe0\xff\x00", 1 + 9 + 255),
    ],
)
def test_the_size_of_what_lzf_packed(packed, size):
    assert lzf_size(packed, 10_000) == size


def test_lzf_that_ends_too_early():
    assert lzf_size(b"\x05ab", 100) is None
    assert lzf_size(b"\xe0", 1) == 9
