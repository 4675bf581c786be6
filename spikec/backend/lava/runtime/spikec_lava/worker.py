"""Builds the network and runs it in Lava's runtime; run.py starts this file in a session of its own."""

import json
import os
import sys
import time
import traceback

import numpy as np
from lava.magma.core.run_conditions import RunSteps
from lava.magma.core.run_configs import Loihi2SimCfg

from spikec_lava.network import Network

# Every channel holds one message a step, so two places are enough; the default of 64 would need as many times
# the memory of every value in the network.
COMPILE = {"pypy_channel_size": 2}


def run(folder, job, steps):
    """Runs every sample of job/inputs.npz, one after the other in one run, and writes job/done.json."""
    with np.load(os.path.join(job, "inputs.npz"), allow_pickle=False) as stored:
        inputs = {name: np.asarray(stored[name], dtype=np.float64) for name in stored.files}
    begun = time.perf_counter()
    network = Network(folder, job, inputs, steps)
    first = network.processes[0]
    first.create_runtime(run_cfg=Loihi2SimCfg(), compile_config=COMPILE)
    compiled = time.perf_counter()
    first.run(condition=RunSteps(num_steps=network.samples * network.steps))
    ran = time.perf_counter()
    first.stop()
    done = {
        "samples": network.samples,
        "steps": network.steps,
        "processes": len(network.processes),
        "compile_s": compiled - begun,
        "run_s": ran - compiled,
        "records": [[kind, name, path] for (kind, name), path in network.records.items()],
    }
    with open(os.path.join(job, "done.json"), "w", encoding="utf-8") as file:
        json.dump(done, file)


def main():
    """Runs the job; whatever is raised is written where run.py looks, since Lava may hang while it ends."""
    folder, job, steps = sys.argv[1:4]
    try:
        run(folder, job, int(steps))
    except BaseException:
        path = os.path.join(job, "errors", "worker.txt")
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path + ".part", "w", encoding="utf-8") as file:
            file.write(f"building or running the network failed:\n{traceback.format_exc()}")
        os.replace(path + ".part", path)
        raise


if __name__ == "__main__":
    main()
