"""The section of a mapping: cores, how they were placed, time and what binds it, traffic, what does not fit."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from spikec.cost import Report
from spikec.errors import DoesNotFit
from spikec.report import units
from spikec.report.mapping_rows import amount, layer_rows
from spikec.report.sections import Fact, Section, hardware_label

Facts = Mapping[str, Any]  # Any: the key `mapping` of a report
TITLE = "Mapping to cores"

RULES = {
    "tiles": "tiles: a core takes all rows of some columns and channels, powers of two of both (docs/mapping.md)",
    "contiguous": "contiguous: each layer fills cores one after the other, as much as the limits let in",
}
METHODS = {
    "connectivity": "by moves and exchanges of neurons",
    "mtkahypar": "by Mt-KaHyPar",
}
WAITS = {
    "neurons": "the neurons of a core",
    "messages": "the messages that a core takes in",
    "link": "a link between tiles",
}
BUSY = {
    "ac": "synaptic events",
    "soma_update": "neuron updates",
    "soma_spike": "spikes",
    "message": "packets sent",
    "message_in": "packets taken in",
}
"""The counts of cores that are shown; the JSON has all."""
MOST, MOST_MISFITS = 8, 4
"""Reasons of an extrapolation, and layers that do not fit, that are listed; of more, how many there are."""
_PARTICULARS = re.compile(r"%\S+|\d+")


def mapping_sections(report: Report) -> tuple[Section, ...]:
    """The section of the report's mapping; none where it has none."""
    facts = report.mapping
    return () if facts is None else (Section(TITLE, tuple(_facts(report, facts))),)


def check_fit(reports: Sequence[Report]) -> None:
    """Does nothing where every network that was mapped fits.

    Raises:
        DoesNotFit: one does not; names the chip, the first such layer and what it lacks.
    """
    for report in reports:
        if said := misfits_text(report):
            raise DoesNotFit(
                f"the network does not fit on {hardware_label(report)}: {said}",
                mend="; ".join((report.mapping or {})["misfits"][0]["mends"]),
            )


def misfits_text(report: Report) -> str:
    """The first layer that does not fit and what it lacks, and how many more there are; '' where all fit."""
    misfits: Sequence[Facts] = (report.mapping or {}).get("misfits") or ()
    if not misfits:
        return ""
    return _lack(misfits[0]) + (f", and {len(misfits) - 1} more layers" if len(misfits) > 1 else "")


def links_text(links: Facts) -> str:
    """`the busiest from tile (3, 1) to the east, 1.2 k packets an inference; ...`, or that none is used."""
    loads = [load for *_, load in links["loads"]]
    if not loads:
        return "none is used: every packet stays in its tile"
    mean = sum(loads) / len(loads)
    return (
        f"the busiest {_way(links['busiest'])}, {units.count(links['max'])} packets an inference; "
        f"{units.count(mean)} on the mean of the {links['used']} in use, of {links['number']}"
    )


def bottleneck_text(bottleneck: Facts) -> str:
    """`core 57 (conv.lif), for the messages that a core takes in`, or the link."""
    if bottleneck.get("link"):
        return f"the link {_way(bottleneck['link'])}"
    layer = f" ({bottleneck['layer']})" if bottleneck.get("layer") else ""
    what = "its neurons" if bottleneck["what"] == "neurons" else "the messages that it takes in"
    return f"core {bottleneck['number']}{layer}, {what}"


def _way(link: Facts) -> str:
    return f"from tile ({link['x']}, {link['y']}) to the {link['direction']}"


def _facts(report: Report, facts: Facts) -> Iterator[Fact]:
    yield Fact("cores", _cores(facts))
    yield from _misfits(facts.get("misfits") or ())
    yield Fact("rule", RULES.get(facts["rule"], str(facts["rule"])))
    if facts.get("partition"):
        yield Fact("partition", _partition(facts["partition"]))
    if facts.get("placement"):
        yield Fact("placement", _placement(facts["placement"], report.hardware.get("terms") or ()))
    if facts.get("latency"):
        yield from _latency(facts["latency"], report.steps)
    if facts.get("links"):
        yield Fact("links", links_text(facts["links"]))
    yield from _busy(facts)
    if not facts.get("links"):
        why = "a layer does not fit" if facts.get("misfits") else "no counts of what cores do"
        yield Fact("of a run", f"nothing: {why}, so no traffic, no latency and no energy a core")
    yield from _extrapolated(report, facts)


def _cores(facts: Facts) -> str:
    chips, each = facts["chips"], facts["cores_a_chip"]
    where = f"one chip of {each}" if chips == 1 else f"{chips} chips of {each} each"
    fitting = " (the layers that fit)" if facts.get("misfits") else ""
    return f"{facts['cores']}{fitting}, on {where}"


def _misfits(misfits: Sequence[Facts]) -> Iterator[Fact]:
    for misfit in misfits[:MOST_MISFITS]:
        times = misfit["needed"] / misfit["available"]
        yield Fact("does not fit", f"{_lack(misfit)} ({times:.3g} times as many are needed)")
        for mend in misfit["mends"]:
            yield Fact("  would fit", mend)
    if len(misfits) > MOST_MISFITS:
        yield Fact("does not fit", f"and {len(misfits) - MOST_MISFITS} more layers, in the JSON")


def _lack(misfit: Facts) -> str:
    needed, available, words = misfit["needed"], misfit["available"], amount(misfit["limit"])
    return f"{misfit['scope']}: its smallest part takes {needed:,} {words}, a core has {available:,}"


def _partition(how: Facts) -> str:
    """What regrouping gained, of dense layers of several cores; or why nothing."""
    layers, before, after = how["layers"], how["packets_before"], how["packets_after"]
    by = METHODS.get(how["method"], str(how["method"]))
    if not layers:
        return f"{by}: nothing to regroup, no layer of several cores is driven by one Linear of one place"
    changed = sum(layer["packets_after"] < layer["packets_before"] for layer in layers)
    if not changed:
        whys = dict.fromkeys(layer["note"] for layer in layers if layer["note"])
        return f"{by}: nothing gained in {_dense(len(layers))}" + "".join(f"; {why}" for why in whys)
    less = units.percent(1 - after / before)
    return (
        f"{by}: where every source fires once, {after:,} packets to the cores of {_dense(len(layers))}, {less} % less "
        f"than the {before:,} by the rule; {_layers(changed)} regrouped"
    )


def _dense(number: int) -> str:
    return f"{number} dense layer{'s' * (number != 1)} of several cores"


def _placement(how: Facts, terms: Sequence[Facts]) -> str:
    if how["method"] == "given":
        return f"as {how['file']} gives it"
    if how["method"] == "contiguous":
        return "core after core, in the order of the layers: no traffic is known that could be shortened"
    found, before = how["objective"], how["contiguous_objective"]
    said = f"by exchanges of cores (seed {how['seed']}) that shorten the ways of packets: "
    if not before:
        return f"{said}nothing to gain, no packet leaves its tile in the order of the layers"
    if found >= before:
        return f"{said}none was found that beats cores in the order of the layers"
    priced = {term["count"] for term in terms if term["energy_pj"]}
    weighed = ", each hop at its price" if {"hop_ew", "hop_ns"} <= priced else ""
    less = units.percent(1 - found / before)
    return (
        f"{said}packets times hops{weighed}, {units.count(found)} an inference, is {less} % less than the "
        f"{units.count(before)} of cores in the order of the layers"
    )


def _latency(latency: Facts, steps: int) -> Iterator[Fact]:
    step = latency["step_ns"]
    column = units.Column.of([step["max"]], units.TIME)
    of_step = (
        f"{column.with_unit(step['mean'])} on the mean, {column.number(step['min'])} to {column.number(step['max'])}"
    )
    barrier = latency["barrier_ns"]
    end = f", of which {units.duration(barrier)} are the barrier that ends it" if barrier else ""
    bounds = _between(latency.get("inference_ns_low"), latency.get("inference_ns_high"))
    yield Fact(
        "latency", f"{units.duration(latency['inference_ns'])} an inference{bounds}, {steps} steps one after the other"
    )
    yield Fact("a step", f"{of_step}{end}")
    yield Fact("slowest step", f"waits for {bottleneck_text(latency['bottleneck'])}")
    waits = sorted(latency["bound_by"].items(), key=lambda item: -item[1])
    listed = ", ".join(f"{WAITS.get(what, what)} {units.percent(share)} %" for what, share in waits)
    yield Fact("steps wait for", listed)


def _busy(facts: Facts) -> Iterator[Fact]:
    counts: Facts = facts.get("core_counts") or {}
    said = [
        f"{units.count(spread['max'])} {words} (core {spread['max_core']}; mean {units.count(spread['mean'])})"
        for words, spread in ((words, counts.get(name)) for name, words in BUSY.items())
        if spread
    ]
    if said:
        yield Fact("busiest cores", ", ".join(said))
    energies = facts.get("core_energy_pj") or []
    if any(energies):
        greatest = max(energies)
        column = units.Column.of([greatest])
        mean = column.with_unit(sum(energies) / len(energies))
        yield Fact(
            "energy a core",
            f"{column.with_unit(greatest)} at most (core {energies.index(greatest)}), {mean} on the mean",
        )


def _extrapolated(report: Report, facts: Facts) -> Iterator[Fact]:
    """Each reason once, with how many layers it holds for; reasons that differ in numbers and names alone are one."""
    alike: dict[str, tuple[dict[str, None], set[str]]] = {}
    rows = layer_rows(report)
    for row in rows:
        for reason in row.extrapolated:
            spellings, layers = alike.setdefault(_PARTICULARS.sub("#", reason), ({}, set()))
            spellings[reason] = None
            layers.add(row.label)
    of_layers = {f"{row.label}: {reason}" for row in rows for reason in row.extrapolated}
    whole = [reason for reason in facts.get("extrapolated") or () if reason not in of_layers]
    listed = [
        f"{next(iter(spellings))}{', and the like' if len(spellings) > 1 else ''} ({_layers(len(layers))})"
        for spellings, layers in sorted(alike.values(), key=lambda found: -len(found[1]))
    ]
    for text in (*whole, *listed)[:MOST]:
        yield Fact("extrapolated", text)
    if (more := len(whole) + len(listed) - MOST) > 0:
        yield Fact("extrapolated", f"and {more} more reasons, in the JSON")


def _layers(number: int) -> str:
    return f"{number} layer{'s' * (number != 1)}"


def _between(low_ns: float | None, high_ns: float | None) -> str:
    """Bounds of a time in brackets, where the chip's file gives bounds of times."""
    if low_ns is None and high_ns is None:
        return ""
    if low_ns is None or high_ns is None:
        one = low_ns if high_ns is None else high_ns
        return f" (at {'least' if high_ns is None else 'most'} {units.duration(one)}, from bounds of times)"
    return f" ({units.duration(low_ns)} to {units.duration(high_ns)}, from bounds of times)"
