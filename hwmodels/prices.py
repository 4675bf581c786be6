"""Counts times prices: the one multiplication that turns operations into pJ."""

from __future__ import annotations

import math
from collections.abc import Mapping

from spikec.cost import Evidence, Term, Terms


def price_of(count: str, terms: Terms) -> float | None:
    """pJ for one count of a kind, all its terms together; None where no term prices it."""
    found = [term.energy_pj for term in terms if term.count == count]
    return math.fsum(found) if found else None


def charge(counts: Mapping[str, int | float], terms: Terms) -> dict[str, float]:
    """pJ by term, in the order of `terms`; a kind of which nothing was counted has no term."""
    return {term.name: counts[term.count] * term.energy_pj for term in terms if term.count in counts}


def bounds(counts: Mapping[str, int | float], terms: Terms) -> tuple[float | None, float | None]:
    """Lower and upper bound in pJ; None on a side where no term that is used has a bound."""
    if all(term.low_pj is None and term.high_pj is None for term in terms):
        return None, None
    used = [term for term in terms if counts.get(term.count)]
    if not used:
        return None, None
    return _bound(counts, used, "low_pj"), _bound(counts, used, "high_pj")


def evidence(counts: Mapping[str, int | float], terms: Terms) -> Evidence:
    """The weakest evidence among the prices that these counts use; nothing used leaves nothing to doubt."""
    return min((term.evidence for term in terms if counts.get(term.count)), default=Evidence.MEASURED)


def _bound(counts: Mapping[str, int | float], used: list[Term], side: str) -> float | None:
    limits = [getattr(term, side) for term in used]
    if all(limit is None for limit in limits):
        return None
    # A term without a bound on this side enters at its point value.
    pairs = zip(used, limits, strict=True)
    return math.fsum(counts[t.count] * (t.energy_pj if limit is None else limit) for t, limit in pairs)
