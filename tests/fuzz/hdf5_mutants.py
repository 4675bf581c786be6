"""Mutators of HDF5 files that know their groups, datasets, types, attributes and links."""

from __future__ import annotations

import io
import random
import warnings

import h5py
import numpy as np
from bytes_mutants import BROKEN, BYTES, HOSTILE, NUMBERS

Random = random.Random
TYPES = ("i1", "u8", "i8", "f2", "f4", "f8", "S3", "S1000", "c8", "b1", "O", "V4", "(3)i4")
SHAPES = ((), (0,), (1,), (1, 1, 1), (2, 0, 3), (2**40,), (2**20, 2**20), (2**31, 2**31), (1,) * 32, (7,), (3, 5))
WORDS = ("", "Input", "NIRGraph", "LIF", "Delay", "conv", "dense", "input", "x" * 50_000, "../x", "\x1b[31m", "größer")


def structure(rng: Random, data: bytes) -> bytes:
    """One group, dataset, link or attribute is another."""
    file = io.BytesIO(data)
    try:
        with warnings.catch_warnings(), h5py.File(file, "r+") as whole:
            warnings.simplefilter("ignore")
            names: list[str] = []
            whole.visit(names.append)
            if not names:
                return data
            name = rng.choice(names)
            rng.choice(CHANGES)(rng, whole, name, names)
    except BROKEN:  # what an earlier mutation broke, or what HDF5 will not do: no mutant
        return data
    return file.getvalue()


def _remove(rng: Random, whole: h5py.File, name: str, names: list[str]) -> None:
    del whole[name]


def _rename(rng: Random, whole: h5py.File, name: str, names: list[str]) -> None:
    folder = name.rpartition("/")[0]
    whole.move(name, f"{folder}/{rng.choice(('x', '0', 'a b', '..', 'weight', 'type', 'é', 'x' * 5000, '-', '1'))}")


def _link(rng: Random, whole: h5py.File, name: str, names: list[str]) -> None:
    """A hard link to another (or to what holds it: a cycle), a soft one, or one into another file."""
    other = rng.choice([*names, "/"])
    links = (whole[other], whole[other], h5py.SoftLink(f"/{other}"), h5py.ExternalLink("/etc/passwd", "/"))
    found = rng.choice((*links, h5py.ExternalLink("other.h5", "/")))
    del whole[name]
    whole[name] = found


def _exchange(rng: Random, whole: h5py.File, name: str, names: list[str]) -> None:
    other = rng.choice(names)
    whole.move(name, "kept")
    whole.move(other, name)
    whole.move("kept", other)


def _numbers(rng: Random, whole: h5py.File, name: str, names: list[str]) -> None:
    """Some numbers of a dataset are hostile ones."""
    data = whole[name]
    if not isinstance(data, h5py.Dataset) or data.dtype.kind not in "fiu":
        return _text(rng, whole, name, names)
    array = np.asarray(data[()])
    flat = array.reshape(-1)
    hostile = (float("nan"), float("inf"), -float("inf"), 1e300, 0.5, *map(float, NUMBERS), *range(-3, 4))
    with np.errstate(all="ignore"):
        for _ in range(rng.choice((1, 1, flat.size))):
            flat[rng.randrange(flat.size)] = np.asarray(rng.choice(hostile)).astype(array.dtype)
    data[()] = flat.reshape(array.shape)
    return None


def _text(rng: Random, whole: h5py.File, name: str, names: list[str]) -> None:
    del whole[name]
    whole[name] = rng.choice((*WORDS, *(text.decode("latin-1").replace("\0", "") for text in HOSTILE)))


def _another(rng: Random, whole: h5py.File, name: str, names: list[str]) -> None:
    """Another type and shape, little of it written."""
    del whole[name]
    shape, kind = rng.choice(SHAPES), np.dtype(rng.choice(TYPES))
    chunks = tuple(min(size, rng.choice((1, 64, 2**20))) for size in shape) if shape and 0 not in shape else None
    if kind.kind == "O":
        kind = h5py.string_dtype()
    packing = rng.choice((None, "gzip", "lzf")) if chunks else None
    whole.create_dataset(name, shape, kind, chunks=chunks, compression=packing)


def _reshape(rng: Random, whole: h5py.File, name: str, names: list[str]) -> None:
    """The same numbers in another shape or type."""
    array = np.asarray(whole[name][()])
    del whole[name]
    with np.errstate(all="ignore"):
        kinds = (array.reshape(-1), array[None], array.T, array.astype("f4"), array.astype("i8"), array.reshape(-1)[:1])
        whole[name] = rng.choice(kinds)


def _group(rng: Random, whole: h5py.File, name: str, names: list[str]) -> None:
    """A group in its place, or groups in each other."""
    del whole[name]
    whole.create_group(name + "/a" * rng.choice((1, 10, 70, 500)))


def _attribute(rng: Random, whole: h5py.File, name: str, names: list[str]) -> None:
    whole[name].attrs[rng.choice(("x", "CLASS", "type"))] = rng.choice((1, "x" * 10_000, np.arange(5), b"\xff"))


def _copy(rng: Random, whole: h5py.File, name: str, names: list[str]) -> None:
    whole.copy(name, f"{name}{rng.choice(('2', '_1', ''))}")


def _many(rng: Random, whole: h5py.File, name: str, names: list[str]) -> None:
    group = whole[name] if isinstance(whole[name], h5py.Group) else whole[name].parent
    for number in range(rng.choice((3, 300))):
        group[f"more{number}"] = number


def _edges(rng: Random, whole: h5py.File, name: str, names: list[str]) -> None:
    """Edges of a .nir file lost, doubled, turned or bent."""
    found = [other for other in names if other.rpartition("/")[2] == "edges"]
    if not found:
        return _exchange(rng, whole, name, names)
    name = rng.choice(found)
    edges = [tuple(pair) for pair in np.asarray(whole[name][()]).tolist()]
    at, other = rng.randrange(len(edges)), rng.choice(edges)
    kinds = (
        [],
        [edges[at]] * 2,
        [edges[at]] * 1500,
        [edges[at][::-1]],
        [(edges[at][0], other[1])],
        [edges[at], (b"a", b"b")],
    )
    edges[at : at + 1] = rng.choice(kinds)
    del whole[name]
    whole.create_dataset(name, data=edges, dtype=h5py.string_dtype())
    return None


CHANGES = (
    *(_remove, _rename, _link, _exchange, _numbers, _numbers, _numbers, _text, _another, _another, _reshape, _group),
    *(_attribute, _copy, _many, _edges),
)
HDF5 = (structure, structure, structure, structure, *BYTES)
