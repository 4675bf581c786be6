"""spikec space, hw and target: what there is, and whether a file of one's own is good."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hwmodels import registry as hardware
from spikec.backend import registry as targets
from spikec.search import spacefile
from spikec.search.genome import Genome


def test_space_list_has_every_space_with_its_count(run) -> None:
    lines = run("space", "list").stdout.splitlines()
    assert [line.split()[0] for line in lines[1:]] == list(spacefile.names())
    digits = next(line for line in lines if line.startswith("digits"))
    assert "4,542,048" in digits
    assert "1x8x8" in digits
    assert "depth, width, steps, ratio, heads, threshold, tau" in digits


def test_space_show_is_a_file_that_loads_back(run, tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(run("space", "show", "digits").stdout)
    assert spacefile.load(tmp_path / "mine.toml") == spacefile.load("digits")
    assert run("space", "count", tmp_path / "mine.toml").stdout == "4542048\n"


def test_space_check_says_what_the_space_is_or_what_is_wrong_with_it(run, tmp_path: Path) -> None:
    good = run("space", "check", "digits")
    assert good.exit_code == 0
    assert good.stdout.startswith("good: digits, 4,542,048 subnets, for images of 1x8x8, sha256 ")
    mine = tmp_path / "mine.toml"
    mine.write_text(run("space", "show", "digits").stdout.replace("[0.6, 0.8, 1.0, 1.2]", "[-1.0, 0.8, 1.0]"))
    bad = run("space", "check", mine)
    assert bad.exit_code == 2
    assert f"error: {mine}: blocks.threshold.values.0: input should be greater than 0, found -1.0" in bad.stderr
    assert bad.stdout == ""


def test_space_sample_draws_members_by_the_seed(run) -> None:
    first, again, other = (run("space", "sample", "digits", "-n", 5, "--seed", seed) for seed in (1, 1, 2))
    assert first.stdout == again.stdout != other.stdout
    assert "seed 1" in first.stderr
    genomes = [Genome.from_json(line) for line in first.stdout.splitlines()]
    assert len(set(genomes)) == 5
    for genome in genomes:
        spacefile.load("digits").validate(genome)


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (("show", "digit"), "Try: digits"),
        (("count", "absent.toml"), "no such file"),
        (("sample", "digits", "-n", "0"), "1 or more"),
        (("sample", "digits", "--seed", "-1"), "seed of 0 or more"),
    ],
)
def test_space_says_what_is_wrong(run, words: tuple[str, ...], found: str) -> None:
    result = run("space", *words)
    assert result.exit_code == 2
    assert found in result.stderr
    assert result.stdout == ""


def test_hw_list_has_every_chip(run) -> None:
    lines = run("hw", "list").stdout.splitlines()
    assert [line.split()[0] for line in lines[1:]] == list(hardware.names())
    assert "derived" in next(line for line in lines if line.startswith("45nm "))
    assert [word in next(line for line in lines if line.startswith("loihi1 ")) for word in ("128", "0.75 V")] == [
        True
    ] * 2
    assert "assumed" in next(line for line in lines if line.startswith("45nm-memory "))


def test_hw_show_is_the_file_and_a_copy_of_it_is_good(run, tmp_path: Path) -> None:
    shown = run("hw", "show", "45nm")
    assert shown.stdout == (hardware.CHIPS / "45nm.toml").read_text()
    assert hardware.load("45nm").sha256 in shown.stderr
    (tmp_path / "mine.toml").write_text(shown.stdout)
    result = run("hw", "check", tmp_path / "mine.toml")
    assert result.exit_code == 0
    assert result.stdout.startswith("good: 45nm")
    assert result.stderr == ""
    assert run("hw", "show", tmp_path / "mine.toml").stdout == shown.stdout


def test_a_changed_copy_under_the_old_name_is_good_with_a_note_and_seen_in_every_answer(
    run, model: Path, tmp_path: Path
) -> None:
    mine = tmp_path / "mine.toml"
    mine.write_text((hardware.CHIPS / "45nm.toml").read_text().replace("4.6\n", "5.6\n"))
    result = run("hw", "check", mine)
    assert result.exit_code == 0
    assert f"--hw 45nm is another chip, sha256 {hardware.load('45nm').sha256[:12]}" in result.stderr
    both = json.loads(run("estimate", model, "--hw", "45nm", "--hw", mine, "--format", "json").stdout)
    assert [report["hardware"]["file"] for report in both] == [None, str(mine)]
    assert "45nm (mine.toml)" in run("estimate", model, "--hw", mine, "--format", "html").stdout


@pytest.mark.parametrize(
    ("old", "new", "found"),
    [
        ('unit = "pJ"', 'unit = "pX"', "terms.ac.energy"),
        ('"fold-batchnorm"', '"fold-batchnrom"', "key pipeline.0"),
        ('"fold-batchnorm"', '{ pass = "reorder-attention", order = "vk" }', "order = 'vk'"),
        ("value = 0.9", "value = -0.9", "terms.ac.energy.value"),
        ('name = "45nm"', "name = ", "no TOML"),
    ],
)
def test_hw_check_names_the_key(run, tmp_path: Path, old: str, new: str, found: str) -> None:
    text = (hardware.CHIPS / "45nm.toml").read_text()
    assert old in text
    (tmp_path / "mine.toml").write_text(text.replace(old, new, 1))
    result = run("hw", "check", tmp_path / "mine.toml")
    assert result.exit_code == 2
    assert found in result.stderr
    assert "mine.toml" in result.stderr


def test_hw_says_what_is_wrong(run, tmp_path: Path) -> None:
    assert "Try: 45nm" in run("hw", "show", "45mn").stderr
    assert "cannot be read" in run("hw", "check", tmp_path / "absent.toml").stderr


def test_target_list_has_every_target_with_its_passes(run) -> None:
    result = run("target", "list")
    assert result.exit_code == 0
    lines = result.stdout.splitlines()[1:]
    assert [line.split()[0] for line in lines] == list(targets.names())
    for line in lines:
        assert ", ".join(targets.load(line.split()[0]).pipeline) in line
