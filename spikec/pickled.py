"""The pickle inside a file of torch.save, walked opcode by opcode, with nothing built of it but plain data.

Only what torch.save writes of plain data and tensors is taken, and every tensor is held against the bytes that the
file has for it.

Sources: Python's pickletools, for the opcodes; torch/serialization.py and torch/_utils.py (torch 2.13), for the names.
"""

from __future__ import annotations

import io
import pickletools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any, BinaryIO

import torch

from spikec.errors import InputError

PROTOCOL = 2
MOST_DEPTH = 64
MOST_VALUES = 500_000
"""Values in a file, those that are reached on two ways counted twice: a list of lists of one list grows without end."""
MOST_OPCODES = 4 * MOST_VALUES
MOST_EXPANDED = 2**28
"""Bytes that tensors may have beyond their storages, as expanded ones do."""
ITEM_BYTES: Mapping[str, int] = {
    **dict.fromkeys(("Byte", "Char", "Bool", "Untyped"), 1),
    **dict.fromkeys(("Half", "BFloat16", "Short"), 2),
    **dict.fromkeys(("Float", "Int"), 4),
    **dict.fromkeys(("Double", "Long", "ComplexFloat"), 8),
    "ComplexDouble": 16,
}
_DTYPES = {name: kind for name, kind in vars(torch).items() if isinstance(kind, torch.dtype)}
_KEYS = (str, int, float, bool, type(None))


@dataclass(frozen=True)
class _Name:
    """What a pickle calls by module and name; nothing is imported."""

    module: str
    name: str

    def __str__(self) -> str:
        return f"{self.module}.{self.name}"


@dataclass(frozen=True)
class _Storage:
    """The numbers of tensors: how many, and how many bytes each."""

    count: int
    item: int


@dataclass(frozen=True)
class _Tensor:
    """A tensor, by the bytes that it has beyond its storage's."""

    beyond: int


def check_pickle(pickled: bytes, sizes: Mapping[str, int], instead: str) -> None:
    """Does nothing where a pickle makes plain data and tensors, and the file has all that they need.

    Args:
        pickled: as torch.save wrote it.
        sizes: bytes of the numbers of tensors, by their key.
        instead: what to do with a pickle of objects, for errors.

    Raises:
        InputError: it names objects, is damaged, or declares what the file has not. Damage may also raise what
            `spikec.archive.READ_FAULTS` lists.
    """
    _check_size(Walk(sizes, instead).whole(pickled))


class Walk:
    """A pickle, run on a stack as pickle does, with inert values in place of objects."""

    def __init__(self, sizes: Mapping[str, int], instead: str) -> None:
        self.sizes, self.instead = sizes, instead
        self.stack: list[Any] = []  # Any: plain data, and the classes above
        self.marks: list[int] = []
        self.memo: dict[int, Any] = {}  # Any: as above

    def whole(self, pickled: bytes) -> Any:  # Any: as the stack
        """What the pickle makes."""
        for rule, value in self.opcodes(io.BytesIO(pickled)):
            rule(self, value)
        return self.stack.pop()

    def opcodes(self, pickled: BinaryIO) -> Iterator[tuple[_Rule, Any]]:  # Any: an opcode's argument
        """What the pickle says, opcode by opcode, up to its end; an argument is read only of one that is known."""
        for _ in range(MOST_OPCODES):
            opcode = _CODES.get(pickled.read(1))
            if opcode is None:
                raise InputError("its pickle is damaged, or has no end")
            if opcode.name == "STOP":
                return
            if opcode.name not in _RULES:
                raise InputError(f"its pickle says {opcode.name}, which torch.save does not write", mend=self.instead)
            yield _RULES[opcode.name], None if opcode.arg is None else opcode.arg.reader(pickled)
        raise InputError("its pickle is too long", expected=f"at most {MOST_OPCODES} opcodes beside the tensors")

    def name(self, value: str) -> None:
        module, _, name = value.partition(" ")
        found = _Name(module, name)
        if found not in _CALLS and not _is_plain_name(found):
            raise InputError(
                f"it holds pickled Python objects ({found!s:.80}), which could run any code when read; "
                "refused without executing it",
                mend=self.instead,
            )
        self.stack.append(found)

    def to_mark(self) -> list[Any]:  # Any: as the stack
        """What lies above the last mark, taken off."""
        at = self.marks.pop()
        found = self.stack[at:]
        del self.stack[at:]
        return found

    def collect(self, values: Sequence[Any]) -> None:  # Any: as the stack
        self.stack.append(tuple(values))

    def take(self, count: int) -> list[Any]:  # Any: as the stack
        found = self.stack[-count:]
        if len(found) < count:
            raise InputError("its pickle is damaged: it takes more than it has")
        del self.stack[-count:]
        return found

    def extend(self, values: Iterable[Any]) -> None:  # Any: as the stack
        if not isinstance(self.stack[-1], list):
            raise InputError("its pickle is damaged: it appends to no list")
        self.stack[-1].extend(values)

    def update(self, values: Sequence[Any]) -> None:  # Any: as the stack
        held = self.stack[-1]
        if not isinstance(held, dict) or len(values) % 2:
            raise InputError("its pickle is damaged: it sets an item of no dict")
        for key, value in zip(values[::2], values[1::2], strict=True):
            if not isinstance(key, _KEYS):
                raise InputError(f"a {type(key).__name__} as the key of a dict", expected="text or a number")
            held[key] = value

    def build(self) -> None:
        """The attributes of an OrderedDict, such as a state dict's versions; they are counted with its items."""
        state = self.stack.pop()
        if not isinstance(self.stack[-1], dict) or not isinstance(state, dict):
            raise InputError("its pickle is damaged: it gives attributes to what has none")
        self.stack[-1][_ATTRIBUTES] = state

    def call(self) -> None:
        called, arguments = self.take(2)
        if called not in _CALLS or not isinstance(arguments, tuple):
            raise InputError("its pickle is damaged: it calls what cannot be called")
        self.stack.append(_CALLS[called](*arguments))

    def storage(self) -> None:
        """The numbers of a tensor, which must be as many as the archive has bytes for."""
        said = self.stack.pop()
        if not (isinstance(said, tuple) and len(said) == 5 and said[0] == "storage" and isinstance(said[1], _Name)):
            raise InputError("its pickle is damaged: it names something besides the numbers of tensors")
        _, kind, key, _, count = said
        item = _item_bytes(kind)
        held = self.sizes.get(key) if isinstance(key, str) else None
        if not item or type(count) is not int or held is None or count * item != held:
            has = "none" if held is None else held
            raise InputError(f"a tensor of {count} numbers of {kind}, and {has} bytes for it")
        self.stack.append(_Storage(count, item))


_CODES = {opcode.code.encode("latin-1"): opcode for opcode in pickletools.opcodes}
_ATTRIBUTES = ("attributes",)  # no key of a pickle's


def _is_plain_name(name: _Name) -> bool:
    """Whether a name stands for a kind of numbers."""
    return bool(_item_bytes(name)) or (name.module == "torch" and name.name in _DTYPES)


def _item_bytes(name: _Name) -> int:
    """Bytes of one number of a storage of that name; 0 where it is none."""
    known = name.module in ("torch", "torch.storage") and name.name.endswith("Storage")
    return ITEM_BYTES.get(name.name.removesuffix("Storage"), 0) if known else 0


def _tensor(storage: object, offset: object, shape: object, strides: object, *more: object) -> _Tensor:
    """A tensor over a storage, which must hold all its elements."""
    item = 0 if not isinstance(storage, _Storage) else storage.item
    if more and isinstance(more[-1], _Name) and more[-1].module == "torch":
        item = _DTYPES[more[-1].name].itemsize
    numbers = (
        offset,
        *(shape if isinstance(shape, tuple) else (-1,)),
        *(strides if isinstance(strides, tuple) else (-1,)),
    )
    if not isinstance(storage, _Storage) or any(type(n) is not int or n < 0 for n in numbers):
        raise InputError("a tensor without numbers, or of no shape")
    assert isinstance(shape, tuple)
    assert isinstance(strides, tuple)
    assert isinstance(offset, int)
    if len(shape) != len(strides):
        raise InputError("a tensor of no shape")
    last = offset + sum((size - 1) * stride for size, stride in zip(shape, strides, strict=True))
    if prod(shape) and (last + 1) * item > storage.count * storage.item:
        raise InputError(
            f"a tensor of shape {list(shape)[:8]} over {storage.count} numbers", expected="numbers for all"
        )
    return _Tensor(max(0, prod(shape) * item - storage.count * storage.item))


def _parameter(tensor: object, *rest: object) -> object:
    return tensor


def _dict() -> dict[Any, Any]:  # Any: see Walk
    return {}


def _size(values: tuple[object, ...]) -> tuple[object, ...]:
    return values


_CALLS: Mapping[_Name, Callable[..., object]] = {
    _Name("collections", "OrderedDict"): _dict,
    _Name("torch", "Size"): _size,
    _Name("torch._utils", "_rebuild_tensor_v2"): _tensor,
    _Name("torch._utils", "_rebuild_tensor_v3"): _tensor,
    _Name("torch._utils", "_rebuild_parameter"): _parameter,
}
_Rule = Callable[[Walk, Any], None]  # Any: an opcode's argument


def _push(value: object) -> _Rule:
    return lambda walk, _: walk.stack.append(value)


def _literal(walk: Walk, value: object) -> None:
    walk.stack.append(value)


def _protocol(walk: Walk, number: int) -> None:
    if number != PROTOCOL:
        raise InputError(f"its pickle is of protocol {number}", expected=f"{PROTOCOL}, that of torch.save")


def _text(walk: Walk, value: str) -> None:
    value.encode()  # a lone surrogate could be printed nowhere; its error is that of a damaged file
    walk.stack.append(value)


def _remember(walk: Walk, place: int) -> None:
    walk.memo[place] = walk.stack[-1]


def _recall(walk: Walk, place: int) -> None:
    walk.stack.append(walk.memo[place])


_RULES: Mapping[str, _Rule] = {
    **dict.fromkeys(("BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT"), _literal),
    "BINUNICODE": _text,
    "PROTO": _protocol,
    **dict.fromkeys(("BINPUT", "LONG_BINPUT"), _remember),
    **dict.fromkeys(("BINGET", "LONG_BINGET"), _recall),
    "NONE": _push(None),
    "NEWTRUE": _push(True),
    "NEWFALSE": _push(False),
    "EMPTY_TUPLE": _push(()),
    "EMPTY_LIST": lambda walk, _: walk.stack.append([]),
    "EMPTY_DICT": lambda walk, _: walk.stack.append({}),
    "MARK": lambda walk, _: walk.marks.append(len(walk.stack)),
    "TUPLE": lambda walk, _: walk.collect(walk.to_mark()),
    "TUPLE1": lambda walk, _: walk.collect(walk.take(1)),
    "TUPLE2": lambda walk, _: walk.collect(walk.take(2)),
    "TUPLE3": lambda walk, _: walk.collect(walk.take(3)),
    "APPEND": lambda walk, _: walk.extend(walk.take(1)),
    "APPENDS": lambda walk, _: walk.extend(walk.to_mark()),
    "SETITEM": lambda walk, _: walk.update(walk.take(2)),
    "SETITEMS": lambda walk, _: walk.update(walk.to_mark()),
    "GLOBAL": Walk.name,
    "REDUCE": lambda walk, _: walk.call(),
    "BUILD": lambda walk, _: walk.build(),
    "BINPERSID": lambda walk, _: walk.storage(),
}
"""By opcode; those that torch.save writes of plain data and tensors in its protocol 2, and no others."""


def _check_size(whole: object) -> None:
    """Raises InputError where data are too deep, too many or hold themselves, or tensors go beyond their bytes."""
    waiting, seen, beyond = [(whole, 0)], 0, 0
    while waiting:
        value, depth = waiting.pop()
        seen += 1
        if depth > MOST_DEPTH or seen > MOST_VALUES:
            raise InputError(
                "data that lie too deep in each other, or are too many",
                expected=f"at most {MOST_VALUES} values, {MOST_DEPTH} in each other",
            )
        if isinstance(value, _Tensor):
            beyond += value.beyond
        if isinstance(value, (dict, list, tuple)) and len(value) + len(waiting) <= MOST_VALUES:
            waiting += [(inner, depth + 1) for inner in (value.values() if isinstance(value, dict) else value)]
        elif isinstance(value, (dict, list, tuple)):
            seen = MOST_VALUES
    if beyond > MOST_EXPANDED:
        raise InputError(f"tensors of {beyond} bytes more than it has", expected="a tensor saved with .contiguous()")
