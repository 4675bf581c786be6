"""No value leaves the domain that was inferred for it: every event is counted as what it is."""

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from spikec.ir.ops import OPS
from spikec.ir.text import parse
from spikec.ir.types import Int, IntFormat, Role, Weight, constant, weight_of
from spikec.run.interp import Interpreter


def held(graph, data, steps):
    """Raises AssertionError where a value is no code of its domain; gives the least and the greatest code of each."""
    reached = {}
    for name, value in Interpreter().run(graph, data, steps, list(graph.types)).items():
        domain = graph.types[name].domain
        if isinstance(domain, Int):
            codes = value.numpy() / domain.scale
            whole = np.rint(codes)
            np.testing.assert_allclose(codes, whole, rtol=1e-6, atol=1e-6, err_msg=name)
            reached[name] = (int(whole.min()), int(whole.max()))
            assert domain.lo <= reached[name][0] <= reached[name][1] <= domain.hi, f"{name}: {reached[name]}, {domain}"
    return reached


@pytest.mark.parametrize("mnemonic", sorted(OPS))
@settings(max_examples=12, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
@given(drawn=st.data(), seed=st.integers(0, 2**32 - 1), steps=st.sampled_from([1, 3]))
def test_of_random_graphs(mnemonic, drawn, seed, steps, random_graphs, networks):
    rng = np.random.default_rng(seed)
    graph = networks.tamed(drawn.draw(random_graphs(mnemonic)), rng)
    if graph.inputs:  # a Constant alone has none
        data = networks.data_for(graph, rng, steps, 2)
        # A norm without eps over one value is 0 / 0.
        assume(
            all(value.isfinite().all() for value in Interpreter().run(graph, data, steps, list(graph.types)).values())
        )
        held(graph, data, steps)


NETWORK = """graph(%image: real once [3,8,8], %events: int(0,3) step [4,8,8]) steps 3
%stem = conv2d(%image; weight=w) {padding=(1, 1)}
%r = repeat(%stem)
%q = lif(%r; tau=two, v_threshold=half)
%s = add(%q, %events)
%p = sum_pool(%s)
%a = avg_pool(%q)
%res = add(%p, %a)
%tokens = reshape(%res) {shape=(4,16)}
%qk = matmul(%tokens, %tokens) {transpose_b=True}
%scaled = scale(%qk) {factor=0.125}
%att = matmul(%scaled, %tokens)
%low = scale(%att) {factor=0.000244140625}
%level = multi_level_spike(%low)
%late = delay(%level; steps=one) : int(0,4,0.25) step [4,16]
%both = concat(%level, %late)
%m = mean(%both) {axes=(1,)}
%soft = if(%m; v_threshold=half) {reset='soft'}
%o = time_mean(%soft)
return %o
"""
EXPECTED = {
    "r": "real",
    "q": "spike",
    "s": "int(0,4)",
    "p": "int(0,16)",
    "a": "int(0,4,0.25)",
    "res": "int(0,68,0.25)",
    "qk": "int(0,73984,0.0625)",
    "scaled": "int(0,73984,0.0078125)",
    "att": "int(0,20123648,0.001953125)",
    "level": "int(0,4,0.25)",
    "late": "int(0,4,0.25)",
    "both": "int(0,4,0.25)",
    "m": "int(0,64,0.015625)",
    "soft": "spike",
    "soft.v": "real",
    "o": "real",
}


def test_through_residuals_pools_attention_integer_neurons_and_declared_inputs(networks, rng):
    weights = {"w": weight_of(rng.normal(size=(4, 3, 3, 3))), "two": constant(2), "half": constant(0.5)}
    graph = parse(NETWORK, weights | {"one": constant(1)})
    assert {name: str(graph.types[name].domain) for name in EXPECTED} == EXPECTED
    reached = held(graph, networks.data_for(graph, rng, 3, 4), 3)
    assert (reached["level"], reached["q"], reached["events"]) == ((1, 2), (0, 1), (0, 3))


def test_before_its_first_step_a_delay_is_zero_though_its_operand_never_is():
    weights = {"one": Weight(np.array(1, np.int8), Role.CONSTANT, IntFormat(8))}
    graph = parse(
        "graph(%x: int(2,5,0.5) step [2]) steps 3\n%y = delay(%x; steps=one) : int(0,5,0.5) step [2]\nreturn %y",
        weights,
    )
    assert held(graph, {"x": np.full((3, 1, 2), 1.0)}, 3)["y"] == (0, 2)
