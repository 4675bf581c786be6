"""The tests' own modules of mutants, which no import finds."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture(scope="session")
def surveys() -> ModuleType:
    spec = importlib.util.spec_from_file_location("survey", Path(__file__).with_name("survey.py"))
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
