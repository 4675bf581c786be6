"""Kinds of counts that chips have beside those of `hwmodels.counting`: whose synapses take spikes, and with cores."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, get_args

OnChip = Literal["neuron_update_active", "neuron_update_inactive", "host_mac"]
"""Counted from events alone. An update is active where the neuron's drive is not zero at that step; `host_mac` are
the multiplications of real inputs, which such a chip leaves to its host."""

OnCores = Literal["message", "message_in", "hop_ew", "hop_ns", "chip_crossing", "chip_ns"]
"""Counted on cores alone: messages, one a spike and core that it goes to, as sent and as received; hops east or west,
north or south, and from chip to chip; chips times nanoseconds, whose price is a power."""

BySynapse = Literal["synapse_dense", "synapse_sparse", "synapse_conv"]
"""Synaptic operations by how their synapses are stored: every pair, those whose weight is not zero, or a kernel."""

BySoma = Literal["soma_access", "soma_update", "soma_spike"]
"""What a neuron does at a step: it is looked at, always; it is updated, where its membrane was not zero after the step
before, anything reaches it, or it has a bias; it fires."""

ON_CHIP: tuple[str, ...] = get_args(OnChip)
ON_CORES: tuple[str, ...] = get_args(OnCores)
BY_SYNAPSE: tuple[str, ...] = get_args(BySynapse)
BY_SOMA: tuple[str, ...] = get_args(BySoma)
POWERED = "chip_ns"

WHOLE: Mapping[str, tuple[str, ...]] = {
    "neuron_update": ("neuron_update_active", "neuron_update_inactive"),
    "ac": BY_SYNAPSE,
}
"""Kinds that are the sum of others: a chip prices the one or the others."""
