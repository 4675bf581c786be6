"""What `--data SPEC` means: samples by name or from a file, ready to be a graph's input."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from spikec.archive import read_npz
from spikec.data import digits
from spikec.data.dataset import Split
from spikec.errors import DataError, InputError, UnknownName, why_unread

NPZ = "an .npz file with an array 'inputs'"
PARTS = ("train", "validation", "test")


@dataclass(frozen=True, eq=False)
class Samples:
    """Samples with where they are from.

    Args:
        inputs: [n, *shape]; for frames [n, T, *shape].
        labels: int64 [n], or None.
        ids: int64 [n].
        spec: the whole specification, defaults filled in.
    """

    inputs: NDArray[np.float32]
    labels: NDArray[np.int64] | None
    ids: NDArray[np.int64]
    spec: str

    def take(self, count: int | None) -> Samples:
        """The first `count` samples, or all."""
        if count is None or count >= len(self.ids):
            return self
        if count < 1:
            raise DataError(f"{count} samples asked for", expected="at least 1")
        labels = None if self.labels is None else self.labels[:count]
        return Samples(self.inputs[:count], labels, self.ids[:count], self.spec)


def load(spec: str) -> Samples:
    """The samples that `spec` names.

    `digits`, `digits:SPLIT`, `digits:SPLIT:train|validation|test` (validation of split 0 unless given);
    `npz:FILE` with an array `inputs` [n, *shape] and, where there are any, `labels` and `ids`.

    Raises:
        DataError: a specification that cannot be read, or samples that cannot be used.
        UnknownName: no such data set.
    """
    name, _, rest = spec.partition(":")
    if name not in SOURCES and (spec.lower().endswith(".npz") or Path(spec).is_file()):
        raise DataError(f"'{spec}' is a file's name", expected="digits, digits:SPLIT or npz:FILE", mend=f"npz:{spec}")
    if name not in SOURCES:
        raise UnknownName(name, "data set", SOURCES)
    return SOURCES[name](rest)


def _digits(rest: str) -> Samples:
    number, _, part = rest.partition(":")
    if (number and not number.isdecimal()) or (part and part not in PARTS):
        raise DataError(f"'digits:{rest}'", expected="digits, digits:SPLIT or digits:SPLIT:train|validation|test")
    part = part or "validation"
    split: Split = getattr(digits.load(int(number or 0)), part)
    return Samples(split.samples, split.labels, split.ids, f"digits:{int(number or 0)}:{part}")


def _npz(rest: str) -> Samples:
    if not rest:
        raise DataError("npz: without a file", expected="npz:FILE")
    try:
        with Path(rest).open("rb") as file:
            head = file.read(6)
    except OSError as error:
        raise DataError(why_unread(error), where=rest, expected=NPZ) from error
    _check_magic(head, rest)
    try:
        held = read_npz(Path(rest))
    except InputError as error:
        raise DataError(error.found, where=error.where or rest, expected=NPZ) from error
    if "inputs" not in held:
        raise DataError(
            f"no array 'inputs' (it holds {sorted(held)})",
            where=rest,
            expected="inputs [samples, ...]",
            mend="numpy.savez(FILE, inputs=array), and labels=classes for an accuracy",
        )
    inputs = _numbers(held["inputs"], rest)
    labels, ids = (_of_each(held.get(name), name, len(inputs), rest) for name in ("labels", "ids"))
    return Samples(inputs, labels, np.arange(len(inputs), dtype=np.int64) if ids is None else ids, f"npz:{rest}")


def _check_magic(head: bytes, where: str) -> None:
    """Raises DataError where a file begins as no file of several arrays does."""
    if head.startswith(b"\x93NUMPY"):
        raise DataError("one array without a name", where=where, expected=NPZ, mend="numpy.savez(FILE, inputs=array)")
    if not head.startswith(b"PK"):
        found = "no file of numpy's, whatever its name" if head else "the file is empty"
        raise DataError(found, where=where, expected=NPZ)


def _of_each(array: NDArray[np.generic] | None, name: str, count: int, where: str) -> NDArray[np.int64] | None:
    if array is None:
        return None
    if array.shape != (count,) or array.dtype.kind not in "iu":
        raise DataError(
            f"'{name}' is {array.dtype} {list(array.shape)}", where=where, expected=f"an integer for each of {count}"
        )
    return array.astype(np.int64)


def _numbers(inputs: NDArray[np.generic], where: str) -> NDArray[np.float32]:
    """The inputs in float32, found to be finite there."""
    if inputs.dtype.kind not in "fiub":
        raise DataError(f"'inputs' holds {inputs.dtype}", where=where, expected="numbers")
    if inputs.ndim < 2 or inputs.size == 0:
        raise DataError(
            f"'inputs' has shape {list(inputs.shape)}", where=where, expected="[samples, ...], at least one"
        )
    with np.errstate(over="ignore"):
        numbers = inputs.astype(np.float32)
    bad = int((~np.isfinite(numbers)).sum())
    if bad:
        raise DataError(f"'inputs' holds {bad} NaN or infinite value(s)", where=where, expected="finite numbers")
    return numbers


SOURCES: dict[str, Callable[[str], Samples]] = {"digits": _digits, "npz": _npz}
