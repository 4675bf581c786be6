"""Sums over the nodes of a report. Energy is summed here and nowhere else, so that one network has one number."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from hwmodels.event_kinds import ON_CORES
from spikec.cost import Cost, Evidence, Terms


def total_energy_pj(costs: Sequence[Cost], samples: int) -> float:
    """pJ per inference: `math.fsum` over nodes in order and terms in order, then one division by the samples."""
    return math.fsum(energy for cost in costs for energy in cost.energy_pj.values()) / samples


def standard_error_pj(costs: Sequence[Cost]) -> float | None:
    """Standard error of the mean energy over samples, in pJ; None for a single sample."""
    per_sample = sum((cost.per_sample_pj for cost in costs), np.zeros(1))
    if per_sample.size < 2:
        return None
    return float(per_sample.std(ddof=1) / math.sqrt(per_sample.size))


def total_bounds_pj(costs: Sequence[Cost], samples: int) -> tuple[float | None, float | None]:
    """Lower and upper bound in pJ per inference; None on a side where no source gives one."""
    return _total_bound(costs, samples, "low_pj"), _total_bound(costs, samples, "high_pj")


def total_counts(costs: Sequence[Cost], samples: int) -> dict[str, float]:
    """Counts per inference by kind, in the order of their first use."""
    found: dict[str, list[int | float]] = {}
    for cost in costs:
        for kind, count in cost.counts.items():
            found.setdefault(kind, []).append(count)
    # Integers are added exactly, whatever their size; only rates give fractions.
    return {
        kind: (sum(n) if all(isinstance(c, int) for c in n) else math.fsum(n)) / samples for kind, n in found.items()
    }


def left_out(costs: Sequence[Cost], terms: Terms, samples: int) -> dict[str, float]:
    """Counts per inference of every kind that the chip does not price."""
    priced = {term.count for term in terms}
    return {kind: count for kind, count in total_counts(costs, samples).items() if kind not in priced}


def not_counted(costs: Sequence[Cost], terms: Terms) -> tuple[str, ...]:
    """The names of prices whose kind is counted on cores alone, and was not."""
    counted = {kind for cost in costs for kind in cost.counts}
    return tuple(term.name for term in terms if term.count in ON_CORES and term.count not in counted)


def weakest_evidence(costs: Sequence[Cost]) -> Evidence:
    """The weakest evidence that any node used."""
    return min((cost.evidence for cost in costs), default=Evidence.MEASURED)


def _total_bound(costs: Sequence[Cost], samples: int, side: str) -> float | None:
    limits = [getattr(cost, side) for cost in costs]
    if all(limit is None for limit in limits):
        return None
    points = [math.fsum(cost.energy_pj.values()) for cost in costs]
    return math.fsum(p if limit is None else limit for p, limit in zip(points, limits, strict=True)) / samples
