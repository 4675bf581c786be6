"""Several chips beside each other: each answers by itself, and one that refuses says why."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from spikec.cost import Report
from spikec.report import units
from spikec.report.mapping_facts import misfits_text
from spikec.report.sections import hardware_label, mean_with_error, spread
from spikec.report.table import plain_text
from spikec.report.units import Column
from spikec.report.view import Refusal, chip_label

Answers = Sequence[Report | Refusal]

_HEADERS = ("hardware", "per inference", "bounds", "latency", "cores", "chips", "SNN / ANN", "evidence", "priced graph")
_ENERGIES = ("per inference", "bounds")
_NUMBERS = (*_ENERGIES, "latency", "cores", "chips", "SNN / ANN")
_TOTALS = ("energy_pj", "energy_pj_low", "energy_pj_high")
_WIDE = 100


def comparison_table(answers: Answers, width: int = 100) -> str:
    """One row a chip in the order given, as plain text."""
    return plain_text(lambda console: print_comparison(answers, console), width)


def print_comparison(answers: Answers, console: Console) -> None:
    """Prints one row a chip, then the reasons of those that refuse.

    Energies have one unit, and as many decimals as the least of them needs: they may be orders of magnitude apart.
    """
    totals = [answer.totals for answer in answers if isinstance(answer, Report)]
    energy = Column.spanning(total.get(key) for total in totals for key in _TOTALS)
    rows = [
        {**(_refused() if isinstance(answer, Refusal) else _priced(answer, energy)), "hardware": label}
        for answer, label in zip(answers, _labels(answers), strict=True)
    ]
    # A narrow terminal has no room for the hashes, and most chips have no bounds.
    shown = [name for name in _HEADERS if any(row[name] != "-" for row in rows)]
    if console.width < _WIDE:
        shown = [name for name in shown if name != "priced graph"]
    table = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False, padding=(0, 1, 0, 0))
    for name in shown:
        numbers = name in _NUMBERS
        header = Text(f"{name} [{energy.unit.name}]" if name in _ENERGIES else name)
        table.add_column(header, justify="right" if numbers else "left", no_wrap=numbers, overflow="fold")
    for row in rows:
        table.add_row(*(Text(row[name]) for name in shown))
    console.print(table, highlight=False)
    for refusal in (answer for answer in answers if isinstance(answer, Refusal)):
        console.print(Text(f"\n{refusal.label} refuses: {refusal.reason}"), highlight=False)
    given = [answer for answer in answers if isinstance(answer, Report)]
    for text in (*_not_mapped(given), *_differences(given)):
        console.print(Text(f"\n{text}"), highlight=False)


def _priced(report: Report, energy: Column) -> dict[str, str]:
    own, ann = report.totals.get("energy_pj"), report.ann.get("energy_pj")
    values = (
        "",
        mean_with_error(report, energy),
        spread(report, energy) or "-",
        units.duration(report.totals.get("latency_ns")),
        *_of_mapping(report.mapping),
        f"{own / ann:.3g}" if own is not None and ann else "-",
        str(report.hardware.get("evidence") or "not given"),
        units.short_hash(report.priced_graph_sha256),
    )
    return dict(zip(_HEADERS, values, strict=True))


def _of_mapping(mapping: Mapping[str, Any] | None) -> tuple[str, str]:  # Any: JSON
    """Cores and chips; of a network that does not fit, only that."""
    if mapping is None:
        return "-", "-"
    if mapping.get("misfits"):
        return "do not fit", "-"
    return str(mapping["cores"]), str(mapping["chips"])


def _not_mapped(reports: Sequence[Report]) -> list[str]:
    """Beside chips that a network was mapped to: those that have no cores, and those that do not hold it."""
    if all(report.mapping is None for report in reports):
        return []
    bare = ", ".join(hardware_label(report) for report in reports if report.mapping is None)
    return [
        *([f"no mapping, since there are no cores: {bare}"] if bare else []),
        *(
            f"it does not fit on {hardware_label(report)}: {said}"
            for report in reports
            if (said := misfits_text(report))
        ),
    ]


def _refused() -> dict[str, str]:
    return {**dict.fromkeys(_HEADERS, "-"), "per inference": "refused"}


def _labels(answers: Answers) -> list[str]:
    """What each row is called; where two files of one name are compared, with their whole paths."""
    chips = [
        (answer.hardware, answer.file)
        if isinstance(answer, Refusal)
        else (str(answer.hardware.get("name") or "not named"), str(answer.hardware.get("file") or ""))
        for answer in answers
    ]
    short = [chip_label(*chip) for chip in chips]
    if len(set(short)) == len(set(chips)):
        return short
    return [f"{name} ({file})" if file else name for name, file in chips]


def _differences(reports: Sequence[Report]) -> list[str]:
    """What keeps these reports from being the same question, beside the chip: one line a field."""
    asked: dict[str, list[str]] = {"steps": [str(report.steps) for report in reports]}
    for name in dict.fromkeys(name for report in reports for name in report.policy):
        asked[f"policy {name}"] = [str(report.policy.get(name, "not given")) for report in reports]
    for name in dict.fromkeys(name for report in reports for name in report.data):
        asked[f"data {name}"] = [units.compact(report.data.get(name)) for report in reports]
    return [
        f"these rows differ in {name}: {' / '.join(values)}" for name, values in asked.items() if len(set(values)) > 1
    ]
