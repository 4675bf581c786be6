"""Runs an exported network in Lava, under the interpreter that has it, and gives what it did.

The program is the one that spikec ships, not the one that lies in the folder: an export of unknown origin is data.
"""

from __future__ import annotations

import subprocess
import tempfile
from functools import partial
from pathlib import Path

from spikec.backend.arrays import write_arrays
from spikec.backend.golden import read_golden
from spikec.backend.lava.environment import LavaPython, clean_environment, find
from spikec.backend.lava.program import staged
from spikec.errors import VerificationFailed
from spikec.target import Arrays, Executor, Traces

TIMEOUT_SECONDS = 600.0
# run.py ends by itself at its timeout and tidies up; only a run.py that hangs is ended from here.
GRACE_SECONDS = 30.0


def runtime(path: str | None = None) -> Executor:
    """`execute` under the interpreter that `path` names, or that is found.

    Raises:
        ToolchainError: there is none, or it cannot run Lava.
    """
    return partial(execute, python=find(path))


def execute(
    folder: Path,
    inputs: Arrays,
    steps: int,
    python: LavaPython | None = None,
    timeout_s: float = TIMEOUT_SECONDS,
) -> Traces:
    """Runs the network of `folder` as a subprocess: spikes and membranes of every neuron layer, and the outputs.

    Args:
        folder: what the writer wrote; its run.py is not run (see `spikec.backend.lava.program`).
        inputs: an array for each input: [samples, *shape] where once, [T, samples, *shape] where per step.
        steps: T.
        python: the interpreter; found (`spikec.backend.lava.environment.find`) unless given.
        timeout_s: after which the run is ended.

    Raises:
        ToolchainError: no interpreter with Lava was found.
        VerificationFailed: the network failed in Lava, or did not end in time; with the traceback.
    """
    python = python or find()
    with tempfile.TemporaryDirectory(prefix="spikec-lava-") as scratch:
        given, out = Path(scratch, "inputs.npz"), Path(scratch, "out.npz")
        write_arrays(given, inputs)
        command = [
            str(python.path),
            str(staged(folder, Path(scratch, "export"))),
            "--input",
            str(given),
            "--out",
            str(out),
        ]
        command += ["--steps", str(steps), "--timeout", str(timeout_s)]
        run(command, scratch, timeout_s, folder)
        _, traces = read_golden(out)
        return traces


def run(command: list[str], scratch: str, timeout_s: float, folder: Path) -> None:
    """Runs the command to a good end; what fails is said of `folder`.

    Raises:
        VerificationFailed: it ended badly, or did not end.
    """
    environ = {**clean_environment(), "TMPDIR": scratch, "PYTHONDONTWRITEBYTECODE": "1"}
    process = subprocess.Popen(
        command,
        env=environ,
        cwd=scratch,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
    )
    try:
        _, errors = process.communicate(timeout=timeout_s + GRACE_SECONDS)
    except subprocess.TimeoutExpired as error:
        raise VerificationFailed(f"run.py did not end within {timeout_s:g} s", where=str(folder)) from error
    finally:
        end(process)  # on Ctrl-C as well
    if process.returncode != 0:
        raise VerificationFailed(f"run.py failed: {errors.strip()[-4000:]}", where=str(folder))


def end(process: subprocess.Popen[str]) -> None:
    """Ends run.py where it still runs, softly first: it then ends the processes that it started."""
    if process.poll() is not None:
        return
    process.terminate()
    try:
        process.wait(timeout=10.0)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
