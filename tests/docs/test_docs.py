"""The pages tell the truth: links, options, ops, passes and Python blocks."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest

from cli.main import COMMANDS, spikec
from passes.manager import PASSES
from spikec.cost import Policy
from spikec.ir.op_table import op_table_markdown
from spikec.ir.ops import OPS

ROOT = Path(__file__).parents[2]
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
NAMES = [str(page.relative_to(ROOT)) for page in PAGES]


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def command_lines() -> list[tuple[str, str]]:
    found = []
    for page in PAGES:
        for line in re.findall(r"^(?: {4}|    \$ )(spikec .*)$", page.read_text("utf-8"), re.MULTILINE):
            found.append((str(page.relative_to(ROOT)), line.split("  #")[0].split(" | ")[0].strip()))
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
def test_every_command_line_has_options_that_exist(page: str, line: str) -> None:
    words = shlex.split(line)[1:]
    command: click.Command | None = spikec.get_command(click.Context(spikec), words[0])
    assert command is not None
    while isinstance(command, click.Group) and len(words) > 1:
        words = words[1:]
        command = command.get_command(click.Context(command), words[0])
        assert command is not None, f"{page}: {line}"
    known = {option for parameter in command.params for option in parameter.opts}
    assert {word.split("=")[0] for word in words[1:] if word.startswith("-")} <= known, f"{page}: {line}"


def test_python_blocks_of_the_model_page_run() -> None:
    code = "\n".join(blocks((ROOT / "docs" / "model.md").read_text("utf-8"), "python"))
    assert "trace(" in code
    exec(compile(code, "docs/model.md", "exec"), {})


@pytest.mark.parametrize("name", sorted(PASSES))
def test_every_pass_is_on_the_page_of_graphs(name: str) -> None:
    assert f"`{name}`" in (ROOT / "docs" / "ir.md").read_text("utf-8")


@pytest.mark.parametrize("field", sorted(Policy.choices()))
def test_every_field_of_policy_is_on_its_page(field: str) -> None:
    assert f"`{field}`" in (ROOT / "docs" / "policy.md").read_text("utf-8")


def test_every_command_is_in_the_changelog() -> None:
    text = (ROOT / "CHANGELOG.md").read_text("utf-8")
    assert not [name for name in COMMANDS if f"`{name}`" not in text and f"`spikec {name}`" not in text]
