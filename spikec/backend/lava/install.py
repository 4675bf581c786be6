"""Makes the cached environment for Lava from whatever Python 3.10 this machine has."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from spikec.backend.lava.environment import (
    CACHED,
    LAVA_VERSION,
    MARKER,
    LavaPython,
    cached_environment,
    interpreter_of,
    probed,
    run_quietly,
)
from spikec.errors import ToolchainError
from spikec.files import cannot_write, write_json

REQUIREMENTS = (f"lava-nc=={LAVA_VERSION}", "numpy<2", "networkx<=2.8.7")
INSTALL_SECONDS = 1800.0


def install(environ: Mapping[str, str] | None = None, say: Callable[[str], None] = lambda _: None) -> LavaPython:
    """Makes the cached environment, or gives the one that is complete already.

    An environment holds its own path in many files, so it is built under its final name; it counts only once
    the marker beside it is there, which is written last. A second installer waits for the first.

    Args:
        environ: the process environment to look in (PATH, HOME, PYENV_ROOT, XDG_CACHE_HOME).
        say: takes lines of progress.

    Raises:
        ToolchainError: no Python 3.10 can be run and uv is not there, or every way of installing failed.
        OutputError: the cache folder cannot be written.
    """
    environ = os.environ if environ is None else environ
    folder = cached_environment(environ)
    with locked(folder):
        if (folder / MARKER).is_file():
            try:
                return probed(interpreter_of(folder), CACHED, environ)
            except ToolchainError as error:
                say(f"the cached environment is broken and is made anew: {error.found}")
                (folder / MARKER).unlink()
        return build(folder, environ, say)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Holds the lock of `folder`, which is made where it is missing."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / "lock").open("w")
    except OSError as error:
        found = cannot_write(folder, error)
        found.mend = "set XDG_CACHE_HOME to a folder that can be written"
        raise found from error
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def build(folder: Path, environ: Mapping[str, str], say: Callable[[str], None]) -> LavaPython:
    """Tries every way of making the environment in turn; the first that imports Lava is kept."""
    failures: list[str] = []
    for name, commands in ways(folder / "env", environ):
        say(f"making {folder / 'env'} with {name}")
        shutil.rmtree(folder / "env", ignore_errors=True)
        failure = run_all(commands, environ)
        if failure is None:
            made = probed(interpreter_of(folder), CACHED, environ)
            write_marker(folder, made)
            return made
        failures.append(f"{name}: {failure}")
        shutil.rmtree(folder / "env", ignore_errors=True)
    raise ToolchainError(
        found="; ".join(failures) or "no Python 3.10 can be run, on PATH or under pyenv, and uv is not installed",
        where="installing lava-nc",
        expected=f"a Python 3.10 and a package index that has {', '.join(REQUIREMENTS)}",
        mend="install Python 3.10 (pyenv install 3.10, or uv), then spikec doctor --install-lava; "
        "or name an interpreter that has lava-nc with --lava-python",
    )


def ways(target: Path, environ: Mapping[str, str]) -> Iterator[tuple[str, list[list[str]]]]:
    """Every way to fill `target`, as a name and its commands: venv from each Python 3.10, then uv."""
    python = str(target / "bin" / "python")
    candidates = list(python310s(environ))
    for base in candidates:
        make = [str(base), "-m", "venv", str(target)]
        fill = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *REQUIREMENTS]
        yield str(base), [make, fill]
    uv = shutil.which("uv", path=environ.get("PATH"))
    if uv is not None:
        # uv sees pyenv's shims only, which may refuse to run: it is given the interpreter's own path.
        base_name = str(candidates[0]) if candidates else "3.10"
        make = [uv, "venv", "--quiet", "--python", base_name, str(target)]
        yield (
            f"uv and {base_name}",
            [make, [uv, "pip", "install", "--quiet", "--python", python, *REQUIREMENTS]],
        )


def python310s(environ: Mapping[str, str]) -> Iterator[Path]:
    """Every Python 3.10 that really runs: on PATH, then under pyenv's versions."""
    seen: set[str] = set()
    for candidate in candidates_of(environ):
        answer = run_quietly(
            [
                str(candidate),
                "-c",
                "import sys; print(sys.executable if sys.version_info[:2] == (3, 10) else '')",
            ],
            environ,
            seconds=20.0,
        )
        found = "" if isinstance(answer, str) else answer.stdout.strip()
        real = os.path.realpath(found)
        if found and real not in seen:
            seen.add(real)
            yield candidate


def candidates_of(environ: Mapping[str, str]) -> Iterator[Path]:
    """Files that may be a Python 3.10, without having run them."""
    folders = [Path(entry) for entry in environ.get("PATH", "").split(os.pathsep) if entry]
    for name in ("python3.10", "python3", "python"):
        yield from (folder / name for folder in folders if os.access(folder / name, os.X_OK))
    roots = [Path(environ["PYENV_ROOT"])] if environ.get("PYENV_ROOT") else []
    roots += [folder.parent for folder in folders if folder.name == "shims"]
    roots += [Path(environ.get("HOME") or Path.home()) / ".pyenv"]
    for root in dict.fromkeys(roots):
        yield from sorted(root.glob("versions/3.10*/bin/python3.10"), reverse=True)


def run_all(commands: list[list[str]], environ: Mapping[str, str]) -> str | None:
    """None where every command worked, else what the first that failed said last."""
    for command in commands:
        answer = run_quietly(command, environ, INSTALL_SECONDS)
        if isinstance(answer, str):
            return f"'{' '.join(command[:4])} ...' failed: {answer}"
    return None


def write_marker(folder: Path, made: LavaPython) -> None:
    """Declares the environment complete, in one step."""
    write_json(folder / MARKER, {"python": made.python, "lava": made.lava, "numpy": made.numpy})
