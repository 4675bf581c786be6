"""spikec trace of snnTorch's and SpikingJelly's networks: the file that it writes needs neither them nor the code."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from cli.main import spikec
from spikec.frontend.neurons.table import reset

SNNTORCH = """
import snntorch as snn
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self, classes=10):
        super().__init__()
        self.conv, self.lif1 = nn.Conv2d(2, 4, 3, padding=1), snn.Leaky(0.9)
        self.fc, self.lif2 = nn.Linear(4 * 4 * 4, classes), snn.Synaptic(0.5, 0.8, reset_mechanism="zero")

    def forward(self, x):
        mem1, (syn, mem2), spikes, membranes = self.lif1.init_leaky(), self.lif2.init_synaptic(), [], []
        for now in x:
            spk1, mem1 = self.lif1(self.conv(now), mem1)
            spk2, syn, mem2 = self.lif2(self.fc(nn.functional.max_pool2d(spk1, 2).flatten(1)), syn, mem2)
            spikes.append(spk2)
            membranes.append(mem2)
        return torch.stack(spikes), torch.stack(membranes)

def build(classes=10):
    return Net(classes)
"""
SPIKINGJELLY = """
from spikingjelly.activation_based import functional, layer, neuron
from torch import nn

def build(classes=10):
    net = nn.Sequential(
        layer.Conv2d(2, 4, 3, padding=1), neuron.LIFNode(1.7), layer.MaxPool2d(2, 2), layer.Flatten(),
        layer.Linear(4 * 4 * 4, classes), neuron.ParametricLIFNode(2.0, v_reset=None),
    )
    functional.set_step_mode(net, "m")
    return net
"""
ELSEWHERE = """
import sys

for name in ("snntorch", "spikingjelly", sys.argv[1]):
    sys.modules[name] = None  # an import of it fails

from pathlib import Path
import numpy as np
from click.testing import CliRunner
from cli.main import spikec
from spikec.model import load
from spikec.run.interp import Interpreter
import torch

model = load(Path("model.pt"))
values = Interpreter(torch.float32).run(model.graph, {"input": np.load("x.npy")})
np.savez("values.npz", *(value.numpy() for value in values.values()))
for words in (["show", "model.pt"], ["estimate", "model.pt", "--hw", "45nm", "--data", "npz:data.npz"]):
    result = CliRunner().invoke(spikec, words)
    assert result.exit_code == 0, result.output
    print(result.output)
"""


@pytest.mark.full
@pytest.mark.parametrize("code", [SNNTORCH, SPIKINGJELLY], ids=["snnTorch", "SpikingJelly"])
def test_a_traced_file_needs_no_code(code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = f"theirs_{abs(hash(tmp_path))}"
    (tmp_path / package).mkdir()
    (tmp_path / package / "net.py").write_text(code)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    torch.manual_seed(0)
    network = importlib.import_module(f"{package}.net").build(classes=7).eval()
    state = {name: 4 * value if name.endswith("weight") else value for name, value in network.state_dict().items()}
    torch.save(state, "sd.pt")
    network.load_state_dict(state)
    words = ["trace", "--arch", f"{package}.net:build", "--arch-arg", "classes=7", "--input", "2,8,8", "--steps", "5"]
    result = CliRunner().invoke(spikec, [*words, "--weights", "sd.pt", "-o", "model.pt"])
    assert result.exit_code == 0, result.output

    x = torch.rand(5, 16, 2, 8, 8)
    np.save("x.npy", x.numpy())
    np.savez("data.npz", inputs=x.transpose(0, 1).numpy())
    (tmp_path / package / "net.py").unlink()
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", ELSEWHERE, package], env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "parameters" in done.stdout
    assert "45nm" in done.stdout

    reset(network)
    with torch.no_grad():
        theirs = network(x)
    theirs = theirs if isinstance(theirs, tuple) else (theirs,)
    with np.load("values.npz") as values:
        ours = [torch.from_numpy(values[name]) for name in values.files]
    assert 0.02 < float(theirs[0].mean()) < 0.98
    assert torch.equal(ours[0], theirs[0])
    for mine, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-4, atol=1e-5)
