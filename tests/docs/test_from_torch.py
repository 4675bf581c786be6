"""The page of the torch door: its code runs, the command says what it prints, its tables are the tracer's."""

from __future__ import annotations

import re
import shlex
import sys
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from torch import nn
from torch.nn import functional as F

from cli.main import spikec
from spikec.errors import TraceError
from spikec.frontend.functions import FUNCTIONS, IN_PLACE
from spikec.frontend.tracer import trace

TEXT = (Path(__file__).parents[2] / "docs" / "from-torch.md").read_text("utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)


def section(title: str) -> str:
    (found,) = re.findall(rf"^## {title}\n(.*?)(?=^## |\Z)", TEXT, re.MULTILINE | re.DOTALL)
    return found


ROWS = re.findall(r"^\| `(.*?)` \| `(.*?)` \| ", section("What is refused, and why"), re.MULTILINE)


def test_its_network_is_traced_shown_and_estimated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (lines,), (said,) = blocks("sh"), blocks("text")
    (tmp_path / "mynet.py").write_text(blocks("python")[0])
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(sys.modules, "mynet", raising=False)
    try:
        results = [CliRunner().invoke(spikec, shlex.split(line)[1:]) for line in lines.splitlines()]
    finally:
        sys.modules.pop("mynet", None)
    assert [result.exit_code for result in results] == [0, 0, 0], results[-1].output
    assert results[0].stderr.startswith(said)


def test_the_help_of_the_command_says_that_code_is_run() -> None:
    words = " ".join(CliRunner().invoke(spikec, ["trace", "--help"]).output.split())
    assert "With --arch, this imports and runs the code that it names" in words


def test_its_networks_of_snntorch_and_spikingjelly_run() -> None:
    exec(compile("\n".join(blocks("python")), "docs/from-torch.md", "exec"), {"__name__": "example"})


def test_every_function_that_is_taken_is_named() -> None:
    names = {getattr(function, "__name__", "") for function in (*FUNCTIONS, *IN_PLACE)}
    wanted = {name for name in names if not name.startswith("__")} | {"mT"}
    named = set(re.findall(r"`(\w+)`", section("Functions that are taken").partition("Hooks are")[0])) - {"None"}
    assert named == wanted
    spelled = [getattr(place, name, None) for name in wanted - {"mT"} for place in (torch, torch.Tensor, F)]
    assert [f for f in spelled if callable(f) and f not in FUNCTIONS and f not in IN_PLACE] == []


class Net(nn.Module):
    def __init__(self, code: str) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.fc = nn.Linear(4, 4)
        self.run = eval(f"lambda m, x: {code}", {"torch": torch, "F": F})

    def forward(self, x: torch.Tensor) -> object:
        return self.run(self, x)


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize(("code", "said"), ROWS, ids=[row[0] for row in ROWS])
def test_what_the_page_says_is_refused_is_refused_in_these_words(code: str, said: str) -> None:
    with pytest.raises(TraceError) as caught:
        trace(Net(code).eval(), (4,), layout="TBX", steps=3)
    assert said in str(caught.value), str(caught.value)


def test_the_table_of_refusals_is_read() -> None:
    assert len(ROWS) == 16
