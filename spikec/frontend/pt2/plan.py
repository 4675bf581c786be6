"""What each node of a .pt2 file is taken as, before anything runs: an operator, a neuron, or refused by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import inf

from spikec.errors import Offender, UnsupportedOp
from spikec.frontend.pt2.field import malformed
from spikec.frontend.pt2.filled import GIVEN, NUMBERS, number_of, of_input
from spikec.frontend.pt2.neurons import NEURONS, Fired
from spikec.frontend.pt2.operators import CHECKS, COMPARISONS, OPERATORS, PLACES, Operator, mend_of, why_untaken
from spikec.frontend.pt2.program import Call, Named, Scalar, Source, Unread, Value
from spikec.frontend.pt2.refusal import Refusal
from spikec.frontend.pt2.rewriting import names_in, rewritten
from spikec.frontend.pt2.unrolled import LEAKY, odd_starts, recognised

ELSEWHERE = "its membrane does not start at {:g}, but at {:g}"
LATER = "its membrane does not start at {:g}, or goes on from a call that is none of one step of the same neuron"
ODD = "the state that a neuron starts from is {:g}; 0 is taken"
MOST_NUMBER = 2**62


@dataclass(frozen=True)
class Step:
    """A node that is computed.

    Args:
        call: the node, its arguments without those that say where tensors lie.
        operator: what it is; None for a neuron.
        fired: the neuron that it is; None for an operator.
    """

    call: Call
    operator: Operator | None = None
    fired: Fired | None = None


def planned(source: Source, *, written: bool = False) -> tuple[Step, ...]:
    """Every node that is computed, in order.

    Args:
        source: the program.
        written: whether as it was written, its comparisons too, which a graph has no form for.

    Raises:
        UnsupportedOp: nodes that are not taken, all of them.
        ModelFileError: a node takes what none before it gave.
    """
    plan = _Plan(source, {**OPERATORS, **COMPARISONS} if written else OPERATORS)
    steps: list[Step] = []
    offenders = [Offender("output", "", f"the network writes to its {written}") for written in plan.written]
    outputs = source.signature.outputs
    calls = source.calls if written else recognised(source.calls, outputs, source.signature.own)
    for call in rewritten(calls, outputs, source.metas):
        if call.target in CHECKS:
            plan.known.update(call.outputs)
            continue
        plan.check_names(call)
        try:
            steps.append(plan.step(call))
        except Refusal as refusal:
            offenders.append(Offender(call.target, call.scope, str(refusal), str(call.line or "")))
            plan.refused.update(call.outputs)
        plan.note(call)
    if offenders:
        odd = odd_starts(source.calls, source.signature.own)
        offenders += (Offender(c.target, c.scope, ODD.format(number), str(c.line or "")) for c, number in odd)
        raise UnsupportedOp("spikec's IR", offenders, mend_of(offenders), nodes=len(source.calls))
    plan.check_outputs()
    return tuple(steps)


class _Plan:
    """What is known of the nodes so far."""

    def __init__(self, source: Source, operators: Mapping[str, Operator]) -> None:
        signature = source.signature
        self.operators = operators
        self.source = source
        self.written = signature.written
        self.format = source.metas[signature.given[0]].format
        self.known = {*signature.own, *signature.given, *signature.fixed}
        self.following = set(signature.given)
        self.producers: dict[str, Call] = {}
        self.membranes: dict[str, tuple[Call, Fired]] = {}
        self.refused: set[str] = set()  # results of nodes that are, and of those that take them
        self.lost: set[str] = set()  # results that are known to be none of the graph's

    def check_names(self, call: Call) -> None:
        """Raises ModelFileError where an argument was given by no earlier node."""
        for name in names_in((*call.args, *call.kwargs.values())):
            if name not in self.known:
                raise malformed(f"it takes '{name}', which no node before it gives", f"node '{call.name}'")

    def step(self, call: Call) -> Step:
        """What the node is taken as.

        Raises:
            Refusal: it is not.
        """
        if call.target not in self.operators and call.target not in NEURONS:
            raise Refusal(why_untaken(call.target))
        taken = call.args if call.target not in NEURONS else (call.args[0], *call.args[2:]) if call.args else ()
        lost = [name for name in names_in((*taken, *call.kwargs.values())) if name in self.lost]
        if lost:
            given = self.producers[lost[0]]
            raise Refusal(f"takes '{lost[0]}', a further result of {given.target} beside its first")
        if call.target in NEURONS:
            return Step(call, fired=self._fired(call))
        if "out" in call.kwargs:
            raise Refusal("writes into a tensor")
        operator = self.operators[call.target]
        if operator.constant and self._follows(call):
            raise Refusal(why_untaken(call.target))
        self._check_format(call)
        kwargs = {name: self._plain(value) for name, value in call.kwargs.items() if name not in PLACES}
        call = of_input(call, self.source.signature.given[0])
        return Step(replace(call, args=tuple(map(self._plain, call.args)), kwargs=kwargs), operator)

    def note(self, call: Call) -> None:
        """Remembers what the node gives."""
        given = [name for name in call.outputs if name]
        if self.known.intersection(given) or len(set(given)) != len(given):
            raise malformed("it gives what another node gave already", f"node '{call.name}'")
        self.known.update(given)
        self.producers.update(dict.fromkeys(given, call))
        if not self.refused.isdisjoint(names_in((*call.args, *call.kwargs.values()))):
            self.refused.update(given)
        if not call.listed and call.target != LEAKY:  # whose membrane is what the neuron carries on
            self.lost.update(call.outputs[1:])
        operator = self.operators.get(call.target)
        if self._follows(call) and not (operator is not None and operator.shape_only):
            self.following.update(given)

    def check_outputs(self) -> None:
        """Raises ModelFileError or UnsupportedOp where an output is none that a node gives."""
        outputs = self.source.signature.outputs
        unknown = [name for name in outputs if name not in self.known]
        if unknown:
            raise malformed(f"'{unknown[0]}', which no node gives", "the outputs")
        lost = [("output", "", f"'{name}' is a further result of {self.producers[name].target}")
                for name in outputs if name in self.lost]  # fmt: skip
        lost += [("output", "", f"'{name}' does not depend on the input") for name in outputs
                 if name not in self.following]  # fmt: skip
        if lost or not outputs:
            raise UnsupportedOp("spikec's IR", lost or [("output", "", "the network gives nothing")])

    def _follows(self, call: Call) -> bool:
        return any(name in self.following for name in names_in((*call.args, *call.kwargs.values())))

    def _fired(self, call: Call) -> Fired:
        if call.kwargs:
            raise Refusal("arguments by name")
        fired = NEURONS[call.target](call.args)
        start = fired.start.name if fired.start is not None else None
        if start is not None and start not in self.refused:
            number = number_of(start, self.producers)
            if number is not None and number != fired.v0:
                raise Refusal(ELSEWHERE.format(fired.v0, number))
            if number is None:
                fired = replace(fired, goes_on=self._first(call, fired, start))
        if fired.last and len(call.outputs) > 1:
            self.membranes[call.outputs[1]] = (call, fired)
        for slot, weight in fired.weights.items():
            if isinstance(weight, Named) and weight.name not in self.source.signature.own:
                raise Refusal(f"its {slot} is computed")
        return fired

    def _first(self, call: Call, fired: Fired, start: str) -> str:
        """The first of the calls of one step each that this one goes on from, by its name.

        Raises:
            Refusal: it goes on from something else.
        """
        before, neuron = self.membranes.get(start, (call, None))
        single = fired.bare or all(self._steps(one) == 1 for one in (before, call))
        if neuron is None or not (single and neuron.same_neuron(fired) and before.scope == call.scope):
            raise Refusal(LATER.format(fired.v0))
        return neuron.goes_on or before.name

    def _steps(self, call: Call) -> object:
        """How many steps a neuron's call takes."""
        drive = call.args[0]
        meta = self.source.metas.get(drive.name) if isinstance(drive, Named) else None
        return meta.sizes[0] if meta is not None and meta.sizes else None

    def _check_format(self, call: Call) -> None:
        """Raises Refusal where a node makes a tensor of one number in another format than the network's."""
        meta = self.source.metas.get(call.outputs[0]) if call.outputs else None
        if call.target in (*NUMBERS, *GIVEN) and meta is not None and meta.format != self.format:
            raise Refusal(f"makes a tensor of {meta.format} in a network of {self.format}")

    def _plain(self, value: Value) -> Value:
        """An argument without formats, each of which must be the network's own.

        Raises:
            Refusal: it is of a kind or a size that no operator takes.
        """
        if isinstance(value, Scalar):
            if value.name != self.format:
                raise Refusal(f"a conversion to {value.name} in a network of {self.format}")
            return None
        if isinstance(value, Unread):
            raise Refusal(f"an argument of the kind {value.kind}")
        if isinstance(value, tuple):
            return tuple(map(self._plain, value))
        if isinstance(value, (int, float)) and (value != value or abs(value) == inf or _too_large(value)):
            raise Refusal(f"the number {value} as an argument")
        return value


def _too_large(value: float) -> bool:
    return abs(value) >= MOST_NUMBER and value != 2**63 - 1  # which is how torch writes 'to the end'
