"""A planned network put together to a Graph: what enters a node is summed, what closes a cycle is delayed.

A Delay's type stands before what it delays is known. Shapes are those that spread from the Inputs. Domains are tried,
and corrected by what is found; what still grows then goes round its cycle without a neuron, and is Real.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Mapping

from spikec.errors import Offender, TraceError, UnsupportedOp, VerifyError
from spikec.frontend.nir.parts import number
from spikec.frontend.nir.plan import Plan
from spikec.ir.arithmetic import Add
from spikec.ir.builder import GraphBuilder
from spikec.ir.graph import Graph
from spikec.ir.time import Delay
from spikec.ir.types import REAL, TensorType

TRIALS = 12

Types = Mapping[str, TensorType]


def graph_of(plan: Plan, steps: int) -> tuple[Graph, dict[str, str]]:
    """The verified graph, and for each Output the value that leaves there.

    Raises:
        UnsupportedOp: lists the nodes whose input does not fit them.
        VerifyError: the graph breaks a rule.
        TraceError: no types hold for what goes round its cycles.
    """
    kinds = _spread(plan)
    for trial in range(TRIALS):
        attempt = _Attempt(plan, kinds, steps)
        found = attempt.run()
        if found == kinds:
            return attempt.graph()
        settled = {key for key in kinds if found[key] == kinds[key]}
        grown = set() if trial < TRIALS // 2 else found.keys() - settled
        kinds = {key: kind.with_domain(REAL) if key in grown else kind for key, kind in found.items()}
    names = ", ".join(sorted(plan.network.items[key].name for key in kinds))
    raise TraceError("no types hold for what goes round the cycles", where=names)


def _spread(plan: Plan) -> Types:
    """A type for what each feedback delays, from any one of the edges that lead to it; none where there is no cycle."""
    feedback = {*(source for source, _ in plan.loops.cuts), *plan.loops.closing}
    if not feedback:
        return {}
    after: dict[str, list[str]] = {}
    for source, target in plan.network.edges:
        after.setdefault(source, []).append(target)
    types = {entry: TensorType(shape) for entry, shape in plan.shapes.items()}
    waiting = list(types)
    usual = types[waiting[0]]
    while waiting:
        source = waiting.pop()
        for target in [target for target in after.get(source, ()) if target not in types]:
            kind = types[source] if target in plan.delays else _probed(plan, target, types[source])
            if kind is not None:
                types[target] = kind
                waiting.append(target)
    # What fits nowhere is found, and named, as the graph is built.
    return {key: types.get(key, usual) for key in sorted(feedback)}


def _probed(plan: Plan, key: str, kind: TensorType) -> TensorType | None:
    """The type that a node gives for one input alone."""
    build = GraphBuilder()
    try:
        return build.type(plan.parts[key](build, "probe", build.input("x", kind)))
    except (TraceError, VerifyError):
        return None


class _Attempt:
    """The graph, built with a type for each feedback."""

    def __init__(self, plan: Plan, kinds: Types, steps: int) -> None:
        self.plan, self.kinds, self.build = plan, kinds, GraphBuilder(steps)
        self.items = plan.network.items
        self.values: dict[str, str] = {}
        self.delayed: dict[str, str] = {}
        self.ends: dict[str, str] = {}
        self.faults: list[Offender] = []
        cuts = set(plan.loops.cuts)
        self.into: dict[str, list[tuple[str, bool]]] = {key: [] for key in self.items}
        for edge in plan.network.edges:
            self.into[edge[1]].append((edge[0], edge in cuts))

    def run(self) -> Types:
        """Adds every node, and gives the types that the feedbacks should have.

        Raises:
            UnsupportedOp: lists the nodes whose input does not fit them.
        """
        self.feedbacks()
        for key in self.order():
            self.node(key)
        for key in self.plan.loops.closing:
            if key in self.values:
                self.end(key)
        if self.faults:
            raise UnsupportedOp("spikec", self.faults, nodes=len(self.items))
        self.ends |= {source: self.values[source] for source in self.delayed}
        return {key: self.build.type(self.ends[key]) for key in self.kinds}

    def graph(self) -> tuple[Graph, dict[str, str]]:
        """The graph once the types hold, and where each Output is."""
        for key in self.kinds:
            self.build.close(self.delayed.get(key) or self.values[key], self.ends[key])
        outputs = {self.items[key].name: self.values[key] for key in self.plan.network.ends("Output")}
        return self.build.graph(*dict.fromkeys(outputs.values())), outputs

    def feedbacks(self) -> None:
        """Adds the Inputs, and the Delays that close a cycle."""
        for entry, shape in self.plan.shapes.items():
            self.values[entry] = self.build.input(self.items[entry].scope, TensorType(shape))
        for source in dict.fromkeys(source for source, _ in self.plan.loops.cuts):
            self.delayed[source] = self.build.feedback(self.kinds[source], scope=f"{self.items[source].scope}.delay")
        for key in self.plan.loops.closing:
            kind = self.kinds[key]
            try:
                steps = number(self.plan.delays[key], kind.shape, "delays")
                self.values[key] = self.build.feedback(kind, steps, self.items[key].scope)
            except TraceError as error:
                self.faults.append(self.items[key].offends(str(error)))

    def node(self, key: str) -> None:
        """Adds a node, unless what enters it could not be added."""
        if key in self.values or not self.known(key):
            return
        try:
            x, scope = self.sum(key), self.items[key].scope
            if key in self.plan.delays:
                steps = number(self.plan.delays[key], self.build.type(x).shape, "delays")
                self.values[key] = self.build.add(Delay(), x, scope=scope, weights={"steps": steps})
            else:
                self.values[key] = self.plan.parts[key](self.build, scope, x)
        except (TraceError, VerifyError) as error:
            self.faults.append(self.items[key].offends(str(error)))

    def end(self, key: str) -> None:
        """Adds what enters a Delay that closes a cycle."""
        if self.known(key):
            try:
                self.ends[key] = self.sum(key)
            except VerifyError as error:
                self.faults.append(self.items[key].offends(str(error)))

    def known(self, key: str) -> bool:
        """Whether all that enters a node could be added."""
        return all(source in (self.delayed if late else self.values) for source, late in self.into[key])

    def sum(self, key: str) -> str:
        """The sum of the edges into a node, in the order of the file."""
        terms = [self.delayed[source] if late else self.values[source] for source, late in self.into[key]]
        total = terms[0]
        for term in terms[1:]:
            total = self.build.add(Add(), total, term, scope=self.items[key].scope, inner=True)
        return total

    def order(self) -> Iterator[str]:
        """The nodes, each after what it takes without delay, else in the order of the file."""
        place = {key: at for at, key in enumerate(self.items)}
        skipped = {*self.plan.loops.cuts}
        left = dict.fromkeys(self.items, 0)
        after: dict[str, list[str]] = {key: [] for key in self.items}
        for source, target in self.plan.network.edges:
            if (source, target) not in skipped and target not in self.plan.loops.closing:
                left[target] += 1
                after[source].append(target)
        ready = [(place[key], key) for key, count in left.items() if count == 0]
        heapq.heapify(ready)
        while ready:
            _, key = heapq.heappop(ready)
            yield key
            for target in after[key]:
                left[target] -= 1
                if left[target] == 0:
                    heapq.heappush(ready, (place[target], target))
