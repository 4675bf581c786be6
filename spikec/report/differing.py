"""Which assumptions of two reports differ: a difference of assumptions explains one of numbers."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from spikec.report import units

Plain = Mapping[str, Any]  # Any: a report as JSON holds it


RESULTS = ("cores", "chips")
"""What a mapping gives; its other plain values say how it was made."""


@dataclass(frozen=True)
class Differing:
    """An assumption that is not the same on both sides.

    Args:
        name: its path in the JSON of a report, such as `policy.multibit`.
        a, b: what each side says; None where it says nothing.
    """

    name: str
    a: Any  # Any: JSON
    b: Any  # Any: JSON


def assumptions(a: Plain, b: Plain) -> Iterable[Differing]:
    """What a number depends on and that differs, and the sentences that one side alone says."""
    sides = [_flat(side) for side in (a, b)]
    for name in dict.fromkeys((*sides[0], *sides[1])):
        one, other = (side.get(name) for side in sides)
        if one != other:
            yield Differing(name, one, other)
    for sentence in a["assumptions"]:
        if sentence not in b["assumptions"]:
            yield Differing("assumptions", sentence, None)
    for sentence in b["assumptions"]:
        if sentence not in a["assumptions"]:
            yield Differing("assumptions", None, sentence)


def _flat(report: Plain) -> dict[str, object]:
    """The assumptions of a report by their path, those of one kind together."""
    hardware = {key: value for key, value in report["hardware"].items() if key != "terms"}
    prices = {f"terms.{term['name']}": term for term in report["hardware"]["terms"]}
    found: dict[str, object] = {f"model.{key}": value for key, value in report["model"].items()}
    found |= {name: report[name] for name in ("priced_graph_sha256", "passes", "steps")}
    found |= {f"hardware.{key}": value for key, value in hardware.items()}
    found |= {f"hardware.{path}.{key}": value for path, term in prices.items() for key, value in term.items()}
    for part in ("policy", "data"):
        found |= {f"{part}.{key}": value for key, value in report[part].items()}
    found["left_out"] = sorted(report["left_out"])
    mapping = report.get("mapping") or {}
    plain = {key: value for key, value in mapping.items() if isinstance(value, str | int) and key not in RESULTS}
    return found | {"mapping": "given" if mapping else "none"} | {f"mapping.{key}": plain[key] for key in plain}


def words(value: object) -> str:
    """An assumption in a few words: hashes short, what is not there as `-`."""
    if value is None:
        return "-"
    text = units.compact(value) or '""'
    return units.short_hash(text) if len(text) == 64 and set(text) <= set("0123456789abcdef") else text
