import re
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from spikec.report.comparison import comparison_table
from spikec.report.lines import broken_at_dots
from spikec.report.nodes import node_rows
from spikec.report.table import bar, estimate_table, print_estimate
from spikec.report.view import Refusal

GOLDEN = Path(__file__).parent / "golden"
NO_NUMBER = re.compile(r"\b(nan|inf|None)\b")


@pytest.mark.parametrize("width", [80, 120])
def test_a_small_table_is_as_it_was(small_report, width):
    assert estimate_table(small_report, width) == (GOLDEN / f"small_{width}.txt").read_text("utf-8")


@pytest.mark.parametrize("width", [60, 80, 100, 120])
@pytest.mark.parametrize("fixture", ["small_report", "digits_report", "deep_report"])
@pytest.mark.parametrize("verbose", [False, True])
def test_no_line_is_too_long_and_nothing_is_no_number(request, fixture, width, verbose):
    text = estimate_table(request.getfixturevalue(fixture), width, verbose=verbose)
    assert max(map(len, text.splitlines())) <= width
    assert not NO_NUMBER.search(text)
    assert "…" not in text
    assert "\x1b" not in text


def test_every_energy_column_and_total_names_its_unit(digits_report):
    text = estimate_table(digits_report, 100)
    assert "energy [nJ]" in text
    assert re.search(r"energy +1\.642 ± 0\.007 uJ \(standard error over 256 samples\)", text)


def test_a_dead_layer_is_shown_and_nodes_without_a_price_are_one_line(small_report):
    text = estimate_table(small_report, 100)
    assert re.search(r"blocks\.0\.mlp\.fc1_linear +linear +0 +0 +0 +0\n", text)
    assert "+ 1 node without counts: reshape (1)" in text
    assert re.search(r"stem\.lif +lif .* - +-\n", text)
    assert "reshape  " not in text
    assert "reshape  " in estimate_table(small_report, 100, verbose=True)


def test_nodes_of_one_scope_are_told_apart(digits_report):
    labels = [row.label for row in node_rows(digits_report)]
    assert len(set(labels)) == len(labels)
    assert "patch_embed.proj_conv" in labels
    assert sum(label.startswith("%block.0.attn.matmul") for label in labels) == 2


@pytest.mark.parametrize("width", [60, 80, 120])
def test_a_long_path_is_printed_whole(deep_report, width):
    """Lines of a broken path, put together again, are the paths in their order."""
    table = estimate_table(deep_report, width).split("─\n")[1].split("\n  +")[0]
    cells = [line.split("  ")[0] if not line.startswith("  ") else line.strip() for line in table.splitlines()]
    paths = [row.label for row in node_rows(deep_report) if row.priced or row.counts]
    assert "".join(re.sub(r"\s", "", cell) for cell in cells) == "".join(paths).replace(" ", "")


def test_paths_are_broken_behind_dots():
    assert broken_at_dots("blocks.0.attn", 40) == "blocks.0.attn"
    assert broken_at_dots("backbone.blocks.0.attn.q_linear", 20) == "backbone.blocks.0.\n  attn.q_linear"
    assert broken_at_dots("blocks.0.attn %x", 14) == "blocks.0.attn\n  %x"


def test_what_departs_from_the_default_is_marked(small_report, digits_report):
    changed, default = (estimate_table(report, 120) for report in (small_report, digits_report))
    assert "multibit mac (default: unit)" in changed
    assert "all at their defaults" not in changed
    assert "all at their defaults" in default
    assert "default:" not in default


def test_a_named_policy_is_printed(small_report, make_report):
    policy = {**small_report.policy, "name": "neurobench"}
    text = estimate_table(make_report(small_report.nodes, policy=policy), 120)
    assert "name neurobench, counting events" in text


def test_a_report_without_energies_says_so(digits_report):
    nodes = tuple({**node, "energy_pj": None} for node in digits_report.nodes)
    totals = {**digits_report.totals, "energy_pj": None, "energy_pj_se": None}
    report = replace(digits_report, nodes=nodes, totals=totals, ann={"energy_pj": None, "macs": None})
    text = estimate_table(report, 100)
    assert "digits-winner on 45nm: not priced, T = 4" in text
    assert "prices at nothing" not in text
    assert not NO_NUMBER.search(text)


def test_bars_are_for_terminals(digits_report, tmp_path):
    for terminal in (True, False):
        with (tmp_path / "out.txt").open("w+", encoding="utf-8") as file:
            console = Console(file=file, force_terminal=terminal, color_system=None, width=120)
            print_estimate(digits_report, console)
            file.seek(0)
            assert ("█" in file.read()) is terminal


def test_the_bar_of_something_is_something():
    assert [bar(share) for share in (None, 0.0, 1e-6, 0.5, 1.0, 1.5)] == ["", "", "▏", "█" * 6, "█" * 12, "█" * 12]


def test_markup_in_names_is_text(small_report, make_report):
    nodes = [{**node, "scope": f"[bold]{node['scope']}[/]"} for node in small_report.nodes]
    assert "[bold]stem.conv[/]" in estimate_table(make_report(nodes), 120)


def from_file(report, file):
    return replace(report, hardware={**report.hardware, "file": file})


def test_two_chips_of_one_name_are_told_apart_by_their_files(small_report):
    mine = from_file(small_report, "chips/mine.toml")
    assert "on 45nm (mine.toml):" in estimate_table(mine, 100)
    assert "file chips/mine.toml, 0d15ea5e0d15" in estimate_table(mine, 120)
    text = comparison_table([small_report, mine, Refusal("45nm", "no", "b/other.toml")], 120)
    assert [line.split("  ")[0] for line in text.splitlines()[2:5]] == ["45nm", "45nm (mine.toml)", "45nm (other.toml)"]
    assert "45nm (other.toml) refuses: no" in text
    text = comparison_table([mine, from_file(small_report, "b/mine.toml")], 120)
    assert "45nm (chips/mine.toml)  " in text
    assert "45nm (b/mine.toml)  " in text


@pytest.mark.parametrize("width", [80, 120])
def test_chips_beside_each_other(digits_report, small_report, width):
    text = comparison_table([digits_report, Refusal("loihi2", "2 of 31 nodes have no form there"), small_report], width)
    header, _, first, _, second = text.splitlines()[:5]
    assert header.count("[uJ]") == 2  # of the energies and of their bounds: one unit
    assert "1.6418 ± 0.0069" in first
    assert "0.0233 ± 0.0001" in second
    assert "0.0233..0.0350" in second
    assert not re.search(r"\d [num]J", text)
    assert re.search(r"loihi2 +refused", text)
    assert "loihi2 refuses: 2 of 31 nodes have no form there" in text
    assert "these rows differ in policy multibit: unit / mac" in text
    assert max(map(len, text.splitlines())) <= width
    assert text.index("1.6418") < text.index("refused") < text.index("0.0233 ±")
