"""The heaps in which HDF5 keeps text of varying length, checked before its library walks them.

The library (1.14) goes on from object to object by their sizes and never ends where a damaged one is 0. Source: HDF5
file format specification 3.0, III.E, 'Disk Format: Level 1E - Global Heap'.
"""

from __future__ import annotations

import mmap
from pathlib import Path

SIGNATURE = b"GCOL"
HEAD = (
    16  # of a heap: signature, version, 3 reserved bytes, size in 8; of an object: index, uses, 4 reserved, size in 8
)
LEAST = 4096


def fault_in_heaps(path: Path) -> str:
    """What is wrong with a global heap of the file, whose sizes are of 8 bytes; empty where nothing is.

    Args:
        path: of a file that is not empty.
    """
    walked = 0
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as whole:
        at = whole.find(SIGNATURE)
        while at >= 0:
            size = _number(whole, at + 8)
            if whole[at + 4 : at + 5] == b"\x01" and LEAST <= size <= len(whole) - at:
                objects = _objects(whole, at, size)
                if objects is None:
                    return f"the heap at byte {at} holds an object that ends before it begins, or outside"
                walked += objects
                # Heaps that lie in each other would be walked again and again; true ones share no byte.
                if walked * HEAD > len(whole):
                    return "its heaps lie in each other"
            at = whole.find(SIGNATURE, at + 1)
    return ""


def _objects(whole: mmap.mmap, start: int, size: int) -> int | None:
    """How many objects a heap holds; None where they do not follow each other to its end."""
    at, end, count = start + HEAD, start + size, 0
    while end - at >= HEAD:
        stated = _number(whole, at + 8)
        # The free space, of index 0, counts its own head.
        length = stated if whole[at : at + 2] == b"\0\0" else HEAD + -(-stated // 8) * 8
        if not HEAD <= length <= end - at:
            return None
        at += length
        count += 1
    return count


def _number(whole: mmap.mmap, at: int) -> int:
    return int.from_bytes(whole[at : at + 8], "little")
