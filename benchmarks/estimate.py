"""One estimate of SpikingJelly's own Spikformer-4-384, batch 16, T = 4, against its `estimate_simple_energy`.

Ours is all that `spikec estimate` does once a model is loaded: the chip's passes, the run, exact counts, prices. It
runs on one thread, as it always does; so does the peer, and in the second line the peer has two.
"""

from __future__ import annotations

import sys

import numpy as np
import torch
from pairs import line

from hwmodels.registry import load
from spikec.cost import Policy
from spikec.frontend.tracer import trace
from spikec.tasks.pricing import price

STEPS, BATCH, PAIRS = 4, 16, 7
NAMES = ("spikec", "SpikingJelly")
BOUND = "at most 1"

if __name__ == "__main__":
    try:
        from spikingjelly.activation_based import functional
        from spikingjelly.activation_based.model.spikformer import spikformer_cifar10
        from spikingjelly.activation_based.op_counter.simple_energy import estimate_simple_energy
    except ImportError as missing:
        print(f"left out: {missing.name} is not there (make oracles installs it)", file=sys.stderr)
        sys.exit()
    torch.manual_seed(0)
    network = spikformer_cifar10(T=STEPS).eval()
    images = np.random.default_rng(0).random((BATCH, 3, 32, 32), dtype=np.float32)
    # Not replayed in fp64, which takes a minute: a trace of this network is held to it by the tests.
    graph = trace(network, (3, 32, 32), layout="BX", steps=STEPS, check=False)
    chip, policy = load("45nm"), Policy()

    def ours() -> object:
        """Passes, run, exact counts, prices."""
        return price(graph, images, STEPS, chip, policy)

    @torch.no_grad()
    def theirs() -> object:
        """One forward pass under SpikingJelly's counter."""
        functional.reset_net(network)
        return estimate_simple_energy(network, torch.from_numpy(images))

    for threads in (1, 2):
        torch.set_num_threads(threads)
        work = f"an estimate of spikformer_cifar10, batch {BATCH}, T={STEPS}, peer on {threads} thread(s)"
        print(line(work, ours, theirs, NAMES, BOUND, pairs=PAIRS))
