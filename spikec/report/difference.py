"""What differs between two reports: assumptions first, then totals, terms, counts and layers."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from spikec.report.differing import Differing, Plain, assumptions
from spikec.report.nodes import NodeRow, in_order
from spikec.report.pairing import paired
from spikec.report.saved import Saved

State = Literal["both", "removed", "added"]


@dataclass(frozen=True)
class Change:
    """A number on both sides; None where a side does not have it."""

    a: float | None
    b: float | None

    @property
    def known(self) -> bool:
        """Whether any side has it."""
        return self.a is not None or self.b is not None

    @property
    def changed(self) -> bool:
        """Whether it differs, or one side alone has it."""
        return self.a != self.b

    @property
    def difference(self) -> float | None:
        """B less A; None where a side does not have it."""
        return None if self.a is None or self.b is None else _finite(self.b - self.a)

    @property
    def percent(self) -> float | None:
        """The difference in percent of A; 0 where there is none, None where A is 0 or a side does not have it."""
        difference = self.difference
        if difference == 0:
            return 0.0
        return None if difference is None or not self.a else _finite(100 * (difference / abs(self.a)))

    def to_plain(self) -> dict[str, float | None]:
        """As JSON values."""
        return {"a": self.a, "b": self.b, "difference": self.difference, "percent": self.percent}


Changes = Mapping[str, Change]


@dataclass(frozen=True)
class LayerChange:
    """A node on both sides, or on one.

    Args:
        label, name, scope, op: as in A, or in B where A does not have it; an op that changed is `conv2d -> linear`.
        state: which sides have it.
        energy_pj, latency_ns: per inference.
        cores: of its layer, where it is mapped.
        limits: what binds its layer on each side's cores.
        terms_pj: energy by term.
        counts: by kind.
    """

    label: str
    name: str
    scope: str
    op: str
    state: State
    energy_pj: Change
    latency_ns: Change
    cores: Change
    limits: tuple[str | None, str | None]
    terms_pj: Changes
    counts: Changes

    @property
    def changed(self) -> bool:
        """Whether anything differs."""
        own = (self.energy_pj, self.latency_ns, self.cores)
        every = (*own, *self.terms_pj.values(), *self.counts.values())
        named = self.state != "both" or "->" in self.op or self.limits[0] != self.limits[1]
        return named or any(change.changed for change in every)

    @property
    def counted(self) -> bool:
        """Whether it has counts or energy on any side; reshapes and the like have none."""
        return bool(self.counts or self.terms_pj or self.cores.known)


@dataclass(frozen=True, eq=False)
class Difference:
    """Two reports beside each other.

    Args:
        a: the earlier one.
        b: the later one.
        label: the chip's name; both names where they differ.
        assumptions: those that differ, in the order of a report.
        totals: the report's totals per inference, its cores and chips, and the ANN beside it.
        terms_pj: energy of all nodes by term.
        counts: of all nodes by kind.
        layers: A's nodes in their order, then those that B alone has.
    """

    a: Saved
    b: Saved
    label: str
    assumptions: tuple[Differing, ...]
    totals: Changes
    terms_pj: Changes
    counts: Changes
    layers: tuple[LayerChange, ...]

    @property
    def changed(self) -> bool:
        """Whether any number or layer differs, whatever the assumptions."""
        totals = (*self.totals.values(), *self.terms_pj.values(), *self.counts.values())
        return any(change.changed for change in totals) or any(layer.changed for layer in self.layers)


def difference(a: Saved, b: Saved) -> Difference:
    """What differs between two reports, A the earlier one.

    Nodes are paired by name and op, then by module path and op in order, then by name alone.
    """
    counts = (a.plain["totals"]["counts"], b.plain["totals"]["counts"])
    rows = paired(a.rows, b.rows, (lambda n: (n.name, n.op), _place, lambda n: n.name))
    mapped = (_mapped(a), _mapped(b))
    return Difference(
        a=a,
        b=b,
        label=a.label if a.label == b.label else f"{a.label} -> {b.label}",
        assumptions=tuple(assumptions(a.plain, b.plain)),
        totals=_totals(a.plain, b.plain),
        terms_pj=_changes(_terms(a), _terms(b)),
        counts=_changes(*counts),
        layers=tuple(_layer(one, other, mapped) for one, other in rows),
    )


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _place(row: NodeRow) -> tuple[str, str] | None:
    return (row.scope, row.op) if row.scope else None


def _changes(a: Mapping[str, float], b: Mapping[str, float]) -> Changes:
    return {name: Change(a.get(name), b.get(name)) for name in in_order((*a, *b))}


def _terms(saved: Saved) -> dict[str, float]:
    """pJ per inference by term: of every term that the chip prices, 0 where no node uses it."""
    found: dict[str, list[float]] = {str(term["name"]): [] for term in saved.plain["hardware"]["terms"]}
    if saved.plain["totals"]["energy_pj"] is None:
        return {}
    for row in saved.rows:
        for term, energy_pj in row.terms_pj.items():
            found.setdefault(term, []).append(energy_pj)
    return {term: math.fsum(energies) for term, energies in found.items()}


def _mapped(saved: Saved) -> Mapping[str, Plain]:
    """The layers of the report's mapping, by the node that each stands for; none where it has no mapping."""
    return {layer["node"]: layer for layer in (saved.plain.get("mapping") or {}).get("layers") or ()}


def _totals(a: Plain, b: Plain) -> Changes:
    names = ("energy_pj", "energy_pj_se", "energy_pj_low", "energy_pj_high", "latency_ns")
    found = {name: Change(a["totals"][name], b["totals"][name]) for name in names}
    mapped = [side.get("mapping") or {} for side in (a, b)]
    found |= {name: Change(*(side.get(name) for side in mapped)) for name in ("cores", "chips")}
    found["parameters"] = Change(a["model"]["parameters"], b["model"]["parameters"])
    return found | {f"ann_{name}": Change(a["ann"][name], b["ann"][name]) for name in ("energy_pj", "macs")}


def _layer(
    a: NodeRow | None, b: NodeRow | None, mapped: tuple[Mapping[str, Plain], Mapping[str, Plain]]
) -> LayerChange:
    own = a or b
    assert own is not None, "a pair has one side at least"
    state: State = "added" if a is None else "removed" if b is None else "both"
    on_cores = [of.get(row.name, {}) if row else {} for row, of in zip((a, b), mapped, strict=True)]
    return LayerChange(
        label=own.label,
        name=own.name,
        scope=own.scope,
        op=f"{a.op} -> {b.op}" if a is not None and b is not None and a.op != b.op else own.op,
        state=state,
        energy_pj=Change(a.energy_pj if a else None, b.energy_pj if b else None),
        latency_ns=Change(a.latency_ns if a else None, b.latency_ns if b else None),
        cores=Change(*(layer.get("cores") for layer in on_cores)),
        limits=(on_cores[0].get("binding_limit"), on_cores[1].get("binding_limit")),
        terms_pj=_changes(a.terms_pj if a else {}, b.terms_pj if b else {}),
        counts=_changes(a.counts if a else {}, b.counts if b else {}),
    )
