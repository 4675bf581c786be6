"""A plan whose cores have places: chosen for the traffic counted, or given in a file."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from hwmodels.mapping.mesh import Cores, Mesh, Places, cores_at, places_of
from hwmodels.mapping.placement import HopWeights, place
from hwmodels.mapping.plans import Plan
from hwmodels.mapping.runs import CoreRun, Layout, board_of, run_on, traffic_of
from spikec.cost import Counts, Mapping, Terms
from spikec.errors import DataError, why_unread

AXES = ("chip", "x", "y", "slot")


@dataclass(frozen=True, eq=False)
class Placed(Mapping):
    """A plan on the board.

    Args:
        on: [cores] the number on the board of each core.
        how: how the places were found, as a report says it: method, seed, objective.
    """

    plan: Plan
    on: Cores
    how: dict[str, Any]  # Any: JSON

    @cached_property
    def layout(self) -> Layout:
        """What its places decide of every run."""
        return Layout(self.plan, self.on)

    def run(self, counts: Counts, terms: Terms) -> CoreRun:
        """What the cores do in a run; the last few are remembered."""
        return _run(self, counts, terms)


@lru_cache(maxsize=2)
def _run(placed: Placed, counts: Counts, terms: Terms) -> CoreRun:
    return run_on(placed.layout, counts, terms)


def placed_for(plan: Plan, counts: Counts | None, terms: Terms, seed: int = 0) -> Placed:
    """The plan with places that keep the ways of its packets short; without counts, one core after the other.

    Args:
        plan: the network on cores.
        counts: of a run.
        terms: whose hop prices weigh the hops; alike where none is priced.
        seed: of the search.
    """
    board = board_of(plan.table, plan.cores)
    if counts is None or plan.cores < 2:
        return _on(plan, board, np.arange(plan.cores), {"method": "contiguous"})
    found = place(board, plan.cores, *traffic_of(plan, counts), seed=seed, weights=_weights(terms))
    how = {
        "method": "swaps",
        "seed": seed,
        "objective": found.objective,
        "contiguous_objective": found.contiguous,
        "visits": found.visits,
    }
    return _on(plan, board, found.on, how)


def placed_on(plan: Plan, on: Cores) -> Placed:
    """The plan with core i on number `on[i]` of its board."""
    return _on(plan, board_of(plan.table, plan.cores), on, {"method": "given"})


def read_places(path: Path, plan: Plan) -> Placed:
    """The plan at the places that a file gives: a list [chip, x, y, slot] a core, or a report that holds a mapping.

    Raises:
        DataError: the file cannot be read, holds no places, or others than the plan has cores; two cores at one place,
            or one that the board does not have.
    """
    rows = _rows(path)
    if len(rows) != plan.cores:
        expected = f"{plan.cores}, one a core of this network on this chip"
        raise DataError(f"{len(rows)} places", where=str(path), expected=expected)
    board = _board_for(plan, rows, path)
    columns = np.array(rows, dtype=np.int64).reshape(len(rows), len(AXES)).T
    on = cores_at(board, Places(*columns))
    unique, times = np.unique(on, return_counts=True)
    if unique.size < on.size:
        twice = np.flatnonzero(on == unique[times.argmax()])[:2].tolist()
        raise DataError(f"cores {twice[0]} and {twice[1]} at one place", where=str(path), expected="a place for each")
    return _on(plan, board, on, {"method": "given", "file": path.name})


def _on(plan: Plan, board: Mesh, on: Cores, how: dict[str, Any]) -> Placed:  # Any: JSON
    places = places_of(board, on)
    rows = np.stack([getattr(places, axis) for axis in AXES], axis=1)
    return Placed(plan, tuple(tuple(row) for row in rows.tolist()), plan, on, how)


def _weights(terms: Terms) -> HopWeights:
    """What hops weigh: their prices; a crossing, of which none is published, as the dearer of them."""
    prices = {term.count: term.energy_pj for term in terms}
    east, north = prices.get("hop_ew", 0.0), prices.get("hop_ns", 0.0)
    return HopWeights(east, north, max(east, north)) if east and north else HopWeights()


def _rows(path: Path) -> Sequence[Sequence[int]]:
    try:
        found = json.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(why_unread(error), where=str(path), expected="places as JSON") from error
    except (ValueError, RecursionError) as error:  # of numbers too long, and of lists too deep
        raise DataError(f"no JSON: {error}", where=str(path), expected='such as {"places": [[0, 0, 0, 0]]}') from error
    if isinstance(found, dict) and isinstance(found.get("mapping"), dict):
        found = found["mapping"]
    rows = found.get("places") if isinstance(found, dict) else found
    if not isinstance(rows, list) or not rows:
        raise DataError("no list of places", where=str(path), expected="[chip, x, y, slot] for each core, in order")
    for core, row in enumerate(rows):
        whole = isinstance(row, list) and all(isinstance(n, int) and not isinstance(n, bool) for n in row)
        if not whole or len(row) != len(AXES) or min(row) < 0 or max(row) > 10**6:
            shown = json.dumps(row)[:60]
            raise DataError(f"place {shown} of core {core}", where=str(path), expected="[chip, x, y, slot], from 0")
    return rows


def _board_for(plan: Plan, rows: Sequence[Sequence[int]], path: Path) -> Mesh:
    """The board of as many chips as the cores need; checks that it has all places."""
    table, board = plan.table.mesh, board_of(plan.table, plan.cores)
    sizes = (board.chips, table.columns, table.rows, table.cores_a_tile)
    for core, row in enumerate(rows):
        for axis, at, size in zip(AXES, row, sizes, strict=True):
            if at >= size:
                expected = f"0 to {size - 1}" + (", as many as the cores need" if axis == "chip" else " on this chip")
                raise DataError(f"{axis} {at} of core {core}", where=str(path), expected=expected)
    return board
