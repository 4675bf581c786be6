"""Two files of reports beside each other: chip by chip, and what one side alone has; as JSON values too."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from spikec.errors import InputError
from spikec.report.difference import Changes, Difference, LayerChange, difference
from spikec.report.pairing import Key, paired
from spikec.report.saved import Answer, Saved
from spikec.report.view import Refusal

SCHEMA_VERSION = 1


@dataclass(frozen=True)
class Alone:
    """A chip that cannot be compared.

    Args:
        label: its name, and its file where it came from one.
        reason: such as `not in B`, or `refused in B: ...`.
        lost: whether A has numbers of it and B has none.
    """

    label: str
    reason: str
    lost: bool


@dataclass(frozen=True, eq=False)
class Compared:
    """Two files of reports.

    Args:
        a: name of the earlier file.
        b: name of the later one.
        differences: one a chip that is priced in both, in A's order.
        alone: the chips that are not.
    """

    a: str
    b: str
    differences: tuple[Difference, ...]
    alone: tuple[Alone, ...]

    def to_plain(self) -> dict[str, Any]:  # Any: JSON
        """As JSON values; see `docs/compare.md` for each key."""
        return {
            "schema_version": SCHEMA_VERSION,
            "a": self.a,
            "b": self.b,
            "chips": [_plain(one) for one in self.differences],
            "alone": [{"hardware": one.label, "reason": one.reason} for one in self.alone],
        }


def compared(a: str, first: Sequence[Answer], b: str, second: Sequence[Answer]) -> Compared:
    """The chips of two files in pairs: by name and file, then by name; two lone ones whatever their names.

    Args:
        a: name of the earlier file.
        first: its answers.
        b: name of the later one.
        second: its answers.

    Raises:
        InputError: no chip is in both.
    """
    lone = len(first) == len(second) == 1
    keys: list[Key[Answer]] = [lambda one: (one.hardware, one.file), lambda one: one.hardware]
    pairs = paired(first, second, [*keys, lambda one: "the only one"] if lone else keys)
    if not any(one is not None and other is not None for one, other in pairs):
        names = [" and ".join(one.label for one in side) for side in (first, second)]
        raise InputError(f"chips {names[1]}", where=b, expected=f"one of those of {a}: {names[0]}")
    differences, alone = [], []
    for one, other in pairs:
        if isinstance(one, Saved) and isinstance(other, Saved):
            differences.append(difference(one, other))
        else:
            alone.append(_alone(one, other))
    return Compared(a, b, tuple(differences), tuple(alone))


def _alone(a: Answer | None, b: Answer | None) -> Alone:
    own = a or b
    assert own is not None, "a pair has one side at least"
    sides = (("A", a), ("B", b))
    reasons = [f"not in {side}" for side, one in sides if one is None]
    refusing: dict[str, str] = {}
    for side, one in sides:
        if isinstance(one, Refusal):
            refusing[one.reason] = f"{refusing[one.reason]} and {side}" if one.reason in refusing else side
    reasons += [f"refused in {names}: {reason}" for reason, names in refusing.items()]
    return Alone(own.label, "; ".join(reasons), isinstance(a, Saved))


def _plain(one: Difference) -> dict[str, Any]:  # Any: JSON
    return {
        "hardware": one.label,
        "assumptions": [{"name": it.name, "a": it.a, "b": it.b} for it in one.assumptions],
        "totals": _changes(one.totals),
        "terms_pj": _changes(one.terms_pj),
        "counts": _changes(one.counts),
        "nodes": [_node(layer) for layer in one.layers],
    }


def _node(layer: LayerChange) -> dict[str, Any]:  # Any: JSON
    return {
        "name": layer.name,
        "scope": layer.scope,
        "op": layer.op,
        "state": layer.state,
        "energy_pj": layer.energy_pj.to_plain(),
        "latency_ns": layer.latency_ns.to_plain(),
        "cores": layer.cores.to_plain(),
        "binding_limit": dict(zip("ab", layer.limits, strict=True)),
        "terms_pj": _changes(layer.terms_pj),
        "counts": _changes(layer.counts),
    }


def _changes(changes: Changes) -> dict[str, Any]:  # Any: JSON
    return {name: change.to_plain() for name, change in changes.items()}
