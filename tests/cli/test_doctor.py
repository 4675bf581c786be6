"""spikec doctor."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from cli.doctor import doctor
from cli.main import spikec


@pytest.fixture(autouse=True)
def no_lava(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SPIKEC_LAVA_PYTHON", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))


def test_lists_versions_and_says_how_to_get_lava() -> None:
    result = CliRunner().invoke(doctor)
    assert result.exit_code == 0
    assert "torch" in result.output
    assert "not found" in result.output
    assert "--install-lava" in " ".join(result.output.split())


def test_says_where_lava_was_found(tmp_path: Path) -> None:
    python = tmp_path / "py"
    python.write_text("""#!/bin/sh\necho python 3.10.13 lava 0.10.0 numpy 1.26.4\n""")
    python.chmod(0o755)
    result = CliRunner().invoke(doctor, ["--lava-python", str(python)])
    assert result.exit_code == 0
    assert "0.10.0" in result.output
    assert "--lava-python" in result.output


@pytest.mark.parametrize("named", ["option", "variable"])
def test_an_interpreter_that_was_named_and_does_not_work_is_an_error(
    monkeypatch: pytest.MonkeyPatch, named: str
) -> None:
    words = ["--lava-python", "/nope"] if named == "option" else []
    if named == "variable":
        monkeypatch.setenv("SPIKEC_LAVA_PYTHON", "/nope")
    result = CliRunner().invoke(spikec, ["doctor", *words])
    assert result.exit_code == 2
    assert "torch" in result.stdout  # the rest of the answer is given
    assert "not found" in result.stdout
    assert "error: /nope (" in result.stderr
