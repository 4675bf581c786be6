"""The tensors of a .pt2 file: raw bytes of their storages, seen through declared sizes and strides.

torch 2.13 pickles only tensors of subclasses; such a file is refused (torch/export/pt2_archive/_package.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import prod

import torch
from torch import Tensor

from spikec.frontend.pt2.archive import Archive
from spikec.frontend.pt2.field import plain, rows, table
from spikec.frontend.pt2.schema import meta_of, whole_of

FORMATS: Mapping[str, torch.dtype] = {
    "uint8": torch.uint8,
    "int8": torch.int8,
    "int16": torch.int16,
    "int32": torch.int32,
    "int64": torch.int64,
    "float16": torch.float16,
    "float32": torch.float32,
    "float64": torch.float64,
    "bool": torch.bool,
    "bfloat16": torch.bfloat16,
}
MOST_AXES = 16
MOST_NUMBER = 2**40
FOLDERS = {"weights": "data/weights", "constants": "data/constants"}


@dataclass
class Loader:
    """Reads the tensors of one archive.

    Args:
        archive: checked.
        spent: bytes that the tensors took so far.
        parts: of the archive that were read, since several tensors may lie in one.
    """

    archive: Archive
    spent: int = 0
    parts: dict[str, bytearray] = field(default_factory=dict)

    def all(self, program: str) -> dict[str, Tensor]:
        """Every parameter, buffer and constant of a program by its path; equal ones are one tensor.

        Raises:
            ModelFileError: a tensor is pickled, reaches past its bytes, or all take too much.
        """
        found: dict[str, Tensor] = {}
        known: dict[str, Tensor] = {}
        for kind, folder in FOLDERS.items():
            name = f"{folder}/{program}_{kind}_config.json"
            if name not in self.archive.sizes:
                continue
            config = table(table(self.archive.json_of(name), name).get("config"), name)
            for path, entry in config.items():
                payload = table(entry, path)
                key = f"{folder}/{payload.get('path_name')} {payload.get('tensor_meta')}"
                if key not in known:
                    known[key] = self._tensor(path, payload, folder)
                found[path] = known[key]
        return found

    def _tensor(self, path: str, payload: Mapping[str, object], folder: str) -> Tensor:
        where = f"tensor '{path:.80}'"
        if payload.get("use_pickle") is not False:
            found = f"{where} is a pickled object, which could run any code when read; refused without executing it"
            raise self.archive.bad(found, "export with plain tensors as weights")
        said = table(payload.get("tensor_meta"), where)
        meta = meta_of(said, where)
        strides = [whole_of(stride, where) for stride in rows(said.get("strides"), where)]
        sizes = [size for size in meta.sizes if isinstance(size, int)]
        offset = whole_of(said.get("storage_offset"), where)
        if meta.format not in FORMATS or said.get("layout") != 7 or len(sizes) != len(meta.sizes):
            raise self.archive.bad(f"{where} is no dense tensor of plain numbers: {meta.format}")
        if len(strides) != len(sizes) or len(sizes) > MOST_AXES:
            raise self.archive.bad(f"{where} has {len(sizes)} sizes and {len(strides)} strides")
        dtype = FORMATS[meta.format]
        last = offset + sum((size - 1) * stride for size, stride in zip(sizes, strides, strict=True))
        count = prod(sizes)
        if (
            max((offset, *strides, *sizes), default=0) > MOST_NUMBER
            or prod(max(size, 1) for size in sizes) > MOST_NUMBER
        ):
            raise self.archive.bad(f"{where} has sizes {sizes}, strides {strides} from {offset}")
        self._spend(count * dtype.itemsize, where)
        part = f"{folder}/{plain(payload.get('path_name'), str, where)}"
        if count == 0:
            return torch.zeros(sizes, dtype=dtype)
        held = self.archive.sizes.get(part, 0) // dtype.itemsize
        if last >= held:
            raise self.archive.bad(f"{where} reaches to element {last} of '{part}', which holds {held}")
        if part not in self.parts:
            self.parts[part] = bytearray(self.archive.bytes_of(part))
        raw = torch.uint8 if dtype == torch.bool else dtype  # a truth is any byte but 0
        flat = torch.frombuffer(self.parts[part], dtype=raw, count=held)
        dense = flat.as_strided(sizes, strides, offset).clone(memory_format=torch.contiguous_format)
        return dense != 0 if dtype == torch.bool else dense

    def _spend(self, size: int, where: str) -> None:
        self.spent += size
        if self.spent > self.archive.most:
            found = f"the tensors up to {where} declare {self.spent} bytes, of {self.archive.most} at most"
            raise self.archive.bad(found, "--max-bytes where so large a network is meant")
