"""trace: a network of the user's own code as a model, its graph replayed against it."""

from __future__ import annotations

import hashlib
import operator
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

import spikec
from spikec import model as models
from spikec.errors import InputError, ModelFileError, TraceError, UnknownName, UsageError, one_line
from spikec.frontend.tracer import Layout, traced
from spikec.frontend.users_code import users_code
from spikec.model import InputSpec, Model
from spikec.tasks.networks import SEEDS
from spikec.tasks.pricing import one_thread
from spikec.torch_file import read_plain

INNER = ("state_dict", "model")
"""Under which keys training scripts keep the state dict of their checkpoints."""
LISTED = 4


@dataclass(frozen=True)
class Foreign:
    """A network in the user's own code.

    Args:
        arch: 'package.module:factory'; the factory gives a torch.nn.Module.
        shape: of one sample, without T and batch.
        layout: where the module takes time and batch; BX where it takes one image and repeats it itself.
        steps: T.
        arch_args: the factory's keyword arguments.
        weights: file of a state dict; None for the weights that the factory gives.
        seed: of torch's generator while the factory runs.
    """

    arch: str
    shape: tuple[int, ...]
    layout: Layout
    steps: int
    arch_args: Mapping[str, object] = field(default_factory=dict)
    weights: Path | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if not self.shape or min(self.shape) < 1:
            raise UsageError(
                f"--input {','.join(map(str, self.shape))}", expected="sizes of 1 or more, such as 3,32,32"
            )
        if self.steps < 1 or not 0 <= self.seed < SEEDS:
            raise UsageError(
                f"steps {self.steps}, seed {self.seed}", expected="steps of 1 or more, a seed of 0 or more"
            )


def trace_module(foreign: Foreign, name: str | None = None) -> Model:
    """The user's network as a model: imported, made, given its weights, traced, and replayed.

    What was assumed or left away stands in `provenance["remarks"]`.

    This runs the user's code; the current folder is searched first, as by `python -m`.

    Args:
        foreign: where it is and what it takes.
        name: of the model; the factory's unless given.

    Raises:
        UsageError, UnknownName, InputError: module, factory or its arguments cannot be used.
        ModelFileError: the weights cannot be read, or are not those of the network.
        TraceError: the network fails, cannot be taken, or its graph does not do what it does.
    """
    with _searched_first(Path.cwd()), one_thread(), torch.random.fork_rng(devices=[]):
        network = made(foreign)
        loaded = {} if foreign.weights is None else load_weights(network, foreign.weights)
        _run_once(network, foreign)
        taken = traced(network, foreign.shape, layout=foreign.layout, steps=foreign.steps)
    return Model(
        name=name or foreign.arch.rpartition(":")[2],
        graph=taken.graph,
        input=InputSpec(foreign.shape, "direct" if foreign.layout == "BX" else "frames", foreign.steps, "none stated"),
        provenance={
            "made": "traced",
            "arch": foreign.arch,
            "arch_args": {key: repr(value) for key, value in foreign.arch_args.items()},
            "layout": foreign.layout,
            "weights": loaded,
            "seed": foreign.seed,
            "graph": f"traced, and replayed against the network in {taken.replayed}",
            "remarks": [one_line(remark) for remark in taken.remarks],
            "spikec": spikec.__version__,
            "torch": str(torch.__version__),
        },
    )


def made(foreign: Foreign) -> nn.Module:
    """The network in evaluation mode, as its factory gives it. Runs the user's code.

    Raises:
        UsageError, UnknownName, InputError: see `trace_module`.
    """
    factory = _factory(foreign.arch)
    arch = f"--arch {foreign.arch}"
    with users_code(InputError, f"the factory {foreign.arch}", arch):
        torch.manual_seed(foreign.seed)
        network = factory(**foreign.arch_args)
    if not isinstance(network, nn.Module):
        raise InputError(f"it gave a {type(network).__name__}", where=arch, expected="a torch module")
    with users_code(InputError, f"{foreign.arch} made a network whose eval()", arch):
        network.eval()
    if next(network.parameters(), None) is None:
        raise TraceError("the network has no parameters", where=arch)
    return network


def load_weights(network: nn.Module, path: Path) -> dict[str, str]:
    """Gives the network the weights of a state dict, every one, and says which file that was. Runs no code of it.

    Raises:
        ModelFileError: the file cannot be read, is no state dict, or its names or shapes are not the network's.
    """
    state = _state_dict(path)
    wanted = network.state_dict()
    missing = [name for name in wanted if name not in state]
    unknown = [name for name in state if name not in wanted]
    shapes = [
        f"{name} {list(state[name].shape)} for {list(tensor.shape)}"
        for name, tensor in wanted.items()
        if name in state and state[name].shape != tensor.shape
    ]
    # torch would take the real part alone.
    complexes = [
        name for name, tensor in wanted.items() if name in state and state[name].is_complex() > tensor.is_complex()
    ]
    found = [
        f"{len(names)} {words}: {', '.join(names[:LISTED])}{', ...' * (len(names) > LISTED)}"
        for names, words in (
            (missing, "missing"),
            (unknown, "that the network lacks"),
            (shapes, "of another shape"),
            (complexes, "of complex numbers"),
        )
        if names
    ]
    if found:
        mend = "the same --arch-arg that the weights were trained with"
        if unknown and all(name.startswith("module.") for name in state):
            mend = "save model.module.state_dict(), without DataParallel's 'module.'"
        raise ModelFileError("; ".join(found), where=str(path), expected="the network's own state dict", mend=mend)
    network.load_state_dict(state)
    return {"file": path.name, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}


def _state_dict(path: Path) -> dict[str, Tensor]:
    if not path.is_file():
        what = "this is a folder" if path.is_dir() else "there is no such file"
        raise ModelFileError(what, where=str(path), expected="a state dict written by torch.save")
    state = read_plain(
        path,
        "a state dict: torch.save(model.state_dict(), FILE)",
        "torch.save(model.state_dict(), FILE), by torch 1.6 or newer",
    )
    for candidate in (state, *(state.get(key) for key in INNER if isinstance(state, dict))):
        if isinstance(candidate, dict) and candidate and all(map(_is_weight, candidate.items())):
            return candidate
    if isinstance(state, dict) and state.get("format") == models.FORMAT:
        raise ModelFileError(
            "this is a model of spikec's own, a graph with its weights",
            where=str(path),
            expected="a state dict",
            mend="torch.save(model.state_dict(), FILE); a model.pt itself goes to estimate, show and export",
        )
    raise ModelFileError("no state dict", where=str(path), expected="names with tensors, alone or under 'state_dict'")


def _is_weight(item: tuple[object, object]) -> bool:
    name, value = item
    return isinstance(name, str) and isinstance(value, Tensor)


def _factory(arch: str) -> Callable[..., Any]:  # Any: the user's
    name, colon, attribute = arch.partition(":")
    if not (name and colon and attribute):
        raise UsageError(f"--arch {arch}", expected="package.module:factory")
    module = _module(name, arch)
    try:
        found = operator.attrgetter(attribute)(module)
    except AttributeError:
        own = [key for key, value in vars(module).items() if callable(value) and not key.startswith("_")]
        raise UnknownName(attribute, f"factory of {name}", own) from None
    if not callable(found):
        raise UsageError(f"{attribute} is a {type(found).__name__}", where=f"--arch {arch}", expected="a factory")
    factory: Callable[..., Any] = found  # Any: the user's
    return factory


def _module(name: str, arch: str) -> ModuleType:
    try:
        with users_code(InputError, f"importing {name}", f"--arch {arch}"):
            return import_module(name)
    except InputError as error:
        cause = error.__cause__
        # A module that is not there, and not one that it needs and that is not there.
        if isinstance(cause, ModuleNotFoundError) and f"{name}.".startswith(f"{cause.name}."):
            raise InputError(
                f"there is no module '{cause.name}'",
                where=f"--arch {arch}",
                expected=f"a module in {os.getcwd()} or installed",
                mend=f"this in the folder above, which holds '{cause.name}'" if Path.cwd().name == cause.name else "",
            ) from error
        if isinstance(cause, ImportError) and "no known parent package" in str(cause):
            error.mend = f"in the folder above: --arch {Path.cwd().name}.{arch}"
        raise


def _run_once(network: nn.Module, foreign: Foreign) -> None:
    """Runs the network before it is traced, so that a failure is seen to be its own."""
    lead = {"TBX": (foreign.steps, 2), "BTX": (2, foreign.steps), "BX": (2,)}[foreign.layout]
    kind = next(network.parameters()).dtype
    with torch.no_grad(), users_code(TraceError, "the network", mend=f"check --input and --layout {foreign.layout}"):
        network(torch.rand(*lead, *foreign.shape).to(kind))


@contextmanager
def _searched_first(folder: Path) -> Iterator[None]:
    before = list(sys.path)
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        sys.path[:] = before
