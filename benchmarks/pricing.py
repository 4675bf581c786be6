"""Pricing given counts of spikformer-4-384 on 45nm against a forward pass of one sample: the inner loop of search."""

from __future__ import annotations

import numpy as np
import torch
from pairs import line

from hwmodels.registry import load
from spikec.cost import Policy
from spikec.run.interp import Interpreter
from spikec.tasks.networks import network_of, new
from spikec.tasks.pricing import legal

MOST = 0.02
TIMES = 20

if __name__ == "__main__":
    torch.set_num_threads(1)
    model, policy = new("spikformer-4-384", replay=False), Policy()
    network = network_of(model)
    image = torch.from_numpy(np.random.default_rng(0).random((1, 3, 32, 32), dtype=np.float32))

    @torch.no_grad()
    def forward() -> None:
        """The network's own forward pass."""
        network(image)

    for name in ("45nm", "loihi2"):
        chip = load(name)
        graph, _ = legal(model.graph, chip, policy)
        counts = Interpreter(torch.float32).count(graph, {"input": image.numpy()}, chip.probes(graph, policy))
        work = f"prices of spikformer-4-384's counts on {name}, T=4, 1 thread"
        bound = f"at most {MOST}"
        names = ("price", "torch forward")
        print(line(work, lambda: chip.price(graph, counts, policy), forward, names, bound, times=TIMES))  # noqa: B023
