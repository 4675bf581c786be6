"""What a refusal says beside its reason: the line of the user's code, and how the input was read."""

from __future__ import annotations

import json
import linecache
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from spikec.errors import TraceError, UnsupportedOp
from spikec.frontend.foreign import Reading, read
from spikec.frontend.pt2 import lines
from spikec.snn.neuron import LIFNeuron

PROGRAM = "net/models/model.json"


class Outer(nn.Module):
    """A module within a module that does what is given, before a neuron or without one."""

    def __init__(self, inner: nn.Module, *, fires: bool = True) -> None:
        super().__init__()
        self.fc, self.inner, self.lif = nn.Linear(4, 4), inner, LIFNeuron(2.0, 0.2) if fires else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return self.lif(self.inner(self.fc(x)))


class Activated(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(x) + x.flip(-1)


class Averaged(nn.Module):
    """Relative to a mean over an axis."""

    def __init__(self, axis: int) -> None:
        super().__init__()
        self.axis = axis

    def forward(self, x: Tensor) -> Tensor:
        return x - x.mean(self.axis, keepdim=True)


def number_of(text: str) -> int:
    """The line of this file that holds the text first."""
    with open(__file__, encoding="utf-8") as file:
        return next(number for number, line in enumerate(file, 1) if text in line)


def test_what_is_refused_is_said_with_its_line(door) -> None:
    with pytest.raises(UnsupportedOp) as caught:
        door.taken(Outer(Activated()), torch.rand(3, 2, 4), (1,))
    text = "return torch.relu(x) + x.flip(-1)"
    line = f"test_refusals.py:{number_of(text)}: {text}"
    assert [(one.op, one.path, one.line) for one in caught.value.offenders] == [
        ("aten.relu.default", "inner", line),
        ("aten.flip.default", "inner", line),
    ]
    assert f"an activation of real numbers, of which gelu, exp and softmax are taken; {line}" in str(caught.value)


class Written(nn.Module):
    """A neuron that is written out."""

    def forward(self, x: Tensor) -> Tensor:
        v, spikes = torch.zeros_like(x[0]), []
        for now in x:
            v = 0.5 * v + now
            spikes.append((v > 0.3).to(x.dtype))
        return torch.stack(spikes)


def test_what_every_step_repeats_is_one_line_of_the_message(door) -> None:
    with pytest.raises(UnsupportedOp) as caught:
        door.taken(Written(), torch.rand(3, 2, 4), (1,))
    assert len(caught.value.offenders) == 3
    head, row, mend = str(caught.value).splitlines()
    assert "3 of " in head
    assert row.endswith("spikes.append((v > 0.3).to(x.dtype))")
    assert "torch.onnx.export writes files whose comparisons are taken" in mend


def test_what_the_recording_refuses_is_said_with_its_line(door) -> None:
    with pytest.raises(TraceError) as caught:
        door.taken(Outer(Averaged(1)), torch.rand(3, 2, 4), (1,))
    text = "return x - x.mean(self.axis, keepdim=True)"
    assert caught.value.where == f"module 'inner', test_refusals.py:{number_of(text)}: {text}"
    assert caught.value.found == (
        "a mean over the batch; the input was read as TBX (axis 0 is time, axis 1 the batch), "
        "the only --layout that fits"
    )


def test_a_layout_that_may_be_why_is_said_with_those_that_could_be_asked_for(door) -> None:
    file = door.export(Outer(Averaged(0), fires=False), torch.rand(3, 2, 4))
    with pytest.raises(TraceError, match="a mean over the batch") as caught:
        read(file, Reading(layout="BTX"))
    seen = "BTX (axis 0 is the batch, axis 1 time), as which the input was read"
    assert caught.value.mend == f"spikec trace --layout TBX or BX in the place of {seen}"
    assert read(file, Reading(layout="TBX")).facts["layout"] == "TBX"


def test_a_layout_that_does_not_fit_is_said(door) -> None:
    file = door.export(Outer(nn.Identity()), torch.rand(3, 2, 4), (1,))
    with pytest.raises(TraceError) as caught:
        read(file, Reading(layout="BX"))
    assert "to neurons of 3 steps, read as BX (axis 0 is the batch, and there is no time)" in caught.value.found
    assert caught.value.mend == "--layout TBX or BTX"


Trace = Callable[[int], object]


@pytest.mark.parametrize(
    ("trace", "line"),
    [
        (lambda at: None, ""),
        (lambda at: 7, ""),
        (lambda at: "no trace", ""),
        (lambda at: f'File "C:\\\\x\\\\net.py", line {at}, in f\n    y = x', "net.py:7: y = x"),
        (lambda at: f'File "/etc/passwd", line {at}, in f', "passwd:7: "),
        (lambda at: f'File "/a/net.py", line {at}000000, in f\n    y', ""),
        (lambda at: f'File "/a/n\x1b[2Je.py", line {at}, in f\n    y\x1b[0m = 1', "n?[2Je.py:7: y?[0m = 1"),
        (
            lambda at: f'File "/a/net.py", line {at}, in f\n    y\n  File "/site-packages/t.py", line 1, in g\n    z',
            "net.py:7: y",
        ),
    ],
)
def test_a_line_is_what_the_file_says_and_none_is_opened(door, trace: Trace, line: str) -> None:
    door.export(Outer(Averaged(1)), torch.rand(3, 2, 4), (1,))
    program = json.loads(door.parts()[PROGRAM])
    for node in program["graph_module"]["graph"]["nodes"]:
        if "mean" in node["target"]:
            node["metadata"]["stack_trace"] = trace(7)
    door.packed({**door.parts(), PROGRAM: json.dumps(program).encode()})
    with pytest.raises(TraceError) as caught:
        read(door.file, Reading())
    assert caught.value.where == f"module 'inner', {line}" if line else "module 'inner'"


def test_lines_of_many_files_and_far_lines_take_little() -> None:
    many = [lines.Line(f"{at}.py", at + 1, "y = x") for at in range(3 * lines.MOST_FILES)]
    found = lines.callers([*many, None])
    assert [found[one](lambda: 3) for one in (*many, None)] == [3] * (len(many) + 1)
    held = [name for name in linecache.cache if name.startswith("<exported>")]
    assert len([one for one in many if found[one] is not lines.called]) == lines.MOST_FILES
    assert linecache.getline("<exported>/5.py", 6) == "y = x\n"
    assert "<exported>/5.py" in held
