"""The table of a comparison: as it was, in any width, and coloured on terminals alone."""

from __future__ import annotations

import json
import re
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from spikec.report.compared import compared
from spikec.report.difference_table import compared_table, print_compared
from spikec.report.saved import Saved
from spikec.report.view import Refusal

GOLDEN = Path(__file__).parent / "golden"
NO_NUMBER = re.compile(r"\b(nan|inf|None)\b")


@pytest.fixture
def found(small_report, make_report):
    """A small report with more in one layer, less in another, two gone, one new, mapped; and a chip that refuses."""
    nodes, copy = list(small_report.nodes), [json.loads(json.dumps(node)) for node in small_report.nodes]
    later = [copy[0], *copy[2:6], *copy[7:]]
    later[2] |= {"counts": {"ac": 1280.0}, "energy_pj": {"ac": 1152.0}}
    later[4] |= {"counts": {"ac": 256.0}, "energy_pj": {"ac": 230.4}}
    later.append({**copy[6], "name": "tail", "scope": "blocks.1.mlp.fc1_linear", "counts": {"ac": 10.0}})
    later[-1]["energy_pj"] = {"ac": 9.0}
    a = json.loads(make_report(nodes).to_json())
    a["mapping"] = {
        "cores": 3,
        "chips": 1,
        "layers": [{"node": "stem.conv.conv2d0", "cores": 3, "binding_limit": "words"}],
    }
    b = json.loads(make_report(later, policy={**a["policy"], "multibit": "mac"}, assumptions=("so",)).to_json())
    b["mapping"] = {
        "cores": 4,
        "chips": 1,
        "layers": [{"node": "stem.conv.conv2d0", "cores": 4, "binding_limit": "axons_in"}],
    }
    b["priced_graph_sha256"] = "ab" * 32
    refused = Refusal("loihi1", "no product of two activations")
    return compared("before.json", [Saved(a), refused], "after.json", [Saved(b), refused])


@pytest.mark.parametrize("width", [80, 130])
def test_a_small_table_is_as_it_was(found, width):
    assert compared_table(found, width) == (GOLDEN / f"difference_{width}.txt").read_text("utf-8")


@pytest.mark.parametrize("width", [60, 80, 100, 130])
@pytest.mark.parametrize("verbose", [False, True])
def test_no_line_is_too_long_and_nothing_is_no_number(found, deep_report, small_report, width, verbose):
    pair = [Saved(json.loads(report.to_json())) for report in (deep_report, small_report)]
    for one in (found, compared("a", pair[:1], "b", pair[1:])):
        text = compared_table(one, width, verbose=verbose)
        assert max(map(len, text.splitlines())) <= width
        assert not NO_NUMBER.search(text)


def test_verbose_shows_what_is_the_same_too(found):
    brief, whole = compared_table(found, 130), compared_table(found, 130, verbose=True)
    assert "head " not in brief
    assert "head " in whole
    assert "the same on both sides" in brief
    assert "the same on both sides" not in whole


def test_a_report_and_itself(small_report):
    one = Saved(json.loads(small_report.to_json()))
    text = compared_table(compared("a", [one], "b", [one]), 100)
    assert "per inference on both sides" in text
    assert "The assumptions are the same on both sides." in text
    assert text.endswith("  + 8 layers the same on both sides\n  no number differs\n")


def test_what_grew_is_red_and_what_shrank_green_on_a_terminal_alone(found):
    for terminal in (True, False):
        console = Console(
            file=StringIO(), width=130, color_system="auto", force_terminal=terminal, _environ={"TERM": "xterm"}
        )
        print_compared(found, console)
        text = console.file.getvalue()
        assert bool(re.search(r"\x1b\[31m *\+0.23", text)) is terminal
        assert bool(re.search(r"\x1b\[32m *-0.23", text)) is terminal
        assert ("\x1b" in text) is terminal


@pytest.mark.parametrize(
    ("a", "b", "said"),
    [
        (None, None, "not priced on either side"),
        (0.0, 50.0, "0 pJ -> 50.00 pJ per inference, from 0"),
        (50.0, None, "50.00 pJ -> not priced"),
        (1000.0, 1000.1, "1.000 nJ -> 1.000 nJ per inference, +0.01 %"),
        (2.0, 2468.0, "0.002 nJ -> 2.468 nJ per inference, +123,300.0 %"),
    ],
)
def test_the_headline_of_zero_of_nothing_and_of_little(small_report, a, b, said):
    plain = json.loads(small_report.to_json())
    pair = [Saved({**plain, "totals": {**plain["totals"], "energy_pj": value}}) for value in (a, b)]
    assert f"45nm: {said}\n" in compared_table(compared("a", pair[:1], "b", pair[1:]), 130)
