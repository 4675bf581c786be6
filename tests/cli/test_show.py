"""spikec show."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from spikec.ir.text import parse
from spikec.model import Model, load


def test_text_parses_back_and_begins_with_the_summary(run, model: Path, small: Model) -> None:
    result = run("show", model)
    assert result.exit_code == 0
    assert result.stderr == ""
    assert result.stdout.startswith(f"# small: {small.graph.parameters:,} parameters, ")
    assert parse(result.stdout, small.graph.weights).sha256 == small.graph.sha256


def test_passes_change_what_is_shown_and_written(run, model: Path, small: Model, tmp_path: Path) -> None:
    out = tmp_path / "passed.pt"
    result = run("show", model, "--passes", "fold-batchnorm, hoist-repeat", "-o", out)
    assert result.exit_code == 0
    assert "# passes: fold-batchnorm, hoist-repeat" in result.stdout
    saved = load(out)
    assert parse(result.stdout, saved.graph.weights).sha256 == saved.graph.sha256
    assert saved.graph.sha256 != small.graph.sha256
    assert "batch_norm" not in result.stdout
    assert f"written: {out}" in result.stderr
    assert run("show", out).stdout == result.stdout
    assert run("train", out, "--data", "digits", "-o", tmp_path / "x.pt").exit_code == 2


def test_print_after_goes_to_stderr(run, model: Path) -> None:
    passes = ("--passes", "fold-batchnorm,hoist-repeat,hoist-repeat")
    result = run("show", model, *passes, "--print-after", "fold-batchnorm", "--print-after", "hoist-repeat")
    assert result.exit_code == 0
    first, _, second = result.stderr.partition("# after hoist-repeat\n")
    assert first.startswith("# after fold-batchnorm\ngraph(")
    assert "%repeat = repeat(%input)" in first
    assert "conv2d(%input;" in second
    assert second.rstrip().endswith("# hoist-repeat changed nothing")


def test_json_and_dot_are_of_the_same_graph(run, model: Path, small: Model) -> None:
    plain = json.loads(run("show", model, "--format", "json").stdout)
    assert plain["summary"]["graph_sha256"] == small.graph.sha256
    assert len(plain["nodes"]) == len(small.graph.nodes)
    dot = run("show", model, "--format", "dot").stdout
    assert dot.count("[label=") == len(small.graph.nodes)
    assert "digraph" in dot


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (("--passes", "fold-batchnrom"), "Try: fold-batchnorm"),
        (("--passes", "fold-batchnorm", "--print-after", "hoist-repeat"), "expected one of: fold-batchnorm"),
        (("--print-after", "quantize"), "--print-after quantize without --passes"),
        (("--format", "png"), "--help"),
    ],
)
def test_wrong_usage_is_2_and_prints_nothing(run, model: Path, words: tuple[str, ...], found: str) -> None:
    result = run("show", model, *words)
    assert result.exit_code == 2
    assert found in result.stderr
    assert result.stdout == ""


def test_an_existing_file_is_left_as_it_was_without_force(run, model: Path) -> None:
    before = model.read_bytes()
    assert run("show", model, "--passes", "fold-batchnorm", "-o", model).exit_code == 2
    assert model.read_bytes() == before
    assert run("show", model, "--passes", "fold-batchnorm", "-o", model, "--force").exit_code == 0
    assert model.read_bytes() != before


@pytest.mark.parametrize("content", [None, b"", b"PK\x03\x04 cut", b"\x80\x04N.", b"text"])
def test_files_that_are_no_models_are_refused(run, tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "bad.pt").write_bytes(content)
    result = run("show", tmp_path / "bad.pt")
    assert result.exit_code == 2
    assert "bad.pt" in result.stderr
