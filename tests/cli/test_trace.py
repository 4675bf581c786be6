"""spikec trace: a user's package from the folder where the command is run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
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
        ({"--arch": "nets/conv.py:rate"}, 2, "Try: --arch nets.conv:rate, with dots and without .py"),
        ({"--arch": "conv.py:rate"}, 2, "Try: --arch conv:rate, with dots and without .py"),
        ({"--arch": "./nets/conv.py"}, 2, "Try: --arch nets.conv:factory, with dots and without .py"),
        ({"--arch": "nets-conv:rate"}, 2, "expected package.module:factory\n"),
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


def test_a_name_that_is_none_runs_no_code(run, package: str) -> None:
    for arch in (f"{package}.py:build", package):
        result = run("trace", "--arch", arch, "--input", "6", "-o", "out.pt")
        assert result.exit_code == 2
        assert "running" not in result.stderr


def test_in_the_folder_of_a_package_the_mend_is_the_folder_above(run, tmp_path: Path, monkeypatch) -> None:
    folder = tmp_path / "mynets"
    folder.mkdir()
    (folder / "conv.py").write_text("from .parts import Net\n")
    monkeypatch.chdir(folder)
    result = run("trace", "--arch", "mynets.conv:build", "--input", "6", "-o", "out.pt")
    assert "Try: this in the folder above, which holds 'mynets'" in result.stderr
    result = run("trace", "--arch", "conv:build", "--input", "6", "-o", "out.pt")
    assert "Try: in the folder above: --arch mynets.conv:build" in result.stderr
    monkeypatch.chdir(tmp_path)
    result = run("trace", "--arch", "absent.conv:build", "--input", "6", "-o", "out.pt")
    assert "Try" not in result.stderr


def test_weights_where_the_network_should_be(run, package: str, tmp_path: Path) -> None:
    torch.save({"fc.weight": torch.zeros(4, 6)}, tmp_path / "conv.sd.pt")
    result = run("trace", "conv.sd.pt", "-o", "out.pt")
    assert result.exit_code == 2
    assert "conv.sd.pt as SOURCE: a .pt holds weights" in result.stderr
    assert "Try: --arch package.module:factory --weights conv.sd.pt" in result.stderr


def test_a_model_where_weights_should_be(run, package: str) -> None:
    words = ("trace", "--arch", f"{package}:build", "--input", "6")
    assert run(*words, "-o", "own.pt").exit_code == 0
    result = run(*words, "--weights", "own.pt", "-o", "other.pt")
    assert result.exit_code == 2
    assert "own.pt: this is a model of spikec's own" in result.stderr
    assert "Try: torch.save(model.state_dict(), FILE)" in result.stderr


def test_that_no_weights_were_given_is_said_and_is_an_assumption_of_every_report(
    run, package: str, tmp_path: Path
) -> None:
    words = ("trace", "--arch", f"{package}:build", "--input", "6", "--seed", 4)
    said = "weights are those that the factory gives, with seed 4"
    assert f"{said}; --weights FILE gives others" in run(*words, "-o", "own.pt").stderr
    np.savez(tmp_path / "data.npz", inputs=np.ones((2, 4, 6)))
    report = json.loads(run("estimate", "own.pt", "--data", "npz:data.npz", "--format", "json").stdout)
    assert f"of the model's file: {said}" in report["assumptions"]
    torch.save({"fc.weight": torch.ones(4, 6), "fc.bias": torch.zeros(4)}, tmp_path / "sd.pt")
    assert "weights are" not in run(*words, "--weights", "sd.pt", "-o", "given.pt").stderr
    report = json.loads(run("estimate", "given.pt", "--data", "npz:data.npz", "--format", "json").stdout)
    assert not [line for line in report["assumptions"] if "factory" in line]


def test_what_was_left_away_is_said_and_kept(run, package: str, tmp_path: Path) -> None:
    code = CODE.replace("self.lif =", "self.dead = nn.LayerNorm(6)\n        self.lif =")
    (tmp_path / f"{package}.py").write_text(code)
    result = run("trace", "--arch", f"{package}:build", "--input", "6", "-o", "own.pt")
    assert result.exit_code == 0, result.output
    said = "2 of the network's parameters are never used, and not in the graph: dead.weight, dead.bias"
    assert f"{package}:build: {said}" in result.stderr
    assert "28 parameters" in result.stderr
    assert said not in run("show", "own.pt").stderr
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
    (tmp_path / "net.PT2").write_bytes((tmp_path / "net.pt2").read_bytes())
    for words in (("trace", "net.PT2", "-o", "capital.pt"), ("show", "net.PT2")):  # read anew, and said anew
        assert "axis 0 is the batch, and it has no time" in run(*words).stderr
    assert load(tmp_path / "capital.pt").graph.sha256 == load(tmp_path / "image.pt").graph.sha256
    assert "axis 0 is the batch" in run("show", "capital.pt").stderr
    result = run("trace", "net.pt2", "--layout", "BTX", "-o", "net.pt")
    assert result.exit_code == 0, result.output
    assert "axis 1 is time, axis 0 is the batch" in result.stderr
    assert load(tmp_path / "net.pt").graph.steps == 2
    (tmp_path / "net.onnx").write_bytes(b"")
    result = run("trace", "net.onnx", "--layout", "BX", "-o", "other.pt")
    assert result.exit_code == 2
    assert "--layout beside a .onnx" in result.stderr
