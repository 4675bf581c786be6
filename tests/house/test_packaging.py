"""The wheel holds the four packages and their data, and its command runs from a clean environment."""

import os
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROOMS = {"spikec", "hwmodels", "passes", "cli"}
DATA = (".toml", ".html", ".jinja", ".css", ".js", ".npz", ".csv", ".json")

pytestmark = pytest.mark.full


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel built from a copy of the tree, so that no build folder is left in the tree."""
    source = tmp_path_factory.mktemp("source")
    names = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    ).stdout.decode()
    for name in filter(None, names.split("\0")):
        if (ROOT / name).is_file():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).write_bytes((ROOT / name).read_bytes())
    out = tmp_path_factory.mktemp("wheel")
    built = subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out), str(source)],
        capture_output=True,
        text=True,
    )
    assert built.returncode == 0, built.stderr + built.stdout
    (path,) = out.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def contents(wheel):
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def test_the_wheel_installs_exactly_four_names(contents):
    top = {name.split("/")[0] for name in contents}
    assert {name for name in top if not name.endswith(".dist-info")} == ROOMS


def test_the_wheel_holds_every_module_and_data_file(contents):
    wanted = {
        path.relative_to(ROOT).as_posix()
        for room in ROOMS
        for path in (ROOT / room).rglob("*")
        if (path.suffix in (".py", *DATA) or path.name == "py.typed") and "__pycache__" not in path.parts
    }
    assert {f"{room}/py.typed" for room in ROOMS} <= wanted
    assert wanted <= contents, f"not in the wheel: {sorted(wanted - contents)}"


def test_the_wheel_carries_the_licence(contents):
    assert any(name.endswith("licenses/LICENSE") for name in contents)


def test_the_command_runs_from_a_clean_environment(wheel, tmp_path):
    """Of the dependencies only click is there, which is all that --help needs; nothing is downloaded."""
    clean = tmp_path / "clean"
    venv.create(clean, with_pip=False, symlinks=True)
    python = clean / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet"]
    away = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    subprocess.run([*pip, "--no-deps", "--no-index", str(wheel)], check=True, capture_output=True, env=away)
    (site,) = clean.glob("lib/python*/site-packages")
    import click

    (site / "click").symlink_to(Path(click.__file__).parent)

    run = {"capture_output": True, "text": True, "cwd": tmp_path, "env": {"PATH": ""}}
    result = subprocess.run([clean / "bin" / "spikec", "--help"], **run)
    assert result.returncode == 0, result.stderr
    assert "Usage: spikec" in result.stdout
    where = subprocess.run([python, "-c", "import spikec; print(spikec.__file__)"], **run)
    assert Path(where.stdout.strip()).is_relative_to(clean)
    assert subprocess.run([python, "-c", "import torch"], **run).returncode != 0
