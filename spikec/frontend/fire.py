"""Neuron calls as nodes: all steps in one call, or one step a call with the state handed on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn

from spikec.frontend.axes import View
from spikec.frontend.firing import Firing
from spikec.frontend.neurons.leaf import Leaf
from spikec.frontend.operands import multiplied
from spikec.frontend.recorder import Recorder
from spikec.ir.arithmetic import Add
from spikec.ir.linear import Conv2d, Linear
from spikec.ir.types import SPIKE, TensorType, Timing

ONE_BY_ONE = "give it one step a call, in order, and the state that it gave: for t in range(T): q, v = neuron(x[t], v)"
WHOLE = "give it [T, B, ...] (SpikingJelly: functional.set_step_mode(net, 'm'))"


def fire_all(
    r: Recorder,
    path: str,
    leaf: Leaf,
    drive: View,
    states: Mapping[str, object],
    tensors: Sequence[Tensor],
    module: nn.Module,
) -> None:
    """Records a call that takes all steps.

    Args:
        r: the recording.
        path: of the module.
        leaf: what it is.
        drive: how what it takes is seen.
        states: from which it starts.
        tensors: what it takes, then what it gives.
        module: itself.

    Raises:
        TraceError: time is not its first axis, or it goes on from an earlier call.
    """
    drive = r.settled_sum(drive)
    place, lead = ("second", "[B, T, ...]") if leaf.batch_first else ("first", "[T, B, ...]")
    if drive.at is not None or drive.dims[leaf.batch_first : leaf.batch_first + 1] != (("T",),):
        mend = "give it [T, ...]; a SpikingJelly neuron in step mode 's' takes one step" if leaf.keeps else ""
        raise r.error(f"a neuron must take time as its {place} axis, alone", mend or f"reshape to {lead} before it")
    for name, state in states.items():
        _check_start(r, leaf, name, state, tensors[0][0])
    firing = recorded(r, path, leaf, r.settled(drive))
    r.calls.setdefault(path, []).append((firing, None))
    r.watch(tensors[1], firing.spikes)
    for name, suffix in leaf.states.items():
        _watch_kept(r, getattr(module, name, None) if leaf.keeps else None, firing, suffix, r.steps - 1)
        _watch_kept(r, getattr(module, f"{name}_seq", None) if leaf.keeps else None, firing, suffix, None)


def fire_step(
    r: Recorder,
    path: str,
    leaf: Leaf,
    drive: View,
    states: Mapping[str, object],
    tensors: Sequence[Tensor],
    module: nn.Module,
) -> None:
    """Records a call that takes one step; arguments as of `fire_all`.

    Raises:
        TraceError: the state is not that of the step before, or the call does not do what that of the first step did.
    """
    drive = r.settled_sum(drive)
    if any("T" in group for group in drive.dims):
        raise r.error(
            "a neuron that takes one step a call is given all steps at once", mend=f"{ONE_BY_ONE}; or {WHOLE}"
        )
    firing, at = _continued(r, leaf, states)
    if firing is None:
        for name, state in states.items():
            _check_start(r, leaf, name, state, tensors[0])
    if at >= r.steps or drive.at not in (None, at):
        called = f"is called at step {drive.at}" if drive.at is not None else f"is called {at + 1} times or more"
        raise r.error(f"a neuron {called} where step {at} of {r.steps} is due", mend=ONE_BY_ONE)
    now = _drive(r, drive, at)
    if firing is None:
        firing = recorded(r, path, leaf, now)
    elif not r.alike(now, firing.drive_at(at)):
        raise r.error("a neuron takes at a later step of the loop what it did not take at the first", mend=ONE_BY_ONE)
    firing.calls = at + 1
    r.calls.setdefault(path, []).append((firing, at))
    results = tensors[1:]
    r.watch(results[0], firing.spikes_at(at))
    given = iter(results[1:] if leaf.gives else ())
    for name, suffix in leaf.states.items():
        kept = getattr(module, name, None) if leaf.keeps else None
        state = results[0] if suffix == "" else next(given, kept)
        for held in (state,) if state is kept else (state, kept):
            _watch_state(r, held, firing, name, suffix, at)


def _drive(r: Recorder, drive: View, at: int) -> View:
    """What a neuron takes at step `at`, settled; a value for the inference is repeated."""
    settled = r.settled(drive)
    if settled.at is not None:
        return settled
    if r.builder.type(settled.value).timing is Timing.STEP:
        raise r.error("a neuron that takes one step a call is given all steps at once", mend=ONE_BY_ONE)
    return replace(r.repeated(replace(settled, value=r.canonical(settled.value) if at else settled.value)), at=at)


def _continued(r: Recorder, leaf: Leaf, states: Mapping[str, object]) -> tuple[Firing | None, int]:
    """The firing whose states these are, and the step that is due; none where they are no states of a neuron."""
    found = [state for name, value in states.items() if (state := r.state(value, name)) is not None]
    if not found:
        return None, 0
    firing, at = found[0]
    if len(found) != len(states) or any(other != found[0] for other in found) or firing.leaf is not leaf:
        raise r.error("a neuron is given states of several neurons or steps", mend=ONE_BY_ONE)
    if firing.calls != at + 1:
        raise r.error(f"a neuron is given its state of step {at} where it has done {firing.calls}", mend=ONE_BY_ONE)
    return firing, at + 1


def _check_start(r: Recorder, leaf: Leaf, name: str, state: object, like: Tensor) -> None:
    """Raises TraceError unless `state` is what the neuron starts from, or of another shape, and so replaced."""
    if isinstance(state, Tensor) and r.follows(state):
        raise r.error(
            f"its state '{name}' comes from an earlier call or from elsewhere in the network",
            mend="use a module of its own in each place, and give a state back as the neuron gave it",
        )
    if isinstance(state, (int, float)):
        state = torch.tensor(float(state))
    if isinstance(state, Tensor) and state.shape in (like.shape, ()) and bool((state != leaf.start).any()):
        raise r.error(
            f"its state '{name}' starts at something else than {leaf.start:g}", mend="start from None or zeros"
        )


def recorded(r: Recorder, path: str, leaf: Leaf, drive: View) -> Firing:
    """The nodes that a neuron becomes, on its settled drive of all steps or of the first, as a Firing."""
    mark = len(r.added)
    x = drive
    for gain in leaf.gains:
        x = multiplied(r, x, gain)
    feedback = None
    if leaf.recurrent is not None:
        kind = TensorType(x.shape, SPIKE, Timing.STEP)
        feedback = r.builder.feedback(kind, scope=r.scope, inner=True)
        r.note(feedback)
        x = r.add(Add(), x, _returned(r, leaf.recurrent, replace(x, value=feedback)), inner=True)
    fired = r.add(leaf.op, x, weights=leaf.weights, inner=False)
    if feedback is not None:
        r.builder.close(feedback, fired.value)
    spikes = fired if leaf.factor is None else multiplied(r, fired, leaf.factor)
    views = [drive, spikes, *(replace(fired, value=f"{fired.value}.{suffix}") for suffix in leaf.results)]
    whole, emitted, *states = [view.over_time for view in views] if leaf.stepped else views
    by_suffix = dict(zip(leaf.results, states, strict=True))
    firing = Firing(path, leaf, whole, emitted, by_suffix, tuple(r.added[mark:]))
    r.firings.setdefault(path, []).append(firing)
    return firing


def _returned(r: Recorder, module: nn.Module, spikes: View) -> View:
    """What the spikes of the step before add to the drive."""
    r.scopes.append((f"{r.scope}.recurrent", True))
    try:
        if isinstance(module, nn.Linear):
            if len(spikes.shape) < 1 or not spikes.dims or spikes.dims[-1] != (len(spikes.shape) - 1,):
                raise r.error("a recurrent Linear needs the last axis of its drive to itself")
            return r.add(Linear(), spikes, weights={"weight": module.weight, "bias": module.bias})
        if isinstance(module, nn.Conv2d):
            padding, windows = module.padding, (module.stride, module.dilation)
            if isinstance(padding, str) or len(spikes.shape) != 3:
                raise r.error("a recurrent Conv2d needs a drive [B, C, H, W]")
            stride, dilation = windows
            op = Conv2d(stride, padding, dilation, module.groups)  # type: ignore[arg-type]  # torch types them wider
            return r.add(op, spikes, weights={"weight": module.weight, "bias": module.bias})
        return multiplied(r, spikes, module.V)  # type: ignore[arg-type]  # snnTorch's RecurrentOneToOne
    finally:
        r.scopes.pop()


def _watch_kept(r: Recorder, state: object, firing: Firing, suffix: str | None, at: int | None) -> None:
    """Remembers a state that the module kept of a call of all steps: the last one, or all of them."""
    if suffix and isinstance(state, Tensor) and not r.follows(state):
        whole = firing.states[suffix]
        view = whole if at is None else replace(whole, dims=whole.dims[1:], at=at)
        if view.torch_shape == tuple(state.shape):
            r.watch(state, view)


def _watch_state(r: Recorder, state: object, firing: Firing, name: str, suffix: str | None, at: int) -> None:
    """Remembers a state that a call of one step gave, or that the module kept of it."""
    if isinstance(state, Tensor):
        r.keep_state(state, name, firing, at)
        if suffix:
            r.watch(state, firing.state_at(suffix, at))
