"""What spikec does, as plain functions: with `cli` the only place that wires the rooms together."""

from spikec.frontend.tracer import trace
from spikec.tasks.estimation import estimate
from spikec.tasks.exporting import export
from spikec.tasks.opening import load
from spikec.tasks.searching import search

__all__ = ["estimate", "export", "load", "search", "trace"]
