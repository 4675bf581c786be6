"""PilotNet's graph where its folder is at hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from spikec.frontend.foreign import read
from spikec.ir.graph import Graph

PILOTNET = Path(__file__).parents[4] / "shared" / "data" / "pilotnet_lif"


@pytest.fixture(scope="session")
def pilotnet() -> Graph:
    if not (PILOTNET / "network.net").is_file():
        pytest.skip(f"needs {PILOTNET}: lava-dl's PilotNet")
    return read(PILOTNET / "network.net").graph
