"""The nodes of a report as typed rows, which are shown and which are folded into one line."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from spikec.cost import Report
from spikec.report import units

SYNAPTIC = ("ac", "mac")


@dataclass(frozen=True)
class NodeRow:
    """One node of a report.

    Args:
        label: its scope; where that is empty or other nodes have the same one, `%name`, behind the scope unless
            the name begins with it.
        name, scope, op: as in the report.
        rate: mean |n| per element and step; None for real numbers.
        counts: per inference, by kind.
        terms_pj: pJ per inference, by term; empty where the chip has no price for the node.
        energy_pj: all terms, pJ per inference; None where nothing was priced (a mapping without data).
        low_pj, high_pj: bounds, where given.
        latency_ns: where the chip models time.
        share: of the report's total, a fraction; None where there is no total.
    """

    label: str
    name: str
    scope: str
    op: str
    rate: float | None
    counts: Mapping[str, float]
    terms_pj: Mapping[str, float]
    energy_pj: float | None
    low_pj: float | None
    high_pj: float | None
    latency_ns: float | None
    share: float | None

    @property
    def priced(self) -> bool:
        """Whether the chip has a price for it; so has a dead layer, whose 0 pJ must be seen, not folded.

        Where nothing was priced at all (None), no node is folded either.
        """
        return self.energy_pj is None or bool(self.energy_pj) or bool(self.terms_pj)

    @property
    def rate_text(self) -> str:
        """The rate; `real` for an operation on real numbers, `-` where the report has no rate to give."""
        if self.rate is None:
            return "real" if any(kind in self.counts for kind in SYNAPTIC) else "-"
        return units.rate(self.rate)

    def listed(self, kinds: Sequence[str]) -> str:
        """Its counts of these kinds in one line, those that are 0 left out: `3.07 k neuron update, 454 spike`."""
        present = (kind for kind in kinds if self.counts.get(kind))
        return ", ".join(f"{units.count(self.counts[kind])} {kind.replace('_', ' ')}" for kind in present)


def node_rows(report: Report) -> tuple[NodeRow, ...]:
    """Every node of the report, in its order."""
    scopes = Counter(str(node.get("scope") or "") for node in report.nodes)
    total = report.totals.get("energy_pj")
    return tuple(_row(node, scopes, total) for node in report.nodes)


def priced_rows(report: Report) -> tuple[NodeRow, ...]:
    """The nodes that the chip has a price for, in their order."""
    return tuple(row for row in node_rows(report) if row.priced)


def terms_of(rows: Iterable[NodeRow]) -> list[str]:
    """The terms that cost these nodes something, ac and mac first, then in order of appearance."""
    return in_order(term for row in rows for term, pj in row.terms_pj.items() if pj)


def kinds_of(rows: Iterable[NodeRow]) -> list[str]:
    """The kinds of counts that these nodes have, in the same order."""
    return in_order(kind for row in rows for kind, value in row.counts.items() if value)


def in_order(names: Iterable[str]) -> list[str]:
    """Each name once: ac, mac, then in order of appearance."""
    return sorted(dict.fromkeys(names), key=lambda name: SYNAPTIC.index(name) if name in SYNAPTIC else len(SYNAPTIC))


def folded_line(rows: Sequence[NodeRow], why: str) -> str:
    """One line for nodes that are not shown, ops by how often; empty where there is none.

    `+ 11 nodes without counts: reshape (8), transpose (3)`

    Args:
        rows: those nodes.
        why: what is true of them, behind 'nodes'.
    """
    if not rows:
        return ""
    names = ", ".join(f"{op} ({times})" for op, times in Counter(row.op for row in rows).most_common())
    return f"+ {len(rows)} node{'s' * (len(rows) != 1)} {why}: {names}"


def _row(node: Mapping[str, object], scopes: Mapping[str, int], total: object) -> NodeRow:
    name, scope = str(node["name"]), str(node.get("scope") or "")
    terms = _numbers(node.get("energy_pj"))
    energy = node.get("energy_pj")
    energy_pj = math.fsum(terms.values()) if isinstance(energy, Mapping) else _number(energy)
    share = energy_pj / total if energy_pj is not None and isinstance(total, int | float) and total else None
    return NodeRow(
        label=_label(name, scope, scopes[scope]),
        name=name,
        scope=scope,
        op=str(node["op"]),
        rate=_number(node.get("rate")),
        counts=_numbers(node.get("counts")),
        terms_pj=terms,
        energy_pj=energy_pj,
        low_pj=_number(node.get("energy_pj_low")),
        high_pj=_number(node.get("energy_pj_high")),
        latency_ns=_number(node.get("latency_ns")),
        share=share,
    )


def _label(name: str, scope: str, times: int) -> str:
    if not scope:
        return f"%{name}"
    if times == 1:
        return scope
    return f"%{name}" if name.startswith(f"{scope}.") else f"{scope} %{name}"


def _number(value: object) -> float | None:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def _numbers(value: object) -> dict[str, float]:
    plain = value if isinstance(value, Mapping) else {}
    return {str(key): number for key, item in plain.items() if (number := _number(item)) is not None}
