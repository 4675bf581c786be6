"""snnTorch's Leaky, which an export leaves as arithmetic and comparisons, put together again."""

from __future__ import annotations

from dataclasses import replace

import pytest
import snntorch
import torch
from torch import Tensor, nn

from spikec.errors import TraceError, UnsupportedOp
from spikec.frontend.pt2 import neurons
from spikec.frontend.pt2.unrolled import LEAKY
from spikec.ir.neurons import LIF
from spikec.ir.time import Delay
from spikec.run.interp import Interpreter


class Leaks(nn.Module):
    """A loop over time around snnTorch's Leaky, its membrane explicit or hidden, or a neuron like it."""

    def __init__(self, cell: nn.Module, *, hidden: bool = False) -> None:
        super().__init__()
        self.fc, self.cell, self.hidden = nn.Linear(4, 6), cell, hidden

    def forward(self, x: Tensor) -> Tensor:
        spikes, v = [], None if self.hidden else self.cell.init_leaky()
        for t in range(4):
            drive = self.fc(x[t])
            q, v = (self.cell(drive), None) if self.hidden else self.cell(drive, v)
            spikes.append(q)
        return torch.stack(spikes)


@pytest.mark.parametrize("core", [False, True], ids=["aten", "core"])
@pytest.mark.parametrize("reset", ["subtract", "zero", "none"])
def test_snntorchs_leaky_is_put_together_again(door, reset: str, core: bool) -> None:
    module = Leaks(snntorch.Leaky(0.8, threshold=0.2, reset_mechanism=reset))
    if core and reset == "zero":  # 1 - reset is written otherwise there
        with pytest.raises(UnsupportedOp, match="exported step by step as a comparison"):
            door.taken(module, torch.rand(4, 3, 4), (1,), core)
        return
    found = door.equal(module, torch.rand(4, 3, 4), (1,), core)
    (node,) = [node for node in found.graph.nodes if isinstance(node.op, LIF)]
    kind = {"subtract": "soft", "zero": "hard", "none": "none"}[reset]
    assert node.op == LIF(reset=kind, decay_input=False, fires_at=">", reset_delay=True)
    assert node.scope == "cell"
    assert 0.1 < float(module(torch.rand(4, 64, 4)).detach().mean()) < 0.9


def test_a_leaky_with_a_hidden_membrane_and_a_learnt_beta(door) -> None:
    module = Leaks(snntorch.Leaky(torch.full((6,), 0.7), threshold=0.2, init_hidden=True, learn_beta=True), hidden=True)
    found = door.equal(module, torch.rand(4, 3, 4), (1,))
    assert found.graph.weights["cell.beta"].role.value == "parameter"
    assert found.graph.weights["cell.beta"].array.shape == (6,)


class Behind(nn.Module):
    """Layers with biases and norms behind a Leaky, on its float32 spikes as they are or in the input's format."""

    def __init__(self, *, cast: bool) -> None:
        super().__init__()
        self.leaky, self.cast = snntorch.Leaky(0.5, threshold=0.3), cast
        self.conv, self.bn, self.grouped = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Conv2d(4, 4, 3, groups=2)
        self.line, self.norm, self.q, self.k = nn.Conv1d(4, 3, 2), nn.LayerNorm(5), nn.Linear(5, 5), nn.Linear(5, 5)

    def forward(self, x: Tensor) -> Tensor:
        v, found = self.leaky.init_leaky(), []
        for t in range(3):
            q, v = self.leaky(x[t], v)
            y = self.grouped(self.bn(self.conv(q.to(x.dtype) if self.cast else q)))
            y = self.norm(self.line(y.flatten(2)[:, :, :6]))
            found.append((self.q(y) @ self.k(y).transpose(-2, -1)).softmax(-1) @ y)
        return torch.stack(found)


@pytest.mark.parametrize("core", [False, pytest.param(True, marks=pytest.mark.full)], ids=["aten", "core"])
def test_layers_with_biases_behind_a_leaky(door, core: bool) -> None:
    x = torch.rand(3, 2, 3, 7, 7)
    door.equal(Behind(cast=True), x, core=core)
    found = door.taken(Behind(cast=False), x, core=core)  # in fp64 snnTorch's own module does not compute
    assert {"lif", "conv2d", "conv1d", "linear", "layer_norm"} < {node.op.mnemonic for node in found.graph.nodes}


class Whole(nn.Module):
    """Two neurons, the second recurrent; it gives spikes and the membranes of both."""

    def __init__(self, reset: str = "subtract", **recurrent: object) -> None:
        super().__init__()
        self.fc, self.two, self.leaky = nn.Linear(4, 6), nn.Linear(6, 6), snntorch.Leaky(0.8, threshold=0.2)
        given = recurrent or {"linear_features": 6}
        self.rleaky = snntorch.RLeaky(0.7, threshold=0.15, reset_mechanism=reset, **given)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        v, (q, w) = self.leaky.init_leaky(), self.rleaky.init_rleaky()
        spikes, membranes = [], []
        for t in range(x.shape[0]):
            p, v = self.leaky(self.fc(x[t]), v)
            q, w = self.rleaky(self.two(p.to(x.dtype)) + v, q.to(x.dtype), w)  # a spike of theirs is a float32
            spikes.append(q)
            membranes.append(w)
        return torch.stack(spikes), torch.stack(membranes), v


@pytest.mark.parametrize(
    ("reset", "recurrent"), [("subtract", {}), ("none", {}), ("subtract", {"all_to_all": False, "V": 0.5})]
)
def test_a_recurrent_one_and_membranes_that_are_used(door, reset: str, recurrent: dict[str, object]) -> None:
    module = Whole(reset, **recurrent)
    found = door.equal(module, torch.rand(4, 3, 4), (1,))
    ops = [type(node.op) for node in found.graph.nodes]
    assert (ops.count(LIF), ops.count(Delay)) == (2, 1)
    longer = 2 * torch.rand(7, 5, 4, dtype=torch.float64) - 0.5
    with torch.no_grad():
        expected = module.double()(longer)
    answers = Interpreter(torch.float64).run(found.graph, {"x": longer.numpy()}, 7).values()
    for ours, theirs in zip(answers, expected, strict=True):
        torch.testing.assert_close(ours, theirs.double(), rtol=0, atol=1e-9)
    assert 0.05 < float(expected[0].mean()) < 0.95


@pytest.mark.full
@pytest.mark.parametrize("reset", ["subtract", "none"])
def test_a_recurrent_one_in_core_operators(door, reset: str) -> None:
    found = door.equal(Whole(reset), torch.rand(4, 3, 4), (1,), core=True)
    assert sum(isinstance(node.op, LIF) for node in found.graph.nodes) == 2


def test_a_recurrent_one_whose_reset_is_written_otherwise_is_refused(door) -> None:
    with pytest.raises(UnsupportedOp, match="exported step by step as a comparison") as caught:
        door.taken(Whole("zero"), torch.rand(4, 3, 4), (1,))
    assert {offender.path for offender in caught.value.offenders} == {"rleaky"}


class Sums(nn.Module):
    """Written out like an RLeaky, and what it adds up before the feedback is an output or is not."""

    def __init__(self, *, shown: bool) -> None:
        super().__init__()
        self.rec, self.shown = nn.Linear(4, 4), shown
        self.register_buffer("beta", torch.tensor(0.8))
        self.register_buffer("threshold", torch.tensor(0.3))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        v, q, spikes, sums = torch.zeros_like(x[0]), torch.zeros_like(x[0]), [], []
        for t in range(x.shape[0]):
            told = ((v - self.threshold) > 0).to(x.dtype)
            part = self.beta.clamp(0, 1) * v + x[t]
            v = part + self.rec(q) - told * self.threshold
            q = ((v - self.threshold) > 0).to(x.dtype)
            spikes.append(q)
            sums.append(part if self.shown else v)
        return torch.stack(spikes), torch.stack(sums)


def test_a_sum_that_is_used_otherwise_stays_itself(door) -> None:
    door.equal(Sums(shown=False), torch.rand(3, 2, 4), (1,))
    with pytest.raises(UnsupportedOp, match="exported step by step as a comparison"):
        door.taken(Sums(shown=True), torch.rand(3, 2, 4), (1,))


class Odd(nn.Module):
    """Nearly a Leaky: one thing is another."""

    def __init__(self, odd: str) -> None:
        super().__init__()
        self.odd = odd
        for name, number in (("beta", 0.8), ("threshold", 0.2), ("other", 0.3)):
            self.register_buffer(name, torch.tensor(number))

    def init_leaky(self) -> None:
        return None

    def forward(self, x: Tensor, v: Tensor | None) -> tuple[Tensor, Tensor]:
        v = torch.full_like(x, 0.5 if self.odd == "start" else 0.0) if v is None else v
        told = ((v - (self.other if self.odd == "reset" else self.threshold)) > 0).to(x.dtype)
        share = self.beta.clamp(0, 2 if self.odd == "clamp" else 1)
        over = 0.1 if self.odd == "compare" else 0
        v = share * v + x - told * (self.other if self.odd == "taken" else self.threshold)
        return ((v - self.threshold) > over).to(x.dtype), v


@pytest.mark.parametrize("odd", ["", "start", "reset", "clamp", "compare", "taken"])
def test_what_only_looks_like_a_leaky_is_refused(door, odd: str) -> None:
    if not odd:
        door.equal(Leaks(Odd(odd)), torch.rand(4, 3, 4), (1,))
        return
    with pytest.raises(UnsupportedOp) as caught:
        door.taken(Leaks(Odd(odd)), torch.rand(4, 3, 4), (1,))
    assert {offender.path for offender in caught.value.offenders} == {"cell"}


def test_a_leaky_put_together_wrongly_would_be_found(door, monkeypatch: pytest.MonkeyPatch) -> None:
    right = neurons.NEURONS[LEAKY]
    wrong = {LEAKY: lambda args: replace(right(args), op=LIF(reset="none", decay_input=False, fires_at=">"))}
    monkeypatch.setattr("spikec.frontend.pt2.plan.NEURONS", {**neurons.NEURONS, **wrong})
    with pytest.raises(TraceError, match="something else than the neurons that its comparisons look like"):
        door.taken(Leaks(snntorch.Leaky(0.8, threshold=0.2)), torch.rand(4, 3, 4), (1,))
