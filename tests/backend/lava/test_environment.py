"""Finding and making Lava's interpreter, with shell scripts in the place of interpreters."""

import os
import sys
from pathlib import Path

import pytest

from spikec.backend.lava.environment import MARKER, cached_environment, find, interpreter_of
from spikec.backend.lava.install import install, python310s
from spikec.errors import OutputError, ToolchainError

LAVA = """case "$2" in *lava*) echo python 3.10.13 lava 0.10.0 numpy 1.26.4 ;; *) echo "$0" ;; esac"""
# Makes an environment whose interpreter is LAVA, as `python -m venv TARGET` would.
MAKES_VENV = f"""
if [ "$1 $2" = "-m venv" ]; then
  mkdir -p "$3/bin"; printf '%s\\n' '#!/bin/sh' '{LAVA}' > "$3/bin/python"
  chmod +x "$3/bin/python"; echo made >> "$HOME/made"; exit 0
fi
echo "$0"
"""


def script(path: Path, body: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "bin").mkdir()
    return {"HOME": str(tmp_path), "PATH": f"{tmp_path / 'bin'}:/usr/bin:/bin"}


def only_ours(environ: dict[str, str]) -> list[Path]:
    return [path for path in python310s(environ) if path.is_relative_to(environ["HOME"])]


def test_none_found_says_what_to_do(environ: dict[str, str]) -> None:
    with pytest.raises(ToolchainError, match=r"SPIKEC_LAVA_PYTHON.*spikec doctor --install-lava"):
        find(environ=environ)


def test_the_option_goes_before_the_variable_and_that_before_the_cache(environ: dict[str, str]) -> None:
    home = Path(environ["HOME"])
    folder = cached_environment(environ)
    script(interpreter_of(folder), LAVA)
    (folder / MARKER).write_text("{}")
    assert find(environ=environ).source == "cached environment"
    environ["SPIKEC_LAVA_PYTHON"] = str(script(home / "variable", LAVA))
    assert find(environ=environ).path == home / "variable"
    found = find(script(home / "option", LAVA), environ)
    assert (found.path, found.lava, found.python) == (home / "option", "0.10.0", "3.10.13")


def test_the_cache_honours_xdg(environ: dict[str, str]) -> None:
    assert cached_environment(environ) == Path(environ["HOME"], ".cache", "spikec", "lava-0.10.0")
    assert cached_environment({**environ, "XDG_CACHE_HOME": "/c"}) == Path("/c/spikec/lava-0.10.0")


def test_an_environment_without_its_marker_is_no_environment(environ: dict[str, str]) -> None:
    script(interpreter_of(cached_environment(environ)), LAVA)
    with pytest.raises(ToolchainError, match=r"no Python 3\.10 with lava-nc"):
        find(environ=environ)


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("echo 'pyenv: python3.10: command not found' >&2; exit 127", "command not found"),
        ("echo \"ModuleNotFoundError: No module named 'lava'\" >&2; exit 1", "No module named"),
        ("echo python 3.10.1 lava 0.9.0 numpy 1.26.4", "lava-nc 0.9.0"),
        ("echo nonsense", "nonsense"),
    ],
)
def test_one_that_was_asked_for_and_does_not_work_is_an_error(environ: dict[str, str], body: str, says: str) -> None:
    broken = script(Path(environ["HOME"], "broken"), body)
    with pytest.raises(ToolchainError, match=says):
        find(broken, environ)


def test_one_that_is_not_there_is_an_error(environ: dict[str, str]) -> None:
    with pytest.raises(ToolchainError, match=r"/nowhere/python \(--lava-python\).*No such file"):
        find("/nowhere/python", environ)


def test_a_relative_path_is_made_absolute(environ: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    script(Path(environ["HOME"], "py"), LAVA)
    monkeypatch.chdir(environ["HOME"])
    assert find("./py", environ).path == Path(environ["HOME"], "py")


def test_our_own_interpreter_is_refused_for_what_it_lacks(environ: dict[str, str]) -> None:
    with pytest.raises(ToolchainError, match=r"cannot import lava-nc.*expected a Python 3\.10"):
        find(sys.executable, environ)


def test_a_shim_that_refuses_to_run_is_passed_over_for_pyenvs_versions(environ: dict[str, str]) -> None:
    home = Path(environ["HOME"])
    script(home / "root" / "shims" / "python3.10", "echo 'pyenv: not installed' >&2; exit 127")
    real = script(home / "root" / "versions" / "3.10.13" / "bin" / "python3.10", 'echo "$0"')
    environ["PATH"] = f"{home / 'root' / 'shims'}:{environ['PATH']}"
    assert only_ours(environ) == [real]


def test_another_python_is_no_candidate(environ: dict[str, str]) -> None:
    script(Path(environ["HOME"], "bin", "python3"), "echo ''")
    assert only_ours(environ) == []


def test_installs_once_and_marks_it_complete(environ: dict[str, str]) -> None:
    home = Path(environ["HOME"])
    script(home / "bin" / "python3.10", MAKES_VENV)
    made = install(environ)
    assert made.path == interpreter_of(cached_environment(environ))
    assert find(environ=environ).path == made.path
    assert install(environ).path == made.path
    assert (home / "made").read_text().split() == ["made"]


def test_an_interrupted_install_is_made_anew(environ: dict[str, str]) -> None:
    home = Path(environ["HOME"])
    script(interpreter_of(cached_environment(environ)), "exit 1")
    script(home / "bin" / "python3.10", MAKES_VENV)
    assert install(environ).lava == "0.10.0"


def test_a_broken_cache_is_made_anew(environ: dict[str, str]) -> None:
    folder = cached_environment(environ)
    script(interpreter_of(folder), "exit 1")
    (folder / MARKER).write_text("{}")
    script(Path(environ["HOME"], "bin", "python3.10"), MAKES_VENV)
    said: list[str] = []
    assert install(environ, said.append).lava == "0.10.0"
    assert "broken" in said[0]


def test_uv_is_used_where_no_python_310_runs(environ: dict[str, str]) -> None:
    home = Path(environ["HOME"])
    environ["PATH"] = str(home / "bin")
    for tool in ("mkdir", "chmod"):
        (home / "bin" / tool).symlink_to(f"/bin/{tool}")
    made = MAKES_VENV.replace('"$1 $2" = "-m venv"', '"$1" = venv').replace("$3", "$5")
    script(home / "bin" / "uv", f"[ $1 = venv ] && echo $4 > $HOME/asked\n{made}")
    assert install(environ).lava == "0.10.0"
    assert (home / "asked").read_text().strip() == "3.10"


def test_no_way_to_install_names_the_ways_out_and_leaves_nothing(environ: dict[str, str]) -> None:
    environ["PATH"] = str(Path(environ["HOME"], "bin"))
    script(
        Path(environ["HOME"], "bin", "python3.10"),
        '[ "$1" = -c ] && echo "$0" || { echo no venv here >&2; exit 1; }',
    )
    with pytest.raises(ToolchainError, match=r"no venv here.*pyenv install 3\.10, or uv"):
        install(environ)
    left = {path.name for path in cached_environment(environ).iterdir()}
    assert left == {"lock"}


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_cache_that_cannot_be_written_is_said(environ: dict[str, str]) -> None:
    Path(environ["HOME"]).chmod(0o555)
    with pytest.raises(OutputError, match="XDG_CACHE_HOME"):
        install(environ)


def test_a_cache_whose_place_is_a_file_is_said(environ: dict[str, str]) -> None:
    Path(environ["HOME"], ".cache").write_text("")
    with pytest.raises(OutputError, match="XDG_CACHE_HOME"):
        install(environ)
