"""Opening whatever stands where a MODEL is asked for: a model.pt, or a file of another tool."""

from __future__ import annotations

import hashlib
from pathlib import Path

import spikec
from spikec import model as models
from spikec.errors import one_line
from spikec.frontend import foreign
from spikec.frontend.foreign import READERS, Reading, ending
from spikec.model import Model, input_spec

TRACED = "traced"
"""How a network of the user's code was made, in its provenance."""


def load(path: Path | str, reading: Reading | None = None, name: str | None = None) -> Model:
    """The model in a file: a model.pt, or by its ending .net, .nir, .onnx or .pt2, read as `reading` says.

    What a reader assumed stands in `provenance["remarks"]`.

    Raises:
        ModelFileError: missing, or cannot be read.
        UnsupportedOp, TraceError: it is read, and holds what the IR does not take.
    """
    path = Path(path)
    if ending(path) not in READERS:
        return models.load(path)
    taken = foreign.read(path, reading)
    spec = input_spec(taken.graph, taken.graph.steps, taken.preprocessing)
    assert spec.encoder == taken.encoder
    return Model(
        name=name or one_line(path.stem),
        graph=taken.graph,
        input=spec,
        provenance={
            "made": f"read from {ending(path)}",
            "file": one_line(path.name),
            "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
            "remarks": [one_line(remark) for remark in taken.remarks],
            "facts": dict(taken.facts),
            "spikec": spikec.__version__,
        },
    )


def is_traced(model: Model) -> bool:
    """Whether it was traced from code, and not read from another tool's file."""
    return bool(model.provenance.get("made") == TRACED)


def remarks_of(model: Model) -> tuple[str, ...]:
    """What was assumed or left away when the model was read or traced; empty for one that was neither."""
    return (*taking_remarks_of(model), *weights_remark_of(model))


def taking_remarks_of(model: Model) -> tuple[str, ...]:
    """What was assumed or left away when its graph was taken."""
    return tuple(model.provenance.get("remarks", ()))


def weights_remark_of(model: Model) -> tuple[str, ...]:
    """That a traced network has its factory's own weights: a file of them may have been forgotten."""
    notes = model.provenance
    if not is_traced(model) or notes.get("weights") != {}:
        return ()
    return (f"weights are those that the factory gives, with seed {notes.get('seed')}",)
