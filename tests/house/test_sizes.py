"""A file is read in one sitting, a function at one look: where both end."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MOST_LINES = 400
MOST_STATEMENT_LINES = 50  # without signature and docstring
ROOMS = ("spikec", "cli", "hwmodels", "passes", "tests")
FILES = sorted(path for room in ROOMS for path in (ROOT / room).rglob("*.py"))


def too_long(source: str) -> list[str]:
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            body = node.body[1:] if ast.get_docstring(node) else node.body
            if body and (node.end_lineno or 0) - body[0].lineno >= MOST_STATEMENT_LINES:
                found.append(node.name)
    return found


def test_the_files_are_found() -> None:
    assert len(FILES) > 300
    assert {path.relative_to(ROOT).parts[0] for path in FILES} == set(ROOMS)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_file_and_no_function_is_too_long(path: Path) -> None:
    source = path.read_text("utf-8")
    assert len(source.splitlines()) <= MOST_LINES
    assert too_long(source) == []


@pytest.mark.parametrize(("lines", "found"), [(50, []), (51, ["f"])])
def test_a_function_that_is_too_long_is_seen(lines: int, found: list[str]) -> None:
    assert too_long('def f():\n    """Words."""\n' + "    x = 0\n" * lines) == found
