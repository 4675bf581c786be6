"""Mutators of zip archives, of what torch.save writes into them, and of arrays of numpy's."""

from __future__ import annotations

import io
import random
import struct
import zipfile
from typing import Any

import torch
from bytes_mutants import BROKEN, BYTES, HOSTILE, NUMBERS, digits, swap, token

Random = random.Random
Parts = list[tuple[str, bytes]]
NAMES = (
    "",
    "..",
    "../../x",
    "/tmp/x",
    "a/../../x",
    "data.pkl",
    "x/data.pkl",
    "x\0y",
    "x" * 60_000,
    "\udc80".encode("utf-8", "replace").decode(),
)
CENTRAL, LOCAL = b"PK\x01\x02", b"PK\x03\x04"
FIELDS = ((8, "H"), (10, "H"), (16, "I"), (20, "I"), (24, "I"), (42, "I"))
"""Offsets in an entry of the central directory: flags, method, CRC, sizes, place."""


def parts_of(data: bytes) -> Parts | None:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return [(info.filename, archive.read(info)) for info in archive.infolist()]
    except BROKEN:  # what an earlier mutation broke is no archive any more
        return None


def packed(parts: Parts, rng: Random) -> bytes:
    file = io.BytesIO()
    method = rng.choice((zipfile.ZIP_STORED, zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, content in parts:
            archive.writestr(zipfile.ZipInfo(name), content, compress_type=method)
    return file.getvalue()


def member(rng: Random, data: bytes) -> bytes:
    """One member is mutated, its checksum right."""
    parts = parts_of(data)
    if not parts:
        return data
    at = rng.randrange(len(parts))
    name, content = parts[at]
    if content:
        parts[at] = name, rng.choice(BYTES)(rng, content)
    return packed(parts, rng)


def pickled(rng: Random, data: bytes) -> bytes:
    """The pickle is mutated, its checksum right."""
    parts = [
        (name, rng.choice(BYTES)(rng, content) if name.endswith(".pkl") and content else content)
        for name, content in parts_of(data) or ()
    ]
    return packed(parts, rng) if parts else data


def described(rng: Random, data: bytes) -> bytes:
    """A word or number of JSON is another, its checksum right."""
    parts = parts_of(data)
    places = [at for at, (name, content) in enumerate(parts or ()) if content[:1] == b"{"]
    if not parts or not places:
        return data
    at = rng.choice(places)
    parts[at] = parts[at][0], rng.choice((digits, digits, token, swap))(rng, parts[at][1])
    return packed(parts, rng)


def members(rng: Random, data: bytes) -> bytes:
    """A member is lost, doubled, renamed, exchanged or blown up."""
    parts = parts_of(data)
    if not parts:
        return data
    a, b = rng.randrange(len(parts)), rng.randrange(len(parts))
    name, content = parts[a]
    kind = rng.randrange(5)
    if kind == 0:
        del parts[a]
    elif kind == 1:
        parts.insert(b, (name, parts[b][1]))
    elif kind == 2:
        parts[a] = rng.choice(NAMES), content
    elif kind == 3:
        parts[a], parts[b] = (name, parts[b][1]), (parts[b][0], content)
    else:
        parts[a] = name, content + bytes(2**23)
    return packed(parts, rng)


def directory(rng: Random, data: bytes) -> bytes:
    """A field of the central directory is another."""
    places = [at for at in range(len(data)) if data.startswith(CENTRAL, at)]
    if not places:
        return data
    offset, form = rng.choice(FIELDS)
    at = rng.choice(places) + offset
    size = struct.calcsize(form)
    value = rng.choice(NUMBERS) & (256**size - 1)
    return data[:at] + value.to_bytes(size, "little") + data[at + size :]


def held(rng: Random, data: bytes) -> bytes:
    """Something in the plain data that torch.save wrote is something else."""
    try:
        plain = torch.load(io.BytesIO(data), weights_only=True)
    except BROKEN:  # what an earlier mutation broke holds no data any more
        return data
    places = list(_places(plain))
    if not places:
        return data
    holder, key = rng.choice(places)
    kind = rng.randrange(6)
    if kind == 0:
        del holder[key]
    elif kind == 1:
        other, name = rng.choice(places)
        holder[key] = other[name]  # possibly what holds it: a cycle
    elif kind == 2 and isinstance(holder, dict):
        holder[rng.choice(KEYS)] = holder.pop(key)
    else:
        holder[key] = rng.choice(VALUES)()
    file = io.BytesIO()
    try:
        torch.save(plain, file)
    except BROKEN:  # what cannot be saved is no mutant
        return data
    return file.getvalue()


def _places(plain: Any, depth: int = 0) -> Any:
    if depth < 8 and isinstance(plain, dict | list):
        for key in list(plain) if isinstance(plain, dict) else range(len(plain)):
            yield plain, key
            yield from _places(plain[key], depth + 1)


def _nested(kind: Any) -> Any:
    found: Any = 1
    for _ in range(300):
        found = kind(found)
    return found


def _shared() -> Any:
    """2^40 leaves in 40 lists."""
    found: Any = ["x"]
    for _ in range(40):
        found = [found, found]
    return found


def _cycle() -> Any:
    found: list[Any] = []
    found.append(found)
    return found


KEYS = ("", "../x", 7, None, (1, 2), "x" * 100_000, "\x1b[31m", "a b", 1e300, True)
VALUES = (
    *(lambda value=value: value for value in (0, -1, 1, 2**70, 10**12, 1e308, float("nan"), float("inf"), None, True)),
    *(
        lambda value=value: value
        for value in ("", "x", "x" * 100_000, "\x1b[31m", "../../x", b"x", 1j, frozenset((1,)))
    ),
    *(lambda text=text: text.decode("latin-1") for text in HOSTILE[:12]),
    *(list, dict, tuple, _shared, _cycle, lambda: _nested(lambda v: [v]), lambda: _nested(lambda v: {"a": v})),
    lambda: torch.zeros(1).expand(10**6, 10**6),
    lambda: torch.zeros(1, dtype=torch.float64).expand(2**40),
    lambda: torch.zeros(0),
    lambda: torch.zeros(2, 2, device="meta"),
    lambda: torch.eye(3).to_sparse(),
    lambda: torch.quantize_per_tensor(torch.ones(3), 0.1, 0, torch.quint8),
    lambda: torch.full((3, 4), float("nan")),
    lambda: torch.ones((), dtype=torch.cfloat),
    lambda: torch.ones((), dtype=torch.bfloat16),
    lambda: torch.ones(3, dtype=torch.bool),
    lambda: torch.ones((1,) * 60),
    lambda: torch.nn.Parameter(torch.ones(2)),
    lambda: torch.Size((1, 2)),
)
RAW = (directory, *BYTES)
"""Those that leave every checksum as it was: what is still read is what was written."""
ZIP = (member, members, *RAW)
PT2 = (described, described, described, described, *ZIP)
TORCH = (held, held, held, pickled, pickled, *ZIP)
