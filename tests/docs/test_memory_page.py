"""The page of memory: its example prints what it says, its numbers are the chip file's."""

from __future__ import annotations

import contextlib
import io
import re
from pathlib import Path

from hwmodels.policies import preset
from hwmodels.registry import load
from spikec.cost import Policy

TEXT = (Path(__file__).parents[2] / "docs" / "memory.md").read_text("utf-8")


def block(language: str) -> str:
    (found,) = re.findall(rf"^```{language}\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
    return found


def test_its_example_prints_what_it_says() -> None:
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        exec(compile(block("python"), "docs/memory.md", "exec"), {})
    assert printed.getvalue() == block("text")


def test_its_constants_are_the_chips() -> None:
    memory = load("45nm-memory").memory
    at_zero, slope = memory.line
    assert f"{at_zero} pJ + {slope:g} pJ a bit".replace("e-05", "e-5") in TEXT
    assert f"DRAM's {memory.dram_pj:g} pJ" in TEXT
    assert f"{memory.fifo_words['piecewise']:,} messages" in TEXT
    prices = ", ".join(f"{energy:g}" for _, energy in memory.points)
    assert prices == "10, 20, 100"
    assert "gives 10 pJ for a 64-bit access to 8 kB of SRAM, 20 to 32 kB, 100 to 1 MB" in TEXT


def test_it_says_what_the_preset_sets() -> None:
    policy, default = preset("lemaire").policy, Policy()
    changed = {name: getattr(policy, name) for name in Policy.choices()}
    said = {name: value for name, value in changed.items() if value != getattr(default, name)}
    assert all(f"`{name} = {value}`" in TEXT for name, value in said.items())
    assert len(re.findall(r"`\w+ = [\w-]+`", TEXT)) == len(said)
