"""Norse's and sinabs' LIF layers, taken by adapters of ten lines."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
import torch
from torch import nn

from spikec.errors import TraceError
from spikec.frontend.tracer import trace, traced

WHY = "scripts/install-oracles installs it"
SHAPE = (2, 8, 8)


@pytest.fixture(scope="module")
def others(zoo: Callable[[str], ModuleType]) -> ModuleType:
    pytest.importorskip("norse.torch", reason=WHY)
    pytest.importorskip("sinabs.layers", reason=WHY)
    return zoo("other_libraries")


def test_the_page_shows_the_adapters_and_its_example_runs() -> None:
    page = (Path(__file__).parents[2] / "docs" / "other-neurons.md").read_text("utf-8")
    source = Path(__file__).with_name("other_libraries.py").read_text("utf-8")
    shown = re.findall(r"^```py\n.*?\n\n(class .*?)^```", page, re.MULTILINE | re.DOTALL)
    parts = re.findall(r"^# docs: \w+\n\n\n(class .*?\n)\n\n(?=# docs)", source, re.MULTILINE | re.DOTALL)
    assert len(shown) == 2
    assert shown == parts
    (example,) = re.findall(r"^```python\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    exec(compile(example, "docs/other-neurons.md", "exec"), {"__name__": "example"})


@pytest.mark.full
@pytest.mark.parametrize("dt", [0.001, 2.0**-10])
def test_norse(dt: float, others: ModuleType, prove: Callable[..., object]) -> None:
    torch.manual_seed(0)
    proven = prove(others.norse_net(dt), SHAPE, layout="TBX")
    print(f"Norse: {proven}")
    assert [node.op.mnemonic for node in proven.graph.nodes if node.scope in ("1", "4")] == ["cuba_lif"] * 2
    assert any("2 neurons" in remark and "round otherwise" in remark for remark in proven.remarks)


@pytest.mark.full
@pytest.mark.parametrize("norm_input", [True, False])
def test_sinabs(norm_input: bool, others: ModuleType, prove: Callable[..., object]) -> None:
    torch.manual_seed(0)
    proven = prove(others.sinabs_net(norm_input), SHAPE, layout="BTX", mean=1.0, spread=2.0)
    print(f"sinabs: {proven}")
    ops = [node.op for node in proven.graph.nodes if node.op.mnemonic == "lif"]
    assert [(op.reset, op.decay_input) for op in ops] == [("soft", norm_input), ("hard", norm_input)]
    assert any("round otherwise" in remark for remark in proven.remarks) == norm_input
    assert sum(w.role.value == "parameter" for name, w in proven.graph.weights.items() if name.startswith("1.")) == 2


def test_what_the_adapter_cannot_say_is_refused(others: ModuleType) -> None:
    several = nn.Sequential(nn.Linear(4, 4), others.SinabsLIF(tau_mem=2.0)).eval()
    with pytest.raises(TraceError, match=r"module '1'.*more than a LIF that fires once a step"):
        trace(several, (4,), layout="BTX", steps=3)


def test_an_adapter_that_lies_is_found(others: ModuleType) -> None:
    class Wrong(others.NorseLIF):
        def spikec_neuron(self):
            op, numbers = super().spikec_neuron()
            return op, {**numbers, "v_leak": 0.001}

    network = nn.Sequential(nn.Linear(4, 4), Wrong()).eval()
    with pytest.raises(TraceError, match=r"does not do what its spikec_neuron\(\) says|spikes differ"):
        trace(network, (4,), layout="TBX", steps=3)


def test_a_network_of_their_own_modules_is_told_how(others: ModuleType) -> None:
    network = nn.Sequential(nn.Linear(4, 4), others.norse.LIF()).eval()
    with pytest.raises(TraceError, match=r"spikec_neuron\(\)"):
        traced(network, (4,), layout="TBX", steps=3)
