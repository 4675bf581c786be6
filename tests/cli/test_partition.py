"""--partition as a shell sees it."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import Result

from hwmodels.mapping import kahypar
from hwmodels.registry import CHIPS
from spikec.ir.builder import GraphBuilder
from spikec.ir.linear import Linear
from spikec.ir.neurons import LIF
from spikec.ir.types import SPIKE, TensorType
from spikec.model import InputSpec, Model, save

Run = Callable[..., Result]


@pytest.fixture
def words(tmp_path: Path) -> tuple[object, ...]:
    """Six neurons of two groups that are mixed, and Loihi 1 with three neurons a core."""
    builder = GraphBuilder(1)
    weights = {"weight": np.tile(np.eye(2), (3, 6)).astype(np.float32)}
    drive = builder.add(Linear(), builder.input("x", TensorType((12,), SPIKE)), scope="w", weights=weights)
    value = builder.add(LIF(), drive, scope="q", weights={"tau": 2.0, "v_threshold": 1.0})
    save(Model("groups", builder.graph(value), InputSpec((12,), "frames", 1)), tmp_path / "groups.pt")
    limit = "[cores.limits.neurons]\nvalue = "
    text = (CHIPS / "loihi1.toml").read_text("utf-8")
    (tmp_path / "three.toml").write_text(text.replace(f"{limit}1024", f"{limit}3"))
    return "estimate", tmp_path / "groups.pt", "--hw", tmp_path / "three.toml"


def test_regrouped_neurons_are_in_json_and_table(run: Run, words: tuple[object, ...]) -> None:
    asked = (*words, "--map", "--partition", "connectivity", "--zero-weights", "skip")
    result = run(*asked, "--format", "json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)["mapping"]
    assert (found["cores"], found["partition"]["packets_before"], found["partition"]["packets_after"]) == (2, 24, 12)
    assert "12 packets to the cores of 1 dense layer" in " ".join(run(*asked).stdout.split())
    plain = json.loads(run(*words, "--map", "--partition", "rule", "--format", "json").stdout)["mapping"]
    assert "partition" not in plain


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (("--zero-weights", "skip"), "--partition connectivity without --map: nothing is put on cores"),
        (("--map",), "--partition connectivity beside --zero-weights count"),
    ],
)
def test_where_it_would_change_nothing_it_is_refused(
    run: Run, words: tuple[object, ...], more: tuple[str, ...], said: str
) -> None:
    result = run(*words, "--partition", "connectivity", *more)
    assert result.exit_code == 2
    assert said in " ".join(result.stderr.split())


def test_the_extra_is_named_where_it_is_missing(
    run: Run, words: tuple[object, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "mtkahypar", None)
    kahypar._library.cache_clear()
    result = run(*words, "--map", "--partition", "mtkahypar", "--zero-weights", "skip")
    assert result.exit_code == 2
    assert "pip install 'spikec[partition]'" in result.stderr
