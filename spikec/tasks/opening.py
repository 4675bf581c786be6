"""Opening whatever stands where a MODEL is asked for: a model.pt, or a file of another tool."""

from __future__ import annotations

import hashlib
from pathlib import Path

import spikec
from spikec import model as models
from spikec.errors import one_line
from spikec.frontend import foreign
from spikec.frontend.foreign import READERS, Reading
from spikec.model import Model, input_spec


def load(path: Path | str, reading: Reading | None = None, name: str | None = None) -> Model:
    """The model in a file: a model.pt, or by its ending .net, .nir, .onnx or .pt2, read as `reading` says.

    What a reader assumed stands in `provenance["remarks"]`.

    Raises:
        ModelFileError: missing, or cannot be read.
        UnsupportedOp, TraceError: it is read, and holds what the IR does not take.
    """
    path = Path(path)
    if path.suffix not in READERS:
        return models.load(path)
    taken = foreign.read(path, reading)
    spec = input_spec(taken.graph, taken.graph.steps, taken.preprocessing)
    assert spec.encoder == taken.encoder
    return Model(
        name=name or one_line(path.stem),
        graph=taken.graph,
        input=spec,
        provenance={
            "made": f"read from {path.suffix}",
            "file": one_line(path.name),
            "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
            "remarks": [one_line(remark) for remark in taken.remarks],
            "facts": dict(taken.facts),
            "spikec": spikec.__version__,
        },
    )


def remarks_of(model: Model) -> tuple[str, ...]:
    """What was assumed or left away when the model was read; empty for one that was not."""
    return tuple(model.provenance.get("remarks", ()))
