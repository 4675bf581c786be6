"""The general verification on Lava: the same faults, the same verdicts."""

import json
from pathlib import Path

import numpy as np
import pytest

from passes.manager import run
from spikec.backend.arrays import read_arrays, write_arrays
from spikec.backend.export import verify_export, write_export
from spikec.backend.lava import writer
from spikec.backend.lava.environment import find
from spikec.backend.registry import load
from spikec.errors import ToolchainError, VerificationFailed

pytestmark = pytest.mark.full


@pytest.fixture(scope="module")
def exported(traced_spikformer, data_for, tmp_path_factory) -> Path:
    try:
        find()
    except ToolchainError as error:
        pytest.skip(f"needs Lava: {error}")
    target = load("lava")
    graph = run(traced_spikformer, target.pipeline).graph
    return write_export(target, graph, tmp_path_factory.mktemp("lava") / "out", data=data_for(graph))


def test_a_spikformer_runs_in_lava_as_in_the_interpreter(exported):
    verdict = verify_export(exported)
    assert verdict.passed
    assert len(verdict.layers) == 11
    assert json.loads((exported / "verdict.json").read_text())["target"] == "lava"


def test_a_weight_changed_by_one_part_in_a_thousand_fails(exported):
    arrays = {name: np.array(array) for name, array in read_arrays(exported / "weights.npz").items()}
    arrays["stem.conv1.weight"].flat[0] *= 1.001
    write_arrays(exported / "weights.npz", arrays)
    with pytest.raises(VerificationFailed, match=r"weight 'stem\.conv1\.weight': 1 of .* numbers differ"):
        verify_export(exported)


def test_a_writer_that_changes_a_weight_by_one_part_in_a_thousand_fails(
    traced_spikformer, data_for, tmp_path, monkeypatch
):
    def faulty(path, arrays):
        changed = {name: np.array(array) for name, array in arrays.items()}
        changed["stem.conv1.weight"].flat[0] *= 1.001
        write_arrays(path, changed)

    try:
        find()
    except ToolchainError as error:
        pytest.skip(f"needs Lava: {error}")
    target = load("lava")
    graph = run(traced_spikformer, target.pipeline).graph
    with monkeypatch.context() as patch:
        patch.setattr(writer, "write_arrays", faulty)
        folder = write_export(target, graph, tmp_path / "out", data=data_for(graph))
    with pytest.raises(VerificationFailed, match=r"stem\.conv1\.weight") as caught:
        verify_export(folder)
    assert caught.value.exit_code == 1
    assert json.loads((folder / "verdict.json").read_text())["passed"] is False
