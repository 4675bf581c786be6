"""The pages tell the truth: links, command lines, ops, passes, reports and blocks that run."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import numpy as np
import pytest

from cli.main import COMMANDS, spikec
from passes.manager import PASSES
from spikec.cost import SCHEMA_VERSION, Policy, Report
from spikec.ir.builder import GraphBuilder
from spikec.ir.linear import Linear
from spikec.ir.neurons import LIF
from spikec.ir.op_table import op_table_markdown
from spikec.ir.ops import OPS
from spikec.ir.text import parse, parse_type
from spikec.ir.time import Repeat, TimeMean
from spikec.ir.types import TensorType, Timing, constant, weight_of
from spikec.model import Calibration, InputSpec, Model
from spikec.snn.graph_builder import build_graph
from spikec.snn.registry import network_config
from spikec.snn.spikformer import Spikformer
from spikec.tasks.estimation import estimate
from spikec.tasks.rates import read_rates

ROOT = Path(__file__).parents[2]
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
NAMES = [str(page.relative_to(ROOT)) for page in PAGES]


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def typed(line: str) -> str:
    """The part of an example that goes to spikec: without a comment, a pipe or a redirection."""
    return re.split(r"\s{2,}|\s[|>#]\s", line.strip())[0]


def command_lines() -> list[tuple[str, str]]:
    """Every line of an indented or fenced block that begins with `spikec`, and every example in a command's help."""
    found = []
    for page in PAGES:
        fences = re.findall(r"^```(\w*)\n(.*?)^```", page.read_text("utf-8"), re.MULTILINE | re.DOTALL)
        fenced = "\n".join(text for language, text in fences if language in ("", "sh", "console"))
        indented = re.findall(r"^ {4,}(?:\$ )?(spikec .*)$", page.read_text("utf-8"), re.MULTILINE)
        lines = [*indented, *re.findall(r"^(?:\$ )?(spikec .*)$", fenced, re.MULTILINE)]
        found += [(str(page.relative_to(ROOT)), typed(line)) for line in lines]
    for name in COMMANDS:
        examples = re.findall(r"^ {2}(spikec .*)$", command_of(name).help or "", re.MULTILINE)
        found += [(f"spikec {name} --help", typed(line)) for line in examples]
    return list(dict.fromkeys(found))


def command_of(name: str) -> click.Command:
    command = spikec.get_command(click.Context(spikec), name)
    assert command is not None, name
    return command


def report() -> Report:
    """A real report, small."""
    b = GraphBuilder(steps=2)
    x = b.add(Repeat(), b.input("x", TensorType((3,), timing=Timing.ONCE)))
    y = b.add(Linear(), x, weights={"weight": np.ones((4, 3), np.float32)}, scope="fc")
    q = b.add(LIF(), y, weights={"tau": 2.0, "v_threshold": 1.0}, scope="lif")
    batch = Calibration(np.ones((2, 3), np.float32), np.arange(2), "made")
    (found,) = estimate(Model("m", b.graph(b.add(TimeMean(), q)), InputSpec((3,), "direct", 2), calibration=batch))
    assert isinstance(found, Report)
    return found


def test_the_committed_table_of_ops_is_the_generated_one() -> None:
    assert (ROOT / "docs" / "ops.md").read_text("utf-8") == op_table_markdown(), "scripts/make-docs writes it anew"
    assert set(re.findall(r"^## (\w+)$", op_table_markdown(), re.MULTILINE)) == set(OPS)


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text("utf-8")):
        if "://" not in target:
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_there_are_commands_to_check() -> None:
    assert len(command_lines()) >= 12
    assert {shlex.split(line)[1] for _, line in command_lines()} >= {"search", "estimate", "export", "verify", "trace"}


@pytest.mark.parametrize(("page", "line"), command_lines())
def test_every_command_line_parses(page: str, line: str) -> None:
    """Options exist, their values are of their kinds, and nothing that is required is missing; nothing is run."""
    name, *words = shlex.split(line)[1:]
    command, context = command_of(name), click.Context(spikec, info_name="spikec")
    while isinstance(command, click.Group):
        context = click.Context(command, parent=context, info_name=name)
        name, *words = words
        found = command.get_command(context, name)
        assert found is not None, f"{page}: {line}"
        command = found
    try:
        command.make_context(name, words, parent=context)
    except click.UsageError as error:
        pytest.fail(f"{page}: {line}: {error.format_message()}")


@pytest.mark.parametrize("suffix", ["json", "csv"])
def test_the_rates_of_the_page_of_estimates_are_read(tmp_path: Path, suffix: str) -> None:
    (text,) = blocks((ROOT / "docs" / "estimate.md").read_text("utf-8"), suffix)
    path = tmp_path / f"rates.{suffix}"
    path.write_text(text)
    config = network_config("spikformer-digits")
    rates = read_rates(path, build_graph(config, Spikformer(config).state_dict()), config.steps).rates.rates
    assert rates["stem.conv1", 0] == 0.258
    assert rates["blocks.0.attn.matmul", 0] == 0.03  # its own, before that of the neuron behind it
    assert rates["blocks.0.attn.matmul", 1] == 0.07


def test_every_key_of_a_report_is_on_the_page_of_estimates() -> None:
    text = (ROOT / "docs" / "estimate.md").read_text("utf-8")
    plain = report().to_dict()
    inner = [plain[key] for key in ("model", "hardware", "data", "totals", "ann")]
    keys = {*plain, *(key for part in (*inner, plain["hardware"]["terms"][0], plain["nodes"][0]) for key in part)}
    assert plain["schema_version"] == SCHEMA_VERSION == 1
    assert not {key for key in keys if f"`{key}`" not in text}


def test_the_first_text_of_the_page_of_graphs_parses() -> None:
    first = blocks((ROOT / "docs" / "ir.md").read_text("utf-8"), "text")[0]
    scalars = {f"stem.lif.{slot}": constant(2.0) for slot in ("tau", "v_threshold")}
    weights = {"stem.conv.weight": weight_of(np.ones((4, 3, 3, 3), np.float32)), **scalars}
    assert parse(first, weights).text() == first


def test_every_type_on_the_page_of_graphs_is_one() -> None:
    text = (ROOT / "docs" / "ir.md").read_text("utf-8")
    found = re.findall(r"`((?:real|spike|int\([^)`]*\)) (?:step|once) \[[0-9,]*\])`", text)
    assert len(found) >= 4
    assert [str(parse_type(one)) for one in found] == found


def test_files_that_the_code_names_are_there() -> None:
    sources = [path for room in ("cli", "hwmodels", "passes", "spikec") for path in (ROOT / room).rglob("*.py")]
    named = {name for path in sources for name in re.findall(r"docs/[\w/-]+\.md", path.read_text("utf-8"))}
    named |= {
        name for page in PAGES for name in re.findall(r"`((?:spikec|passes|hwmodels)/[\w/]+\.py)`", page.read_text())
    }
    assert "docs/estimate.md" in named
    assert not {name for name in named if not (ROOT / name).exists()}


def test_python_blocks_of_the_model_page_run() -> None:
    code = "\n".join(blocks((ROOT / "docs" / "model.md").read_text("utf-8"), "python"))
    assert "trace(" in code
    exec(compile(code, "docs/model.md", "exec"), {})


@pytest.mark.parametrize("name", sorted(PASSES))
def test_every_pass_is_on_the_page_of_passes(name: str) -> None:
    assert f"| `{name}` |" in (ROOT / "docs" / "passes.md").read_text("utf-8")


@pytest.mark.parametrize("field", sorted(Policy.choices()))
def test_every_field_of_policy_is_on_its_page(field: str) -> None:
    assert f"`{field}`" in (ROOT / "docs" / "policy.md").read_text("utf-8")


def test_every_command_is_in_the_changelog() -> None:
    text = (ROOT / "CHANGELOG.md").read_text("utf-8")
    assert not [name for name in COMMANDS if f"`{name}`" not in text and f"`spikec {name}`" not in text]
