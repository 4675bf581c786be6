"""What a report says of networks whose steps or neurons are plain nodes, as an .onnx file may hold them."""

from __future__ import annotations

import math
from typing import Any

from hwmodels.dense import PricesAnn, ann_energy_pj, ann_macs, unrolled
from hwmodels.model import HardwareModel
from hwmodels.registry import load as load_hardware
from spikec.cost import Policy
from spikec.ir.arithmetic import Mul
from spikec.ir.graph import Graph
from spikec.ir.neurons import Neuron, Threshold
from spikec.tasks.pricing import Priced

LEFT_OUT = (
    "the network is unrolled over time: its layers are there once a step, and how many steps that are is not said; "
    "of one step with its states (docs/from-onnx.md) the ANN is given"
)
LISTED = 3
QUANTISED = "45nm-int8"
"""The chip file by which the quantised ANN beside every report is priced: arithmetic alone."""


def ann_of(graph: Graph, priced: Priced, chip: HardwareModel, policy: Policy) -> dict[str, Any]:  # Any: JSON
    """The same-shape ANN beside a report, or why there is none.

    Args:
        graph: as it was read: passes may give each step a weight of its own.
        priced: the network and what it costs.
        chip: where it was priced.
        policy: how.
    """
    if unrolled(graph):
        return {"energy_pj": None, "macs": None, "left_out": LEFT_OUT}
    if isinstance(chip, PricesAnn):
        energy_pj = chip.ann_energy_pj(priced.graph, policy)
    else:
        energy_pj = ann_energy_pj(priced.graph, chip.prices(priced.graph, policy))
    return {"energy_pj": energy_pj, "macs": ann_macs(priced.graph), "quantised": _quantised(priced.graph)}


def _quantised(graph: Graph) -> dict[str, Any]:  # Any: JSON
    """The same network at 8 bits, by the prices of `QUANTISED`: whom an SNN has to beat, on whatever chip it is.

    Source: Yan et al., arXiv 2409.08290: an SNN is to be held to the quantised ANN.
    """
    chip = load_hardware(QUANTISED)
    terms = chip.prices(graph, Policy())
    return {"hardware": chip.name, "node": chip.node, "energy_pj": ann_energy_pj(graph, terms)}


def written_out(priced: Priced) -> list[str]:
    """What must be known of a price where neurons are arithmetic, whose products are priced as those of layers are."""
    comparisons = len(list(priced.graph.nodes_of(Threshold)))
    if not comparisons or any(priced.graph.nodes_of(Neuron)):
        return []
    products = {node.name for node in priced.graph.nodes_of(Mul)}
    paid = [cost for cost in priced.costs if cost.node in products and any(cost.energy_pj.values())]
    said = f"no neuron is a node of its own here, but arithmetic around {comparisons} comparison(s): "
    if paid:
        energy_nj = math.fsum(energy for cost in paid for energy in cost.energy_pj.values()) / priced.samples / 1e3
        named = ", ".join(f"%{cost.node}" for cost in paid[:LISTED]) + (", ..." if len(paid) > LISTED else "")
        said += (
            f"products of two of its values, such as a reset, are billed as MACs and ACs, {energy_nj:.4g} nJ in all "
            f"({named}); "
        )
    return [f"{said}its sums and scales by a number are left out, as a neuron's update is"]
