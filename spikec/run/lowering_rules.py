"""What each op becomes in whole numbers, and the unit and range of what it gives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from math import ceil, floor, prod

import numpy as np

from spikec.ir.arithmetic import Add, MatMul, Mul, Scale
from spikec.ir.graph import Node
from spikec.ir.integrators import I
from spikec.ir.linear import Conv1d, Conv2d, Linear
from spikec.ir.neurons import IF, LIF, CubaLIF, FiresAt, MultiLevelSpike, Threshold
from spikec.ir.op import Op
from spikec.ir.pools import AvgPool, MaxPool, Mean, Sum, SumPool
from spikec.ir.shapes import Concat, Constant, Expand, Pad, Reshape, Slice, Transpose, Upsample
from spikec.ir.time import Delay, Repeat, TimeLast, TimeMean, TimeSum
from spikec.ir.types import IntFormat, Weight
from spikec.run.lowering import LARGEST, SHARES, Codes, Lowering, NotWhole, Rule, Whole, common, most, times

SPIKES = Whole(Fraction(1), 1)


def _moved(g: Lowering, node: Node, x: Sequence[Whole]) -> None:
    g.emit(node, x[0])


def _joined(g: Lowering, node: Node, x: Sequence[Whole]) -> None:
    """Add and Concat: all operands in one unit."""
    unit = common(*(operand.unit for operand in x))
    inputs = [g.aligned(value, unit) for value in node.inputs]
    bounds = [g.wholes[value].bound for value in inputs]
    g.emit(node, Whole(unit, sum(bounds) if isinstance(node.op, Add) else max(bounds)), inputs=inputs)


def _mul(g: Lowering, node: Node, x: Sequence[Whole]) -> None:
    g.emit(node, Whole(x[0].unit * x[1].unit, x[0].bound * x[1].bound))


def _matmul(g: Lowering, node: Node, x: Sequence[Whole]) -> None:
    assert isinstance(node.op, MatMul)
    (_, terms), _ = node.op.planes(*(g.types[value] for value in node.inputs))
    g.emit(node, Whole(x[0].unit * x[1].unit, x[0].bound * x[1].bound * terms))


def _scale(g: Lowering, node: Node, x: Sequence[Whole]) -> None:
    assert isinstance(node.op, Scale)
    factor = Fraction(node.op.factor)
    sign = (factor > 0) - (factor < 0)
    g.emit(node, Whole(x[0].unit * (abs(factor) or 1), x[0].bound), op=Scale(float(sign)))


def _summed(g: Lowering, node: Node, x: Whole, terms: int, op: Op, *, mean: bool) -> None:
    g.emit(node, Whole(x.unit / terms if mean else x.unit, x.bound * terms), op=op)


def _axes(g: Lowering, node: Node, x: Sequence[Whole]) -> None:
    assert isinstance(node.op, Sum | Mean)
    terms = prod(g.types[node.inputs[0]].shape[axis] for axis in node.op.axes)
    _summed(g, node, x[0], terms, Sum(node.op.axes), mean=isinstance(node.op, Mean))


def _pool(g: Lowering, node: Node, x: Sequence[Whole]) -> None:
    assert isinstance(node.op, SumPool | AvgPool)
    op = SumPool(node.op.kernel, node.op.stride, node.op.padding)
    _summed(g, node, x[0], prod(op.kernel), op, mean=isinstance(node.op, AvgPool))


def _over_time(g: Lowering, node: Node, x: Sequence[Whole]) -> None:
    _summed(g, node, x[0], g.steps, TimeSum(), mean=isinstance(node.op, TimeMean))


def _weighted(g: Lowering, node: Node, x: Sequence[Whole]) -> None:
    """Linear and convolutions; the weights are made finer where the bias is."""
    weight, fine = g.codes(node, "weight")
    unit = x[0].unit * fine
    codes = {"weight": weight}
    if "bias" in node.weights:
        bias, coarse = g.codes(node, "bias")
        unit = common(unit, coarse)
        codes = {"weight": _by(weight, times(x[0].unit * fine, unit)), "bias": _by(bias, times(coarse, unit))}
    rows = np.abs(codes["weight"]).reshape(len(weight), -1).astype(object)  # Python's integers, which do not overflow
    bound = int(rows.sum(1).max()) * x[0].bound + most(codes.get("bias", weight[:0]))
    g.emit(node, Whole(unit, bound), codes=codes)


def _by(codes: Codes, factor: int) -> Codes:
    """The codes in a finer unit.

    Raises:
        NotWhole: they would leave what is held exactly.
    """
    if most(codes) * factor > LARGEST:
        raise NotWhole("its weights have no common unit that is held exactly")
    return codes * factor if codes.any() else codes  # zeros are zeros in any unit, one beyond 63 bits too


def _constant(g: Lowering, node: Node, x: Sequence[Whole]) -> None:
    value, unit = g.codes(node, "value")
    g.emit(node, Whole(unit, most(value)), codes={"value": value})


def _delay(g: Lowering, node: Node, x: Sequence[Whole]) -> None:
    steps, unit = g.codes(node, "steps")
    codes = {"steps": _by(steps, times(unit, Fraction(1)))}  # verify has seen that they are whole
    if g.is_open(node):
        g.leave_open(node, codes)
    else:
        g.emit(node, x[0], codes=codes)


def _threshold(g: Lowering, node: Node, x: Sequence[Whole]) -> None:
    assert isinstance(node.op, Threshold)
    level = _level(g.source.weights[node.weights["v_threshold"]], x[0].unit, node.op.fires_at)
    g.emit(node, SPIKES, codes={"v_threshold": level})


def _level(weight: Weight, unit: Fraction, at: FiresAt) -> Codes:
    """The whole number at ('>=') or above ('>') which a threshold is passed, element by element."""
    values = np.asarray(weight.values, dtype=np.float64)
    near = ceil if at == ">=" else floor
    codes = [near(Fraction(value) / unit) for value in values.reshape(-1).tolist()]
    return np.array([_held(code) for code in codes], dtype=np.int64).reshape(values.shape)


def _held(code: int) -> int:
    """The code of a threshold, or one that is beyond all that can occur as it is."""
    return max(-2 * LARGEST, min(2 * LARGEST, code))


def _levels(g: Lowering, node: Node, x: Sequence[Whole]) -> None:
    """A spike a level: level l is passed at l - 1/2, by an even l at the tie, by an odd one above it."""
    assert isinstance(node.op, MultiLevelSpike)
    passed = []
    for level in range(1, node.op.levels + 1):
        tie = Fraction(2 * level - 1, 2) / x[0].unit
        code = ceil(tie) if level % 2 == 0 else floor(tie) + 1
        codes = {"v_threshold": np.array(_held(code))}
        passed.append(g.part(node, f"level{level}", Threshold(), *node.inputs, result=SPIKES, codes=codes))
    total = passed[0]
    for level, spike in enumerate(passed[1:], start=2):
        total = g.part(node, f"upto{level}", Add(), total, spike, result=Whole(Fraction(1), level))
    g.emit(node, Whole(Fraction(node.op.scale), node.op.levels), op=Scale(1.0), inputs=[total])


def _neuron(g: Lowering, node: Node, x: Sequence[Whole]) -> None:
    """IF, LIF and CubaLIF: drive, voltages and membrane in one unit, decays in shares."""
    op = node.op
    assert isinstance(op, IF | LIF | CubaLIF)
    kept = ["v_reset", "v_leak", "v0", "i0", *(["v_threshold"] if op.reset == "soft" else [])]
    exact = {slot: g.codes(node, slot) for slot in kept if slot in node.weights}
    unit = common(x[0].unit, *(fine for _, fine in exact.values()))
    decays: dict[str, Codes] = {}
    if not isinstance(op, IF):
        decays = _decays(g, node, op)
        if unit.denominator != 1:
            raise NotWhole(f"rounds to whole numbers, while its drive or voltages are multiples of {unit}")
        unit = Fraction(1)
    codes = {slot: _by(array, times(fine, unit)) for slot, (array, fine) in exact.items()}
    threshold = _level(g.source.weights[node.weights["v_threshold"]], unit, op.fires_at)
    drive = g.aligned(node.inputs[0], unit)
    reach = {slot: most(array) for slot, array in codes.items()}
    current = g.wholes[drive].bound
    if isinstance(op, CubaLIF):
        current = reach.get("i0", 0) + g.steps * (current + 1)
    rest = max(reach.get("v_leak", 0), reach.get("v_reset", 0))
    growth = current + 2 * rest + reach.get("v_threshold", 0) + 1  # 1: what rounding down may add
    state = _in_units(op.state, unit)
    membrane = Whole(unit, _within(state, max(rest, reach.get("v0", 0)) + g.steps * growth))
    current = _within(state, current)
    if decays and max(membrane.bound, current) * SHARES > 2**62:
        raise NotWhole("its membrane times its decay leaves 63 bits")
    results = [SPIKES, membrane, *([Whole(unit, current)] if isinstance(op, CubaLIF) else [])]
    levels = codes | decays | {"v_threshold": threshold}
    g.emit(node, *results, op=replace(op, state=state), inputs=[drive], codes=levels)


def _within(state: IntFormat | None, bound: int) -> int:
    """The greatest magnitude of what may reach `bound`, and is held by `state`: a run that leaves it ends."""
    return bound if state is None else min(bound, int(-state.range[0] * state.scale))


def _in_units(state: IntFormat | None, unit: Fraction) -> IntFormat | None:
    """A state's format where whole numbers count units."""
    return None if state is None else replace(state, scale=float(Fraction(state.scale) / unit))


def _decays(g: Lowering, node: Node, op: LIF | CubaLIF) -> dict[str, Codes]:
    """beta and alpha as shares.

    Raises:
        NotWhole: it leaks otherwise, or does not round.
    """
    if "tau" in node.weights or "tau_syn" in node.weights:
        raise NotWhole("leaks by tau, which leaves whole numbers; beta and rounding are expected")
    if op.rounding == "none":
        raise NotWhole("leaks and does not round")
    found = {}
    for slot in ("beta", "alpha"):
        if slot in node.weights:
            codes, fine = g.codes(node, slot)
            if (fine * SHARES).denominator != 1:
                raise NotWhole(f"its {slot} is in multiples of {fine}; of 1/{SHARES} expected")
            found[slot] = _by(codes, times(fine, Fraction(1, SHARES)))
    return found


def _integrator(g: Lowering, node: Node, x: Sequence[Whole]) -> None:
    start, fine = g.codes(node, "v0") if "v0" in node.weights else (np.zeros((), np.int64), x[0].unit)
    unit = common(x[0].unit, fine)
    drive = g.aligned(node.inputs[0], unit)
    codes = {"v0": _by(start, times(fine, unit))} if "v0" in node.weights else {}
    bound = most(start) * times(fine, unit) + g.steps * g.wholes[drive].bound
    assert isinstance(node.op, I)
    state = _in_units(node.op.state, unit)
    g.emit(node, Whole(unit, _within(state, bound)), op=replace(node.op, state=state), inputs=[drive], codes=codes)


RULES: dict[type[Op], Rule] = {
    **dict.fromkeys((Expand, MaxPool, Pad, Repeat, Reshape, Slice, TimeLast, Transpose, Upsample), _moved),
    **dict.fromkeys((Add, Concat), _joined),
    **dict.fromkeys((Sum, Mean), _axes),
    **dict.fromkeys((SumPool, AvgPool), _pool),
    **dict.fromkeys((TimeSum, TimeMean), _over_time),
    **dict.fromkeys((Linear, Conv1d, Conv2d), _weighted),
    **dict.fromkeys((IF, LIF, CubaLIF), _neuron),
    Constant: _constant,
    Delay: _delay,
    I: _integrator,
    MatMul: _matmul,
    Mul: _mul,
    MultiLevelSpike: _levels,
    Scale: _scale,
    Threshold: _threshold,
}
