"""How long a step is, and how an equation becomes one: asked for, stated by the file, or assumed aloud."""

import itertools

import nir
import numpy as np
import pytest

from spikec.errors import TraceError, UnsupportedOp, UsageError
from spikec.frontend.foreign import Reading, read
from spikec.ir.neurons import LIF


def lif(tau=2e-3, n=3):
    one = np.ones(n)
    return nir.LIF(tau=tau * one, r=one, v_leak=0 * one, v_threshold=one, v_reset=0 * one)


def rates(kind, r, n=3):
    one = np.ones(n)
    return nir.I(r * one) if kind == "I" else nir.IF(r * one, one, 0 * one)


def between(*nodes):
    named = {"input": nir.Input(np.array([3])), **{f"n{i}": node for i, node in enumerate(nodes)}}
    named["output"] = nir.Output(np.array([3]))
    names = list(named)
    return named, list(itertools.pairwise(names))


def said(found, words):
    return any(words in remark for remark in found.remarks)


def tau_of(found):
    (node,) = found.graph.nodes_of(LIF)
    return float(found.graph.weights[node.weights["tau"]].array)


def test_the_default_is_said(taken):
    found = taken(*between(lif()))
    assert tau_of(found) == pytest.approx(20)
    how = "as snnTorch and SpikingJelly take it (spikec trace --dt)"
    assert said(found, f"NIR states no time step: one of 0.0001 s is taken, {how}")
    assert said(found, "NIR states no integrator: forward Euler is taken")
    assert said(found, "time constants are 20 steps")
    assert found.facts["dt"] == 1e-4
    assert found.facts["integrator"] == "euler"


def test_what_is_asked_for_is_not_remarked_on(taken):
    found = taken(*between(lif()), dt=1e-3, integrator="euler")
    assert tau_of(found) == 2.0
    assert not said(found, "--dt")
    assert not said(found, "--integrator")


@pytest.mark.parametrize("dt", [1e-3, np.float32(0.5), "2e-3"])
def test_a_step_that_the_metadata_state_is_taken(written, dt):
    nodes, edges = between(lif(tau=1.0))
    found = read(written(nodes, edges, metadata={"dt": dt}))
    assert found.facts["dt"] == pytest.approx(float(dt))
    assert said(found, "as the file's metadata state it")
    assert not said(found, "not read")


@pytest.mark.parametrize("dt", ["soon", -1.0, 0.0, float("nan"), np.ones(3)])
def test_a_step_that_is_none_is_not_taken_from_the_metadata(written, dt):
    nodes, edges = between(lif())
    found = read(written(nodes, edges, metadata={"dt": dt}))
    assert found.facts["dt"] == 1e-4
    assert said(found, "the dt that metadata state is not taken: it is no number of seconds above 0: /")


def test_metadata_that_state_several_steps_are_refused_unless_one_is_asked_for(written):
    nodes, edges = between(lif(), lif())
    nodes["n0"].metadata, nodes["n1"].metadata = {"dt": 1e-3}, {"dt": 2e-3}
    path = written(nodes, edges)
    with pytest.raises(TraceError, match=r"0\.001, 0\.002 s.*--dt"):
        read(path)
    assert read(path, Reading(dt=2e-3)).facts["dt"] == 2e-3


@pytest.mark.parametrize("kind", ["I", "IF"])
def test_without_time_constants_a_step_is_one_over_r(taken, kind):
    found = taken(*between(rates(kind, 1.0), rates(kind, 1.0)))
    assert found.facts["dt"] == 1.0
    assert said(found, "adds an input as it is")
    assert {node.op.mnemonic for node in found.graph.nodes} == {kind.lower()}


def test_with_time_constants_or_several_r_it_is_not(taken):
    assert taken(*between(rates("IF", 1.0), lif())).facts["dt"] == 1e-4
    assert taken(*between(rates("IF", 1.0), rates("IF", 2.0))).facts["dt"] == 1e-4
    assert taken(*between(rates("IF", 1.0), nir.Delay(np.full(3, 1e-4)))).facts["dt"] == 1e-4
    assert taken(*between(rates("IF", 1.0)), dt=0.5).facts["dt"] == 0.5


def test_nothing_is_said_of_time_where_nothing_takes_any(taken):
    found = taken(*between(nir.Linear(np.eye(3)), nir.Threshold(np.ones(3))))
    assert found.facts["dt"] is None
    assert len(found.remarks) == 1


def test_a_fast_membrane_is_taken_exactly_where_euler_runs_away(taken):
    nodes, edges = between(lif(tau=5e-5))
    with pytest.raises(UnsupportedOp, match="shorter than a step") as caught:
        taken(nodes, edges)
    assert "--integrator exponential" in str(caught.value)
    found = taken(nodes, edges, integrator="exponential")
    (node,) = found.graph.nodes_of(LIF)
    assert found.graph.weights[node.weights["beta"]].array == pytest.approx(np.exp(-2))


def test_a_membrane_of_a_step_up_to_rounding_forgets_all(taken):
    found = taken(*between(lif(tau=1e-4 * (1 - 1e-9))))
    (node,) = found.graph.nodes_of(LIF)
    assert found.graph.weights[node.weights["beta"]].array == 0.0


@pytest.mark.parametrize("values", [{"integrator": "heun"}, {"dt": 0.0}, {"dt": float("nan")}])
def test_a_reading_that_says_nothing_of_use_is_refused(values):
    with pytest.raises(UsageError, match="--"):
        Reading(**values)


def test_a_start_that_nir_does_not_state_is_said(taken):
    node = lif()
    node.v_leak = node.v_reset = np.full(3, -0.5)
    assert said(taken(*between(node)), "NIR states no first membrane")
    assert not said(taken(*between(lif())), "first membrane")
