"""Which modules are neurons: those with `spikec_neuron()`, and classes of other frameworks by their names."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, TypeGuard

from torch import nn

from spikec.errors import TraceError
from spikec.frontend.neurons import snntorch, spikingjelly
from spikec.frontend.neurons.leaf import Leaf, Neuron, of_protocol
from spikec.frontend.users_code import users_code

SPIKINGJELLY = "spikingjelly.activation_based.neuron."
SNNTORCH = "snntorch._neurons."

LEAVES: dict[tuple[str, str], Callable[[Any], Leaf]] = {  # Any: their packages are not imported
    (SPIKINGJELLY, "IFNode"): spikingjelly.if_node,
    (SPIKINGJELLY, "LIFNode"): spikingjelly.lif_node,
    (SPIKINGJELLY, "ParametricLIFNode"): spikingjelly.parametric_lif_node,
    (SNNTORCH, "Alpha"): snntorch.alpha,
    (SNNTORCH, "Lapicque"): snntorch.lapicque,
    (SNNTORCH, "Leaky"): snntorch.leaky,
    (SNNTORCH, "RLeaky"): snntorch.rleaky,
    (SNNTORCH, "Synaptic"): snntorch.synaptic,
}
"""By the path that a class's module begins with, and the class's name."""

RESETS: dict[tuple[str, str], Callable[[Any], None]] = {  # Any: see LEAVES
    ("spikingjelly.activation_based.base", "MemoryModule"): spikingjelly.reset,
    (SNNTORCH, "SpikingNeuron"): snntorch.reset,
}
"""How what keeps a state between calls forgets it; a class, or one that it is derived from."""

NOT_TAKEN = "is not taken"
"""What is said of a function or a neuron that no layout and no number of steps would let be recorded."""
MEND = "give it a method spikec_neuron(), which says which op it is (docs/from-torch.md)"


def maker_of(module: nn.Module) -> Callable[[], Leaf] | None:
    """What gives the module as a leaf; None for one that is no neuron.

    The function raises TraceError for a neuron that is not taken.
    """
    if _says(module):
        return partial(of_protocol, module)
    kind = type(module)
    made = _entry(LEAVES, kind)
    if made is not None:
        return partial(made, module)
    base = next((base for base in kind.__mro__[1:] if _entry(LEAVES, base)), None)
    if base is not None:
        return partial(_refused, f"{kind.__name__} changes {_said(base)}, and does not say how")
    neuron = kind.__module__.startswith((SPIKINGJELLY, SNNTORCH)) and _entry(RESETS, *kind.__mro__) is not None
    return partial(_refused, f"{_said(kind)} {NOT_TAKEN} as a neuron") if neuron else None


def reset(model: nn.Module) -> bool:
    """Lets every neuron of the network forget its state; whether there are any that keep one."""
    keeps = False
    for module in model.modules():
        forget = _entry(RESETS, *type(module).__mro__)
        own = getattr(module, "reset", None) if _says(module) else None
        with users_code(TraceError, f"reset of a {type(module).__name__}"):
            if forget is not None:
                forget(module)
            elif callable(own):
                own()
        keeps |= forget is not None or callable(own)
    return keeps


def _says(module: nn.Module) -> TypeGuard[Neuron]:
    """Whether it says by the protocol which neuron it is; isinstance would take twenty times as long to say so."""
    with users_code(TraceError, f"spikec_neuron of a {type(module).__name__}"):
        return callable(getattr(module, "spikec_neuron", None))


def _entry(table: dict[tuple[str, str], Callable[[Any], Any]], *kinds: type) -> Callable[[Any], Any] | None:
    for kind in kinds:
        for (path, name), entry in table.items():
            if kind.__name__ == name and kind.__module__.startswith(path):
                return entry
    return None


def _said(kind: type) -> str:
    return f"{kind.__module__.partition('.')[0]}'s {kind.__name__}"


def _refused(why: str) -> Leaf:
    raise TraceError(why, mend=MEND)
