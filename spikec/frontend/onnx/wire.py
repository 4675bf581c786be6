"""What parsing an ONNX file would take in memory, counted along its wire format before anything is built of it.

A protobuf message of two bytes becomes an object of some two hundred, so the size of a file bounds nothing: 10 MB of
empty nodes are 770 MB. Large arrays and texts cost what they are long, everything else many times that.
"""

from __future__ import annotations

from collections.abc import Mapping

from spikec.errors import ModelFileError

OBJECT_BYTES = 256
"""Memory of one field, from measurements: an empty message is at most this."""
EXPANSION = 128
"""Memory of one byte inside a message that is not walked: it may hold a message every two bytes."""
BULK_EXPANSION = 2
"""Memory of one byte of text or of fixed-width numbers: an array may grow by doubling."""

_BULK = "bulk"
_PAIR = "pair"
# Field numbers of onnx.proto (onnx 1.23), which protobuf never lets change. What is not named is not walked.
_INNER: Mapping[str, Mapping[int, str]] = {
    "model": {7: "graph", 8: _PAIR, 14: _PAIR} | dict.fromkeys((2, 3, 4, 6), _BULK),
    "graph": {1: "node", 5: "tensor", 16: _PAIR} | dict.fromkeys((2, 10), _BULK),
    "node": {5: "attribute", 9: _PAIR} | dict.fromkeys((1, 2, 3, 4, 6, 7, 8), _BULK),
    "attribute": {5: "tensor", 10: "tensor"} | dict.fromkeys((1, 4, 13), _BULK),
    "tensor": {13: _PAIR, 16: _PAIR} | dict.fromkeys((4, 8, 9, 10, 12), _BULK),
    _PAIR: dict.fromkeys((1, 2), _BULK),
}
_FIXED = {1: 8, 5: 4}
_MOST_VARINT = 10


def parsed_bytes(data: bytes, most: int) -> int:
    """An upper bound of the memory that parsing `data` takes; counting ends above `most`.

    Raises:
        ModelFileError: it is no protobuf message.
    """
    total = 0
    waiting = [(0, len(data), "model")]
    while waiting:
        at, stop, kind = waiting.pop()
        inner = _INNER[kind]
        while at < stop:
            key, at = _varint(data, at, stop)
            total += OBJECT_BYTES
            wire = key & 7
            if wire == 0:
                _, at = _varint(data, at, stop)
            elif wire in _FIXED:
                at += _FIXED[wire]
            elif wire == 2:
                size, at = _varint(data, at, stop)
                part = inner.get(key >> 3)
                if part is not None and part in _INNER:
                    waiting.append((at, at + size, part))
                else:
                    total += size * (BULK_EXPANSION if part == _BULK else EXPANSION)
                at += size
            else:
                raise _malformed(at)
            if at > stop:
                raise _malformed(stop)
            if total > most:
                return total
    return total


def _varint(data: bytes, at: int, stop: int) -> tuple[int, int]:
    value = 0
    for place in range(_MOST_VARINT):
        if at >= stop:
            break
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << (7 * place)
        if byte < 0x80:
            return value, at
    raise _malformed(at)


def _malformed(at: int) -> ModelFileError:
    return ModelFileError(f"it is no protobuf message, or cut short: byte {at}")
