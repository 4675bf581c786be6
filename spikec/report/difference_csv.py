"""The CSV of a comparison: one row a number, full precision, units in the names of the quantities.

Above the header stand comment lines, `# key: JSON`: the two files, the chips that one side alone has, and the
assumptions that differ.
"""

import csv
import json
from collections.abc import Iterable
from io import StringIO

from spikec.report.compared import Compared
from spikec.report.difference import Change, Changes, Difference, LayerChange

HEADER = ("hardware", "node", "scope", "op", "state", "quantity", "a", "b", "difference", "percent")


def compared_csv(found: Compared) -> str:
    """Every number of both sides; rows of the totals have no node, empty cells are what a side does not have."""
    plain = found.to_plain()
    said = {key: plain[key] for key in ("a", "b", "alone")}
    said["assumptions"] = [{"hardware": one["hardware"], "differ": one["assumptions"]} for one in plain["chips"]]
    text = StringIO()
    text.writelines(f"# {key}: {json.dumps(value, sort_keys=True, allow_nan=False)}\n" for key, value in said.items())
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(HEADER)
    for one in found.differences:
        writer.writerows(_rows(one))
    return text.getvalue()


def _rows(one: Difference) -> Iterable[list[str]]:
    for quantity, change in _quantities(one.totals, one.terms_pj, one.counts):
        yield [one.label, "", "", "", "", quantity, *_numbers(change)]
    for layer in one.layers:
        place = [one.label, layer.name, layer.scope, layer.op, layer.state]
        for quantity, change in _quantities(_own(layer), layer.terms_pj, layer.counts):
            yield [*place, quantity, *_numbers(change)]


def _own(layer: LayerChange) -> Changes:
    return {"energy_pj": layer.energy_pj, "latency_ns": layer.latency_ns, "cores": layer.cores}


def _quantities(own: Changes, terms: Changes, counts: Changes) -> Iterable[tuple[str, Change]]:
    """Those that a side has, under the names that the CSV of an estimate gives them."""
    named = {
        **own,
        **{f"{term}_energy_pj": change for term, change in terms.items()},
        **{f"{kind}_count": change for kind, change in counts.items()},
    }
    return ((name, change) for name, change in named.items() if change.known)


def _numbers(change: Change) -> list[str]:
    return ["" if value is None else repr(value) for value in change.to_plain().values()]
