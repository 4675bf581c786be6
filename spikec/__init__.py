"""A compiler and estimator for spiking transformers on neuromorphic hardware.

The library's front door is five plain functions, `trace`, `estimate`, `search`, `export` and `load`, all of
`spikec.tasks`. They are looked up on first use (PEP 562): tasks needs torch, and `import spikec` must not.
"""

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from spikec.tasks import estimate, export, load, search, trace

__version__ = "0.1.0.dev0"

__all__ = ["estimate", "export", "load", "search", "trace"]


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module 'spikec' has no attribute '{name}'")
    return getattr(import_module("spikec.tasks"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


class _CallableRoom(ModuleType):
    """A room whose name is also a function of the front door: calling it calls the function."""

    def __call__(self, *args: object, **options: object) -> object:
        task = getattr(import_module("spikec.tasks"), self.__name__.rpartition(".")[2])
        return task(*args, **options)


class _FrontDoor(ModuleType):
    """Keeps `spikec.search(...)` a call after the room spikec/search has been imported.

    Importing a room binds it as an attribute here, where it hides what __getattr__ would give.
    """

    def __setattr__(self, name: str, value: object) -> None:
        if name in __all__ and type(value) is ModuleType:
            value.__class__ = _CallableRoom
        super().__setattr__(name, value)


sys.modules[__name__].__class__ = _FrontDoor
