"""The pages of the file doors: their examples run and print what they say, their tables are the readers'."""

from __future__ import annotations

import contextlib
import io
import logging
import re
import shlex
import warnings
from pathlib import Path

import nir
import pytest
from click.testing import CliRunner

from cli.main import spikec
from spikec.frontend.foreign import READERS
from spikec.frontend.netx import layers, neuron
from spikec.frontend.nir.plan import PARTS
from spikec.frontend.onnx.ends import PAIRS
from spikec.frontend.onnx.folding import FOLDS, NATIVE
from spikec.frontend.onnx.operators import OPERATORS
from spikec.frontend.onnx.source import OPSETS
from spikec.frontend.pt2 import neurons, schema
from spikec.frontend.pt2 import operators as aten
from spikec.frontend.pt2.unrolled import LEAKY

DOCS = Path(__file__).parents[2] / "docs"
PAGES = {".net": "from-netx.md", ".nir": "from-nir.md", ".onnx": "from-onnx.md", ".pt2": "from-pt2.md"}


def text(page: str) -> str:
    return (DOCS / page).read_text("utf-8")


def blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", text(page), re.MULTILINE | re.DOTALL)


def section(page: str, title: str) -> str:
    (found,) = re.findall(rf"^## {title}\n(.*?)(?=^## |\Z)", text(page), re.MULTILINE | re.DOTALL)
    return found


def first_column(table: str) -> list[str]:
    """The names in backticks in the first cell of every row."""
    return [name for row in re.findall(r"^\| (`.*?) \|", table, re.MULTILINE) for name in re.findall(r"`(\w+)`", row)]


def test_the_pages_are_of_doors_and_the_index_names_them() -> None:
    assert set(PAGES) <= set(READERS)
    for page in PAGES.values():
        assert f"({page})" in text("README.md")


@pytest.mark.parametrize("page", PAGES.values())
def test_its_example_runs_prints_what_it_says_and_is_taken_by_the_commands(page, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    (code,), (said,), (lines,) = (blocks(page, language) for language in ("python", "text", "sh"))
    logging.disable(logging.WARNING)
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()) as printed:
        warnings.simplefilter("ignore")
        exec(compile(code, page, "exec"), {"__name__": "example"})
    logging.disable(logging.NOTSET)
    assert printed.getvalue().rstrip() == said.rstrip()
    for line in lines.splitlines():
        result = CliRunner().invoke(spikec, shlex.split(line)[1:])
        assert result.exit_code == 0, f"{line}: {result.output}"
    assert len(lines.splitlines()) == 3


def test_the_nodes_of_nir_are_all_on_their_page() -> None:
    named = first_column(section("from-nir.md", "What a node becomes"))
    known = {name for name in nir.ir.__all__ if isinstance(getattr(nir, name), type)} - {"NIRNode"}
    assert sorted(named) == sorted(known) == sorted({*PARTS, "Delay", "NIRGraph"})


def test_the_operators_of_onnx_are_all_on_their_page() -> None:
    operators = section("from-onnx.md", "Operators")
    assert sorted(first_column(operators)) == sorted(OPERATORS)
    (alone,) = re.findall(r"^Operands without.*?(?=\n\n)", operators, re.MULTILINE | re.DOTALL)
    assert set(re.findall(r"`(\w+)`", alone)) == {*FOLDS, *NATIVE} - set(OPERATORS)
    assert f"Versions {OPSETS.start} to {OPSETS.stop - 1} " in operators
    for went, came in PAIRS:
        assert f"`{went.format('v')}` and `{came.format('v')}`" in " ".join(section("from-onnx.md", "Time").split())


def test_the_layers_and_neurons_of_netx_are_all_on_their_page() -> None:
    kinds, neurons = section("from-netx.md", "Layers").split("| neuron | |")
    rows = dict(re.findall(r"^\| (`.*?) \| (\w+)", kinds, re.MULTILINE))
    refused = [name for cell, word in rows.items() if word == "refused" for name in re.findall(r"`(\w+)`", cell)]
    assert sorted(refused) == sorted(layers.REFUSED)
    assert sorted(first_column(kinds)) == sorted({*layers.KINDS, *layers.REFUSED})
    rows = dict(re.findall(r"^\| (`.*?) \| (\w+)", neurons, re.MULTILINE))
    found = {word: re.findall(r"`(\w+)`", cell) for cell, word in rows.items()}
    assert sorted(found["taken"]) == sorted(neuron.TYPES)
    assert sorted(found["refused"]) == sorted(neuron.OTHER_KINDS)


def test_the_operators_and_neurons_of_pt2_are_all_on_their_page() -> None:
    table = section("from-pt2.md", "Operators")
    known = {name.split(".")[1] for name in aten.OPERATORS if name.startswith("aten.")}
    assert sorted(first_column(table)) == sorted(known)
    found = re.findall(r"^\| `(\w+)::(\w+)` \|", section("from-pt2.md", "Neurons"), re.MULTILINE)
    assert sorted(f"{space}.{name}.default" for space, name in found) == sorted({*neurons.NEURONS} - {LEAKY})
    assert f"({schema.SCHEMA_MAJOR} is known" in section("from-pt2.md", "What is refused")
