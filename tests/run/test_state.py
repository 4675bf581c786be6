"""Fixed-point states: what they hold changes no spike, and what they cannot hold ends a run by name."""

import numpy as np
import pytest
import torch

from spikec.errors import GraphError, StateOverflow, UnsupportedOp, VerifyError
from spikec.ir.text import parse, print_graph
from spikec.ir.types import IntFormat, Role, Weight, constant
from spikec.run.interp import Interpreter
from spikec.run.torch_module import to_torch

RUNS = {
    "fp64": lambda graph, x, steps: Interpreter().run(graph, {"x": x}, steps)["q"],
    "fp32": lambda graph, x, steps: Interpreter(torch.float32).run(graph, {"x": x}, steps)["q"],
    "int64": lambda graph, x, steps: Interpreter(torch.int64).run(graph, {"x": x}, steps)["q"],
    "module": lambda graph, x, steps: to_torch(graph)(torch.as_tensor(x, dtype=torch.float32)),
}
IF_TEXT = """graph(%x: int(-400,400) step [2]) steps 4
%q = if(%x; v_threshold=big) {{reset='{reset}'{state}}} @cell
return %q
"""
BIG = {"big": constant(100)}


def driven(*drives):
    """One sample of two neurons, of which the second is never driven; [T, 1, 2]."""
    return np.array([[[drive, 0]] for drive in drives])


def integrating(state=", state=int(8,1.0)", reset="soft"):
    return parse(IF_TEXT.format(reset=reset, state=state), BIG)


@pytest.mark.parametrize("run", RUNS.values(), ids=RUNS)
def test_what_it_holds_changes_nothing(run):
    """-128 to 127, the ends included."""
    drives = driven(127, 100, -128, 1)  # 127 fires, 27; 127 fires, 27; -101; -100
    held, free = integrating(), integrating("")
    assert np.array_equal(run(held, drives, 4), run(free, drives, 4))
    assert np.asarray(run(held, drives, 4))[:, 0, 0].tolist() == [1, 1, 0, 0]
    assert np.asarray(run(held, driven(-128, 0, 0, 0), 4)).sum() == 0


@pytest.mark.parametrize("run", RUNS.values(), ids=RUNS)
@pytest.mark.parametrize("drives", [(128, 0, 0, 0), (-129, 0, 0, 0), (0, 99, 29, 0), (-100, 0, 0, -29)])
def test_what_it_cannot_hold_ends_the_run_and_is_named(run, drives):
    """Before the reset too: a soft reset of 128 would leave 28."""
    with pytest.raises(StateOverflow) as error:
        run(integrating(), driven(*drives), 4)
    said = str(error.value)
    assert said.startswith("cell: its state reaches ")
    assert "int(8,1.0) holds -128 to 127" in said
    assert error.value.exit_code == 1
    run(integrating(""), driven(*drives), 4)


@pytest.mark.parametrize("run", ["fp64", "fp32", "int64"])
def test_what_is_no_multiple_of_its_scale_ends_the_run(run):
    graph = integrating(", state=int(12,4.0)")
    RUNS[run](graph, driven(8, -4, 4, 0), 4)
    with pytest.raises(StateOverflow, match="no whole multiple of 4"):
        RUNS[run](graph, driven(8, -4, 2, 0), 4)


CUBA = """graph(%x: int(0,100) step [1]) steps 6
%q = cuba_lif(%x; alpha=all, beta=none, v_threshold=big) {fires_at='>', rounding='floor', state=int(8,1.0)} @cuba
return %q
"""
CYCLE = """graph(%x: int(0,100) step [1]) steps 6
%d = delay(%q; steps=one) : spike step [1]
%a = add(%x, %d)
%q = i_and_fire(%a; v_threshold=big) {reset='none', state=int(8,1.0)} @loop
return %q
""".replace("i_and_fire", "if")
SHARES = {"all": constant(1), "none": constant(0), "big": constant(90), "one": constant(1)}
NAMED = {"cuba": ("all", "none", "big"), "loop": ("one", "big")}


@pytest.mark.parametrize("run", ["fp64", "int64"])
@pytest.mark.parametrize(("text", "place"), [(CUBA, "cuba"), (CYCLE, "loop")], ids=["current", "cycle"])
def test_currents_and_neurons_in_cycles_are_held_too(run, text, place):
    """The current keeps all of itself, the membrane of the first takes nothing over from step to step."""
    graph = parse(text, {name: SHARES[name] for name in NAMED[place]})
    x = np.full((6, 1, 1), 22)
    with pytest.raises(StateOverflow, match=f"^{place}: its state reaches"):
        RUNS[run](graph, x, 6)
    assert RUNS[run](graph, x[:4], 4).sum() == 0
    assert RUNS[run](graph, np.full((6, 1, 1), 16), 6).sum() > 0


def test_an_integrator_is_held():
    graph = parse("graph(%x: int(0,9) step [1]) steps 3\n%q = i(%x) {state=int(4,1.0)} @sum\nreturn %q\n", {})
    for run in ("fp64", "int64"):
        assert RUNS[run](graph, np.array([[[3]], [[4]]]), 2).tolist() == [[[3]], [[7]]]
        with pytest.raises(StateOverflow, match="sum: its state reaches"):
            RUNS[run](graph, np.array([[[3]], [[5]]]), 2)


def test_a_bound_of_the_state_is_a_bound_of_the_run():
    """A membrane of 10,000 steps of 2^40 could leave what whole numbers hold; 24 bits cannot."""
    text = "graph(%x: int(0,1099511627776) step [1]) steps 10000\n%q = if(%x; v_threshold=t){state}\nreturn %q\n"
    x = np.zeros((10_000, 1, 1))
    x[0] = 3
    with pytest.raises(UnsupportedOp, match="exact up to"):
        RUNS["int64"](parse(text.format(state=""), {"t": constant(2)}), x, 10_000)
    held = parse(text.format(state=" {state=int(24,1.0)}"), {"t": constant(2)})
    assert RUNS["int64"](held, x, 10_000).sum() == 1


LEAKY = "graph(%x: int(0,9) step [1]) steps 1\n%q = {op}\nreturn %q\n"


@pytest.mark.parametrize(
    ("op", "reason"),
    [
        ("lif(%x; tau=t, v_threshold=t) {state=int(24,1.0)}", "leaks without rounding"),
        ("lif(%x; beta=t, v_threshold=t) {decay_input=False, state=int(24,1.0)}", "leaks without rounding"),
        ("plif(%x; w=t, v_threshold=t) {state=int(24,1.0)}", "leaks without rounding"),
        ("if(%x; v_threshold=t) {state=uint(24,1.0)}", "a signed format expected"),
    ],
)
def test_a_state_that_would_not_be_whole_breaks_a_rule(op, reason):
    with pytest.raises(VerifyError, match=reason):
        parse(LEAKY.format(op=op), {"t": constant(1)})


@pytest.mark.parametrize(
    "state",
    ["24", "'int(24,1.0)'", "int(24)", "int(0,1.0)", "int(24,-1.0)", "int(24,inf)", "open(24,1.0)", "int(24,x)"],
)
def test_text_that_is_no_format_is_refused_with_its_line(state):
    with pytest.raises(GraphError, match="line 2"):
        parse(LEAKY.format(op=f"if(%x; v_threshold=t) {{state={state}}}"), {"t": constant(1)})


def test_it_is_printed_and_parsed():
    graph = integrating(", state=int(24,0.015625)")
    assert graph.node("q").op.state == IntFormat(24, 2.0**-6)
    assert "{reset='soft', state=int(24,0.015625)}" in print_graph(graph)
    assert print_graph(parse(print_graph(graph), BIG)) == print_graph(graph)


def test_gradients_pass_by_it():
    weights = {"big": constant(100), "w": Weight(np.full((1, 1), 2.0), Role.PARAMETER)}
    text = (
        "graph(%x: real step [1]) steps 2\n%y = linear(%x; weight=w)\n%q = if(%y; v_threshold=big) {state=int(9,2.0)}\n"
        "return %q\n"
    )
    module = to_torch(parse(text, weights))
    q = module(torch.full((2, 3, 1), 50.0))
    q.sum().backward()
    assert any(p.grad is not None and p.grad.abs().sum() > 0 for p in module.parameters())
