"""The cores of a network, layer by layer."""

from __future__ import annotations

from dataclasses import dataclass

from hwmodels.mapping.cores import cores_of
from hwmodels.mapping.limits import CoreLimits
from hwmodels.mapping.loads import LayerCores, Misfit
from hwmodels.mapping.wiring import WiredLayer, wire
from spikec.cost import Partition
from spikec.ir.graph import Graph


@dataclass(frozen=True)
class CoreRow:
    """A layer of a network and its cores, or the limit that it breaks."""

    wired: WiredLayer
    found: LayerCores | Misfit

    @property
    def cores(self) -> int:
        """Cores of the layer; 0 where it does not fit."""
        return self.found.cores if isinstance(self.found, LayerCores) else 0


@dataclass(frozen=True)
class CoreTable:
    """A network on cores.

    Args:
        rows: its layers, in the order of the graph.
        limits: of a core.
    """

    rows: tuple[CoreRow, ...]
    limits: CoreLimits

    @property
    def cores(self) -> int:
        """Cores of the layers that fit."""
        return sum(row.cores for row in self.rows)

    @property
    def chips(self) -> int:
        """Chips that have so many cores."""
        return -(-self.cores // self.limits.cores_a_chip)

    @property
    def misfits(self) -> tuple[tuple[WiredLayer, Misfit], ...]:
        """The layers that no number of cores holds."""
        return tuple((row.wired, row.found) for row in self.rows if isinstance(row.found, Misfit))

    @property
    def extrapolated(self) -> tuple[str, ...]:
        """What of the network no printed table shows, each reason with its layer; empty where all of it was printed."""
        found = [f"{row.wired.scope}: {reason}" for row in self.rows for reason in _outside(row)]
        return (*found, *([f"{self.chips} chips"] if self.chips > 1 else []))

    @property
    def partition(self) -> Partition:
        """Cores by the node that stands for a layer."""
        return Partition({row.wired.node: row.cores for row in self.rows})


def table_of(graph: Graph, limits: CoreLimits, chip: str) -> CoreTable:
    """The cores of every layer of a graph.

    Raises:
        UnsupportedOp: lists every node that has no form on cores.
    """
    rows = (CoreRow(wired, cores_of(wired.layer, limits)) for wired in wire(graph, limits, chip))
    return CoreTable(tuple(rows), limits)


def _outside(row: CoreRow) -> tuple[str, ...]:
    more = row.found.extrapolated if isinstance(row.found, LayerCores) else ()
    return (*row.wired.extrapolated, *more)
