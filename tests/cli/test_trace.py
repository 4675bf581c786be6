"""spikec trace: a user's package from the folder where the command is run."""

from __future__ import annotations

import os
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
import torch

from cli.trace import pairs
from spikec.errors import UsageError
from spikec.model import load

CODE = """
from torch import nn
from spikec.snn.neuron import LIFNeuron

class Net(nn.Module):
    def __init__(self, width=4):
        super().__init__()
        self.fc = nn.Linear(6, width)
        self.lif = LIFNeuron(v_threshold=0.2)

    def forward(self, x):
        return self.lif(self.fc(x)).mean(0)

def build(width=4):
    print("the user's own words")
    return Net(width)
"""


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    name = f"mine_{abs(hash(tmp_path))}"
    (tmp_path / f"{name}.py").write_text(CODE)
    monkeypatch.chdir(tmp_path)
    return name


def test_with_and_without_weights(run, package: str, tmp_path: Path) -> None:
    words = ("trace", "--arch", f"{package}:build", "--input", "6", "--steps", 3)
    result = run(*words, "--seed", 4, "-o", "own.pt")
    assert result.exit_code == 0, result.output
    assert f"running the code of {package}:build, steps 3, seed 4" in result.stderr
    assert "28 parameters" in result.stderr
    state = {"fc.weight": torch.full((5, 6), 0.5), "fc.bias": torch.zeros(5)}
    torch.save(state, tmp_path / "sd.pt")
    result = run(*words, "--arch-arg", "width=5", "--weights", "sd.pt", "--name", "five", "-o", "given.pt")
    assert result.exit_code == 0, result.output
    model = load(tmp_path / "given.pt")
    assert model.name == "five"
    assert (model.graph.weights["fc.weight"].array == 0.5).all()
    assert model.graph.steps == 3
    assert run("show", "given.pt").exit_code == 0


def test_the_installed_command_finds_a_package_in_the_current_folder(package: str, tmp_path: Path) -> None:
    script = Path(sys.executable).with_name("spikec")
    words = ["trace", "--arch", f"{package}:build", "--input", "6", "-o", "own.pt"]
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    result = subprocess.run([script, *words], cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert load(tmp_path / "own.pt").graph.parameters == 28


@pytest.mark.parametrize(
    ("change", "code", "found"),
    [
        ({"--arch": "nowhere_at_all:build"}, 2, "no module 'nowhere_at_all'"),
        ({"--arch": "build"}, 2, "package.module:factory"),
        ({"--input": "6,x"}, 2, "such as 3,32,32"),
        ({"--input": "0"}, 2, "sizes of 1 or more"),
        ({"--steps": "0"}, 2, "steps of 1 or more"),
        ({"--layout": "XTB"}, 2, "--help"),
        ({"--arch-arg": "width"}, 2, "key=value"),
        ({"--arch-arg": "depth=3"}, 2, "TypeError"),
        ({"--weights": "absent.pt"}, 2, "no such file"),
        ({"--input": "7"}, 1, "check --input"),
    ],
)
def test_what_is_wrong_is_said_and_nothing_is_written(
    run, package: str, tmp_path: Path, change: dict[str, str], code: int, found: str
) -> None:
    options = {"--arch": f"{package}:build", "--input": "6", "-o": "out.pt", **change}
    result = run("trace", *(word for pair in options.items() for word in pair))
    assert result.exit_code == code
    assert found in result.stderr
    assert not (tmp_path / "out.pt").exists()


def test_what_was_left_away_is_said_and_kept(run, package: str, tmp_path: Path) -> None:
    code = CODE.replace("self.lif =", "self.dead = nn.LayerNorm(6)\n        self.lif =")
    (tmp_path / f"{package}.py").write_text(code)
    result = run("trace", "--arch", f"{package}:build", "--input", "6", "-o", "own.pt")
    assert result.exit_code == 0, result.output
    said = "2 of the network's parameters are never used, and not in the graph: dead.weight, dead.bias"
    assert f"{package}:build: {said}" in result.stderr
    assert "28 parameters" in result.stderr
    provenance = load(tmp_path / "own.pt").provenance
    assert provenance["remarks"] == [said]
    assert provenance["graph"] == "traced, and replayed against the network in fp64"


def test_an_existing_output_is_refused_before_any_code_is_run(run, package: str, tmp_path: Path) -> None:
    (tmp_path / "out.pt").write_text("mine")
    result = run("trace", "--arch", f"{package}:build", "--input", "6", "-o", "out.pt")
    assert result.exit_code == 2
    assert package not in sys.modules
    assert (tmp_path / "out.pt").read_text() == "mine"


def test_arguments_are_literals_or_text() -> None:
    texts = ["a=3", "b=0.5", "c=True", "d=(1, 2)", "e=relu", "f=x=y", "g='3'"]
    expected = {"a": 3, "b": 0.5, "c": True, "d": (1, 2), "e": "relu", "f": "x=y", "g": "3"}
    assert pairs(texts) == expected
    for bad in (["a"], ["=3"], ["a-b=3"], ["a=1", "a=2"]):
        with pytest.raises(UsageError):
            pairs(bad)


def test_a_pt2_and_its_layout(run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    net = torch.nn.Linear(6, 4).eval()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.export.save(torch.export.export(net, (torch.rand(3, 2, 6),)), "net.pt2")
    assert "axis 0 is the batch, and it has no time" in run("trace", "net.pt2", "-o", "image.pt").stderr
    assert load(tmp_path / "image.pt").input.shape == (2, 6)
    result = run("trace", "net.pt2", "--layout", "BTX", "-o", "net.pt")
    assert result.exit_code == 0, result.output
    assert "axis 1 is time, axis 0 is the batch" in result.stderr
    assert load(tmp_path / "net.pt").graph.steps == 2
    (tmp_path / "net.onnx").write_bytes(b"")
    result = run("trace", "net.onnx", "--layout", "BX", "-o", "other.pt")
    assert result.exit_code == 2
    assert "--layout beside a .onnx" in result.stderr
