"""A .pt2 file's program as a module that computes it, by public functions of torch and in the scopes of its modules.

The runtime tracer records it as it does any module. Nothing of the file is code: nodes name entries of our table.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import torch
from torch import Tensor, nn

from spikec.errors import ModelFileError, Offender, UnsupportedOp
from spikec.frontend.naming import Given
from spikec.frontend.onnx.naming import cleaned
from spikec.frontend.pt2.field import malformed
from spikec.frontend.pt2.lines import Caller, callers
from spikec.frontend.pt2.neurons import Fired, Layer, SteppedLayer
from spikec.frontend.pt2.plan import Step
from spikec.frontend.pt2.program import Call, Named, Source, Value
from spikec.frontend.pt2.refusal import Refusal

FAULTS = (ArithmeticError, AssertionError, AttributeError, LookupError, RuntimeError, TypeError, ValueError)
"""What torch raises on arguments that do not fit."""

Known = Any  # Any: a tensor, several, a number, a word or None, as an operator takes or gives it


class Place(nn.Module):
    """A module of the file, in whose scope functions are called."""

    def forward(self, function: Callable[..., Known], *args: Known, **kwargs: Known) -> Known:
        """What the function gives."""
        return function(*args, **kwargs)


@dataclass(frozen=True)
class Placed:
    """A step, and the path of the module that computes it."""

    step: Step
    path: str


class Network(nn.Module):
    """The program of a file.

    Args:
        source: the file.
        steps: what is computed.
        tensors: its own, by their paths.

    Raises:
        ModelFileError: a tensor is missing, or two things have one path.
    """

    def __init__(self, source: Source, steps: Sequence[Step], tensors: Mapping[str, Tensor]) -> None:
        super().__init__()
        signature = source.signature
        self.given, self.outputs, self.fixed = signature.given[0], signature.outputs, signature.fixed
        self.own: dict[str, str] = {}  # paths of parameters and buffers, by the names that nodes use
        self.constants: dict[str, Tensor] = {}
        neurons = dict(_neurons(steps, [path for path, _ in signature.own.values()]))
        self.callers = callers(step.call.line for step in steps)
        self.placed = tuple(Placed(step, _path(number, step, neurons)) for number, step in enumerate(steps))
        owned = self._owned(signature.own, tensors)
        loops = {step.fired.goes_on for step in steps if step.fired is not None}
        for number, path in neurons.items():
            fired = steps[number].fired
            assert fired is not None
            if not fired.goes_on:
                stepped = fired.bare or steps[number].call.name in loops
                self._add(path, (SteppedLayer if stepped else Layer)(fired.op, _weights(fired, owned)))
        for name, (path, kind) in signature.own.items():
            self._keep(name, cleaned(path) or name, kind, owned[name])
        for placed in self.placed:
            self._place(placed.path)
        self.eval()

    def forward(self, x: Tensor) -> Tensor | tuple[Tensor, ...]:
        """The outputs of the input `x`."""
        known = self._begun(x)
        for placed in self.placed:
            known.update(self._results(placed, known))
        found = tuple(known[name] for name in self.outputs)
        return found[0] if len(found) == 1 else found

    def check(self, x: Tensor, most: int) -> None:
        """Computes everything of an input on the meta device, where no tensor has memory.

        Raises:
            UnsupportedOp: nodes that are refused, or do not compute; all of them.
            ModelFileError: all tensors together would take more than `most` bytes.
        """
        known = {name: _meta(value) for name, value in self._begun(x).items()}
        offenders: list[Offender] = []
        largest = 0
        memory = dict([_memory(x)])
        for placed in self.placed:
            call = placed.step.call
            try:
                found = self._results(placed, known)
                known.update(found)
                memory.update(_memory(value) for value in found.values() if isinstance(value, Tensor))
                largest = max((prod(y.shape) * 8 for y in found.values() if isinstance(y, Tensor)), default=0)
            except Refusal as refusal:
                offenders.append(Offender(call.target, call.scope, str(refusal), str(call.line or "")))
            except KeyError:  # of a node that was refused
                continue
            except FAULTS as error:
                reason = " ".join(str(error).split())[:200]
                said = f"does not compute: {reason}"
                offenders.append(Offender(call.target, call.scope, said, str(call.line or "")))
            if (wanted_bytes := max(sum(memory.values()), largest)) > most:
                wanted = f"its tensors up to node '{call.name}' would take {wanted_bytes} bytes"
                raise ModelFileError(wanted, expected=f"at most {most}", mend="--max-bytes")
        if offenders:
            raise UnsupportedOp("spikec's IR", offenders, nodes=len(self.placed))

    def _begun(self, x: Tensor) -> dict[str, Known]:
        """What is known before the first node."""
        known: dict[str, Known] = {name: self._own(path) for name, path in self.own.items()}
        for name, value in self.constants.items():
            known[name] = value.to(x.dtype) if value.is_floating_point() else value
        return {**known, **self.fixed, self.given: x}

    def _own(self, path: str) -> Tensor:
        parent, _, name = path.rpartition(".")
        tensor: Tensor = getattr(self.get_submodule(parent), name)
        return tensor

    def _results(self, placed: Placed, known: Mapping[str, Known]) -> dict[str, Known]:
        """What a node gives, by name."""
        call, inner = placed.step.call, self._chain(placed.path)
        caller = self.callers[call.line]
        if placed.step.fired is not None:
            return _spikes(placed.step.fired, call, inner, known, caller)
        assert placed.step.operator is not None
        args = [_filled(value, known) for value in call.args]
        kwargs = {name: _filled(value, known) for name, value in call.kwargs.items()}
        result = caller(*inner, placed.step.operator.function, *args, **kwargs)
        if isinstance(result, (tuple, list)) is not call.listed:
            raise Refusal("gives several tensors where the file names one, or one where it names several")
        if not call.listed:
            return {call.outputs[0]: result} if call.outputs else {}
        if len(result) != len(call.outputs):
            raise Refusal(f"gives {len(result)} tensors where the file names {len(call.outputs)}")
        return dict(zip(call.outputs, result, strict=True))

    def _chain(self, path: str) -> list[nn.Module]:
        """The modules of a path, outermost first: each calls the next, as they do in the network itself."""
        parts = path.split(".") if path else []
        return [self.get_submodule(".".join(parts[: at + 1])) for at in range(len(parts))]

    def _owned(self, own: Mapping[str, tuple[str, str]], tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The network's tensors by the names that nodes use, equal ones the same; parameters as such."""
        made: dict[int, Tensor] = {}
        found = {}
        for name, (path, kind) in own.items():
            if path not in tensors:
                raise malformed(f"it has no numbers for '{path:.80}'", "the weights")
            tensor = tensors[path]
            if kind == "parameter" and tensor.is_floating_point():
                tensor = made.setdefault(id(tensor), nn.Parameter(tensor, requires_grad=False))
            found[name] = tensor
        return found

    def _keep(self, name: str, path: str, kind: str, tensor: Tensor) -> None:
        """Makes a tensor the network's own under its path; constants, which have no role there, apart."""
        if kind == "tensor_constant":
            self.constants[name] = tensor
            return
        parent, _, last = path.rpartition(".")
        module = self._place(parent)
        try:
            if isinstance(tensor, nn.Parameter):
                module.register_parameter(last, tensor)
            else:
                module.register_buffer(last, tensor)
        except KeyError as error:
            raise malformed(f"two things of the path '{path:.80}'", "the weights") from error
        self.own[name] = path

    def _place(self, path: str) -> nn.Module:
        """The module of a path, made where there is none."""
        module: nn.Module = self
        at = ""
        for part in path.split(".") if path else ():
            at = f"{at}.{part}" if at else part
            if part not in module._modules:
                self._add(at, Place())
            module = module.get_submodule(part)
        return module

    def _add(self, path: str, module: nn.Module) -> None:
        parent, _, name = path.rpartition(".")
        try:
            self._place(parent).add_module(name, module)
        except KeyError as error:
            raise malformed(f"two things of the path '{path:.80}'", "the modules") from error


def _spikes(
    fired: Fired, call: Call, inner: Sequence[nn.Module], known: Mapping[str, Known], caller: Caller
) -> dict[str, Known]:
    """What a neuron's node gives, by name: its spikes, and its membrane where it is called step by step."""
    drive = known[fired.drive.name]
    if not isinstance(inner[-1], SteppedLayer):
        return {call.outputs[0]: caller(*inner, drive)}
    before = known[fired.start.name] if fired.goes_on and fired.start is not None else None
    spikes, membrane = caller(*inner, drive if fired.bare else drive[0], before)
    return {call.outputs[0]: spikes if fired.bare else spikes[None], call.outputs[1]: membrane}


def _weights(fired: Fired, owned: Mapping[str, Tensor]) -> dict[str, Given]:
    """A neuron's numbers by slot."""
    found: dict[str, Given] = {}
    for slot, weight in fired.weights.items():
        value = owned[weight.name] if isinstance(weight, Named) else weight
        if isinstance(value, Tensor) and slot in fired.clamped and not torch.equal(value, value.clamp(0, 1)):
            value = value.clamp(0, 1)
        single = isinstance(value, Tensor) and value.numel() == 1 and not isinstance(value, nn.Parameter)
        found[slot] = float(value) if single else value
    return found


def _neurons(steps: Sequence[Step], own: Sequence[str]) -> Iterator[tuple[int, str]]:
    """A path for each neuron, by the number of its step: its module's where that is nothing else, else one below."""
    fired = {number: step.fired for number, step in enumerate(steps) if step.fired is not None}
    scopes = Counter(steps[number].call.scope for number, neuron in fired.items() if not neuron.goes_on)
    first: dict[str, str] = {}
    others = {step.call.scope for step in steps} | {cleaned(path).rpartition(".")[0] for path in own}
    above = {scope[:at] for scope in others for at, letter in enumerate(scope) if letter == "."}
    taken = others | above
    for number, neuron in fired.items():
        if neuron.goes_on:
            yield number, first[neuron.goes_on]
            continue
        scope = steps[number].call.scope
        path = scope
        if not scope or scopes[scope] > 1 or scope in above:
            stem = f"{scope}.{neuron.op.mnemonic}" if scope else neuron.op.mnemonic
            path = stem
            count = 0
            while path in taken:
                count += 1
                path = f"{stem}_{count}"
        taken.add(path)
        first[steps[number].call.name] = path
        yield number, path


def _path(number: int, step: Step, neurons: Mapping[int, str]) -> str:
    """The module that computes a step; what stands beside a neuron in its module is computed in the one above."""
    if number in neurons:
        return neurons[number]
    scope = step.call.scope
    while scope in neurons.values():
        scope = scope.rpartition(".")[0]
    return scope


def _filled(value: Value, known: Mapping[str, Known]) -> Known:
    """An argument with tensors and numbers in the place of names."""
    if isinstance(value, Named):
        return known[value.name]
    return tuple(_filled(one, known) for one in value) if isinstance(value, tuple) else value


def _memory(tensor: Tensor) -> tuple[int, int]:
    """Which memory a tensor has, and how much that is in fp64."""
    storage = tensor.untyped_storage()
    return int(storage._cdata), storage.nbytes() * 8 // tensor.element_size()


def _meta(value: Known) -> Known:
    return value.to("meta") if isinstance(value, Tensor) else value
