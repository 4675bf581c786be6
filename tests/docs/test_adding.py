"""The pages of ops and passes: their examples run as a stranger's would, and say what they print."""

from __future__ import annotations

import contextlib
import importlib
import io
import json
import re
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from cli.main import spikec
from spikec.ir.ops import OPS
from spikec.ir.text import parse
from spikec.ir.types import Role, constant
from spikec.model import InputSpec, Model, save
from spikec.run.kernels import KERNELS

DOCS = Path(__file__).parents[2] / "docs"
TEXT = """graph(%x: spike step [4]) steps 3
%q = lif(%x; beta=one, v_threshold=one) {decay_input=False} @cell
%m = time_mean(%q)
return %m
"""


def blocks(page: str, language: str) -> list[str]:
    text = (DOCS / page).read_text("utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def printed(code: str, module: str) -> str:
    """What the code prints, its classes in a module of that name, as in a file of it."""
    sys.modules[module] = type(sys)(module)
    with contextlib.redirect_stdout(io.StringIO()) as out:
        exec(compile(code, module, "exec"), sys.modules[module].__dict__)
    return out.getvalue()


def test_the_example_of_an_op_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    known, kernels = dict(OPS), dict(KERNELS)
    monkeypatch.setitem(sys.modules, "absolute", None)  # taken away again behind the test
    try:
        assert (
            printed("\n".join(blocks("adding-an-op.md", "python")), "absolute") == blocks("adding-an-op.md", "text")[0]
        )
        assert set(OPS) - set(known) == {"absolute"}
        kind = OPS["absolute"]
        text = "graph(%x: DOMAIN step [2]) steps 1\n%y = absolute(%x)\nreturn %y\n"
        for domain, expected in (("int(2,5)", "int(2,5)"), ("int(-5,-2)", "int(2,5)"), ("real", "real")):
            graph = parse(text.replace("DOMAIN", domain), {})
            assert (str(graph.types["y"].domain), type(graph.node("y").op)) == (expected, kind)
    finally:
        for table, before in ((OPS, known), (KERNELS, kernels)):
            table.clear()
            table.update(before)


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The package of the page, as an installer would leave it; gives its module's name."""
    (toml,) = blocks("adding-a-pass.md", "toml")
    project = tomllib.loads(toml)["project"]
    ((name, value),) = project["entry-points"]["spikec.pass"].items()
    module = value.partition(":")[0]
    site = tmp_path / "site"
    info = site / f"{module}-{project['version']}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n")
    (info / "entry_points.txt").write_text(f"[spikec.pass]\n{name} = {value}\n")
    (site / f"{module}.py").write_text(blocks("adding-a-pass.md", "python")[0])
    monkeypatch.syspath_prepend(str(site))
    importlib.invalidate_caches()
    monkeypatch.delitem(sys.modules, module, raising=False)
    return module


def test_the_example_of_a_pass_runs(package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "its_test", None)
    _, test = blocks("adding-a-pass.md", "python")
    assert printed(test, "its_test").strip() == blocks("adding-a-pass.md", "text")[0].strip()


def test_the_command_line_takes_a_strangers_pass(package: str, tmp_path: Path) -> None:
    graph = parse(TEXT, {"one": constant(1.0)})
    assert graph.weights["one"].role is Role.CONSTANT
    save(Model("m", graph, InputSpec((4,), "frames", 3)), tmp_path / "model.pt")
    words = ["show", str(tmp_path / "model.pt"), "--passes", "plain-if"]
    run = CliRunner().invoke(spikec, words)
    assert run.exit_code == 0, run.output
    assert "%q = if(%x; v_threshold=one) @cell" in run.stdout
    assert "# passes: plain-if" in run.stdout


def keys_of(page: str) -> set[str]:
    return set(re.findall(r"`(\w+)`", (DOCS / page).read_text("utf-8")))


def test_every_key_of_the_json_of_show_is_on_the_page_of_passes(tmp_path: Path) -> None:
    text = TEXT.replace("(%x;", "(%f;").replace("%q =", "%f = linear(%x; weight=w)\n%q =", 1)
    weights = {"one": constant(1.0), "w": constant(0.0)}
    weights["w"] = type(weights["w"])(np.ones((4, 4)), Role.PARAMETER)
    save(Model("m", parse(text, weights), InputSpec((4,), "frames", 3)), tmp_path / "model.pt")
    run = CliRunner().invoke(spikec, ["show", str(tmp_path / "model.pt"), "--format", "json"])
    assert run.exit_code == 0, run.output
    found = json.loads(run.stdout)
    keys = {*found, *found["summary"], *found["input"], *found["nodes"][0], *found["weights"]["w"]}
    assert not keys - keys_of("passes.md")
    assert [node["macs"] for node in found["nodes"]] == [16, 0, 0]
