"""Spikformer-4-384 (1.45 million neurons) on loihi2: partition, placement and run on cores, against forward passes.

The forward pass is torch's own, of the network that is mapped, one sample, T = 4; its BatchNorm statistics are those
of a few images, without which hardly a neuron fires and there is no traffic to place by. Mapping is what `estimate
--map` does beside running the network: partition, the questions to the runner, placement and the run on cores.
"""

from __future__ import annotations

import resource

import numpy as np
import torch
from pairs import line

from hwmodels.registry import load
from spikec.cost import Policy
from spikec.run.interp import Interpreter
from spikec.snn.registry import network_config
from spikec.snn.supernet import recalibrate
from spikec.tasks.networks import graph_of, untrained
from spikec.tasks.pricing import legal

MOST_PASSES = 20
MOST_MEMORY_GB = 2
IMAGES = 8


if __name__ == "__main__":
    torch.set_num_threads(1)
    network, chip, policy = untrained(network_config("spikformer-4-384"), 0), load("loihi2"), Policy()
    images = torch.from_numpy(np.random.default_rng(0).random((IMAGES, 3, 32, 32), dtype=np.float32))
    recalibrate(network, images)
    image = images[:1]
    graph, _ = legal(graph_of(network, replay=False)[0], chip, policy)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    @torch.no_grad()
    def forward() -> None:
        """The network's own forward pass."""
        network(image)

    def partition() -> object:
        """Cores of every layer, and who sends to which."""
        planned = chip.plan(graph, policy)
        return chip.probes(graph, policy, planned)

    plan = chip.plan(graph, policy)
    counts = Interpreter(torch.float32).count(graph, {"input": image.numpy()}, chip.probes(graph, policy, plan))

    def whole() -> object:
        """The same, with placement and the run on cores."""
        planned = chip.plan(graph, policy)
        chip.probes(graph, policy, planned)
        return chip.price(graph, counts, policy, chip.place(planned, counts))

    names = ("mapping", "torch forward")
    bound = f"at most {MOST_PASSES}"
    print(line("partition of spikformer-4-384 on loihi2, T=4, 1 thread", partition, forward, names, bound))
    print(line("the same, placed and run on cores", whole, forward, names, bound))
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    grown = (after - before) / 1e6
    bound = f"at most {MOST_MEMORY_GB} GB"
    print(f"memory, of it beyond the loaded network   {after / 1e6:.2f} GB, {grown:.2f} GB   {bound}")
