"""Training checkpoints: plain tensors and numbers in one file, written whole or not at all."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import torch

from spikec.errors import ModelFileError
from spikec.files import write_file
from spikec.torch_file import read_plain

FORMAT = "spikec-checkpoint"
VERSION = 1


def save_checkpoint(path: Path, state: Mapping[str, object]) -> None:
    """Writes `state`, tensors, numbers, strings and their dicts, lists and tuples, under `path` in one step.

    Raises:
        OutputError: it cannot be written; what stood under `path` is still there.
    """
    write_file(path, lambda file: torch.save({"format": FORMAT, "version": VERSION, **state}, file))


def load_checkpoint(path: Path, keys: Collection[str]) -> dict[str, Any]:  # Any: each key has its own type
    """What `save_checkpoint` wrote under `keys`, on the CPU. Runs no code from the file.

    Raises:
        ModelFileError: the file is missing, truncated, or no checkpoint of this version.
    """
    state = read_plain(path, "a training checkpoint", "delete it, and the training starts anew")
    said = [state.get(key) for key in ("format", "version")] if isinstance(state, dict) else []
    is_ours = not any(isinstance(word, torch.Tensor) for word in said) and said == [FORMAT, VERSION]
    if not is_ours or not set(keys) <= set(state):
        raise ModelFileError("no training checkpoint of this version", where=str(path))
    return {key: state[key] for key in keys}
