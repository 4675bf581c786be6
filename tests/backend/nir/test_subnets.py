"""Subnets of the digits space as .nir files: the door gives back the graph that was written, to the last bit."""

import itertools
from pathlib import Path

import numpy as np
import pytest
import torch

from passes.manager import run
from spikec.backend.compare import compare
from spikec.backend.nir.dialect import FILE
from spikec.backend.nir.writer import write
from spikec.backend.registry import load
from spikec.frontend.foreign import read
from spikec.search import spacefile
from spikec.search.genome import Genome
from spikec.snn.graph_builder import build_graph
from spikec.snn.spikformer import new_spikformer
from spikec.tasks.subnets import config_of

SPACE = spacefile.load("digits")
CLASSES = 10


def assert_comes_back(genome: Genome, folder: Path) -> None:
    config = config_of(SPACE, genome, CLASSES)
    module = new_spikformer(config, torch.Generator().manual_seed(sum(map(hash, genome.globals.values()))))
    graph = run(build_graph(config, module.state_dict()), load("nir", "extended").pipeline).graph
    write(graph, folder, "extended")
    found = read(folder / FILE)
    assert found.graph.text() == graph.text()
    assert found.graph.sha256 == graph.sha256
    assert compare(graph, found.graph).differences == ()
    assert found.encoder == "direct"
    assert found.graph.steps == config.steps
    (folder / FILE).unlink()


def subnets(count: int) -> list[Genome]:
    """Random ones, alternating between all depths, so that every value of every gene is among them."""
    random = np.random.default_rng(0)
    wanted, found = itertools.cycle((1, 2, 3)), []
    while len(found) < count:
        depth = next(wanted)
        found.append(next(g for g in (SPACE.sample(random) for _ in range(1000)) if g.globals["depth"] == depth))
    return found


def genes(genomes: list[Genome]) -> set[tuple[str, float]]:
    return {pair for genome in genomes for part in (genome.globals, *genome.blocks) for pair in part.items()}


def test_the_smallest_and_the_largest_come_back(tmp_path):
    for genome in (subnets(1)[0], SPACE.largest()):
        assert_comes_back(genome, tmp_path)


@pytest.mark.full
def test_subnets_of_every_value_of_every_gene_come_back(tmp_path):
    genomes = subnets(15)
    values = {"depth": 3, "width": 3, "steps": 4, "ratio": 3, "heads": 2, "threshold": 4, "tau": 3}
    assert {gene: sum(name == gene for name, _ in genes(genomes)) for gene in values} == values
    for genome in genomes:
        assert_comes_back(genome, tmp_path)


@pytest.mark.long
def test_every_shape_of_a_block_comes_back_in_every_width_and_depth(tmp_path):
    """All ratios and heads of one block; thresholds, time constants and T change no more than weights and the run."""
    first = subnets(3)
    for base, width, ratio, heads in itertools.product(first, (32, 48, 64), (2, 3, 4), (2, 4)):
        blocks = tuple({**block, "ratio": ratio, "heads": heads} for block in base.blocks)
        assert_comes_back(Genome({**base.globals, "width": width}, blocks), tmp_path)
