"""The same-shape ANN beside a report, and the rate at which the two would tie."""

import math
from dataclasses import dataclass

from spikec.cost import Report
from spikec.report.nodes import SYNAPTIC, node_rows

OPERATIONS = (*SYNAPTIC, "synapse_dense", "synapse_sparse", "synapse_conv")
"""Kinds of synaptic operations: together, or by how their synapses are stored."""
STANDING = ("bias_add", "read_bias")
"""Terms of a layer that it pays at every step, whatever its events."""


@dataclass(frozen=True)
class BreakEven:
    """The mean input rate at which SNN and ANN spend the same.

    Let E be a report's energy, of which E0 is what does not follow from events (nodes with a real input, and
    terms other than of synaptic operations), and S the synaptic events per inference behind the rest. The ANN
    has M dense MACs, of which M0 are those of the nodes with a real input. Every event is taken to keep its
    mean price (E - E0) / S. Then::

        rate now        = S / (T (M - M0))
        rate at the tie = (E_ann - E0) / ((E - E0) / S) / (T (M - M0))

    Args:
        rate_now: events per dense MAC and step, as the report counts them.
        rate: the same at the tie; 0 or less where the ANN is cheaper at any rate.
    """

    rate_now: float
    rate: float


def break_even(report: Report, ann_pj: float | None) -> BreakEven | None:
    """The tie with an ANN of that energy, or None where the report does not hold what it takes.

    It takes the ANN's energy and MACs, some synaptic events, and a first layer that is billed once: billed a
    step, the MACs of real inputs are not those of the dense network.
    """
    ann_macs = report.ann.get("macs")
    if ann_pj is None or ann_macs is None or report.policy.get("first_layer") == "per-step":
        return None
    events, event_pj, real_macs = 0.0, [], 0.0
    for row in node_rows(report):
        operations = sum(row.counts.get(kind, 0) for kind in OPERATIONS)
        if row.rate is None:
            real_macs += operations + row.counts.get("host_mac", 0)
        elif operations:
            events += operations
            event_pj.append((row.energy_pj or 0.0) - math.fsum(row.terms_pj.get(term, 0.0) for term in STANDING))
    dense, driven_pj = report.steps * (ann_macs - real_macs), math.fsum(event_pj)
    if dense <= 0 or events <= 0 or driven_pj <= 0:
        return None
    fixed_pj = report.energy_pj - driven_pj
    tie = (ann_pj - fixed_pj) / (driven_pj / events)
    return BreakEven(rate_now=events / dense, rate=tie / dense)
