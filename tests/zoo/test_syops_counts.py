"""`--policy syops` is what syops 0.0.5 says of the network: of every module, and of all together.

syops runs with an old SpikingJelly alone, so it counts in a process of its own, which is given weights and inputs. Its
rates are means in fp32, ours exact: they agree to that format's rounding.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import pytest
import torch
from torch import nn
from zoo_jelly_counted import CASES, inputs_of, settle

from hwmodels.policies import preset
from hwmodels.registry import load
from spikec.cost import Cost
from spikec.frontend.tracer import traced
from spikec.ir.graph import Graph
from spikec.ir.linear import BatchNorm, Conv2d, Linear
from spikec.ir.neurons import IF, LIF, PLIF
from spikec.ir.pools import AvgPool, MaxPool
from spikec.run.interp import Interpreter

pytestmark = pytest.mark.full
SYOPS = Path(sys.prefix) / "syops"
SEEN = (Conv2d, Linear, BatchNorm, MaxPool, AvgPool, LIF, IF, PLIF)
FP32 = 1e-6


@dataclass(frozen=True)
class Both:
    """The same run, as syops counted it and as we did.

    Args:
        graph: of the network.
        costs: ours, of all samples.
        theirs: what `jelly_counted.py` printed.
    """

    graph: Graph
    costs: tuple[Cost, ...]
    theirs: dict[str, object]

    def ours(self, kind: str, scope: str | None = None) -> float:
        """Our count of all samples, of a module or of the whole network."""
        return sum(cost.counts.get(kind, 0) for cost in self.costs if scope in (None, cost.scope))


@pytest.fixture(scope="module", params=CASES)
def both(request: pytest.FixtureRequest, zoo: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Both:
    if not SYOPS.is_dir():
        pytest.skip(f"syops is not in {SYOPS}: scripts/install-oracles installs it")
    case = CASES[request.param]
    torch.manual_seed(1)
    network, x = case.make(), inputs_of(case)
    settle(network, x)
    path = tmp_path_factory.mktemp("syops") / "run.pt"
    torch.save({"weights": network.state_dict(), "x": x}, path)
    return Both(*ours_of(network, request.param, x), theirs_of(request.param, path))


def ours_of(network: nn.Module, name: str, x: torch.Tensor) -> tuple[Graph, tuple[Cost, ...]]:
    case, named, chip = CASES[name], preset("syops"), load("45nm")
    assert named.pipeline == ()
    graph = traced(network, case.shape, layout=case.layout, steps=case.steps, domain=case.domain).graph
    counts = Interpreter(torch.float32).count(graph, {"input": x.numpy()}, chip.probes(graph, named.policy))
    return graph, chip.price(graph, counts, named.policy)


def theirs_of(name: str, path: Path) -> dict[str, object]:
    program = Path(__file__).with_name("jelly_counted.py")
    words = [sys.executable, str(program), str(SYOPS), name, str(path)]
    found = subprocess.run(
        words, capture_output=True, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"}, check=False
    )
    assert found.returncode == 0, found.stderr
    return json.loads(found.stdout.splitlines()[-1])


def test_the_total_is_syops(both: Both) -> None:
    """A sample's: syops divides by the length of its input's first axis, which of frames is T."""
    _, acs, macs = both.theirs["total"]
    assert both.ours("ac") / both.theirs["samples"] == pytest.approx(acs, rel=FP32)
    assert both.ours("mac") / both.theirs["samples"] == pytest.approx(macs, rel=1e-12)
    assert acs > 0


def test_every_module_is_syops(both: Both) -> None:
    scopes = {node.scope for node in both.graph.nodes_of(*SEEN)}
    assert set(both.theirs["modules"]) == scopes
    for scope, (operations, acs, macs) in both.theirs["modules"].items():
        assert both.ours("ac", scope) == pytest.approx(acs, rel=FP32), scope
        assert both.ours("mac", scope) == macs, scope
        assert operations > 0


def test_attention_residual_sums_and_means_are_not_seen(both: Both) -> None:
    unseen = [cost for cost in both.costs if not isinstance(both.graph.node(cost.node).op, SEEN)]
    assert unseen
    assert not [cost.node for cost in unseen if cost.counts.keys() & {"ac", "mac"}]
