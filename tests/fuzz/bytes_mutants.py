"""Mutators of any bytes, and of text by its tokens. Each takes a random generator and gives other bytes."""

from __future__ import annotations

import pickle
import random
import re
import struct
import zipfile
import zlib

from google.protobuf.message import DecodeError

Random = random.Random
NUMBERS = (0, 1, -1, 2, 127, 255, 2**15, 2**16, 2**31 - 1, 2**31, 2**32 - 1, 2**32, 2**40, 2**63 - 1, -(2**63), 10**12)
BROKEN = (
    *(ArithmeticError, AssertionError, AttributeError, EOFError, LookupError, MemoryError, OSError, RuntimeError),
    *(TypeError, ValueError, pickle.PickleError, struct.error, zipfile.BadZipFile, zlib.error, DecodeError),
)
"""What a file that an earlier mutation broke makes the makers of the next one raise; they then leave it as it is."""
MOST = 2**20
"""Bytes up to which blocks are doubled, so that several mutations in a row stay small."""


def span(rng: Random, size: int) -> tuple[int, int]:
    """Where a block begins and ends: mostly some bytes, at times a good part of the whole."""
    start = rng.randrange(size)
    return start, min(size, start + rng.choice((1, 2, 4, 8, 16, 64, 512, max(1, size // 3))))


def flip(rng: Random, data: bytes) -> bytes:
    found = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 8))):
        found[rng.randrange(len(found))] ^= 1 << rng.randrange(8)
    return bytes(found)


def put(rng: Random, data: bytes) -> bytes:
    found = bytearray(data)
    found[rng.randrange(len(found))] = rng.choice((0, 1, 0x7F, 0x80, 0xFF, rng.randrange(256)))
    return bytes(found)


def number(rng: Random, data: bytes) -> bytes:
    """A little-endian integer of 1 to 8 bytes becomes a hostile one."""
    size = rng.choice((1, 2, 4, 8))
    start = rng.randrange(len(data))
    value = rng.choice(NUMBERS) & (256**size - 1)
    return data[:start] + value.to_bytes(size, "little") + data[start + size :]


def cut(rng: Random, data: bytes) -> bytes:
    return data[: rng.randrange(len(data))]


def remove(rng: Random, data: bytes) -> bytes:
    start, stop = span(rng, len(data))
    return data[:start] + data[stop:]


def blank(rng: Random, data: bytes) -> bytes:
    start, stop = span(rng, len(data))
    return data[:start] + bytes(stop - start) + data[stop:]


def double(rng: Random, data: bytes) -> bytes:
    start, stop = span(rng, len(data))
    times = rng.choice((2, 2, 3, 100)) if len(data) < MOST else 1
    return data[:start] + data[start:stop] * times + data[stop:]


def splice(rng: Random, data: bytes) -> bytes:
    """A block is written over another place."""
    start, stop = span(rng, len(data))
    to = rng.randrange(len(data))
    return data[:to] + data[start:stop] + data[to + stop - start :]


def insert(rng: Random, data: bytes) -> bytes:
    at = rng.randrange(len(data))
    return data[:at] + rng.randbytes(rng.choice((1, 4, 32))) + data[at:]


BYTES = (flip, put, number, cut, remove, blank, double, splice, insert)

TOKENS = re.compile(rb"[A-Za-z_][A-Za-z0-9_.\-]*|-?[0-9][0-9.eE+\-]*|\s+|.", re.DOTALL)
HOSTILE = (
    *(
        b"0",
        b"-1",
        b"1e999",
        b"-1e999",
        b"NaN",
        b"nan",
        b"Infinity",
        b"inf",
        b"1e-400",
        b"-0.0",
        b"99999999999999999999",
    ),
    *(b"9" * 5000, b"1" * 400, b"0x10", b"1_0", b"\xd9\xa3", b"true", b"null", b"None", b"''", b'""', b'"a"', b"[]"),
    *(
        b"{}",
        b"()",
        b"%",
        b"@",
        b"#",
        b"\n",
        b"\r",
        b"\0",
        b"\x1b[31m",
        b"\xff",
        b"\xe2\x80\xae",
        b"../../x",
        b"/etc/passwd",
    ),
    *(b"[" * 100_000, b'{"a":' * 100_000, b"(" * 3000, b"-" * 3000, b"a." * 3000, b"a" * 100_000, b"__import__('os')"),
)


def token(rng: Random, data: bytes) -> bytes:
    """A word, a number or a sign becomes a hostile one."""
    found = TOKENS.findall(data)
    found[rng.randrange(len(found))] = rng.choice(HOSTILE)
    return b"".join(found)


def swap(rng: Random, data: bytes) -> bytes:
    """Two words, numbers or signs change places, or one takes the place of another."""
    found = TOKENS.findall(data)
    a, b = rng.randrange(len(found)), rng.randrange(len(found))
    found[a], found[b] = found[b], rng.choice((found[a], found[b]))
    return b"".join(found)


def lines(rng: Random, data: bytes) -> bytes:
    """A line is lost, doubled or moved."""
    found = data.splitlines(keepends=True)
    a, b = rng.randrange(len(found)), rng.randrange(len(found))
    line = found[a]
    kind = rng.randrange(3)
    if kind != 1:
        del found[a]
    if kind != 0:
        found.insert(b, line)
    return b"".join(found)


def digits(rng: Random, data: bytes) -> bytes:
    """A number becomes another small one."""
    found = TOKENS.findall(data)
    places = [at for at, word in enumerate(found) if word[:1].isdigit()]
    for at in rng.sample(places, min(len(places), rng.choice((1, 1, 3)))):
        found[at] = str(rng.choice((0, 1, 2, 3, 4, 5, 7, 16, 1000, 0.5, -1))).encode()
    return b"".join(found)


TEXT = (digits, digits, digits, token, token, token, swap, swap, lines, lines, *BYTES)
