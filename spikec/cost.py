"""What counting and pricing speak: Policy, Probe, Counts, Partition, Mapping, Term, Cost, Evidence, Report.

Plain data; no behaviour but arithmetic and JSON. Inside: pJ, ns, counts as int64 over all samples.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping as MappingOf
from dataclasses import asdict, dataclass, fields
from enum import IntEnum
from functools import cached_property
from typing import Any, Literal, Protocol, get_args, get_type_hints

import numpy as np
from numpy.typing import NDArray

from spikec.errors import UsageError

SCHEMA_VERSION = 1

Counting = Literal["events", "rate", "spikingjelly", "syops"]
Multibit = Literal["unit", "ac", "mac"]
ZeroWeights = Literal["count", "skip"]
FirstLayer = Literal["once", "per-step"]
Ssa = Literal["graph", "qk", "kv"]
Bias = Literal["apart", "in-ops"]
RateOf = Literal["mean", "nonzero"]
RateOver = Literal["inference", "step"]
OperandDomain = Literal["inferred", "observed"]
Attention = Literal["count", "skip", "coincidence"]
MemoryReading = Literal["piecewise", "line"]


@dataclass(frozen=True)
class Policy:
    """How operations are counted where the literature disagrees; the first value of each field is the default.

    The table in docs/policy.md is generated from this class and from `hwmodels.counting`.
    """

    counting: Counting = "events"
    multibit: Multibit = "unit"
    zero_weights: ZeroWeights = "count"
    first_layer: FirstLayer = "once"
    ssa: Ssa = "graph"
    bias: Bias = "apart"
    rate_of: RateOf = "mean"
    rate_over: RateOver = "inference"
    domain: OperandDomain = "inferred"
    attention: Attention = "count"
    memory: MemoryReading = "piecewise"

    @classmethod
    def choices(cls) -> dict[str, tuple[str, ...]]:
        """The values that each field takes, the default first."""
        hints = get_type_hints(cls)
        return {f.name: get_args(hints[f.name]) for f in fields(cls)}


ProbeKind = Literal[
    "sum",
    "nonzero",
    "other",
    "outside",
    "max",
    "per-element",
    "coincidence",
    "coincidence-nonzero",
    "overlap",
    "overlap-nonzero",
    "touched",
]
UNGROUPED: frozenset[ProbeKind] = frozenset(
    ("max", "per-element", "coincidence", "coincidence-nonzero", "overlap", "overlap-nonzero")
)
"""Kinds whose answer is one for the whole value or pair, or one an element."""


@dataclass(frozen=True, eq=False)
class Probe:
    """One question to a runner about a value, or about a pair of them; the answer is int64.

    Kinds, with |n| the magnitude of an element's integer code (a Real element's code is 1 where it is not zero):

        sum                   sum of |n|
        nonzero               elements that are not zero
        other                 elements whose value is none of -1, 0, 1
        outside               elements whose value is none of `levels`
        max                   greatest |n|
        per-element           |n| of every element (of the value's shape)
        coincidence           sum over products a[.., n, k] b[.., k, m] of |a| |b|
        coincidence-nonzero   products of which neither factor is zero
        overlap               sum over elements of |a_i| |b_i|, for a pair of equal shapes
        overlap-nonzero       elements at which neither of a pair is zero
        touched               neurons with something to do: of a membrane and what drives it, those whose membrane
                              was not zero after the step before, or that anything reaches, by a weight of zero too

    Args:
        values: a value's name, the two operands of a product (`coincidence`, `overlap`), or a neuron's membrane and
            what the ops that drive it take (`touched`).
        groups: int array of the value's shape that labels each element 0..G-1; the answer is then per group. Not of the
            kinds in UNGROUPED.
        transposed: for a pair, whether a is held as [.., k, n] and b as [.., m, k].
        keep: axes that the answer keeps apart; a dropped `sample` axis has size 1.
        levels: the values that `outside` asks about.
        through: of `touched`, the nodes from what is taken to the neuron, which is none of them.
        skip_zeros: of `touched`, whether a weight of zero is no connection.

    Raises:
        UsageError: groups for a kind that has none.
    """

    values: tuple[str, ...]
    kind: ProbeKind
    groups: NDArray[np.int64] | None = None
    transposed: tuple[bool, bool] = (False, False)
    keep: frozenset[Literal["sample", "step"]] = frozenset({"sample"})
    levels: tuple[float, ...] = ()
    through: tuple[str, ...] = ()
    skip_zeros: bool = False

    def __post_init__(self) -> None:
        if self.groups is not None and self.kind in UNGROUPED:
            grouped = ", ".join(kind for kind in get_args(ProbeKind) if kind not in UNGROUPED)
            raise UsageError(f"groups for a probe of kind '{self.kind}'", expected=f"none, or one of {grouped}")

    @cached_property
    def key(self) -> str:
        """A name that says the whole question, groups by their hash: equal keys have equal answers."""
        groups = ""
        if self.groups is not None:
            digest = hashlib.sha256(repr(self.groups.shape).encode() + self.groups.astype(np.int64).tobytes())
            groups = digest.hexdigest()[:16]
        turned = "".join("t" if t else "n" for t in self.transposed) if len(self.values) == 2 else ""
        levels = "".join(f" {level!r}" for level in self.levels)
        if self.through:
            levels += f" through {','.join(self.through)}{' but zeros' * self.skip_zeros}"
        return f"{self.kind}{levels}({','.join(self.values)}){turned}[{','.join(sorted(self.keep))}]{groups}"

    @property
    def group_count(self) -> int:
        """The number of groups, 1 where there are none."""
        return 1 if self.groups is None else int(self.groups.max(initial=-1)) + 1


@dataclass(frozen=True, eq=False)
class Counts:
    """Answers to probes: int64 arrays [samples, (steps,) groups or element axes] by `Probe.key`."""

    answers: MappingOf[str, NDArray[np.int64]]
    samples: int
    steps: int

    def of(self, probe: Probe) -> NDArray[np.int64]:
        """The answer to a probe.

        Raises:
            KeyError: it was not asked.
        """
        return self.answers[probe.key]

    def answers_all(self, probes: tuple[Probe, ...]) -> bool:
        """Whether every one of these questions was answered."""
        return all(probe.key in self.answers for probe in probes)


@dataclass(frozen=True)
class Rates:
    """Published firing rates in place of counts: one per operand of a node, by (node name, operand index)."""

    rates: MappingOf[tuple[str, int], float]
    steps: int
    samples: int = 1


Activity = Counts | Rates


class Evidence(IntEnum):
    """How a number is known, the weakest first; a report takes the weakest that it used."""

    ASSUMED = 0
    DERIVED = 1
    SIMULATED = 2
    MEASURED = 3

    @property
    def label(self) -> str:
        """The word that files and reports use."""
        return self.name.lower()


@dataclass(frozen=True)
class Term:
    """A price: what one count of a kind costs, and how that is known.

    Args:
        name: the term, and the key in `Cost.energy_pj`.
        count: the kind of count that it multiplies.
        energy_pj: price in pJ.
        low_pj: lower bound where the source gives one.
        high_pj: upper bound where the source gives one.
        scope: `per-term`, which others may stand beside, or `all-in`, which holds them.
        time_ns: what one count takes; None where no source says it.
        time_low_ns, time_high_ns: bounds of it where the source gives them.
        note: what must be known of the price, as a sentence.
    """

    name: str
    count: str
    energy_pj: float
    low_pj: float | None = None
    high_pj: float | None = None
    evidence: Evidence = Evidence.ASSUMED
    source: str = ""
    scope: Literal["per-term", "all-in"] = "per-term"
    time_ns: float | None = None
    time_low_ns: float | None = None
    time_high_ns: float | None = None
    note: str = ""


Terms = tuple[Term, ...]


class Partition(Protocol):
    """Which neurons stand on which core, by a chip's rule. None stands for a chip without cores."""

    @property
    def cores(self) -> int:
        """How many cores there are."""
        ...

    @property
    def core_of(self) -> MappingOf[str, NDArray[np.int64]]:
        """[elements] the core of each neuron, by the node of its layer."""
        ...


@dataclass(frozen=True, eq=False)
class Mapping:
    """A partition placed on a board of chips.

    Args:
        partition: neurons on cores.
        places: of each core: chip, the tile's column x and row y in it, and slot in the tile.
    """

    partition: Partition
    places: tuple[tuple[int, ...], ...]


@dataclass(frozen=True, eq=False)
class Cost:
    """What one node costs: counts over all samples, energy in pJ of each sample by term.

    Args:
        node, scope, op: which node.
        rate: mean |n| per element and step of what it takes in (of what it emits, for a neuron); None for Real.
        counts: over all samples and steps, by kind (ac, mac, ...).
        energy_pj: over all samples, by term in the order of the chip's terms.
        per_sample_pj: [samples], all terms together.
        low_pj, high_pj: bounds over all samples, where a source gives them.
        latency_ns: None where the model has no time.
    """

    node: str
    scope: str
    op: str
    rate: float | None
    counts: MappingOf[str, int | float]
    energy_pj: MappingOf[str, float]
    per_sample_pj: NDArray[np.float64]
    low_pj: float | None = None
    high_pj: float | None = None
    latency_ns: float | None = None
    evidence: Evidence = Evidence.MEASURED


@dataclass(frozen=True)
class Report:
    """An estimate with every assumption, as its JSON holds it; see `docs/estimate.md` for each field.

    Energies are pJ per inference (one sample, all steps), counts per inference.
    """

    schema_version: int
    model: MappingOf[str, Any]  # Any: JSON
    priced_graph_sha256: str
    passes: tuple[str, ...]
    steps: int
    hardware: MappingOf[str, Any]  # Any: JSON
    policy: MappingOf[str, str]
    data: MappingOf[str, Any]  # Any: JSON
    nodes: tuple[MappingOf[str, Any], ...]  # Any: JSON
    totals: MappingOf[str, Any]  # Any: JSON
    ann: MappingOf[str, Any]  # Any: JSON
    left_out: MappingOf[str, Any]  # Any: JSON
    assumptions: tuple[str, ...] = ()
    mapping: MappingOf[str, Any] | None = None  # Any: JSON

    def to_dict(self) -> dict[str, Any]:  # Any: JSON
        """The report as JSON values."""
        return asdict(self)

    def to_json(self) -> str:
        """The report as sorted, indented JSON."""
        return json.dumps(self.to_dict(), indent=2, sort_keys=True, allow_nan=False) + "\n"

    @property
    def energy_pj(self) -> float:
        """The total in pJ per inference."""
        return float(self.totals["energy_pj"])
