"""quantize: what has no fixed point is refused, every node by name."""

import numpy as np
import pytest

from passes.quantize import Quantize
from spikec.errors import UnsupportedOp
from spikec.ir.types import Role, weight_of

SPIKES = "graph(%x: spike step [3,6]) steps 12"


DRIVEN = "%q = lif(%y; tau=two, v_threshold=one) @block.lif\n return %q"
REFUSED = {
    "a batch norm": (
        f"%a = linear(%x; weight=w)\n %y = batch_norm(%a; mean=m, var=m) {{axis=1}} @block.bn\n {DRIVEN}",
        [("block.bn", "batch_norm", "drives block.lif")],
        "--passes fold-batchnorm,quantize",
    ),
    "a scale": (
        f"%a = linear(%x; weight=w)\n %y = scale(%a) {{factor=0.3}} @block.scale\n {DRIVEN}",
        [("block.scale", "scale", "power of two")],
        "--passes fold-scale,quantize",
    ),
    "both, and neurons without integers": (
        """
        %a = linear(%x; weight=w)
        %n = batch_norm(%a; mean=m, var=m) {axis=1} @bn
        %s = scale(%x) {factor=0.3} @scale
        %q = lif(%n; tau=two, v_threshold=one)
        %r = if(%s; v_threshold=one)
        %t = if(%s; v_threshold=one)
        %u = alpha(%x; alpha=alpha, beta=beta, v_threshold=one) @alpha
        %v = li(%x; tau=two) @li
        return %q, %r, %t, %u, %v
        """,
        [
            ("bn", "batch_norm", ""),
            ("scale", "scale", "drives r"),
            ("scale", "scale", "drives t"),
            ("alpha", "alpha", "no such neuron"),
            ("li", "li", "no such neuron"),
        ],
        "--passes fold-batchnorm,fold-scale,quantize",
    ),
    "a mean of three": (f"%y = mean(%x) {{axes=(0,)}} @mean\n {DRIVEN}", [("mean", "mean", "")], ""),
    "a norm of real numbers": (
        f"%y = layer_norm(%x) @ln\n {DRIVEN}",
        [("ln", "layer_norm", "")],
        "",
    ),
    "a soft reset with a rest": (
        "%q = lif(%x; tau=two, v_threshold=one, v_reset=half) {reset='soft'} @lif\n return %q",
        [("lif", "lif", "rests at another voltage than 0")],
        "",
    ),
    "a threshold of too many units": (
        "%a = linear(%x; weight=tiny)\n %q = if(%a; v_threshold=one) @if\n return %q",
        [("if", "if", "0 to 131071 fit")],
        "",
    ),
    "a threshold below rest": (
        "%q = if(%x; v_threshold=minus) @if\n return %q",
        [("if", "if", "0 to 131071 fit")],
        "",
    ),
    "a memoryless threshold of too many units": (
        "%a = linear(%x; weight=tiny)\n %q = threshold(%a; v_threshold=minus) @th\n return %q",
        [("th", "threshold", "units of its drive")],
        "",
    ),
    "a start beyond the membrane": (
        "%q = if(%x; v_threshold=one, v0=far) @if\n return %q",
        [("if", "if", "v0 is 1e+07 units of its drive, beyond 24 bits")],
        "",
    ),
    "a share of more than the whole": (
        "%q = lif(%x; beta=two, v_threshold=one) {decay_input=False} @lif\n return %q",
        [("lif", "lif", "0 to 1 expected")],
        "",
    ),
    "a membrane taken, with a rest": (
        "%q = lif(%x; tau=two, v_threshold=one, v_reset=half) @lif\n return %q.v",
        [("lif", "lif", "taken by others")],
        "",
    ),
    "a membrane taken, with a tau of each element": (
        "%q = lif(%x; tau=taus, v_threshold=one) @lif\n return %q.v",
        [("lif", "lif", "taken by others")],
        "",
    ),
    "a membrane that drives": (
        "%p = lif(%x; tau=two, v_threshold=one) @first\n %q = if(%p.v; v_threshold=one)\n return %q",
        [("first", "lif", "drives q")],
        "",
    ),
    "rounding of floating point": (
        "%q = lif(%x; beta=half, v_threshold=one) {decay_input=False, rounding='floor'} @lif\n return %q",
        [("lif", "lif", "rounds already")],
        "",
    ),
    "a loop that gets finer at every step": (
        """
        %d = delay(%y; steps=one) : real step [3,6] @loop
        %l = linear(%d; weight=square)
        %y = add(%l, %x)
        %q = if(%y; v_threshold=one)
        return %q
        """,
        [("loop", "delay", "drives q")],
        "",
    ),
}
GIVEN = {
    "w": (6, 6),
    "m": weight_of(np.full(6, 1.0), Role.STATISTIC),
    "square": weight_of(np.full((6, 6), 0.1)),
    "tiny": weight_of(np.full((6, 6), 1e-5)),
    "taus": weight_of(np.arange(1.0, 7.0)),
    "alpha": 0.9,
    "beta": 0.5,
    "two": 2.0,
    "one": 1.0,
    "half": 0.5,
    "minus": -1.0,
    "far": 1e7,
}


@pytest.mark.parametrize("case", REFUSED)
def test_refuses_by_name(case, make_graph):
    lines, expected, mend = REFUSED[case]
    text = f"{SPIKES}\n{lines}"
    given = {n: v for n, v in GIVEN.items() if f"={n}," in text or f"={n})" in text or f"={n};" in text}
    with pytest.raises(UnsupportedOp, match="quantize cannot take this graph") as caught:
        Quantize()(make_graph(text, **given))
    found = caught.value
    assert [(o.path, o.op) for o in found.offenders] == [(path, op) for path, op, _ in expected]
    for offender, (_, _, words) in zip(found.offenders, expected, strict=True):
        assert words in offender.reason
    assert found.mend == mend
