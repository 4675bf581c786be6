"""Tensors of an ONNX file as arrays, their declared sizes held against what is there before anything is allocated."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

import numpy as np
import onnx

from spikec.errors import ModelFileError, why_unread
from spikec.frontend.onnx.symbol import Numbers

DTYPES: dict[int, type[np.generic]] = {
    onnx.TensorProto.FLOAT: np.float32,
    onnx.TensorProto.DOUBLE: np.float64,
    onnx.TensorProto.FLOAT16: np.float16,
    onnx.TensorProto.BOOL: np.bool_,
    onnx.TensorProto.INT8: np.int8,
    onnx.TensorProto.INT16: np.int16,
    onnx.TensorProto.INT32: np.int32,
    onnx.TensorProto.INT64: np.int64,
    onnx.TensorProto.UINT8: np.uint8,
    onnx.TensorProto.UINT16: np.uint16,
    onnx.TensorProto.UINT32: np.uint32,
    onnx.TensorProto.UINT64: np.uint64,
}
"""The element types that are read; a tensor of another one is refused where it is used."""

# Where a tensor without raw_data keeps its numbers; all others are in int32_data (onnx.proto, TensorProto).
_FIELDS: dict[int, str] = {
    onnx.TensorProto.FLOAT: "float_data",
    onnx.TensorProto.DOUBLE: "double_data",
    onnx.TensorProto.INT64: "int64_data",
    onnx.TensorProto.UINT32: "uint64_data",
    onnx.TensorProto.UINT64: "uint64_data",
}
_TYPED = ("float_data", "double_data", "int32_data", "int64_data", "uint64_data", "string_data")
MOST_AXES = 32
MOST_DIGITS = 19


def type_name(number: int) -> str:
    """The element type in words, such as 'bfloat16'."""
    known: dict[int, str] = {value: key for key, value in onnx.TensorProto.DataType.items()}
    return known.get(number, f"type {number}").lower()


@dataclass
class Loader:
    """Reads the tensors of one file.

    Args:
        path: of the file; data beside it must lie in its folder.
        most: bytes that all tensors together may take.
        spent: bytes that they took so far.
    """

    path: Path
    most: int
    spent: int = 0

    def array(self, tensor: onnx.TensorProto, name: str) -> Numbers | None:
        """The numbers, or None where the element type is not read.

        Raises:
            ModelFileError: the declared shape is not that of the data, is too large, or the data lie elsewhere.
        """
        if tensor.data_type not in DTYPES:
            return None
        dtype = np.dtype(DTYPES[tensor.data_type])
        shape = tuple(tensor.dims)
        if len(shape) > MOST_AXES or any(size < 0 for size in shape):
            raise self.bad(name, f"a shape of {list(shape)[:8]}", f"at most {MOST_AXES} axes of 0 or more")
        declared = prod(shape) * dtype.itemsize
        self.spend(declared, name)
        if tensor.HasField("segment"):
            raise self.bad(name, "a segment of a tensor", "whole tensors")
        if tensor.data_location == onnx.TensorProto.EXTERNAL:
            raw = self._external(tensor, declared, name)
        elif tensor.HasField("raw_data"):
            raw = tensor.raw_data
        else:
            return self._typed(tensor, dtype, shape, name)
        if len(raw) != declared or any(len(getattr(tensor, field)) for field in _TYPED):
            raise self.bad(name, f"{len(raw)} bytes of data for a shape of {list(shape)}", f"{declared} bytes, once")
        if dtype == np.bool_:
            return np.asarray(np.frombuffer(raw, np.uint8).reshape(shape) != 0)
        return np.frombuffer(raw, dtype.newbyteorder("<")).reshape(shape).astype(dtype, copy=False)

    def spend(self, declared: int, name: str) -> None:
        """Counts what is about to be allocated.

        Raises:
            ModelFileError: it is more than the file may take.
        """
        self.spent += declared
        if self.spent > self.most:
            found = f"its tensors up to '{name}' declare {self.spent} bytes"
            mend = "--max-bytes where so large a network is meant"
            raise ModelFileError(found, where=str(self.path), expected=f"at most {self.most}", mend=mend)

    def bad(self, name: str, found: str, expected: str) -> ModelFileError:
        """The error of a tensor that is not what it says."""
        return ModelFileError(f"tensor '{name}' has {found}", where=str(self.path), expected=expected)

    def _typed(self, tensor: onnx.TensorProto, dtype: np.dtype[Any], shape: Sequence[int], name: str) -> Numbers:
        field = _FIELDS.get(tensor.data_type, "int32_data")
        stored: Sequence[Any] = getattr(tensor, field)  # Any: the numbers of the field's own type
        others = any(len(getattr(tensor, other)) for other in _TYPED if other != field)
        if len(stored) != prod(shape) or others:
            found = f"{len(stored)} numbers in {field} for a shape of {list(shape)}"
            raise self.bad(name, found, f"{prod(shape)} numbers, and in {field} alone")
        if dtype == np.float16:  # as the bits of it
            numbers = np.array(stored, np.int64).astype(np.uint16).view(np.float16)
        elif dtype.kind in "iu":
            wide = np.array(stored, np.uint64 if field == "uint64_data" else np.int64)
            numbers = wide.astype(dtype)
            if not np.array_equal(numbers.astype(wide.dtype), wide):
                raise self.bad(name, f"numbers beyond {dtype}", f"what {dtype} holds")
        else:
            numbers = np.array(stored, dtype)
        return numbers.reshape(shape)

    def _external(self, tensor: onnx.TensorProto, declared: int, name: str) -> bytes:
        """The bytes of a tensor that lies in a file of its own, beside the .onnx."""
        said = {entry.key: entry.value for entry in tensor.external_data}
        offset = self._number(said.get("offset", "0"), name)
        length = self._number(said.get("length", str(declared)), name)
        file = self._beside(said.get("location"), name)
        try:
            held = file.stat().st_size
            if length != declared or offset + length > held:
                found = f"bytes {offset} to {offset + length} of '{file.name}', which has {held}"
                raise self.bad(name, found, f"{declared} bytes of it")
            with file.open("rb") as stream:
                stream.seek(offset)
                return stream.read(length)
        except OSError as error:
            raise self.bad(name, f"data in '{file.name}': {why_unread(error)}", "a file that can be read") from error

    def _beside(self, location: object, name: str) -> Path:
        """The file of that name, which must lie in the model's folder or below."""
        if not isinstance(location, str) or not location or "\0" in location:
            raise self.bad(name, f"data at {location!r}", "the name of a file in the model's folder")
        windows, posix = PureWindowsPath(location), PurePosixPath(location)
        leaves = windows.drive or windows.root or posix.root or ".." in (*windows.parts, *posix.parts)
        try:
            folder = self.path.parent.resolve()
            file = (folder / location).resolve()  # of a link, where it leads
        except (OSError, RuntimeError) as error:
            raise self.bad(name, f"data at '{location}': {error}", "a file in the model's folder") from error
        if leaves or not file.is_relative_to(folder):
            raise self.bad(name, f"data at '{location}', outside the model's folder", "a file in it")
        if not file.is_file():
            raise self.bad(name, f"data at '{location}', where there is no file", "a file in the model's folder")
        return file

    def _number(self, text: object, name: str) -> int:
        if not isinstance(text, str) or not (text.isascii() and text.isdigit() and len(text) < MOST_DIGITS):
            raise self.bad(name, f"a place of {text!r} in its file", "a number of bytes")
        return int(text)
