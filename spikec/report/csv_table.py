"""The CSV of estimates: one row a node, full precision, units in the names of the columns.

Above the header stand comment lines, `# key: JSON`: all that the report says of the whole, since rows without their
assumptions are not an estimate. `pandas.read_csv(FILE, comment="#")` and the like skip them.
"""

import csv
import json
from collections.abc import Callable, Iterable, Sequence
from io import StringIO

from spikec.cost import Report
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


def estimate_csv(answers: Sequence[Report | Refusal]) -> str:
    """The nodes of one report or several, all of them, as CSV with a header, under what each says of the whole.

    Energies in pJ and counts, per inference. An empty cell is a value that the report does not have; numbers
    read back to the same double. Rows of several chips follow each other; one that refuses has a comment alone.
    """
    given = [answer for answer in answers if isinstance(answer, Report)]
    rows = [(report, row) for report in given for row in node_rows(report)]
    kinds = sorted({kind for _, row in rows for kind in row.counts})
    terms = sorted({term for _, row in rows for term in row.terms_pj})
    text = StringIO()
    text.writelines(f"# {key}: {value}\n" for answer in answers for key, value in _whole(answer))
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*FIXED, *(f"{kind}_count" for kind in kinds), *(f"{term}_energy_pj" for term in terms)])
    for report, row in rows:
        fixed = (value(report, row) for value in FIXED.values())
        counts = (row.counts.get(kind) for kind in kinds)
        energies = (row.terms_pj.get(term) for term in terms)
        writer.writerow(_texts([*fixed, *counts, *energies]))
    return text.getvalue()


def _whole(answer: Report | Refusal) -> Iterable[tuple[str, str]]:
    """What an answer says besides its nodes, as JSON in one line each; names that cannot break the line."""
    if isinstance(answer, Refusal):
        said: dict[str, object] = {"refused": {"hardware": answer.hardware, "reason": answer.reason}}
    else:
        said = {key: value for key, value in answer.to_dict().items() if key != "nodes"}
    return ((key, json.dumps(value, sort_keys=True, allow_nan=False)) for key, value in said.items())


def _texts(cells: Iterable[Cell]) -> list[str]:
    return ["" if cell is None else cell if isinstance(cell, str) else repr(cell) for cell in cells]
