"""Runs the worker in a session of its own and ends it: when it is done, fails, or takes too long."""

import os
import signal
import subprocess
import sys
import time
from glob import glob

POLL_SECONDS = 0.05
GRACE_SECONDS = 5.0
# One thread a process: the processes are the parallelism, and BLAS pools would fight over the cores.
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


class RunFailed(Exception):
    """The network did not run to its end; the message says why, with the traceback where there is one."""


def supervise(folder, job, steps, timeout_s):
    """Runs the job to its end.

    Raises:
        RunFailed: a process model or the worker failed, or time ran out.
    """
    # Compiling loads every file beside a process once for each: byte code pays, but must not litter here.
    bytecode = os.path.join(job, "bytecode")
    environment = {**os.environ, **ONE_THREAD, "PYTHONPATH": folder, "PYTHONPYCACHEPREFIX": bytecode}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    log = os.path.join(job, "worker.log")
    with open(log, "wb") as output:
        worker = subprocess.Popen(
            [sys.executable, "-m", "spikec_lava.worker", folder, job, str(steps)],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        watch(worker, job, time.monotonic() + timeout_s, timeout_s)
    finally:
        end(worker)


def watch(worker, job, deadline, timeout_s):
    """Waits for the worker's end, an error file or the deadline, whichever is first."""
    while True:
        status = worker.poll()
        errors = sorted(glob(os.path.join(job, "errors", "*.txt")), key=os.path.getmtime)
        if errors:
            raise RunFailed(read(errors[0]))
        if status is not None:
            if status == 0 and os.path.exists(os.path.join(job, "done.json")):
                return
            raise RunFailed(f"the worker ended with status {status}:\n{read(os.path.join(job, 'worker.log'))[-4000:]}")
        if time.monotonic() > deadline:
            raise RunFailed(f"the network did not end within {timeout_s:g} s (--timeout)")
        time.sleep(POLL_SECONDS)


def read(path):
    """A text file."""
    with open(path, encoding="utf-8", errors="replace") as file:
        return file.read()


def end(worker):
    """Ends all of the worker's session.

    SIGTERM first: it spares Python's resource tracker, which then unlinks the shared memory of the channels.
    """
    deadline = time.monotonic() + GRACE_SECONDS
    try:
        os.killpg(worker.pid, signal.SIGTERM)
        while time.monotonic() < deadline:
            worker.poll()
            os.killpg(worker.pid, 0)
            time.sleep(POLL_SECONDS)
        os.killpg(worker.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass  # the session is empty
    worker.wait()
