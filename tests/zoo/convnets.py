"""Spiking convnets, residual nets, recurrent classifiers and an event-camera network, in snnTorch and SpikingJelly.

Each is written as its framework's users write it: explicit states or hidden ones, a Python loop over time, all steps
at once. The shapes are those of the literature (VGG: Simonyan and Zisserman, 2015; residual blocks that add spikes:
Fang et al., SEW ResNet, NeurIPS 2021; blocks that add membrane drives: Hu et al., MS-ResNet, 2021), made narrow.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import snntorch as snn
import torch
from snntorch import utils
from spikingjelly.activation_based import functional, layer, neuron
from torch import Tensor, nn

from spikec.frontend.tracer import Layout
from spikec.ir.types import REAL, Domain, Int

IMAGE = (2, 8, 8)
FRAMES = Int(0, 1_000_000)
"""Events of an event camera, summed up over a frame."""

Make = Callable[[], nn.Module]


@dataclass(frozen=True)
class Entry:
    """A network of the zoo and how it is traced.

    Args:
        make: the network.
        shape: of one sample.
        layout: as of the tracer.
        domain: of the input.
        ops: which the graph holds, among others.
    """

    make: Make
    shape: tuple[int, ...]
    layout: Layout = "TBX"
    domain: Domain = REAL
    ops: tuple[str, ...] = ()


def conv(inputs: int, outputs: int, stride: int = 1, kernel: int = 3) -> nn.Sequential:
    """Convolution and norm, the drive of a neuron."""
    return nn.Sequential(nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False), nn.BatchNorm2d(outputs))


class SnnVGG(nn.Module):
    """VGG-like, snnTorch with explicit states in a loop over time; gives spikes and membranes of the last layer."""

    def __init__(self, **fields: object) -> None:
        super().__init__()
        self.conv1, self.lif1 = conv(2, 4), snn.Leaky(0.9, **fields)
        self.conv2, self.lif2 = conv(4, 6), snn.Leaky(0.8, **fields)
        self.pool = nn.MaxPool2d(2)
        self.fc, self.lif3 = nn.Linear(6 * 4 * 4, 10), snn.Leaky(0.7, **fields)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        mem1, mem2, mem3 = self.lif1.init_leaky(), self.lif2.init_leaky(), self.lif3.init_leaky()
        spikes, membranes = [], []
        for step in range(x.size(0)):
            spk1, mem1 = self.lif1(self.conv1(x[step]), mem1)
            spk2, mem2 = self.lif2(self.conv2(spk1), mem2)
            spk3, mem3 = self.lif3(self.fc(self.pool(spk2).flatten(1)), mem3)
            spikes.append(spk3)
            membranes.append(mem3)
        return torch.stack(spikes), torch.stack(membranes)


class SnnHidden(nn.Module):
    """The same as a Sequential of neurons that hide their states, as snnTorch's tutorials do; counts of spikes."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(
            *conv(2, 4),
            snn.Leaky(0.9, init_hidden=True),
            nn.AvgPool2d(2),
            *conv(4, 6),
            snn.Leaky(0.8, init_hidden=True, reset_mechanism="zero"),
            nn.MaxPool2d(2),
            nn.Flatten(),
            nn.Linear(6 * 2 * 2, 10),
            snn.Leaky(0.7, init_hidden=True, output=True),
        )

    def forward(self, x: Tensor) -> Tensor:
        utils.reset(self.net)
        recorded = []
        for now in x:
            spikes, _ = self.net(now)
            recorded.append(spikes)
        return torch.stack(recorded).sum(0)


class SnnResidual(nn.Module):
    """Two residual blocks in snnTorch: one adds spikes (SEW), one adds drives and is down-sampled (MS-ResNet)."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.lif0 = conv(2, 4), snn.Leaky(0.9)
        self.conv1, self.lif1 = conv(4, 4), snn.Leaky(0.8)
        self.conv2, self.lif2 = conv(4, 4), snn.Leaky(0.8)
        self.lif3, self.conv3 = snn.Leaky(0.7), conv(4, 8, stride=2)
        self.short = conv(4, 8, stride=2, kernel=1)
        self.lif4 = snn.Leaky(0.7, reset_mechanism="zero")
        self.fc = nn.Linear(8, 10)

    def forward(self, x: Tensor) -> Tensor:
        mem0 = mem1 = mem2 = mem3 = mem4 = None
        total = 0.0
        for now in x:
            spikes, mem0 = self.lif0(self.stem(now), mem0)
            inner, mem1 = self.lif1(self.conv1(spikes), mem1)
            inner, mem2 = self.lif2(self.conv2(inner), mem2)
            spikes = spikes + inner
            inner, mem3 = self.lif3(spikes, mem3)
            inner, mem4 = self.lif4(self.conv3(inner) + self.short(spikes), mem4)
            total = total + self.fc(inner.mean((2, 3)))
        return total / len(x)


class SnnRecurrent(nn.Module):
    """A recurrent LIF classifier: every neuron of the hidden layer hears all of them, one step later."""

    def __init__(self, *, hidden: bool = False) -> None:
        super().__init__()
        self.fc1 = nn.Linear(12, 16)
        self.rlif = snn.RLeaky(0.9, linear_features=16, init_hidden=hidden)
        self.fc2, self.lif = nn.Linear(16, 4), snn.Leaky(0.8, init_hidden=hidden)
        self.hidden = hidden

    def forward(self, x: Tensor) -> Tensor:
        spk, mem = self.rlif.init_rleaky()
        out, recorded = self.lif.init_leaky(), []
        for now in x:
            if self.hidden:
                spikes = self.lif(self.fc2(self.rlif(self.fc1(now))))
            else:
                spk, mem = self.rlif(self.fc1(now), spk, mem)
                spikes, out = self.lif(self.fc2(spk), out)
            recorded.append(spikes)
        return torch.stack(recorded).mean(0)


class SnnWrittenOut(nn.Module):
    """The same with the recurrence written out: a Linear of the spikes of the step before, zeros before the first."""

    def __init__(self) -> None:
        super().__init__()
        self.fc1, self.recurrent, self.lif1 = nn.Linear(12, 16), nn.Linear(16, 16), snn.Leaky(0.9)
        self.fc2, self.lif2 = nn.Linear(16, 4), snn.Leaky(0.8)

    def forward(self, x: Tensor) -> Tensor:
        mem1, mem2 = self.lif1.init_leaky(), self.lif2.init_leaky()
        spikes, counts = torch.zeros(x.shape[1], 16, dtype=x.dtype), 0.0
        for now in x:
            spikes, mem1 = self.lif1(self.fc1(now) + self.recurrent(spikes), mem1)
            classes, mem2 = self.lif2(self.fc2(spikes), mem2)
            counts = counts + classes
        return counts


class SnnEvents(nn.Module):
    """An event-camera network of [B, T, 2, H, W], as event frames are batched; rates of the classes."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.lif1 = conv(2, 4), snn.Leaky(0.9)
        self.conv2, self.lif2 = conv(4, 8), snn.Synaptic(0.6, 0.8)
        self.pool, self.fc, self.lif3 = nn.MaxPool2d(2), nn.Linear(8 * 3 * 2, 11), snn.Leaky(0.5)

    def forward(self, frames: Tensor) -> Tensor:
        mem1 = mem3 = syn2 = mem2 = None
        recorded = []
        for step in range(frames.shape[1]):
            spikes, mem1 = self.lif1(self.conv1(frames[:, step]), mem1)
            spikes, syn2, mem2 = self.lif2(self.conv2(self.pool(spikes)), syn2, mem2)
            spikes, mem3 = self.lif3(self.fc(self.pool(spikes).flatten(1)), mem3)
            recorded.append(spikes)
        return torch.stack(recorded, 1).mean(1)


def drive(inputs: int, outputs: int, stride: int = 1, kernel: int = 3) -> list[nn.Module]:
    """Convolution and norm of SpikingJelly, which know of step modes."""
    return [layer.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False), layer.BatchNorm2d(outputs)]


class Stepped(nn.Module):
    """A SpikingJelly network in step mode 's', one step a call; or in 'm', all steps.

    Args:
        net: of SpikingJelly's layers.
        mode: the step mode.
    """

    def __init__(self, net: nn.Module, mode: str) -> None:
        super().__init__()
        self.net, self.mode = net, mode
        functional.set_step_mode(net, mode)

    def forward(self, x: Tensor) -> Tensor:
        if self.mode == "m":
            return self.net(x)
        return torch.stack([self.net(now) for now in x])


def jelly_vgg(node: Make, mode: str) -> nn.Module:
    """VGG-like in SpikingJelly."""
    net = nn.Sequential(
        *drive(2, 4),
        node(),
        *drive(4, 6),
        node(),
        layer.MaxPool2d(2, 2),
        layer.Flatten(),
        layer.Linear(6 * 4 * 4, 10),
        node(),
    )
    return Stepped(net, mode)


class JellyResidual(nn.Module):
    """The two residual blocks of `SnnResidual` in SpikingJelly; rates of the classes."""

    def __init__(self, node: Make, mode: str) -> None:
        super().__init__()
        self.stem = nn.Sequential(*drive(2, 4), node())
        self.spiking = nn.Sequential(*drive(4, 4), node(), *drive(4, 4), node())
        self.lif, self.conv = node(), nn.Sequential(*drive(4, 8, stride=2))
        self.short, self.last = nn.Sequential(*drive(4, 8, stride=2, kernel=1)), node()
        self.pool, self.fc = layer.AdaptiveAvgPool2d(1), layer.Linear(8, 10)
        self.mode = mode
        functional.set_step_mode(self, mode)

    def step(self, x: Tensor) -> Tensor:
        """One step's tensor, or that of all steps."""
        spikes = self.stem(x)
        spikes = spikes + self.spiking(spikes)
        spikes = self.last(self.conv(self.lif(spikes)) + self.short(spikes))
        return self.fc(self.pool(spikes).flatten(-3))

    def forward(self, x: Tensor) -> Tensor:
        if self.mode == "m":
            return self.step(x).mean(0)
        return torch.stack([self.step(now) for now in x]).mean(0)


class JellyRecurrent(nn.Module):
    """A recurrent LIF classifier in SpikingJelly, which has a container that hands the spikes on."""

    def __init__(self, node: Make) -> None:
        super().__init__()
        self.fc1, self.lif1 = nn.Linear(12, 16), layer.LinearRecurrentContainer(node(), 16, 16)
        self.fc2, self.lif2 = nn.Linear(16, 4), node()

    def forward(self, x: Tensor) -> Tensor:
        return torch.stack([self.lif2(self.fc2(self.lif1(self.fc1(now)))) for now in x]).mean(0)


class JellyEvents(nn.Module):
    """The event-camera network in SpikingJelly, [B, T, 2, H, W] turned to its [T, B, ...]."""

    def __init__(self, mode: str) -> None:
        super().__init__()
        net = nn.Sequential(
            *drive(2, 4),
            layer.MaxPool2d(2, 2),
            neuron.ParametricLIFNode(2.0),
            *drive(4, 8),
            layer.AvgPool2d(2, 2),
            neuron.LIFNode(2.0),
            layer.Flatten(),
            layer.Linear(8 * 3 * 2, 11),
            neuron.IFNode(),
        )
        self.net = Stepped(net, mode)

    def forward(self, frames: Tensor) -> Tensor:
        return self.net(frames.transpose(0, 1)).mean(0)


def jelly_nodes() -> Mapping[str, Make]:
    """Every combination of SpikingJelly's fields that decide what IF, LIF and PLIF compute, by its name."""
    found: dict[str, Make] = {}
    for reset, v_reset in (("hard", 0.0), ("soft", None), ("hard to -0.25", -0.25)):
        found[f"IF {reset}"] = lambda v=v_reset: neuron.IFNode(v_reset=v)
        for decay in (True, False):
            said = f"{reset}{'' if decay else ', input not decayed'}"
            found[f"LIF {said}"] = lambda v=v_reset, d=decay: neuron.LIFNode(1.7, decay_input=d, v_reset=v)
            found[f"PLIF {said}"] = lambda v=v_reset, d=decay: neuron.ParametricLIFNode(1.7, decay_input=d, v_reset=v)
    return found


def zoo() -> Mapping[str, Entry]:
    """The networks, by name."""
    lif, plif = (jelly_nodes()[name] for name in ("LIF hard", "PLIF soft, input not decayed"))
    found = {
        "vgg, snnTorch, explicit states": Entry(SnnVGG, IMAGE, ops=("lif", "max_pool")),
        "vgg, snnTorch, hidden states": Entry(SnnHidden, IMAGE, ops=("avg_pool", "max_pool", "time_sum")),
        "residual, snnTorch": Entry(SnnResidual, IMAGE, ops=("add", "mean", "time_mean")),
        "recurrent, snnTorch": Entry(SnnRecurrent, (12,), "TBX", FRAMES, ops=("delay", "time_mean")),
        "recurrent, snnTorch, hidden states": Entry(
            lambda: SnnRecurrent(hidden=True), (12,), "TBX", FRAMES, ops=("delay",)
        ),
        "recurrent, snnTorch, written out": Entry(SnnWrittenOut, (12,), "TBX", FRAMES, ops=("delay", "time_sum")),
        "recurrent, SpikingJelly, s": Entry(lambda: JellyRecurrent(lif), (12,), "TBX", FRAMES, ops=("delay", "concat")),
        "events, snnTorch": Entry(SnnEvents, (2, 12, 8), "BTX", FRAMES, ops=("cuba_lif", "max_pool")),
    }
    for mode in ("s", "m"):
        found |= {
            f"vgg, SpikingJelly, {mode}": Entry(lambda m=mode: jelly_vgg(lif, m), IMAGE, ops=("lif", "max_pool")),
            f"residual, SpikingJelly, {mode}": Entry(lambda m=mode: JellyResidual(plif, m), IMAGE, ops=("plif", "add")),
            f"events, SpikingJelly, {mode}": Entry(
                lambda m=mode: JellyEvents(m), (2, 12, 8), "BTX", FRAMES, ops=("plif", "lif", "if", "avg_pool")
            ),
        }
    return found
