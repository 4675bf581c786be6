"""The interpreter that Lava needs: Python 3.10 with lava-nc, found or made.

lava-nc 0.10.0 does not import on the Python that spikec runs on, so it lives in an interpreter of its own.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from spikec.errors import ToolchainError

LAVA_VERSION = "0.10.0"
VARIABLE = "SPIKEC_LAVA_PYTHON"
MARKER = "complete.json"
CACHED = "cached environment"
INSTALL_HINT = "spikec doctor --install-lava"
PROBE_SECONDS = 120.0

_PROBE = (
    "import importlib.metadata as m, platform\n"
    "from lava.magma.core.run_configs import Loihi2SimCfg\n"
    "print('python', platform.python_version(), 'lava', m.version('lava-nc'), 'numpy', m.version('numpy'))\n"
)
_ANSWER = re.compile(r"^python (?P<python>\S+) lava (?P<lava>\S+) numpy (?P<numpy>\S+)$", re.MULTILINE)


@dataclass(frozen=True)
class LavaPython:
    """An interpreter in which lava-nc was imported, and where we learnt of it."""

    path: Path
    source: str
    python: str
    lava: str
    numpy: str


def cached_environment(environ: Mapping[str, str] | None = None) -> Path:
    """The folder of the environment that `install` makes: under XDG_CACHE_HOME, or ~/.cache."""
    environ = os.environ if environ is None else environ
    cache = environ.get("XDG_CACHE_HOME") or str(Path(environ.get("HOME") or Path.home()) / ".cache")
    return Path(cache) / "spikec" / f"lava-{LAVA_VERSION}"


def interpreter_of(folder: Path) -> Path:
    """The interpreter inside a cached environment's folder."""
    return folder / "env" / "bin" / "python"


def find(explicit: str | Path | None = None, environ: Mapping[str, str] | None = None) -> LavaPython:
    """The first interpreter that runs Lava: `explicit`, then SPIKEC_LAVA_PYTHON, then the cached environment.

    One that was asked for by name and does not work is an error, never passed over.

    Raises:
        ToolchainError: there is none, or the one asked for cannot import lava-nc 0.10.0.
    """
    environ = os.environ if environ is None else environ
    if explicit is not None:
        return probed(Path(explicit), "--lava-python", environ)
    if environ.get(VARIABLE):
        return probed(Path(environ[VARIABLE]), VARIABLE, environ)
    folder = cached_environment(environ)
    if (folder / MARKER).is_file():
        return probed(interpreter_of(folder), CACHED, environ)
    raise ToolchainError(
        found="no Python 3.10 with lava-nc was found",
        where="Lava's interpreter",
        expected=f"--lava-python PATH, {VARIABLE}, or a cached environment in {folder}",
        mend=INSTALL_HINT,
    )


def probed(path: Path, source: str, environ: Mapping[str, str] | None = None) -> LavaPython:
    """`path` with its versions, after importing Lava in it.

    Raises:
        ToolchainError: it cannot be run, cannot import lava-nc, or has another version of it.
    """
    # Absolute, since run.py is started from another folder; not resolved, since a link is what makes an environment.
    path = Path(shutil.which(path.expanduser()) or path).absolute()
    answer = run_quietly([str(path), "-c", _PROBE], environ)
    said = _ANSWER.search("" if isinstance(answer, str) else answer.stdout)
    if said is not None and said["lava"] == LAVA_VERSION:
        return LavaPython(path, source, said["python"], said["lava"], said["numpy"])
    if said is not None:
        problem = f"lava-nc {said['lava']}"
    else:
        problem = f"cannot import lava-nc: {answer if isinstance(answer, str) else answer.stdout.strip()}"
    raise ToolchainError(
        found=problem,
        where=f"{path} ({source})",
        expected=f"a Python 3.10 with lava-nc {LAVA_VERSION}",
        mend=INSTALL_HINT if source == CACHED else f"another path, or none after {INSTALL_HINT}",
    )


def clean_environment(environ: Mapping[str, str] | None = None) -> dict[str, str]:
    """`environ` without what would lead another interpreter to our own packages."""
    environ = os.environ if environ is None else environ
    ours = {"PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "PYTHONSTARTUP", "__PYVENV_LAUNCHER__"}
    return {**{k: v for k, v in environ.items() if k not in ours}, "PYTHONNOUSERSITE": "1"}


def run_quietly(
    command: list[str], environ: Mapping[str, str] | None = None, seconds: float = PROBE_SECONDS
) -> subprocess.CompletedProcess[str] | str:
    """The finished process, or why it did not work: its last line of error, in one line."""
    try:
        done = subprocess.run(
            command,
            env=clean_environment(environ),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=seconds,
            check=False,
        )
    except OSError as error:
        return error.strerror or str(error)
    except subprocess.TimeoutExpired:
        return f"no answer in {seconds:g} s"
    if done.returncode == 0:
        return done
    lines = (done.stderr.strip() or done.stdout.strip() or f"exit status {done.returncode}").splitlines()
    return lines[-1]
