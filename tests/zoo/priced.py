"""A graph's price under every policy, and its exact events against those of the network's own layers."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from zoo_lively import LAYERS, in_format

from hwmodels.counting import NEURONS
from hwmodels.policies import POLICIES, pipeline_for
from hwmodels.registry import load
from passes.manager import run
from spikec.cost import Policy
from spikec.errors import UnsupportedOp, UsageError
from spikec.frontend.neurons.table import reset
from spikec.ir.graph import Graph
from spikec.ir.integrators import LI, I
from spikec.run.interp import Interpreter

LIBRARIES = ("spikingjelly", "syops")


def check_events(graph: Graph, network: nn.Module, x: Tensor, data: Mapping[str, np.ndarray]) -> None:
    """Exact events of every Conv and Linear are those that convolving ones over the module's own inputs counts."""
    expected: dict[str, int] = {}

    def hook(path: str) -> object:
        def count(module: nn.Module, args: tuple[Tensor, ...], y: Tensor) -> None:
            expected[path] = expected.get(path, 0) + events(module, args[0])

        return count

    twin = in_format(network, torch.float64)
    for path, module in twin.named_modules():
        if isinstance(module, LAYERS):
            module.register_forward_hook(hook(path))
    reset(twin)
    with torch.no_grad():
        twin(x.double())
    policy, chip = Policy(multibit="ac", first_layer="per-step"), load("45nm")
    counts = Interpreter().count(graph, data, chip.probes(graph, policy))
    found: dict[str, int] = {}
    for cost in chip.price(graph, counts, policy):
        if cost.scope in expected:
            found[cost.scope] = found.get(cost.scope, 0) + sum(cost.counts.get(kind, 0) for kind in ("ac", "mac"))
    assert found == expected
    assert sum(expected.values()) > 0


def events(module: nn.Module, x: Tensor) -> int:
    """Nonzero inputs times the outputs that each reaches."""
    active = (x != 0).double()
    if isinstance(module, nn.Linear):
        return int(active.sum()) * module.out_features
    one = torch.ones_like(module.weight, dtype=torch.float64)
    spans = module.stride, module.padding, module.dilation, module.groups
    if isinstance(module, nn.Conv1d):
        return int(F.conv1d(active.reshape(-1, *x.shape[-2:]), one, None, *spans).sum())
    return int(F.conv2d(active.reshape(-1, *x.shape[-3:]), one, None, *spans).sum())


def policies() -> Iterator[tuple[str, Policy, tuple[object, ...]]]:
    """The default and every named policy with its pipeline, each with every value of every field, one at a time.

    Another library's way of counting has no fields.
    """
    chip = load("45nm")
    bases = {"default": (Policy(), chip.pipeline)}
    for name, preset in POLICIES.items():
        bases[name] = (preset.policy, chip.pipeline if preset.pipeline is None else preset.pipeline)
    for name, (base, pipeline) in bases.items():
        for field, values in Policy.choices().items():
            if base.counting in LIBRARIES and field != "counting":
                continue
            for value in values:
                yield f"{name}, {field}={value}", replace(base, **{field: value}), pipeline


def energies(graph: Graph, data: Mapping[str, np.ndarray]) -> dict[str, float]:
    """pJ of a sample by policy: finite, the sum of its nodes'; a policy that contradicts itself is refused.

    So is, by name, a neuron that SpikingJelly does not have, where it is to be counted as SpikingJelly does.
    """
    found: dict[str, float] = {}
    for name, policy, pipeline in policies():
        if policy.counting == "rate" and policy.domain == "observed":
            check_refused(graph, policy)
            continue
        passed = run(graph, pipeline_for(policy, pipeline)).graph
        if policy.counting != "spikingjelly" or not foreign_neurons(passed, policy):
            found[name] = energy(passed, policy, data)
    assert min(found.values()) > 0
    check_order(found)
    return found


def energy(graph: Graph, policy: Policy, data: Mapping[str, np.ndarray]) -> float:
    """pJ of a sample of a graph as it is."""
    chip = load("45nm")
    counts = Interpreter(torch.float32).count(graph, data, chip.probes(graph, policy))
    costs = chip.price(graph, counts, policy)
    assert [cost.node for cost in costs] == [node.name for node in graph.nodes]
    terms = [energy for cost in costs for energy in cost.energy_pj.values()]
    assert all(math.isfinite(energy) and energy >= 0 for energy in terms)
    per_sample = sum(cost.per_sample_pj for cost in costs)
    assert math.isclose(float(per_sample.sum()), math.fsum(terms), rel_tol=1e-9)
    return math.fsum(terms) / counts.samples


def foreign_neurons(graph: Graph, policy: Policy) -> set[str]:
    """The module paths of the neurons that a way of counting refuses; nothing but neurons is refused."""
    offenders: set[tuple[str, str]] = set()
    try:
        load("45nm").probes(graph, policy)
    except UnsupportedOp as error:
        offenders = {(offender.op, offender.path) for offender in error.offenders}
    assert offenders <= {(node.op.mnemonic, graph.path_of(node)) for node in graph.nodes_of(*NEURONS, LI, I)}
    return {path for _, path in offenders}


def check_refused(graph: Graph, policy: Policy) -> None:
    """Domains as observed, of rates: they are of no run."""
    try:
        load("45nm").probes(graph, policy)
    except UsageError:
        return
    raise AssertionError("observed domains were taken beside rates")


def check_order(found: Mapping[str, float]) -> None:
    """What counts less is no dearer; a network that has nothing of the kind costs the same."""
    for less, more in (
        ("zero_weights=skip", "zero_weights=count"),
        ("first_layer=once", "first_layer=per-step"),
        ("attention=skip", "attention=count"),
        ("multibit=ac", "multibit=unit"),
        ("multibit=ac", "multibit=mac"),
        ("bias=apart", "bias=in-ops"),
    ):
        for base in ("default", *POLICIES):
            pair = f"{base}, {less}", f"{base}, {more}"
            if base in (*LIBRARIES, "lemaire") and found.keys().isdisjoint(pair):
                continue  # they have no such fields; a chip without memories refuses lemaire
            assert found[pair[0]] <= found[pair[1]] * (1 + 1e-12), pair
