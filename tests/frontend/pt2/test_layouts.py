"""Where a .pt2 file's input has time and the batch: found, said, or asked for; left open, or fixed."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from spikec.errors import TraceError
from spikec.frontend.foreign import Reading, read
from spikec.snn.neuron import LIFNeuron


class ConvNet(nn.Module):
    """Convolution, BatchNorm, LIF, Linear and a mean over time, time and batch where `layout` says."""

    def __init__(self, layout: str = "TBX", steps: int = 4) -> None:
        super().__init__()
        self.conv, self.bn = nn.Conv2d(3, 6, 3, padding=1), nn.BatchNorm2d(6)
        self.lif, self.head = LIFNeuron(2.0, 0.3), nn.Linear(96, 10)
        self.layout, self.steps = layout, steps
        nn.init.normal_(self.bn.running_mean)

    def forward(self, x: Tensor) -> Tensor:
        if self.layout == "BTX":
            x = x.transpose(0, 1)
        if self.layout == "BX":
            x = x.unsqueeze(0).repeat(self.steps, 1, 1, 1, 1)
        times = x.shape[:2]
        y = self.lif(self.bn(self.conv(x.flatten(0, 1))).unflatten(0, times))
        return self.head(y.flatten(2)).mean(0)


def example(layout: str, batch: int, steps: int = 4) -> Tensor:
    lead = {"TBX": (steps, batch), "BTX": (batch, steps), "BX": (batch,)}[layout]
    return torch.rand(*lead, 3, 4, 4)


FREE = {"TBX": (1,), "BTX": (0,), "BX": (0,)}


@pytest.mark.parametrize("core", [False, pytest.param(True, marks=pytest.mark.full)], ids=["aten", "core"])
@pytest.mark.parametrize("layout", ["TBX", "BTX", "BX"])
def test_a_batch_that_is_left_open(door, layout: str, core: bool) -> None:
    found = door.equal(ConvNet(layout), example(layout, 2), FREE[layout], core)
    assert found.facts["layout"] == layout
    assert found.encoder == ("direct" if layout == "BX" else "frames")
    assert found.facts["steps"] == found.graph.steps == 4
    assert not [remark for remark in found.remarks if "batch is fixed" in remark]
    scopes = [node.scope for node in found.graph.nodes if node.scope]
    assert scopes == ["conv", "bn", "lif", "head"]
    assert found.graph.weights["conv.weight"].array.shape == (6, 3, 3, 3)


@pytest.mark.full
@pytest.mark.parametrize("batch", [1, 2, 4])
@pytest.mark.parametrize("layout", ["TBX", "BTX", "BX"])
def test_a_batch_that_is_fixed_is_said(door, layout: str, batch: int) -> None:
    found = door.equal(ConvNet(layout), example(layout, batch))
    assert found.facts["layout"] == layout
    assert f"the file's batch is fixed at {batch}; the graph takes any, and was replayed at that one" in found.remarks
    open_one = door.taken(ConvNet(layout), example(layout, 2), FREE[layout])
    assert found.graph.text() == open_one.graph.text()


@pytest.mark.full
def test_time_that_is_left_open_too(door) -> None:
    found = door.equal(ConvNet(), example("TBX", 2), (0, 1))
    assert found.facts["layout"] == "TBX"
    assert not [remark for remark in found.remarks if "fixed" in remark]
    assert door.taken(ConvNet(), example("TBX", 2), (0, 1), steps=7).graph.steps == 7


@pytest.mark.full
def test_a_fixed_time_is_said_and_another_may_be_asked_for(door) -> None:
    found = door.taken(ConvNet(), example("TBX", 2), (1,), steps=6)
    assert found.graph.steps == 6
    assert found.facts["steps"] == 4
    assert (
        "the file's time is fixed at 4 steps; the graph runs any number, and was replayed at that one" in found.remarks
    )
    assert "T is 6 as asked; the file was exported with 4 steps, and was replayed so" in found.remarks


def test_a_layout_that_is_asked_for_must_fit(door) -> None:
    path = door.export(ConvNet(), example("TBX", 2), (1,))
    assert read(path, Reading(layout="TBX")).facts["layout"] == "TBX"
    for layout in ("BTX", "BX"):
        with pytest.raises(TraceError, match="to neurons of 4 steps"):
            read(path, Reading(layout=layout))


def test_what_holds_without_neurons_is_one_image_unless_asked(door) -> None:
    class Plain(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc = nn.Linear(4, 3)

        def forward(self, x: Tensor) -> Tensor:
            return self.fc(x)

    path = door.export(Plain(), torch.rand(3, 2, 4), (1,))
    with pytest.raises(TraceError, match="to neurons of no steps"):
        read(path, Reading())
    assert read(path, Reading(layout="TBX")).encoder == "frames"
    assert door.equal(Plain(), torch.rand(2, 4), (0,)).graph.steps == 1
