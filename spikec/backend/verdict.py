"""The verdict on an export: what was compared, what differed, and verdict.json."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from spikec.backend.compare import Comparison
from spikec.files import write_json

SCHEMA_VERSION = 1
FILE = "verdict.json"


@dataclass(frozen=True)
class Layer:
    """One neuron layer, in the export's runtime against the interpreter.

    Args:
        name, scope: of its node.
        spikes_compared, spikes_differing: over samples, steps and elements.
        rate: spikes per element per step, in the interpreter.
        membrane_difference: the greatest |a - b| / max(1, |b|); None for a layer without membrane.
        fault: why it does not pass, or empty.
        note: by what it was judged, where not by its spikes as well.
    """

    name: str
    scope: str
    spikes_compared: int
    spikes_differing: int
    rate: float
    membrane_difference: float | None
    fault: str = ""
    note: str = ""


@dataclass(frozen=True)
class Verdict:
    """Whether an export does what its graph does.

    Args:
        passed: nothing differs, and every layer lives, or is a read-out whose membrane does.
        reasons: why not; empty where it passed.
        target, graph_sha256: what was exported, where to.
        samples, steps: of the inputs that were run.
        tolerance: of membranes and outputs, |a - b| <= tolerance * max(1, |b|).
        comparison: files against graph; None where they could not be read.
        layers: every neuron layer; empty where the export could not be run.
        outputs: the greatest |a - b| / max(1, |b|) of each output.
        versions: of what took part.
    """

    passed: bool
    reasons: tuple[str, ...]
    target: str
    graph_sha256: str
    samples: int
    steps: int
    tolerance: float
    comparison: Comparison | None
    layers: tuple[Layer, ...]
    outputs: dict[str, float]
    versions: dict[str, str]

    @property
    def spikes_compared(self) -> int:
        """Over all layers."""
        return sum(layer.spikes_compared for layer in self.layers)

    def as_json(self) -> dict[str, Any]:  # Any: JSON
        """What verdict.json holds."""
        return {
            "schema_version": SCHEMA_VERSION,
            **asdict(self),
            "spikes_compared": self.spikes_compared,
            "spikes_differing": sum(layer.spikes_differing for layer in self.layers),
        }

    def write(self, folder: Path) -> Path:
        """Writes verdict.json into `folder`, whole or not at all, and gives its path.

        Raises:
            OutputError: it cannot be written.
        """
        path = folder / FILE
        write_json(path, self.as_json())
        return path
