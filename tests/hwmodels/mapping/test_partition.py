"""Neurons of dense layers on other cores: packets counted again from what each source reaches, limits that hold."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from hwmodels.cores_model import CoresModel
from hwmodels.cores_schema import CoresTable
from hwmodels.mapping import kahypar, partition
from hwmodels.mapping.facts import plan_facts
from hwmodels.mapping.layers import Form
from hwmodels.mapping.loads import Held
from hwmodels.mapping.partition import CROWDED, NO_ZEROS, Method, partitioned
from hwmodels.mapping.plans import Plan, plan_of
from hwmodels.registry import load
from spikec.cost import Policy
from spikec.errors import ToolchainError, UsageError
from spikec.ir.arithmetic import Add
from spikec.ir.builder import GraphBuilder
from spikec.ir.graph import Graph
from spikec.ir.linear import Linear
from spikec.ir.neurons import LIF
from spikec.ir.types import SPIKE, IntFormat, TensorType, Weight

KNOWN = {"evidence": "assumed", "source": "a test"}
UNITS = {"neurons": "neurons", "axons_in": "axons", "axons_out": "axons", "synapse_words": "words"}
ENCODING = {"word_bits": 64, "header_bits": 10, "index_bits_dense": 0, "index_bits_conv": 10, "weight_bits": [8]}
TWO_GROUPS = np.tile(np.eye(2), (3, 6))
"""[6, 12]: sources 0, 2, .. reach neurons 0, 2, .., the others the others."""


def table(**limits: int) -> CoresTable:
    found = {name: {"value": value, "unit": UNITS[name], **KNOWN} for name, value in limits.items()}
    mesh = {"columns": 4, "rows": 4, "cores_a_tile": 4, **KNOWN}
    encoding = {**ENCODING, **KNOWN}
    return CoresTable.model_validate({"rule": "contiguous", "mesh": mesh, "limits": found, "encoding": encoding})


def network(matrices: Sequence[np.ndarray], summed: int = 1) -> Graph:
    """Layers of these weights, one behind the other; what reaches the first is a sum of so many inputs."""
    builder = GraphBuilder()
    kind = TensorType((matrices[0].shape[1],), SPIKE)
    value = builder.input("x0", kind)
    for number in range(1, summed):
        value = builder.add(Add(), value, builder.input(f"x{number}", kind))
    for at, matrix in enumerate(matrices):
        weights = {"weight": Weight(matrix.astype(np.int8), format=IntFormat(8))}
        drive = builder.add(Linear(), value, scope=f"w{at}", weights=weights)
        value = builder.add(LIF(), drive, scope=f"q{at}", weights={"tau": 2.0, "v_threshold": 1.0})
    return builder.graph(value)


def planned(graph: Graph, cores: CoresTable) -> Plan:
    return plan_of(graph, cores, Form((8,)), "a chip", skip_zeros=True)


def packets(plan: Plan, layer: int) -> int:
    """Of all sources that fire once, to the cores of a layer, by what each group of them reaches."""
    numbers = plan.layers[layer].numbers
    return sum(int(sender.sizes @ sender.reaches[:, numbers].sum(1)) for sender in plan.senders)


@pytest.mark.parametrize("method", ["connectivity", "mtkahypar"])
def test_sources_reach_one_core_where_two_groups_had_been_mixed(method: Method) -> None:
    if method == "mtkahypar":
        pytest.importorskip("mtkahypar", reason="the extra is not installed: pip install 'spikec[partition]'")
    by_rule = planned(network([TWO_GROUPS], summed=2), table(neurons=3))
    found = partitioned(by_rule, method)
    assert by_rule.partition is None
    said = {"scope": "q0", "packets_before": 48, "packets_after": 24, "note": None}
    assert found.partition == {"method": method, "packets_before": 48, "packets_after": 24, "layers": [said]}
    assert (packets(by_rule, 0), packets(found, 0)) == (48, 24)
    assert found.cores == by_rule.cores == 2
    own = found.core_of["q0"]
    assert np.unique(own[::2]).size == np.unique(own[1::2]).size == 1
    facts = plan_facts(found)
    assert facts["partition"] == found.partition
    assert facts["layers"][0]["parts"] == [3]
    assert facts["layers"][0]["extrapolated"][-1].startswith(f"neurons regrouped by {method}")
    assert "partition" not in plan_facts(by_rule)


def test_random_zeros_keep_every_limit_and_every_synapse() -> None:
    """Of both rules; what each source reaches is counted by another way than the partition's own."""
    rng = np.random.default_rng(5)
    matrices = [rng.integers(1, 9, shape) * (rng.random(shape) < 0.2) for shape in ((50, 40), (30, 50), (10, 30))]
    older = load("loihi2-older")
    assert isinstance(older, CoresModel)
    few = older.table.limits.synapse_words
    assert few is not None
    tiles = older.table.model_copy(
        update={
            "limits": older.table.limits.model_copy(update={"synapse_words": few.model_copy(update={"value": 200})})
        }
    )
    for cores in (table(neurons=7, axons_in=50), tiles):
        by_rule = planned(network(matrices), cores)
        found = partitioned(by_rule, "connectivity")
        assert by_rule.layers[0].split.cores > 3
        assert found.partition is not None
        for at, said in enumerate(found.partition["layers"]):
            assert packets(by_rule, at) == said["packets_before"] > said["packets_after"] == packets(found, at)
        several = [at for at, row in enumerate(by_rule.rows) if row.cores > 1]
        assert [said["scope"] for said in found.partition["layers"]] == [f"q{at}" for at in several]
        assert found.partition["packets_after"] == sum(packets(found, at) for at in several)
        for before, after in zip(by_rule.rows, found.rows, strict=True):
            assert isinstance(before.found, Held)
            assert isinstance(after.found, Held)
            sizes = [np.bincount(plan.core_of[before.wired.node]) for plan in (by_rule, found)]
            assert sizes[1].max() <= sizes[0].max()
            assert all(use.taken <= before.found.uses[name].taken for name, use in after.found.uses.items())
        for before, after in zip(by_rule.senders, found.senders, strict=True):
            for node, synapses in before.synapses.items():
                events = before.sizes @ synapses.sum(1)
                assert events == after.sizes @ after.synapses[node].sum(1) > 0


def test_a_smaller_fullest_core_takes_less() -> None:
    """Eight neurons on one core are 74 bits an input, two words; four are 42 bits. Cores left empty have no number."""
    by_rule = planned(network([np.ones((8, 5))]), table(neurons=8, synapse_words=100))
    given = by_rule.rows[0].found
    assert isinstance(given, Held)
    assert given.uses["synapse_words"].taken == 10
    dense = partition.Dense(0, by_rule.rows[0], given, np.zeros(8, dtype=np.int64))
    new = partition._held(dense, np.array([0, 2] * 4), by_rule, "connectivity")
    assert (new.cores, new.uses["neurons"].taken, new.uses["neurons"].limit) == (2, 4, 8)
    assert new.uses["synapse_words"].taken == 5
    assert new.split is not None
    assert new.split.core_of.tolist() == [0, 1] * 4
    older = load("loihi2-older")
    assert isinstance(older, CoresModel)
    by_rule = planned(network([np.ones((8, 5))]), older.table)
    given = by_rule.rows[0].found
    assert isinstance(given, Held)
    held = partition._held(replace(dense, held=given), np.array([0, 2] * 4), by_rule, "connectivity")
    assert {name: use.taken for name, use in held.uses.items()} == {
        "neuron_slots": 4,
        "synapse_words": 5 * -(-(4 * (8 + 12) + 8) // 64),
        "axon_words": 5,
        "total_words": 4 + 10 + 5,
    }


def test_a_linear_of_several_places_is_left_to_the_rule() -> None:
    builder = GraphBuilder()
    weights = {"weight": Weight(TWO_GROUPS.astype(np.int8), format=IntFormat(8))}
    drive = builder.add(Linear(), builder.input("x", TensorType((5, 12), SPIKE)), scope="w", weights=weights)
    graph = builder.graph(builder.add(LIF(), drive, scope="q", weights={"tau": 2.0, "v_threshold": 1.0}))
    by_rule = planned(graph, table(neurons=3))
    assert by_rule.cores == 10
    found = partitioned(by_rule, "connectivity")
    assert found.rows == by_rule.rows
    assert found.partition == {"method": "connectivity", "packets_before": 0, "packets_after": 0, "layers": []}


def test_without_zeros_nothing_is_done_and_it_says_so() -> None:
    by_rule = planned(network([np.ones((8, 12)), np.ones((3, 8))]), table(neurons=4))
    found = partitioned(by_rule, "connectivity")
    said = {"scope": "q0", "packets_before": 24, "packets_after": 24, "note": NO_ZEROS}
    assert found.partition is not None
    assert found.partition["layers"] == [said]  # the second layer is on one core
    assert packets(found, 0) == 24
    assert found.rows == by_rule.rows
    assert partitioned(by_rule, "rule") is by_rule


def test_a_core_never_gets_more_output_axons_than_the_chip_allows() -> None:
    """Neurons 0 and 2 reach three cores each, 1 and 3 one: by the rule 4 axons a core, of the group {0, 2} six."""
    first = np.array([[1, 0], [0, 1], [1, 0], [0, 1]])
    second = np.array([[1, 1, 1, 0]] * 2 + [[1, 0, 1, 0]] * 3 + [[1, 0, 1, 1]])
    for most, after in ((6, 2), (5, 4)):
        by_rule = planned(network([first, second]), table(neurons=2, axons_out=most))
        assert [row.cores for row in by_rule.rows] == [2, 3]
        found = partitioned(by_rule, "connectivity")
        assert found.partition is not None
        said = found.partition["layers"][0]
        assert (said["packets_before"], said["packets_after"]) == (4, after) == (4, packets(found, 0))
        assert said["note"] == (CROWDED if most == 5 else None)


def test_a_chip_plans_so_where_zeros_are_skipped_and_refuses_where_they_count() -> None:
    chip = load("loihi1")
    assert isinstance(chip, CoresModel)
    small = replace(chip, table=table(neurons=4))
    graph = network([TWO_GROUPS])
    skip = Policy(zero_weights="skip")
    found = small.partitioned("connectivity").plan(graph, skip)
    assert isinstance(found, Plan)
    assert found.partition is not None
    plain = small.plan(graph, skip)
    assert isinstance(plain, Plan)
    assert plain.partition is None
    with pytest.raises(UsageError, match=r"--partition connectivity beside --zero-weights count.*skip"):
        small.partitioned("connectivity").plan(graph, Policy())


def test_mtkahypar_is_asked_where_there_is_something_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mtkahypar", None)
    kahypar._library.cache_clear()
    dense = planned(network([np.ones((8, 12))]), table(neurons=4))
    assert partitioned(dense, "mtkahypar").partition is not None
    zeros = planned(network([TWO_GROUPS]), table(neurons=3))
    with pytest.raises(ToolchainError, match="spikec\\[partition\\]"):
        partitioned(zeros, "mtkahypar")
    monkeypatch.setattr(partition, "MOST_ASKED", 35)  # it has 36 connections
    large = partitioned(zeros, "mtkahypar").partition
    assert large is not None
    assert large["layers"][0]["note"] == "36 connections, and Mt-KaHyPar is asked about 35 at most"
