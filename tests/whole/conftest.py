"""The default search on digits, run once for all tests of this folder (they share one worker)."""

from __future__ import annotations

import pytest

from spikec.model import Model, load
from spikec.tasks.search_setup import SearchSettings
from spikec.tasks.searching import Searched, search


@pytest.fixture(scope="session")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Searched:
    """Seed 0, split 0, everything at its default, but as many random subnets as the search has trials."""
    settings = SearchSettings(baseline=SearchSettings.trials)
    return search(settings, out=tmp_path_factory.mktemp("digits") / "study")


@pytest.fixture(scope="session")
def winner(searched: Searched) -> Model:
    return load(searched.winner)


@pytest.fixture
def needs_lava(request: pytest.FixtureRequest) -> None:
    """Skips a test on the target lava where there is no interpreter for it."""
    from spikec.backend.lava.environment import find
    from spikec.errors import ToolchainError

    if "lava" not in request.node.callspec.params["target"]:
        return
    try:
        find()
    except ToolchainError as error:
        pytest.skip(f"needs Lava: {error}")
