"""What stands under the nodes of a report: totals, assumptions, what is left out, and the ANN beside it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from spikec.cost import Policy, Report
from spikec.report import units
from spikec.report.break_even import break_even
from spikec.report.nodes import in_order
from spikec.report.view import chip_label

ON_CORES = ("message", "message_in", "hop_ew", "hop_ns", "chip_ns")
"""Kinds that are counted on cores alone."""


@dataclass(frozen=True)
class Fact:
    """One line of a section.

    Args:
        label: what it is about.
        text: with units.
        changed: whether it departs from spikec's default, which is then part of the text.
    """

    label: str
    text: str
    changed: bool = False


@dataclass(frozen=True)
class Section:
    """A titled list of facts; never empty."""

    title: str
    facts: tuple[Fact, ...]


def sections(report: Report) -> tuple[Section, ...]:
    """All sections of a report, in the order in which they are printed."""
    return (
        Section("Total per inference", tuple(_totals(report))),
        Section("The same-shape ANN", tuple(_ann(report))),
        Section("Assumptions", tuple(_assumptions(report))),
        Section("Policy", tuple(_policy(report))),
        Section("Left out", tuple(_left_out(report))),
    )


def headline(report: Report) -> str:
    """`digits-winner on 45nm: 12.34 nJ per inference, T = 4`."""
    model, hardware = report.model.get("name") or "model", hardware_label(report)
    energy_pj = report.totals.get("energy_pj")
    energy = "not priced" if energy_pj is None else f"{units.energy(energy_pj)} per inference"
    return f"{model} on {hardware}: {energy}, T = {report.steps}"


def counted(report: Report) -> bool:
    """Whether anything was counted: not in a mapping without data."""
    return report.totals.get("energy_pj") is not None or bool(report.totals.get("counts"))


def hardware_label(report: Report) -> str:
    """The chip's name, and its file where it came from one."""
    return chip_label(str(report.hardware.get("name") or "hardware"), report.hardware.get("file"))


def energy_with_error(report: Report) -> str:
    """`12.34 ± 0.12 nJ`, the standard error behind the sign where the report has one."""
    mean = report.totals.get("energy_pj")
    column = units.Column.of([mean])
    return "not priced" if mean is None else f"{mean_with_error(report, column)} {column.unit.name}"


def mean_with_error(report: Report, column: units.Column) -> str:
    """The same as a cell of `column`, whose header has the unit."""
    mean, error = report.totals.get("energy_pj"), report.totals.get("energy_pj_se")
    if mean is None:
        return "not priced"
    return column.number(mean) if error is None else f"{column.number(mean)} ± {column.number(error)}"


def bounds(report: Report) -> str:
    """`11.20..15.60 nJ`, or nothing where no source gives bounds."""
    column = units.Column.of([report.totals.get("energy_pj_low"), report.totals.get("energy_pj_high")])
    return spread(report, column, f" {column.unit.name}")


def spread(report: Report, column: units.Column, unit: str = "") -> str:
    """The same as a cell of `column`, whose header has the unit unless it is given here: `11.20..15.60`."""
    low, high = report.totals.get("energy_pj_low"), report.totals.get("energy_pj_high")
    if low is None and high is None:
        return ""
    if high is None:
        return f"{column.number(low)}{unit} or more"
    top = f"{column.number(high)}{unit}"
    return f"{top} or less" if low is None else f"{column.number(low)}..{top}"


def _totals(report: Report) -> list[Fact]:
    samples = report.data.get("samples")
    error = report.totals.get("energy_pj_se")
    how = f"standard error over {samples} samples" if error is not None else "no standard error"
    if not counted(report):
        return [Fact("energy", "not priced: nothing was counted")]
    facts = [Fact("energy", f"{energy_with_error(report)} ({how}){_without_cores(report)}")]
    if spread := bounds(report):
        facts.append(Fact("bounds", f"{spread}, from the bounds that sources give"))
    counts: Mapping[str, float] = report.totals.get("counts") or {}
    priced = {kind: value for kind, value in counts.items() if kind not in report.left_out}
    listed = ", ".join(f"{units.count(priced[kind])} {_words(kind)}" for kind in in_order(priced))
    facts.append(Fact("counts", listed or "none that is priced"))
    facts.append(Fact("latency", units.duration(report.totals.get("latency_ns"))))
    return facts


def _without_cores(report: Report) -> str:
    """What an energy lacks that the chip prices and cores alone count."""
    counted = report.totals.get("counts") or {}
    terms = [term for term in report.hardware.get("terms") or () if term.get("count") in ON_CORES]
    missing = [str(term["name"]) for term in terms if term["count"] not in counted and term.get("energy_pj")]
    if report.totals.get("energy_pj") is None or not missing:
        return ""
    return f", without {', '.join(dict.fromkeys(missing))}, which --map counts"


def _ann(report: Report) -> list[Fact]:
    energy_pj, macs = report.ann.get("energy_pj"), report.ann.get("macs")
    facts = [] if macs is None else [Fact("operations", f"{units.count(macs)} MACs, dense, once")]
    if reason := report.ann.get("left_out"):
        return [*facts, Fact("energy", f"left out: {reason}")]
    if energy_pj is None:
        facts.append(Fact("energy", "not priced"))
    else:
        facts.insert(0, Fact("energy", units.energy(energy_pj)))
        facts += _against(report, energy_pj, "SNN / ANN", "they tie")
    quantised: Mapping[str, Any] = report.ann.get("quantised") or {}  # Any: JSON
    if (eight_bits_pj := quantised.get("energy_pj")) is not None and quantised["hardware"] != report.hardware.get(
        "name"
    ):
        where = f"{quantised['hardware']}, {quantised['node']}: arithmetic alone"
        if "host_mac" in (report.totals.get("counts") or {}):
            where += ", with the layer that a host multiplies here"
        facts.append(Fact("at 8 bits", f"{units.energy(eight_bits_pj)} ({where})"))
        facts += _against(report, eight_bits_pj, "SNN / 8 bits", "they tie")
    return facts


def _against(report: Report, ann_pj: float, ratio: str, tie: str) -> list[Fact]:
    """The ratio to an ANN of that energy, and the rate at which the two would spend the same."""
    own = report.totals.get("energy_pj")
    facts = [Fact(ratio, f"{own / ann_pj:.3g}")] if own is not None and ann_pj else []
    return [*facts, Fact(tie, _tie(report, ann_pj))]


def _tie(report: Report, ann_pj: float) -> str:
    tie = break_even(report, ann_pj)
    if tie is None:
        return "not derived: it takes event counts and a first layer that is billed once"
    how = "every event at its mean price, all input rates scaled alike"
    if tie.rate <= 0:
        return f"at no rate: what does not follow from events already costs more ({how})"
    now = f"{units.rate(tie.rate_now)} events per dense MAC and step"
    return f"at a mean input rate of {units.rate(tie.rate)}; here it is {now} ({how})"


def _assumptions(report: Report) -> list[Fact]:
    hardware, data, model = dict(report.hardware), dict(report.data), dict(report.model)
    node = f" ({hardware['node']})" if hardware.get("node") else ""
    digest = units.short_hash(str(hardware.get("sha256") or "not given"))
    evidence = hardware.get("evidence") or "not given"
    file = f"file {hardware['file']}, {digest}" if hardware.get("file") else f"file {digest}"
    chip = f"{hardware.get('name', 'not given')}{node}, {file}, evidence: {evidence}"
    rest = {key: value for key, value in data.items() if key not in ("spec", "samples") and value is not None}
    source = f"{data.get('spec', 'not given')}, {data.get('samples', 'not given')} samples"
    traced = units.short_hash(str(model.get("graph_sha256") or "not given"))
    parameters = model.get("parameters")
    size = "" if parameters is None else f", {parameters:,} parameters"
    return [
        Fact("hardware", chip),
        *_prices(hardware.get("terms") or ()),
        Fact("data", f"{source}, {units.compact(rest)}" if rest else source),
        Fact("steps", f"T = {report.steps}"),
        Fact("model", f"{model.get('name') or 'not named'}{size}, graph {traced} as traced"),
        Fact("passes", ", ".join(report.passes) or "none"),
        Fact("priced graph", units.short_hash(report.priced_graph_sha256)),
        *(Fact("note", text) for text in report.assumptions),
    ]


def _prices(terms: Iterable[Mapping[str, Any]]) -> list[Fact]:  # Any: JSON
    """What each term costs, with its bounds and the evidence for it; terms of one name, of memories by size, as one."""
    named: dict[str, list[Mapping[str, Any]]] = {}  # Any: JSON
    for term in terms:
        named.setdefault(str(term["name"]), []).append(term)
    texts = []
    for name, alike in named.items():
        energies = [term["energy_pj"] for term in alike]
        least, greatest = min(energies), max(energies)
        unit = "pJ a ns" if alike[0].get("count") == "chip_ns" else "pJ"
        sizes = f" to {greatest:g} pJ, by the size of {len(alike)} memories" if len(alike) > 1 else f" {unit}"
        text = f"{name} {least:g}{sizes}"
        lows, highs = ([term[side] for term in alike if term.get(side) is not None] for side in ("low_pj", "high_pj"))
        if lows or highs:
            text += f" ({_range(min(lows, default=None), max(highs, default=None))})"
        texts.append(f"{text}, {alike[0]['evidence']}" if alike[0].get("evidence") else text)
    return [Fact("prices", "; ".join(texts))] if texts else []


def _range(low: float | None, high: float | None) -> str:
    """Bounds of a price: `11.6..28.7 pJ`, `23.6 pJ or more`."""
    if low is None or high is None:
        return f"{high:g} pJ or less" if low is None else f"{low:g} pJ or more"
    return f"{low:g}..{high:g} pJ"


def _policy(report: Report) -> list[Fact]:
    choices = Policy.choices()
    # A named policy stands first: its fields follow from it.
    facts = [Fact(name, str(value)) for name, value in report.policy.items() if name not in choices and value]
    for name in (name for name in choices if name in report.policy):
        value, default = report.policy[name], choices[name][0]
        changed = value != default
        facts.append(Fact(name, f"{value} (default: {default})" if changed else value, changed))
    return facts or [Fact("none", "no field of a policy was given")]


def _left_out(report: Report) -> list[Fact]:
    facts = []
    for kind, value in report.left_out.items():
        text = units.count(value) if isinstance(value, int | float) else units.compact(value)
        facts.append(Fact(_words(kind), text))
    if not counted(report):
        return [Fact("everything", "nothing was counted")]
    return facts or [Fact("nothing", "every count is priced")]


def _words(kind: str) -> str:
    return kind.replace("_", " ")
