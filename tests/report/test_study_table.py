import re
from dataclasses import replace

import pytest

from spikec.report.study_table import genome_line, study_table


@pytest.mark.parametrize("width", [80, 120])
def test_the_front_with_units_and_the_winner(study_view, width):
    text = study_table(study_view, width)
    winner = next(row for row in study_view.rows if row.winner)
    line = next(line for line in text.splitlines() if "winner  " in line)
    assert line.split()[:5] == [str(winner.number), "98.1", "0.867", "97.5", "0.885"]
    assert "screen" in text
    assert "uJ" in text
    assert f"winner: trial {winner.number}; least energy within 0.5 points" in text
    assert "test split: largest subnet 98.33 % at 5.100 uJ" in text
    assert study_view.next_commands[0] in text
    assert not re.search(r"\b(nan|None)\b", text)
    rows = [line for line in text.splitlines() if re.match(r" *\d+ +\d+\.\d ", line)]
    assert len(rows) == len(study_view.shown)


def test_a_search_that_has_told_nothing_yet(study_view):
    bare = {"rows": (), "tests": (), "paired_test": "", "hypervolume": None, "random_hypervolume": None}
    text = study_table(replace(study_view, **bare))
    assert "front: 0 trials" in text
    assert "winner: trial none" in text
    assert "hypervolume" not in text


def test_hypervolumes_of_other_trials_are_compared_at_equal_ones_too(study_view):
    searched, drawn = study_view.of_kind("search"), study_view.of_kind("random")
    uneven = replace(study_view, rows=(*searched, *drawn[:48]), equal_hypervolumes=(0.7, 0.6543))
    text = " ".join(study_table(uneven, 200).split())
    assert "nsga2 0.8123 of 160 trials, random sampling 0.7711 of 48 trials, of the first 48 of each 0.7000" in text
    assert "0.7000 and 0.6543 (accuracy x decades" in text
    assert "of each" not in study_table(study_view, 200)


def test_a_command_is_never_broken(study_view):
    command = f"spikec estimate {'deep/' * 40}winner.pt --hw 45nm"
    assert command in study_table(replace(study_view, next_commands=(command,)), 80)


def test_blocks_stand_side_by_side():
    genome = "depth=2 width=64 | heads=4 ratio=2 | heads=2 ratio=3"
    assert genome_line(genome) == "depth=2 width=64 heads=4,2 ratio=2,3"


@pytest.mark.parametrize("text", ["", "any words", "depth=2 | heads=2 | ratio=3", "depth=1 | heads"])
def test_other_genomes_are_left_as_they_are(text):
    assert genome_line(text) == text
