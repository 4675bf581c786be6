"""A digits Spikformer that trains in seconds, and a user's package in the current folder."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from spikec.data import digits
from spikec.model import Model
from spikec.snn.config import SpikformerConfig, uniform_config
from spikec.tasks.networks import model_of_network, untrained
from spikec.tasks.tracing import Foreign

SMALL = uniform_config("digits", (1, 8, 8), 10, width=32, depth=1, heads=2, ratio=2.0, steps=2)


@pytest.fixture(scope="session")
def small_config() -> SpikformerConfig:
    return SMALL


@pytest.fixture(scope="session")
def small_model() -> Model:
    return model_of_network(untrained(SMALL, 0), "small", {"made": "for tests"}, digits.load(0))


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A package in the current folder, of a name that no other test imports."""
    name = f"users_{abs(hash(tmp_path))}"
    (tmp_path / name).mkdir()
    (tmp_path / name / "__init__.py").touch()
    shutil.copy(Path(__file__).with_name("user_network.py"), tmp_path / name / "net.py")
    (tmp_path / name / "needs.py").write_text("import a_package_that_is_not_there\n")
    (tmp_path / name / "garbled.py").write_text("def build(:\n")
    monkeypatch.chdir(tmp_path)
    return name


@pytest.fixture
def of(package: str) -> Callable[..., Foreign]:
    """A factory of the package with two steps, time first; fields of Foreign may be changed."""

    def make(factory: str = "build", module: str = "net", **fields: Any) -> Foreign:
        return replace(Foreign(f"{package}.{module}:{factory}", (3, 8, 8), "TBX", 2), **fields)

    return make
