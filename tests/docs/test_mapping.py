"""The page of mapping: its example runs and prints what it says."""

from __future__ import annotations

import contextlib
import io
import re
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "mapping.md"


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL)


def test_the_example_prints_what_the_page_says() -> None:
    with contextlib.redirect_stdout(io.StringIO()) as out:
        exec(compile(blocks("python")[0], "mapping.md", "exec"), {})
    assert out.getvalue() == blocks("text")[0]
