"""The stored parts of an HDF5 dataset, looked at before its library reads them.

The library (2.0) believes what they say: it unpacks a chunk to its end, though that is a thousand times what the chunk
declares, and allocates for a text what its reference states before it looks for it. Sources: HDF5 file format
specification 3.0, IV.A.2.d (datatype message, variable-length) and III.E (global heap); LibLZF's lzf_d.c, for the form.
"""

from __future__ import annotations

import zlib
from math import prod
from pathlib import Path

import h5py
import numpy as np

REFERENCE = 16
"""Bytes of a reference to a text: its length in 4, the address of a heap in 8, an index in 4."""
CHECKSUM = 4
MOST_SHARED = 2
"""Times the file's size that the chunks of a dataset may have; each is written once, and none is shared."""
TEXT_LAYOUTS = (h5py.h5d.CONTIGUOUS, h5py.h5d.CHUNKED)


def fault_in_parts(data: h5py.Dataset, path: Path) -> str:
    """What is wrong with the chunks of a dataset, or with its references to texts; empty where nothing is.

    Args:
        data: of filters that are known.
        path: of its file, in which it lies.
    """
    text = h5py.check_string_dtype(data.dtype)
    refers = text is not None and text.length is None
    if data.chunks is None and not refers:
        return ""  # numbers as they are: the file has them or not
    layout, longest = data.id.get_create_plist(), path.stat().st_size
    packed = {layout.get_filter(place)[0] for place in range(layout.get_nfilters())}
    if refers and (layout.get_layout() not in TEXT_LAYOUTS or h5py.h5z.FILTER_LZF in packed):
        return "texts that are kept in its header, or packed by lzf"
    parts = _parts(data)
    if sum(size for _, size, _ in parts) > MOST_SHARED * longest:
        return "chunks that share their bytes, or are longer than the file"
    most = prod(data.chunks or ()) * (REFERENCE if refers else data.dtype.itemsize)
    with path.open("rb") as file:
        for place, size, mask in parts:
            file.seek(place)
            raw = file.read(size)
            plain = unpacked(data, raw, mask, most) if data.chunks else raw
            if plain is None or (data.chunks and len(plain) > most):
                return "a chunk that holds more than it declares, or is damaged"
            if refers and not _fit(plain, longest):
                return "a text that is longer than the file"
    return ""


def _parts(data: h5py.Dataset) -> list[tuple[int, int, int]]:
    """Of each part that was written: where it lies, how long it is, and which filters it went without."""
    if data.chunks is None:
        place = data.id.get_offset()
        return [] if place is None else [(place, data.size * REFERENCE, 0)]
    found: list[tuple[int, int, int]] = []
    data.id.chunk_iter(lambda chunk: found.append((chunk.byte_offset, chunk.size, chunk.filter_mask)))
    return found


def _fit(references: bytes, longest: int) -> bool:
    """Whether no text is longer than the file."""
    whole = len(references) // REFERENCE * REFERENCE
    lengths = np.frombuffer(references[:whole], "<u4").reshape(-1, REFERENCE // 4)[:, 0]
    return whole == len(references) and bool((lengths <= longest).all())


def unpacked(data: h5py.Dataset, raw: bytes, mask: int, most: int) -> bytes | None:
    """A chunk as it is before its filters, or a byte more than `most` of it; None where it is damaged.

    The order of shuffled bytes is not put right where the dataset is of numbers, since nothing but their count matters.
    """
    layout = data.id.get_create_plist()
    for place in reversed(range(layout.get_nfilters())):
        kind, _, values, _ = layout.get_filter(place)
        if mask >> place & 1:
            continue
        if kind == h5py.h5z.FILTER_FLETCHER32:
            raw = raw[:-CHECKSUM]
        elif kind == h5py.h5z.FILTER_DEFLATE:
            try:
                raw = zlib.decompressobj().decompress(raw, most + CHECKSUM + 1)
            except zlib.error:
                return None
        elif kind == h5py.h5z.FILTER_LZF:
            size = lzf_size(raw, most)
            if size is None or max(values[2:3], default=0) > most:
                return None
            raw = bytes(size)
        elif kind == h5py.h5z.FILTER_SHUFFLE and data.dtype.kind == "O":
            rows = np.frombuffer(raw[: len(raw) // REFERENCE * REFERENCE], np.uint8).reshape(REFERENCE, -1)
            raw = rows.T.tobytes()
    return raw


def lzf_size(packed: bytes, most: int) -> int | None:
    """Bytes that LZF makes of `packed`, counted to `most` and a little; None where it ends within an instruction."""
    at, size = 0, 0
    while at < len(packed) and size <= most:
        control = packed[at]
        if control < 32:  # that many bytes and one more, as they are
            at, size = at + control + 2, size + control + 1
        elif control >> 5 < 7:  # a copy from before
            at, size = at + 2, size + (control >> 5) + 2
        else:  # a longer one, whose length goes on in the next byte
            at, size = at + 3, size + 9 + (packed[at + 1] if at + 1 < len(packed) else 0)
    return size if at <= len(packed) or size > most else None
