"""The CSV of estimates: one row a node, full precision, units in the names of the columns.

Above the header stand comment lines, `# key: JSON`: all that the report says of the whole, since rows without their
assumptions are not an estimate. `pandas.read_csv(FILE, comment="#")` and the like skip them.
"""

import csv
import json
from collections.abc import Callable, Iterable, Sequence
from io import StringIO

from spikec.cost import Report
from spikec.report.mapping_rows import LayerRow, layer_rows, uses_of
from spikec.report.nodes import NodeRow, node_rows
from spikec.report.view import Refusal

Cell = str | float | None

# In every file, in this order; `<kind>_count` and `<term>_energy_pj` columns follow, sorted by name.
FIXED: dict[str, Callable[[Report, NodeRow], Cell]] = {
    "model": lambda report, row: str(report.model.get("name") or ""),
    "hardware": lambda report, row: str(report.hardware.get("name") or ""),
    "steps": lambda report, row: report.steps,
    "node": lambda report, row: row.name,
    "scope": lambda report, row: row.scope,
    "op": lambda report, row: row.op,
    "rate_per_element_step": lambda report, row: row.rate,
    "energy_pj": lambda report, row: row.energy_pj,
    "energy_low_pj": lambda report, row: row.low_pj,
    "energy_high_pj": lambda report, row: row.high_pj,
    "share_percent": lambda report, row: None if row.share is None else 100 * row.share,
    "latency_ns": lambda report, row: row.latency_ns,
}

# Behind those, where any report has a mapping: of the layer whose neurons the node is.
MAPPED: dict[str, Callable[[LayerRow], Cell]] = {
    "layer_cores": lambda layer: layer.cores,
    "layer_neurons": lambda layer: layer.neurons,
    "layer_part": lambda layer: layer.part,
    "layer_split_by": lambda layer: layer.limit,
    "layer_energy_pj": lambda layer: layer.energy_pj,
}


def estimate_csv(answers: Sequence[Report | Refusal]) -> str:
    """The nodes of one report or several, all of them, as CSV with a header, under what each says of the whole.

    Energies in pJ and counts, per inference. An empty cell is a value that the report does not have; numbers
    read back to the same double. Rows of several chips follow each other; one that refuses has a comment alone.
    """
    given = [answer for answer in answers if isinstance(answer, Report)]
    rows = [(report, row, layer) for report in given for row, layer in _rows(report)]
    kinds = sorted({kind for _, row, _ in rows for kind in row.counts})
    terms = sorted({term for _, row, _ in rows for term in row.terms_pj})
    mapped = _mapped([layer for report in given for layer in layer_rows(report)])
    text = StringIO()
    text.writelines(f"# {key}: {value}\n" for answer in answers for key, value in _whole(answer))
    writer = csv.writer(text, lineterminator="\n")
    names = (*(f"{kind}_count" for kind in kinds), *(f"{term}_energy_pj" for term in terms))
    writer.writerow([*FIXED, *names, *mapped])
    for report, row, layer in rows:
        fixed = (value(report, row) for value in FIXED.values())
        counts = (row.counts.get(kind) for kind in kinds)
        energies = (row.terms_pj.get(term) for term in terms)
        of_cores = (None if layer is None else value(layer) for value in mapped.values())
        writer.writerow(_texts([*fixed, *counts, *energies, *of_cores]))
    return text.getvalue()


def _rows(report: Report) -> Iterable[tuple[NodeRow, LayerRow | None]]:
    """Its nodes, each with the layer of the mapping whose neurons it is."""
    layers = {layer.node: layer for layer in layer_rows(report)}
    return ((row, layers.get(row.name)) for row in node_rows(report))


def _mapped(layers: Sequence[LayerRow]) -> dict[str, Callable[[LayerRow], Cell]]:
    """The columns of mappings: none where there is no layer, else `MAPPED` and a share a resource."""
    uses = {f"{name.replace(' ', '_')}_use_percent": _use(name) for name in uses_of(layers)}
    return {**MAPPED, **uses} if layers else {}


def _use(resource: str) -> Callable[[LayerRow], Cell]:
    """The share of a resource that a layer's fullest core takes, in percent."""

    def share(layer: LayerRow) -> Cell:
        found = layer.uses.get(resource)
        return None if found is None else 100 * found

    return share


def _whole(answer: Report | Refusal) -> Iterable[tuple[str, str]]:
    """What an answer says besides its nodes, as JSON in one line each; names that cannot break the line."""
    if isinstance(answer, Refusal):
        said: dict[str, object] = {"refused": {"hardware": answer.hardware, "reason": answer.reason}}
    else:
        said = {key: value for key, value in answer.to_dict().items() if key != "nodes"}
    return ((key, json.dumps(value, sort_keys=True, allow_nan=False)) for key, value in said.items())


def _texts(cells: Iterable[Cell]) -> list[str]:
    return ["" if cell is None else cell if isinstance(cell, str) else repr(cell) for cell in cells]
