"""model.pt: a network as plain data, loadable without the code that made it.

A file made by `torch.save` of nothing but strings, numbers, lists and tensors, and read with `weights_only=True`: a
pickled module is refused without being executed. It holds the Graph as text with its weights, what its input is,
a calibration batch, and where it came from.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import NoneType
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from spikec.cost import Counts
from spikec.errors import GraphError, ModelFileError
from spikec.files import check_output, write_file
from spikec.ir.graph import Graph
from spikec.ir.text import parse
from spikec.ir.types import FloatFormat, Format, IntFormat, Role, Timing, Weight
from spikec.torch_file import read_plain

FORMAT = "spikec-model"
VERSION = 1
CALIBRATION_SAMPLES = 256
CALIBRATION_BYTES = 16 * 2**20
LISTED = 5
EXPECTED = "a model.pt written by spikec"


@dataclass(frozen=True)
class InputSpec:
    """What one sample is and how it becomes the graph's input.

    Args:
        shape: of one sample (of one frame where there are frames); empty where there are several inputs.
        encoder: 'direct' (the same image at every step), 'frames' (a time axis of its own), or 'several' (inputs, each
            of the shape and timing that its type in the graph states).
        preprocessing: in words, such as 'grey values over 16'.
        steps: T that the network was made for.
    """

    shape: tuple[int, ...]
    encoder: str
    steps: int
    preprocessing: str = "none"


def input_spec(graph: Graph, steps: int, preprocessing: str = "none") -> InputSpec:
    """What a graph's own inputs say of a sample."""
    if len(graph.inputs) > 1:
        return InputSpec((), "several", steps, preprocessing)
    (kind,) = graph.inputs.values()
    return InputSpec(kind.shape, "direct" if kind.timing is Timing.ONCE else "frames", steps, preprocessing)


@dataclass(frozen=True, eq=False)
class Calibration:
    """The samples on which energy is counted, in order and as one batch.

    Args:
        inputs: [samples, *shape], or [samples, T, *shape] for frames.
        ids: of each sample in its data set.
        spec: where they are from, such as 'digits:split=0:validation'.
        seed: of their choice.
    """

    inputs: NDArray[np.float32]
    ids: NDArray[np.int64]
    spec: str
    seed: int = 0


@dataclass(frozen=True, eq=False)
class StoredCounts:
    """Counts taken before, for a model whose samples are not in its file.

    Args:
        counts: by `Probe.key`, of the graph that a chip's pipeline makes of the model's.
        facts: of the data that they came from, as reports print them; plain data.
    """

    counts: Counts
    facts: Mapping[str, Any]  # Any: plain data


@dataclass(frozen=True, eq=False)
class Model:
    """A network with everything that estimate, export and train need.

    Args:
        name: as reports print it.
        graph: as traced; passes are a matter of the hardware.
        input: see `InputSpec`.
        class_names: of the outputs, possibly none.
        calibration: None where the maker opted out.
        counts: in place of a calibration batch, or None.
        architecture: plain data from which `spikec train` rebuilds the module, or None.
        provenance: study, trial, seed, or how it was made; plain data.
    """

    name: str
    graph: Graph
    input: InputSpec
    class_names: tuple[str, ...] = ()
    calibration: Calibration | None = None
    counts: StoredCounts | None = None
    architecture: Mapping[str, Any] | None = None  # Any: plain data
    provenance: Mapping[str, Any] = field(default_factory=dict)  # Any: plain data

    def __post_init__(self) -> None:
        if self.calibration is not None:
            _check_calibration(self.graph, self.calibration)


def _check_calibration(graph: Graph, batch: Calibration) -> None:
    """Raises ModelFileError unless the batch is input of the graph, and no larger than a file may hold."""
    if len(graph.inputs) != 1:
        raise ModelFileError(f"a calibration batch for {len(graph.inputs)} inputs", expected="one input, or no batch")
    (kind,) = graph.inputs.values()
    lead = 1 if kind.timing is Timing.ONCE else 2
    found = f"a calibration batch of shape {list(batch.inputs.shape)} with {batch.ids.size} ids"
    if batch.inputs.shape[lead:] != kind.shape or batch.inputs.ndim != lead + len(kind.shape):
        raise ModelFileError(found, expected=f"[samples, {'T, ' if lead == 2 else ''}*{list(kind.shape)}]")
    samples = batch.inputs.shape[0]
    if batch.ids.shape != (samples,) or not 1 <= samples <= CALIBRATION_SAMPLES:
        raise ModelFileError(found, expected=f"1 to {CALIBRATION_SAMPLES} samples, each with an id")
    if batch.inputs.nbytes > CALIBRATION_BYTES:
        size = f"{batch.inputs.nbytes / 2**20:.1f} MB"
        raise ModelFileError(f"a calibration batch of {size}", expected="at most 16 MB", mend="fewer samples")
    if not np.isfinite(batch.inputs).all():
        raise ModelFileError("a calibration batch with NaN or infinite values", expected="finite numbers")


def save(model: Model, path: Path, *, force: bool = False) -> None:
    """Writes `model` to `path`, whole or not at all.

    Raises:
        OutputError: the file exists and `force` is not given, or it cannot be written.
        ModelFileError: provenance or architecture are no plain data, or a name or remark no text of one line, so the
            file could not be read back.
    """
    _check_told(model)
    plain = _plain(model)
    _require_plain(plain, "model")
    check_output(path, force=force)
    write_file(path, lambda file: torch.save(plain, file))


def load(path: Path) -> Model:
    """The model in `path`, its graph verified.

    Raises:
        ModelFileError: missing, a folder, empty, truncated, foreign, pickled, or with unusable weights.
    """
    plain = _read(path)
    if not isinstance(plain, dict) or plain.get("format") != FORMAT:
        keys = sorted(map(str, plain))[:5] if isinstance(plain, dict) else type(plain).__name__
        raise _bad(
            path, f"a torch file, but no model of spikec (it holds {keys})", "spikec trace makes one of a network"
        )
    if type(plain.get("version")) is not int or plain["version"] != VERSION:
        raise _bad(
            path, f"version {plain.get('version')} of the format", f"write it again with this version ({VERSION})"
        )
    _check_keys(path, plain)
    try:
        return _model(plain)
    except (GraphError, ModelFileError) as error:
        raise _bad(path, f"its graph, weights or calibration batch are unusable: {error}", "make it again") from error
    except (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError) as error:
        raise _bad(path, f"the file is damaged: {type(error).__name__} {error}", "write it again") from error


KINDS: Mapping[str, tuple[type, ...]] = {
    "name": (str,),
    "graph": (str,),
    "weights": (dict,),
    "input": (dict,),
    "class_names": (list,),
    "calibration": (dict, NoneType),
    "counts": (dict, NoneType),
    "architecture": (dict, NoneType),
    "provenance": (dict,),
}
"""What each key of a file holds, beside format and version."""


def _check_keys(path: Path, plain: Mapping[str, object]) -> None:
    """Raises ModelFileError, naming the keys, where one is missing or holds what it cannot."""
    missing = [key for key in KINDS if key not in plain]
    if missing:
        raise _bad(path, f"its keys lack {', '.join(missing)}", "write it again")
    wrong = [
        f"key '{key}' holds a {type(plain[key]).__name__} in the place of a {kinds[0].__name__}"
        for key, kinds in KINDS.items()
        if not isinstance(plain[key], kinds)
    ]
    wrong += [
        f"key 'weights.{name}' holds a {type(weight).__name__} in the place of a dict"
        for name, weight in (plain["weights"].items() if isinstance(plain["weights"], dict) else ())
        if not isinstance(weight, dict)
    ]
    if wrong:
        more = f", and {len(wrong) - LISTED} more" if len(wrong) > LISTED else ""
        raise _bad(path, f"the file is damaged: {', '.join(wrong[:LISTED])}{more}", "write it again")


def _read(path: Path) -> Any:  # Any: plain data and tensors
    if not path.exists():
        raise _bad(path, "there is no such file", "spikec new spikformer-4-384 -o model.pt makes one")
    if path.is_dir():
        raise _bad(path, "this is a folder", "name the model.pt in it")
    return read_plain(path, EXPECTED, "spikec trace --arch package.module:factory --weights state_dict.pt")


def _require_plain(value: object, where: str) -> None:
    """Raises ModelFileError unless `value` is made of what `weights_only` reads back."""
    if isinstance(value, Mapping):
        for key, element in value.items():
            _require_plain(element, f"{where}[{key!r}]")
    elif isinstance(value, (list, tuple)):
        for number, element in enumerate(value):
            _require_plain(element, f"{where}[{number}]")
    elif type(value) not in (str, int, float, bool, NoneType, torch.Tensor):
        raise ModelFileError(
            f"a {type(value).__name__}", where=where, expected="plain data", mend="a str, a number, a list or a dict"
        )


def _bad(path: Path, found: str, mend: str) -> ModelFileError:
    return ModelFileError(found, where=str(path), expected=EXPECTED, mend=mend)


def _plain(model: Model) -> dict[str, Any]:  # Any: plain data and tensors
    weights = {
        name: {"value": torch.from_numpy(np.array(w.array)), "role": w.role.value, "format": _format_plain(w.format)}
        for name, w in model.graph.weights.items()
    }
    batch = model.calibration
    return {
        "format": FORMAT,
        "version": VERSION,
        "name": model.name,
        "graph": model.graph.text(),
        "weights": weights,
        "input": asdict(model.input),
        "class_names": list(model.class_names),
        "calibration": None
        if batch is None
        else {
            "inputs": torch.from_numpy(np.ascontiguousarray(batch.inputs)),
            "ids": torch.from_numpy(np.ascontiguousarray(batch.ids)),
            "spec": batch.spec,
            "seed": batch.seed,
        },
        "counts": None if model.counts is None else _plain_counts(model.counts),
        "architecture": None if model.architecture is None else dict(model.architecture),
        "provenance": dict(model.provenance),
    }


def _model(plain: Mapping[str, Any]) -> Model:  # Any: see _plain
    weights = {name: _weight(entry) for name, entry in plain["weights"].items()}
    batch = plain["calibration"]
    spec = dict(plain["input"])
    model = Model(
        name=plain["name"],
        graph=parse(plain["graph"], weights),
        input=InputSpec(**{**spec, "shape": tuple(spec["shape"])}),
        class_names=tuple(plain["class_names"]),
        calibration=None
        if batch is None
        else Calibration(batch["inputs"].numpy(), batch["ids"].numpy(), str(batch["spec"]), int(batch["seed"])),
        counts=None if plain["counts"] is None else _counts(plain["counts"]),
        architecture=plain["architecture"],
        provenance=plain["provenance"],
    )
    _check_told(model)
    return model


def _weight(entry: object) -> Weight:
    if not isinstance(entry, dict):
        raise TypeError(f"a weight that is a {type(entry).__name__}")
    return Weight(entry["value"].numpy(), Role(entry["role"]), _format(entry["format"]))


def _check_told(model: Model) -> None:
    """Raises ModelFileError where what a file says beside its graph is of no use, or contradicts the graph."""
    spec = model.input
    inputs = model.graph.inputs
    if not inputs:
        raise ModelFileError("its graph has no inputs", expected="one or more")
    own = input_spec(model.graph, spec.steps)
    remarks, passes = (model.provenance.get(key, ()) for key in ("remarks", "passes"))
    words = (model.name, spec.preprocessing, *model.class_names, *remarks, *passes)
    facts = {
        f"an input {spec} for {len(inputs)} inputs": (spec.shape, spec.encoder) == (own.shape, own.encoder),
        f"steps {spec.steps!r}": type(spec.steps) is int and spec.steps >= 1,
        "names or remarks that are no text of one line": all(isinstance(w, str) and w.isprintable() for w in words),
        "an architecture that is no dict": isinstance(model.architecture, dict | None),
    }
    wrong = [what for what, holds in facts.items() if not holds]
    if wrong:
        kinds = ", ".join(map(str, inputs.values()))
        raise ModelFileError(f"it holds {wrong[0]}", expected=f"what is said of one sample, {kinds}")


def _plain_counts(stored: StoredCounts) -> dict[str, Any]:  # Any: plain data and tensors
    counts = stored.counts
    answers = {key: torch.from_numpy(np.array(answer)) for key, answer in counts.answers.items()}
    return {"answers": answers, "samples": counts.samples, "steps": counts.steps, "facts": dict(stored.facts)}


def _counts(plain: Mapping[str, Any]) -> StoredCounts:  # Any: see _plain_counts
    answers = {str(key): answer.numpy().astype(np.int64) for key, answer in plain["answers"].items()}
    samples, steps = int(plain["samples"]), int(plain["steps"])
    if samples < 1 or steps < 1 or any(answer.shape[0] not in (1, samples) for answer in answers.values()):
        raise ValueError(f"counts of {samples} samples and {steps} steps")
    return StoredCounts(Counts(answers, samples, steps), dict(plain["facts"]))


def _format_plain(form: Format) -> dict[str, Any]:  # Any: numbers
    return {"kind": "float", "bits": form.bits} if isinstance(form, FloatFormat) else {"kind": "int", **asdict(form)}


def _format(plain: Mapping[str, Any]) -> Format:  # Any: numbers
    fields = {key: value for key, value in plain.items() if key != "kind"}
    kinds: dict[str, type[FloatFormat] | type[IntFormat]] = {"float": FloatFormat, "int": IntFormat}
    return kinds[plain["kind"]](**fields)
