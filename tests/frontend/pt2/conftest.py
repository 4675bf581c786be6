"""What the tests of the .pt2 door share: networks exported into files, and graphs compared with the module itself."""

from __future__ import annotations

import json
import warnings
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from spikec.frontend.foreign import Reading, Taken, read
from spikec.frontend.measure import DOUBLE, Measure
from spikec.run.interp import Interpreter

Edit = Callable[[dict], None]


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)


class Door:
    """Exports networks into a folder and reads them."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "net.pt2"

    def export(self, module: nn.Module, x: Tensor, free: tuple[int, ...] = (), *, core: bool = False) -> Path:
        """A file of the module on an example, the axes `free` left open; `core` in torch's core operators."""
        shapes = (dict.fromkeys(free, torch.export.Dim.AUTO),)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            program = torch.export.export(module.eval(), (x,), dynamic_shapes=shapes)
            if core:
                program = program.run_decompositions()
            self.targets = {str(node.target) for node in program.graph.nodes if node.op == "call_function"}
            torch.export.save(program, self.file)
        return self.file

    def taken(self, module: nn.Module, x: Tensor, free: tuple[int, ...] = (), core: bool = False, **asked) -> Taken:
        return read(self.export(module, x, free, core=core), Reading(**asked))

    def equal(self, module: nn.Module, x: Tensor, free: tuple[int, ...] = (), core: bool = False, **asked) -> Taken:
        """What is taken, its outputs found equal to the module's in fp64 on an input like the example."""
        found = self.taken(module, x, free, core, **asked)
        same_numbers(found, module, x)
        return found

    def edited(self, part: str, edit: Edit) -> Path:
        """The last file with one of its JSON parts changed."""
        parts = self.parts()
        value = json.loads(parts[part])
        edit(value)
        return self.packed({**parts, part: json.dumps(value).encode()})

    def parts(self) -> dict[str, bytes]:
        with zipfile.ZipFile(self.file) as archive:
            return {name: archive.read(name) for name in archive.namelist()}

    def packed(self, parts: Mapping[str, bytes], kind: int = zipfile.ZIP_STORED) -> Path:
        with zipfile.ZipFile(self.file, "w", kind) as archive:
            for name, data in parts.items():
                archive.writestr(name, data)
        return self.file


def same_numbers(found: Taken, module: nn.Module, like: Tensor) -> None:
    """Runs graph and module in fp64 on inputs on both sides of 0 and compares every output."""
    x = 2 * torch.rand(like.shape, dtype=torch.float64) - 0.5
    order = {"BTX": x.transpose(0, 1)}.get(found.facts["layout"], x) if x.ndim > 1 else x
    with torch.no_grad():
        y = module.double()(x)
    module.float()
    ((name, _),) = found.graph.inputs.items()
    answers = Interpreter(torch.float64).run(found.graph, {name: order.numpy()}, found.facts["steps"])
    results = y if isinstance(y, (tuple, list)) else (y,)
    assert len(results) == len(found.graph.outputs)
    for place, (value, theirs) in enumerate(zip(found.graph.outputs, results, strict=True)):
        ours = answers[value]
        shapes = [[size for size in y.shape if size > 1] for y in (ours, theirs)]
        assert shapes[0] == shapes[1], place  # a value of the graph has no axis of size 1 that torch keeps
        Measure(DOUBLE).reals(f"output {place}", ours.reshape(theirs.shape), theirs)


@pytest.fixture
def door(tmp_path: Path) -> Door:
    return Door(tmp_path)


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Writes a file once for all tests of a module."""
    return Door(tmp_path_factory.mktemp("pt2")).export
