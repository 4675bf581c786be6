"""Registers what the tests of this folder share, which no import finds: `sanafe_networks` and the like."""

import importlib.util
import sys
from pathlib import Path

for part in ("networks", "simulation", "cases", "oracle", "graphs"):  # each may import those before it
    name = f"sanafe_{part}"
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{part}.py"))
    assert spec
    assert spec.loader
    sys.modules[name] = module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
