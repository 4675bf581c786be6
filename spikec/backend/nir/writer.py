"""Writes a legal graph as network.nir."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import nir

from spikec.backend.nir.dialect import FILE, Dialect
from spikec.backend.nir.encode import check, encode
from spikec.backend.nir.site import Fields
from spikec.backend.protocol import Peeled, peel
from spikec.errors import Offender, UnsupportedOp
from spikec.files import write_bytes
from spikec.ir.graph import Graph
from spikec.ir.time import Repeat, TimeLast, TimeMean, TimeSum

TIMES = (Repeat, TimeLast, TimeMean, TimeSum)


@dataclass(frozen=True)
class Tree:
    """What nir.write asks of a graph: its dict. For types that NIR does not know."""

    tree: Fields

    def to_dict(self) -> Fields:
        """The tree."""
        return self.tree


def write(graph: Graph, folder: Path, dialect: Dialect = "strict") -> None:
    """Writes `graph` into network.nir in `folder`.

    In the strict dialect the file's content is built and checked by nir itself, types and all, before it is written.

    Args:
        graph: legal: the target's pipeline has been run.
        folder: there, without a network.nir.
        dialect: 'strict' or 'extended', see `spikec.backend.nir`.

    Raises:
        UnsupportedOp: lists every node that the dialect has no form for.
        OutputError: the file cannot be written.
    """
    tree = encode(peeled(graph, dialect), dialect)
    root = checked(tree) if dialect == "strict" else Tree(tree)
    made = BytesIO()  # HDF5 ends the process where the disk is full as it closes a file
    nir.write(made, root)
    write_bytes(folder / FILE, made.getvalue())


def peeled(graph: Graph, dialect: Dialect) -> Peeled:
    """The graph without the caller's protocol.

    Raises:
        UnsupportedOp: lists what is computed once inside, and every node that has no form in the dialect as well.
    """
    try:
        return peel(graph, "nir")
    except UnsupportedOp as error:
        if not graph.timed:
            raise
        offenders = [*error.offenders, *_others(graph, dialect)]
        raise UnsupportedOp(error.target, offenders, mend=error.mend, nodes=error.nodes) from error


def _others(graph: Graph, dialect: Dialect) -> tuple[Offender, ...]:
    try:
        check(Peeled(graph, frozenset(node.name for node in graph.nodes_of(*TIMES))), dialect)
    except UnsupportedOp as error:
        return error.offenders
    return ()


def checked(tree: Fields) -> nir.NIRGraph:
    """The tree as nir builds it on reading, with its type check."""
    graph = nir.dict2NIRNode({**deepcopy(tree), "type_check": True})
    nodes, edges = tree["nodes"], tree["edges"]
    assert isinstance(nodes, dict)
    assert isinstance(edges, list)
    # nir invents Inputs and Outputs for loose ends.
    assert set(graph.nodes) == set(nodes)
    assert len(graph.edges) == len(edges)
    return graph
