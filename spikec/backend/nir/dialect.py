"""Names, versions and constants of the two dialects."""

from __future__ import annotations

from spikec.ir.op import Op
from spikec.ir.ops import OPS

Dialect = str
"""'strict' or 'extended'; `spikec.backend.registry` knows no other."""

FILE = "network.nir"
FORMAT = {"format": "spikec-nir", "version": 1}

DT: dict[str, float] = {"strict": 1e-4, "extended": 2.0**-13}
"""Seconds a step. snnTorch's importer knows no other than 1e-4, and SpikingJelly's takes it unless told otherwise;
a power of two makes tau * dt exact, which the extended dialect, read by spikec alone, is free to choose."""

ROOT: dict[str, str] = {"strict": "NIRGraph", "extended": "SpikecGraph"}

LABELS: dict[str, type[Op]] = {f"Spikec{op.__name__}": op for op in OPS.values()}
"""Every labelled type and its op: the op's fields and weights are the node's."""

CONSTANT = "SpikecConstant"
OPERAND = "SpikecOperand"
RESULT = "SpikecResult"

METADATA = "spikec"
"""The key of our metadata, of the graph and of each node: one JSON text."""
