"""What the tests of the .nir door share: files to read, data, and NIR's own equations as an oracle of their own."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path

import nir
import numpy as np
import pytest
import torch
from torch.nn import functional as F

from spikec.frontend.foreign import Reading, Taken, read
from spikec.run.interp import Interpreter

Edges = Sequence[tuple[str, str]]
Arrays = dict[str, np.ndarray]


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


class Said:
    """A tree for nir.write, without what it fails on: fields that state nothing, and arrays without axes."""

    def __init__(self, tree: dict[str, object]) -> None:
        self.tree = tree

    def to_dict(self) -> dict[str, object]:
        return {key: self.plain(value) for key, value in self.tree.items() if value is not None}

    def plain(self, value: object) -> object:
        if isinstance(value, dict):
            return Said(value).to_dict()
        return value[()] if isinstance(value, np.ndarray) and value.ndim == 0 else value


@pytest.fixture
def written(tmp_path: Path) -> Callable[..., Path]:
    """Writes nodes and edges as nir does, its type check off unless asked for: it is wrong on much that NIR can say."""

    def write(nodes: Mapping[str, nir.NIRNode], edges: Edges, *, check: bool = False, metadata: object = None) -> Path:
        graph = nir.NIRGraph(dict(nodes), list(edges), metadata or {}, type_check=check)
        path = tmp_path / "network.nir"
        nir.write(path, Said(graph.to_dict()))
        return path

    return write


@pytest.fixture
def taken(written: Callable[..., Path]) -> Callable[..., Taken]:
    """Reads nodes and edges through a file; further words are those of a Reading."""

    def take(nodes: Mapping[str, nir.NIRNode], edges: Edges, **reading: object) -> Taken:
        return read(written(nodes, edges), Reading(**reading))

    return take


@pytest.fixture(scope="session")
def chain() -> Callable[..., tuple[dict[str, nir.NIRNode], Edges]]:
    """Nodes one after the other between an Input and an Output, called n0, n1, ... unless they have names."""

    def make(shape: Sequence[int], out: Sequence[int], *nodes: nir.NIRNode, **named: nir.NIRNode) -> object:
        inner = {**{f"n{i}": node for i, node in enumerate(nodes)}, **named}
        found = {"input": nir.Input(np.array(shape)), **inner, "output": nir.Output(np.array(out))}
        names = list(found)
        return found, list(pairwise(names))

    return make


@pytest.fixture(scope="session")
def values() -> Callable[..., Arrays]:
    """Every value of a graph in the interpreter's fp64, [T, B, *shape], by name."""

    def run(graph: object, x: np.ndarray, keep: Iterable[str] | None = None) -> Arrays:
        keep = list(graph.outputs) if keep is None else list(keep)
        data = x if isinstance(x, dict) else dict.fromkeys(graph.inputs, x)
        assert len(data) == len(graph.inputs)
        assert isinstance(x, dict) or len(data) == 1, "several inputs have data of their own"
        found = Interpreter().run(graph, data, len(next(iter(data.values()))), keep=keep)
        return {name: found[name].numpy() for name in keep}

    return run


@pytest.fixture(scope="session")
def reference() -> Callable[..., Arrays]:
    """NIR's equations, step by step in numpy: every node's output [T, B, *shape], by its name."""
    return simulate


def simulate(
    nodes: Mapping[str, nir.NIRNode],
    edges: Edges,
    x: np.ndarray | Arrays,
    dt: float,
    late: Edges = (),
    integrator: str = "euler",
) -> Arrays:
    """Forward Euler, or the exact solution for an input that is constant over a step.

    Args:
        nodes: of the graph, subgraphs under joined names.
        edges: between them.
        x: what the one Input is given, or each by its name, [T, B, *shape].
        dt: seconds a step.
        late: edges that take what their source gave a step ago.
        integrator: 'euler' or 'exponential'.
    """
    run = Stepping(nodes, edges, dt, set(late), integrator)
    given = x if isinstance(x, dict) else {name: x for name, node in nodes.items() if isinstance(node, nir.Input)}
    for frames in zip(*given.values(), strict=True):
        run.step(dict(zip(given, frames, strict=True)))
    return {name: np.stack(history) for name, history in run.past.items()}


class Stepping:
    """A network between two steps."""

    def __init__(self, nodes: Mapping[str, nir.NIRNode], edges: Edges, dt: float, late: set, integrator: str) -> None:
        self.nodes, self.late, self.dt, self.integrator = nodes, late, dt, integrator
        self.into = {name: [a for a, b in edges if b == name] for name in nodes}
        self.past: dict[str, list[np.ndarray]] = {name: [] for name in nodes}
        self.states: dict[str, Arrays] = {name: {} for name in nodes}

    def step(self, frames: Arrays) -> None:
        self.frames, self.now = frames, {}
        self.samples = len(next(iter(frames.values())))
        for name in self.nodes:
            self.give(name)
        for name, value in self.now.items():
            self.past[name].append(value)

    def give(self, name: str) -> np.ndarray:
        if name not in self.now:
            node = self.nodes[name]
            if isinstance(node, nir.Input) and not self.into[name]:
                self.now[name] = self.frames[name]
            elif isinstance(node, nir.Delay) and node.delay.any():
                self.now[name] = self.delayed(name, np.rint(node.delay / self.dt).astype(int))
            else:
                x = self.entering(name)
                self.now[name] = RULES[type(node)](node, x, self.states[name], self.dt, self.integrator)
        return self.now[name]

    def entering(self, name: str) -> np.ndarray:
        return sum(self.before(a, 1) if (a, name) in self.late else self.give(a) for a in self.into[name])

    def before(self, name: str, steps: int) -> np.ndarray:
        shape = np.array(self.nodes[name].output_type["output"])
        return self.past[name][-steps] if steps <= len(self.past[name]) else np.zeros((self.samples, *shape))

    def delayed(self, name: str, steps: np.ndarray) -> np.ndarray:
        assert steps.min() >= 1, "the oracle knows Delays of nothing, and of a step and more"
        heard = np.zeros((self.samples, *steps.shape))
        for step in np.unique(steps):
            heard = np.where(steps == step, sum(self.before(a, step) for a in self.into[name]), heard)
        return heard


Rule = Callable[[nir.NIRNode, np.ndarray, dict[str, np.ndarray], float, str], np.ndarray]


def charged(
    v: np.ndarray, x: np.ndarray, tau: np.ndarray, target: np.ndarray, dt: float, integrator: str
) -> np.ndarray:
    """v after a step of tau dv/dt = target - v."""
    if integrator == "euler":
        return v + dt / tau * (target - v)
    return target + (v - target) * np.exp(-dt / tau)


def lif(node: nir.NIRNode, x: np.ndarray, state: dict[str, np.ndarray], dt: float, integrator: str) -> np.ndarray:
    v = state.get("v", np.zeros_like(x) + getattr(node, "v_leak", getattr(node, "v_reset", 0.0)))
    if isinstance(node, nir.CubaLIF | nir.CubaLI):
        i = state.get("i", np.zeros_like(x))
        state["i"] = x = charged(i, x, node.tau_syn, node.w_in * x, dt, integrator)
    if isinstance(node, nir.IF | nir.I):
        v = v + dt * node.r * x
    else:
        tau = node.tau_mem if isinstance(node, nir.CubaLIF | nir.CubaLI) else node.tau
        v = charged(v, x, tau, node.v_leak + node.r * x, dt, integrator)
    if isinstance(node, nir.LI | nir.CubaLI | nir.I):
        state["v"] = v
        return v
    spikes = v > node.v_threshold
    state["v"] = np.where(spikes, node.v_reset, v)
    return spikes.astype(np.float64)


def torch_rule(compute: Callable[[nir.NIRNode, torch.Tensor], torch.Tensor]) -> Rule:
    return lambda node, x, state, dt, integrator: compute(node, torch.from_numpy(x)).numpy()


def weights(node: nir.NIRNode) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.from_numpy(np.float64(node.weight)), torch.from_numpy(np.float64(node.bias))


def pair(value: object) -> list[int]:
    return [int(n) for n in np.broadcast_to(value, 2)]


def conv2d(node: nir.Conv2d, x: torch.Tensor) -> torch.Tensor:
    padding = node.padding if isinstance(node.padding, str) else pair(node.padding)
    return F.conv2d(x, *weights(node), pair(node.stride), padding, pair(node.dilation), node.groups)


def conv1d(node: nir.Conv1d, x: torch.Tensor) -> torch.Tensor:
    return F.conv1d(x, *weights(node), node.stride, node.padding, node.dilation, node.groups)


def pool(node: nir.NIRNode, x: torch.Tensor) -> torch.Tensor:
    high, wide = pair(node.padding)
    padded = F.pad(x, (wide, wide, high, high))
    mean = F.avg_pool2d(padded, pair(node.kernel_size), pair(node.stride))
    return mean * np.prod(pair(node.kernel_size)) if isinstance(node, nir.SumPool2d) else mean


def flatten(node: nir.Flatten, x: torch.Tensor) -> torch.Tensor:
    start, end = int(node.start_dim), int(node.end_dim)
    return x.flatten(start + 1 if start >= 0 else start, end + 1 if end >= 0 else end)


def plain(compute: Callable[[nir.NIRNode, np.ndarray], np.ndarray]) -> Rule:
    return lambda node, x, state, dt, integrator: compute(node, x)


def linear(node: nir.NIRNode, x: np.ndarray) -> np.ndarray:
    y = np.einsum("...oi,b...i->b...o", np.float64(node.weight), x)
    return y + node.bias if isinstance(node, nir.Affine) else y


RULES: dict[type, Rule] = {
    **dict.fromkeys((nir.LIF, nir.IF, nir.LI, nir.I, nir.CubaLIF, nir.CubaLI), lif),
    **dict.fromkeys((nir.Input, nir.Output), plain(lambda node, x: x)),
    **dict.fromkeys((nir.Affine, nir.Linear), plain(linear)),
    nir.Delay: plain(lambda node, x: x),
    nir.Scale: plain(lambda node, x: x * node.scale),
    nir.Threshold: plain(lambda node, x: (x > node.threshold).astype(np.float64)),
    **dict.fromkeys((nir.AvgPool2d, nir.SumPool2d), torch_rule(pool)),
    nir.Conv1d: torch_rule(conv1d),
    nir.Conv2d: torch_rule(conv2d),
    nir.Flatten: torch_rule(flatten),
}


@pytest.fixture(scope="session")
def alive() -> Callable[[np.ndarray], None]:
    """Fails for spikes that are all alike, of which equality proves nothing."""

    def check(spikes: np.ndarray) -> None:
        assert set(np.unique(spikes)) <= {0.0, 1.0}
        assert 0.02 < spikes.mean() < 0.98

    return check
