"""Runs the network of this folder in Lava: `python run.py [--input FILE.npz] [--out FILE.npz]`.

Needs Python 3.10 with lava-nc 0.10.0 and numpy < 2. The input file holds one array for every input of the
network: [samples, ...] for a value that holds at every step, [steps, samples, ...] for one that changes.
The output file holds `spikes/NODE` and `membranes/NODE` of every neuron layer, [steps, samples, ...], and
`outputs/VALUE`.
"""

import argparse
import json
import os
import shutil
import signal
import sys
import tempfile

import numpy as np

FOLDER = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, FOLDER)

from spikec_lava.protocol import checked_inputs, reduced_outputs  # noqa: E402  (after the path is set)
from spikec_lava.supervise import RunFailed, supervise  # noqa: E402


def parse(arguments):
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--input", default=os.path.join(FOLDER, "inputs.npz"), help="default: inputs.npz beside run.py")
    parser.add_argument("--out", default="lava-out.npz", help="default: lava-out.npz")
    parser.add_argument("--steps", type=int, metavar="T", help="default: the network's own")
    parser.add_argument("--timeout", type=float, default=600.0, metavar="SECONDS", help="default: 600")
    return parser.parse_args(arguments)


def main(arguments=None):
    """Runs every sample and writes what the network did; the exit status."""
    options = parse(arguments)
    job = tempfile.mkdtemp(prefix="spikec-lava-")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the worker's session is ended with us
    try:
        with open(os.path.join(FOLDER, "network.json"), encoding="utf-8") as file:
            description = json.load(file)
        steps = options.steps or description["steps"]
        np.savez(os.path.join(job, "inputs.npz"), **checked_inputs(description, options.input, steps))
        supervise(FOLDER, job, steps, options.timeout)
        with open(os.path.join(job, "done.json"), encoding="utf-8") as file:
            done = json.load(file)
        results = collected(description, done)
        write(options.out, results)
    except (OSError, ValueError, RunFailed) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    finally:
        shutil.rmtree(job, ignore_errors=True)
    show(done, results, options.out)
    return 0


def collected(description, done):
    """Everything recorded, by the names of the output file."""
    arrays = {(kind, name): np.load(path, mmap_mode="r") for kind, name, path in done["records"]}
    results = {f"{kind}/{name}": array for (kind, name), array in arrays.items() if kind != "value"}
    values = {name: array for (kind, name), array in arrays.items() if kind == "value"}
    for name, array in reduced_outputs(description, values).items():
        results[f"outputs/{name}"] = array
    return results


def write(path, results):
    """Writes the output file under its name only when it is whole."""
    part = f"{path}.{os.getpid()}.part.npz"
    try:
        np.savez(part, **results)
        os.replace(part, path)
    finally:
        if os.path.exists(part):
            os.remove(part)


def show(done, results, path):
    """Prints what ran and how live it was."""
    print(f"{done['processes']} processes, {done['samples']} samples of {done['steps']} steps:", end=" ")
    print(f"compiled in {done['compile_s']:.1f} s, ran in {done['run_s']:.1f} s")
    for name in sorted(results):
        if name.startswith("spikes/"):
            print(f"  {name[len('spikes/') :]:<40} rate {results[name].mean():.4f}")
    print(f"wrote {path}")


if __name__ == "__main__":
    sys.exit(main())
