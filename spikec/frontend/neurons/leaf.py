"""What the tracer knows of a module that is one neuron layer, and the protocol by which any module can be one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from torch import Tensor, nn

from spikec.errors import TraceError
from spikec.frontend.naming import Given
from spikec.frontend.users_code import users_code
from spikec.ir.neurons import MultiLevelSpike, Threshold
from spikec.ir.neurons import Neuron as NeuronOp
from spikec.ir.op import Op

MEMORYLESS = (MultiLevelSpike, Threshold)


@runtime_checkable
class Neuron(Protocol):
    """A module that the tracer takes as one spiking neuron layer.

    Its forward takes and gives [T, ...], its state fresh at each call. Where the class has `spikec_states`, a tuple of
    names of the op's further results such as ("v",), it takes one step a call: forward takes the drive [B, ...] and
    those states, None before the first step, and gives the spikes and the states.

    Two more words a class may say. `spikec_layout = "BTX"`: its forward takes and gives [B, T, ...]. `spikec_exact =
    False`: it rounds otherwise than the op, having multiplied where the op divides or added in another order, so that
    a membrane within rounding of the threshold may fire in one and not in the other. That is remarked, and the neuron
    is compared with its op on drives that do not meet the threshold itself.
    """

    def spikec_neuron(self) -> tuple[NeuronOp, Mapping[str, Tensor | float]]:
        """The op, and its weights by slot."""
        ...


@dataclass(frozen=True)
class Leaf:
    """A module as one neuron layer, however it is written.

    Args:
        op: the neuron.
        weights: by slot.
        stepped: whether a call is one step, [B, ...]; otherwise all of them, [T, ...].
        states: what is carried from step to step: the name of forward's argument, or of the module's attribute, and
            the result of the op that it is; "" for the spikes, None for what the graph has no value for.
        takes: whether forward takes the states after the drive.
        gives: whether it gives them after the spikes.
        keeps: whether the module keeps them between calls.
        start: what they are before the first step.
        gains: by which the drive is multiplied, one after the other.
        factor: by which the spikes are multiplied.
        recurrent: a module through which the spikes of the step before are added to the drive.
        batch_first: whether a call of all steps takes [B, T, ...].
        exact: whether it rounds as its op does; a recurrent one never does.
    """

    op: Op
    weights: Mapping[str, Given]
    stepped: bool = False
    states: Mapping[str, str | None] = field(default_factory=dict)
    takes: bool = False
    gives: bool = False
    keeps: bool = False
    start: float = 0.0
    gains: Sequence[Given] = ()
    factor: Given | None = None
    recurrent: nn.Module | None = None
    batch_first: bool = False
    exact: bool = True

    @property
    def results(self) -> tuple[str, ...]:
        """The states that are values of the graph, by the suffix of the op's result."""
        return tuple(suffix for suffix in self.states.values() if suffix)


def of_protocol(module: Neuron) -> Leaf:
    """The leaf that a module with `spikec_neuron()` says it is.

    Raises:
        TraceError: its method fails, or what it says is none of what the protocol has.
    """
    with users_code(TraceError, "spikec_neuron()"):
        said: object = module.spikec_neuron()
    op, weights = _said(said)
    names: Sequence[str] | None = getattr(module, "spikec_states", None)
    if names is not None and not (isinstance(names, (tuple, list)) and all(isinstance(n, str) for n in names)):
        raise TraceError(f"its spikec_states is {names!r}", expected="a tuple of names, such as ('v',)")
    layout, exact = getattr(module, "spikec_layout", "TBX"), bool(getattr(module, "spikec_exact", True))
    if layout not in ("TBX", "BTX") or (names is not None and layout == "BTX"):
        raise TraceError(
            f"its spikec_layout is {layout!r}{'' if names is None else ' where a call is one step'}",
            mend="'TBX', 'BTX', or no spikec_states",
        )
    if names is None:
        return Leaf(op, weights, batch_first=layout == "BTX", exact=exact)
    states = {name: name for name in names}
    return Leaf(op, weights, stepped=True, states=states, takes=True, gives=bool(names), exact=exact)


def _said(said: object) -> tuple[Op, Mapping[str, Given]]:
    """What spikec_neuron() gave, where it is an op and its weights.

    Raises:
        TraceError: it is something else.
    """
    expected = "an op of spikec.ir.neurons, and its weights: (LIF(), {'tau': 2.0, 'v_threshold': 1.0})"
    if not isinstance(said, (tuple, list)) or len(said) != 2:
        raise TraceError(f"spikec_neuron() gave {_kind(said)}", expected=expected)
    op, weights = said
    if not isinstance(op, (NeuronOp, *MEMORYLESS)):
        raise TraceError(f"spikec_neuron() gave {_kind(op)} as its op", expected=expected)
    if not isinstance(weights, Mapping):
        raise TraceError(f"spikec_neuron() gave {_kind(weights)} as its weights", expected=expected)
    for slot, weight in weights.items():
        if not isinstance(weight, (int, float, Tensor)):
            found = f"spikec_neuron() gave {_kind(weight)} as weight {slot!r}"
            raise TraceError(found, expected="a number or a tensor")
    return op, weights


def _kind(value: object) -> str:
    return f"the class {value.__name__}" if isinstance(value, type) else f"a {type(value).__name__}"
