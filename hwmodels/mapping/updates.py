"""Neuron updates: a core updates every slot of its tile at every step, those that a last core leaves empty too."""

from __future__ import annotations

from hwmodels.mapping.loads import LayerCores

Interval = tuple[float, float]

LIF_UPDATES: Interval = (1.05, 1.17)
"""Updates a padded slot and step that are printed for the LIF convolutions of PilotNet: 5 to 17 % above the slots.

Source: derived, read off a figure in lava-dl's public notebooks. For dense layers nothing is printed.
"""

SDNN_UPDATES: Interval = (2.0, 2.0)
"""The same of the sigma-delta network, about 2."""


def neuron_updates(found: LayerCores, steps: int, per_slot: Interval = LIF_UPDATES) -> Interval:
    """Neuron updates of one inference, between these bounds: padded slots times steps times updates a slot.

    Args:
        found: a layer on its cores.
        steps: steps an inference.
        per_slot: updates a padded slot and step, least and most.
    """
    least, most = per_slot
    return found.padded_slots * steps * least, found.padded_slots * steps * most
