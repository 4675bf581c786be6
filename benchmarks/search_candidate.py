"""One screened candidate of the digits space against one plain forward pass of the same subnet on the same samples.

A candidate is: extract, recompute BatchNorm statistics on 256 images, build and fold the graph, count events on 256
images, predict the other 104, price. The subnet is the space's largest, untrained.
"""

from __future__ import annotations

import torch
from pairs import line

from spikec.snn.supernet import Supernet
from spikec.tasks.search_setup import SearchSettings, set_up
from spikec.tasks.subnets import SCREEN_STATISTICS, Subnets, config_of

if __name__ == "__main__":
    torch.set_num_threads(1)
    setup = set_up(SearchSettings())
    genome = setup.space.largest()
    config = config_of(setup.space, genome, len(setup.dataset.classes))
    supernet = Supernet(config, torch.Generator().manual_seed(0))
    subnets = Subnets(supernet, setup.space, setup.dataset, setup.hardware, setup.settings.policy)
    network = subnets.network(genome, SCREEN_STATISTICS)
    samples = torch.from_numpy(setup.dataset.validation.samples)

    @torch.no_grad()
    def forward() -> None:
        """The module on the whole validation part."""
        network(samples)

    work = "a screened candidate, digits' largest subnet, T=4, 360 images, 1 thread"
    print(line(work, lambda: subnets.screen(genome), forward, ("candidate", "torch forward")))
