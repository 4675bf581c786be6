"""Archives of arrays: what numpy wrote is read as numpy reads it, and what declares more than it has is refused."""

from __future__ import annotations

import io
import pickle
import struct
import tracemalloc
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pytest

from spikec import archive as archives
from spikec.archive import read_npz
from spikec.backend.arrays import read_arrays
from spikec.data import source
from spikec.errors import DataError, InputError, ModelFileError

MOST = 2**22


def refused(path: Path, said: str) -> None:
    """By every reader of arrays, without memory for what it declares."""
    tracemalloc.start()
    try:
        with pytest.raises(InputError, match=said):
            read_npz(path)
        with pytest.raises(ModelFileError, match=said):
            read_arrays(path)
        with pytest.raises(DataError, match=said):
            source.load(f"npz:{path}")
        assert tracemalloc.get_traced_memory()[1] < MOST
    finally:
        tracemalloc.stop()


def written(path: Path, *parts: tuple[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> Path:
    with warnings.catch_warnings(), zipfile.ZipFile(path, "w", method) as archive:
        warnings.simplefilter("ignore")  # of names that stand twice
        for name, content in parts:
            archive.writestr(name, content)
    return path


def npy(array: np.ndarray, header: bytes | None = None) -> bytes:
    """An array as numpy writes it, with another header where one is given."""
    file = io.BytesIO()
    np.lib.format.write_array(file, array)
    data = file.getvalue()
    if header is None:
        return data
    length = struct.unpack_from("<H", data, 8)[0]
    return data[:8] + struct.pack("<H", len(header)) + header + data[10 + length :]


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_arrays_are_read_as_numpy_reads_them(tmp_path: Path, save) -> None:
    rng = np.random.default_rng(0)
    arrays = {
        "c": rng.normal(size=(3, 4)),
        "f": np.asfortranarray(rng.normal(size=(3, 4))),
        "big": np.arange(5, dtype=">i4"),
        "none": np.empty((0, 3), np.float32),
        "one": np.array(2.5, np.float16),
        "text": np.array(["a", "größer"]),
        "bool": np.array([True, False]),
        "complex": np.array([1 + 2j]),
    }
    save(tmp_path / "x.npz", **arrays)
    found = read_npz(tmp_path / "x.npz")
    assert list(found) == list(arrays)
    for name, array in arrays.items():
        np.testing.assert_array_equal(found[name], array)
        assert found[name].dtype == array.dtype
        assert found[name].flags.writeable


@pytest.mark.parametrize("shape", ["(1000000000000,)", "(1048576, 1048576)", "(5,)", "(3,)", "(-4,)", "(-2, -2)"])
def test_a_shape_that_is_not_what_the_file_has(tmp_path: Path, shape: str) -> None:
    header = f"{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    refused(written(tmp_path / "x.npz", ("inputs.npy", npy(np.ones(4), header))), "declares .* and has 32 bytes")


@pytest.mark.parametrize(
    "header",
    [
        b"{'descr': '<f8', 'fortran_order': False, 'shape': (4,), 'more': 1}",
        b"{'descr': '<f8', 'fortran_order': False, 'shape': (4.0,)}",
        b"{'descr': '<f8', 'fortran_order': False, 'shape': __import__('os').system('true')}",
        b"{'descr': '<f8', }  rtran_order': False, 'shape': (5,), }",
        b"(" * 9000,
        b"{'descr': '<q8', 'fortran_order': False, 'shape': (4,)}",
        b"\xff" * 100,
        b"",
    ],
)
def test_a_header_that_is_none(tmp_path: Path, header: bytes) -> None:
    refused(written(tmp_path / "x.npz", ("inputs.npy", npy(np.ones(4), header))), "cannot be read|header")


class Payload:
    """Makes a folder when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return Path.mkdir, (self.path,)


def test_arrays_of_objects_are_not_unpickled(tmp_path: Path) -> None:
    path, trap = tmp_path / "x.npz", tmp_path / "trap"
    np.savez(path, inputs=np.ones((1, 2)), extra=np.array([Payload(trap)], object))
    refused(path, "not unpickled")
    np.savez(path, inputs=np.array([(1, 2)], dtype=[("a", "i4"), ("b", "O")]))
    refused(path, "not unpickled")
    written(path, ("inputs.npy", pickle.dumps(Payload(trap))))
    refused(path, "magic")
    assert not trap.exists()


def test_what_is_no_array(tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    np.savez(path, inputs=np.zeros(2, dtype=[("a", "i4"), ("b", "f8")]))
    refused(path, "an array of")
    refused(written(path, ("inputs.npy", npy(np.ones(4))), ("readme.txt", b"x")), "'readme.txt' is no array")
    refused(written(path, ("inputs.npy", npy(np.ones(4))), ("inputs.npy", npy(np.ones(4)))), "one name")
    refused(written(path, ("inputs.npy", b"")), "cannot be read|EOF|expected")


def test_a_bomb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "MOST_BYTES", 2**18)
    path = tmp_path / "x.npz"
    np.savez_compressed(path, inputs=np.zeros((1, 2**20)))
    refused(path, r"declares 8388\d+ bytes; expected at most 262144 where compressed|declares 8388")
    np.savez(path, inputs=np.zeros((1, 2**17)))  # a file of a MB may hold a MB
    assert read_npz(path)["inputs"].size == 2**17
    np.savez_compressed(path, inputs=np.random.default_rng(0).normal(size=(1, 2**15)))
    assert read_npz(path)["inputs"].size == 2**15


@pytest.mark.parametrize("size", [2**40, 2**31, 0])
def test_a_size_in_the_directory_that_is_another(tmp_path: Path, size: int) -> None:
    path = written(tmp_path / "x.npz", ("inputs.npy", npy(np.ones((2, 2)))), method=zipfile.ZIP_STORED)
    data = bytearray(path.read_bytes())
    at = data.rindex(b"PK\x01\x02")
    struct.pack_into("<II", data, at + 20, size % 2**32, size % 2**32)
    path.write_bytes(data)
    refused(path, "declares|cannot be read")


def test_an_array_alone_is_told_how_to_be_named(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.ones((2, 2)))
    with pytest.raises(DataError, match=r"one array without a name.*numpy\.savez\(FILE, inputs=array\)"):
        source.load(f"npz:{tmp_path / 'x.npy'}")
