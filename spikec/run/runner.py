"""The Runner protocol: what runs a graph on data and counts what probes ask for.

Every runner gives the same values and the same counts; one conformance suite holds them to the interpreter
(`spikec.run.interp`), which is the reference.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence, Set
from typing import Protocol

from torch import Tensor

from spikec.cost import Counts, Probe
from spikec.errors import GraphError
from spikec.ir.graph import Graph
from spikec.run.answers import answered
from spikec.run.inputs import Data


class Runner(Protocol):
    """Runs graphs, any number of them, and keeps nothing from one run to the next.

    Each method raises DataError where an input is missing, of a wrong shape, or holds what its type does not allow,
    UnsupportedOp where the runner does not run some nodes, and GraphError where a value is asked for that the graph
    does not have.
    """

    def run(
        self, graph: Graph, data: Data, steps: int | None = None, keep: Sequence[str] | None = None
    ) -> dict[str, Tensor]:
        """The values named in `keep` (the graph's outputs unless given), in that order.

        Args:
            graph: verified.
            data: an array for each input, [B, *shape] where it is once, [T, B, *shape] where it is per step.
            steps: T; the graph's default unless given.
            keep: value names.
        """
        ...

    def count(self, graph: Graph, data: Data, probes: Sequence[Probe], steps: int | None = None) -> Counts:
        """The answer to every probe, of one run."""
        ...

    def run_and_count(
        self, graph: Graph, data: Data, probes: Sequence[Probe], steps: int | None = None
    ) -> tuple[dict[str, Tensor], Counts]:
        """The outputs and the answers, of one run."""
        ...


class ValueRunner(ABC):
    """A Runner that computes value by value; running and counting are the same for all of these."""

    @abstractmethod
    def values(self, graph: Graph, data: Data, steps: int, wanted: Set[str]) -> Iterator[tuple[str, Tensor]]:
        """Every value with its name as it is computed, the inputs first; those `wanted` are kept until given."""

    def run(
        self, graph: Graph, data: Data, steps: int | None = None, keep: Sequence[str] | None = None
    ) -> dict[str, Tensor]:
        """See `Runner`."""
        names = graph.outputs if keep is None else keep
        _check_names(graph, names)
        values = self.values(graph, data, graph.steps if steps is None else steps, set(names))
        found = {name: value for name, value in values if name in names}
        return {name: found[name] for name in names}

    def count(self, graph: Graph, data: Data, probes: Sequence[Probe], steps: int | None = None) -> Counts:
        """See `Runner`."""
        return self.run_and_count(graph, data, probes, steps)[1]

    def run_and_count(
        self, graph: Graph, data: Data, probes: Sequence[Probe], steps: int | None = None
    ) -> tuple[dict[str, Tensor], Counts]:
        """See `Runner`."""
        steps = graph.steps if steps is None else steps
        wanted = {*graph.outputs, *(value for probe in probes for value in probe.values)}
        _check_names(graph, sorted(wanted))
        return answered(graph, self.values(graph, data, steps, wanted), probes, steps)


def _check_names(graph: Graph, names: Sequence[str]) -> None:
    """Raises GraphError where the graph has no value of one of these names."""
    unknown = [f"'%{name}'" for name in names if name not in graph.types]
    if unknown:
        raise GraphError(f"the graph has no value {', '.join(unknown)}")
