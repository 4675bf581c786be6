"""The tables of docs/counters.md are those of the winner that a default search finds."""

from __future__ import annotations

from pathlib import Path

import pytest

from spikec.model import Model
from spikec.tasks.counters import page

pytestmark = [pytest.mark.full, pytest.mark.xdist_group("digits-search")]
PAGE = Path(__file__).parents[2] / "docs" / "counters.md"


def test_the_committed_tables_are_the_winners(winner: Model) -> None:
    """To the digit on the machine and versions that they were made with; another trains another network."""
    text = PAGE.read_text("utf-8")
    if f"`{winner.graph.sha256[:12]}`" not in text:
        pytest.skip(f"the search found another network here, {winner.graph.sha256[:12]}: other sums, other weights")
    assert text == page(text, winner), "scripts/make-counters WINNER writes it anew"
