"""The layers of a mapping as typed rows, and how its resources are called."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from spikec.cost import Report
from spikec.report import units

RESOURCES = {
    "neurons": "neurons",
    "neuron_slots": "neurons",
    "synapse_words": "synapses",
    "axons_in": "axons in",
    "axon_words": "axons in",
    "axons_out": "axons out",
    "total_words": "memory",
}
"""A word each for what a core holds; `docs/mapping.md` says what they are."""
AMOUNTS = {
    "neurons": "neurons",
    "neuron_slots": "neuron slots",
    "synapse_words": "words of synapses",
    "axons_in": "input axons",
    "axon_words": "words of input axons",
    "axons_out": "output axons",
    "total_words": "words of memory",
}
"""The same, behind a number."""


@dataclass(frozen=True)
class LayerRow:
    """One layer of a mapping.

    Args:
        label: its module path.
        node: of its neurons.
        cores: None where it fits on no number of cores.
        neurons: how many.
        part: of a core, such as `48 x 32 x 2`; `-` where it does not fit.
        limit: the resource that splits it, as in RESOURCES; None where one core holds it.
        uses: of its fullest core, share of the limit, by a name of RESOURCES.
        energy_pj: per inference; None without data.
        extrapolated: what of it lies outside what the chip's rule was read from.
    """

    label: str
    node: str
    cores: int | None
    neurons: int
    part: str
    limit: str | None
    uses: Mapping[str, float]
    energy_pj: float | None
    extrapolated: tuple[str, ...]

    @property
    def cores_text(self) -> str:
        """The number of cores; `none` where it does not fit."""
        return "none" if self.cores is None else str(self.cores)

    @property
    def limit_text(self) -> str:
        """What splits it, and how much of that the fullest core takes: `synapses 86.4 %`."""
        if self.limit is None:
            return "-"
        share = self.uses.get(self.limit)
        return self.limit if share is None else f"{self.limit} {units.percent(share)} %"


def layer_rows(report: Report) -> tuple[LayerRow, ...]:
    """The layers of the report's mapping, in its order; none where it has none."""
    return tuple(_row(layer) for layer in (report.mapping or {}).get("layers") or ())


def uses_of(rows: Iterable[LayerRow]) -> list[str]:
    """The resources that these layers take, in the order of RESOURCES, then of appearance."""
    known = list(dict.fromkeys(RESOURCES.values()))
    found = dict.fromkeys(name for row in rows for name in row.uses)
    return sorted(found, key=lambda name: known.index(name) if name in known else len(known))


def resource(name: str) -> str:
    """The word for a resource of a mapping."""
    return RESOURCES.get(name, name.replace("_", " "))


def amount(name: str) -> str:
    """The word for a resource behind a number of it."""
    return AMOUNTS.get(name, name.replace("_", " "))


def _row(layer: Mapping[str, Any]) -> LayerRow:  # Any: JSON
    binding = layer.get("binding_limit")
    return LayerRow(
        label=str(layer["scope"] or f"%{layer.get('node')}"),
        node=str(layer.get("node") or ""),
        cores=layer.get("cores"),
        neurons=int(layer.get("neurons") or 0),
        part=_part(layer.get("parts") or ()),
        limit=None if binding is None else resource(str(binding)),
        uses={resource(name): share for name, share in (layer.get("utilisation") or {}).items()},
        energy_pj=layer.get("energy_pj"),
        extrapolated=tuple(layer.get("extrapolated") or ()),
    )


def _part(sizes: Iterable[int]) -> str:
    shown = list(sizes)
    while len(shown) > 1 and shown[0] == 1:  # a dense layer is a grid of one place
        del shown[0]
    return " x ".join(map(str, shown)) or "-"
