"""What the zoo's networks are proven with, and the networks themselves, by the names of their files."""

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
import torch
from torch import nn

HERE = Path(__file__).parent
PASSES = HERE.with_name("passes")


def by_path(name: str, folder: Path = HERE) -> ModuleType:
    """A module of a folder, which no import finds but under its name here, `zoo_NAME`, once it is loaded."""
    known = sys.modules.get(f"zoo_{name}")
    if known is not None:
        return known
    spec = importlib.util.spec_from_file_location(f"zoo_{name}", folder / f"{name}.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


by_path("lava_integers", PASSES)
for part in ("parts", "lively", "fixed", "priced", "jelly_counted"):  # which the others import
    by_path(part)


@pytest.fixture(scope="session")
def prove() -> Callable[..., object]:
    """`prove` of `proof.py`."""
    return by_path("proof").prove


@pytest.fixture(scope="session")
def enliven() -> Callable[..., None]:
    """`enliven` of `proof.py`."""
    return by_path("proof").enliven


@pytest.fixture(scope="session")
def zoo() -> Callable[[str], ModuleType]:
    """The files of networks, by name."""
    return by_path


@pytest.fixture
def made() -> Callable[..., nn.Module]:
    """A network of the zoo by file and class, its weights from one seed."""

    def make(name: str, **arguments: object) -> nn.Module:
        file, kind = name.split(".")
        torch.manual_seed(0)
        network: nn.Module = getattr(by_path(file), kind)(**arguments)
        return network.eval()

    return make


@pytest.fixture(scope="session")
def convnets() -> ModuleType:
    """The spiking convnets, the recurrent classifier and the event-camera network."""
    return by_path("convnets")
