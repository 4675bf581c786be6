"""A small space and a made-up problem for the tests of search."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

from spikec.search import spacefile
from spikec.search.space import SearchSpace

SMALL = """
name = "small"
source = "made up for tests: 3 x (4 + 4^2) = 60 subnets"

[depth]
values = [1, 2]
reaches = "blocks"

[globals.width]
values = [8, 16, 24]
reaches = "D"

[blocks.ratio]
values = [1, 1.5]
reaches = "the MLP"

[blocks.tau]
values = [2, 4]
role = "neuron"
reaches = "LIFs"

[constants]
form = "none"
nested = { image = [1, 8, 8] }
"""


@pytest.fixture(scope="session")
def digits() -> SearchSpace:
    return spacefile.load("digits")


@pytest.fixture(scope="session")
def small() -> SearchSpace:
    return spacefile.parse_space(SMALL, "small.toml")


@pytest.fixture(scope="session")
def synthetic() -> ModuleType:
    # tests/ are no packages; the file is also run as a program of its own.
    spec = importlib.util.spec_from_file_location("synthetic", Path(__file__).with_name("synthetic.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
