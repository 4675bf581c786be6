from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikec.errors import SpaceError, UnknownName
from spikec.search import spacefile
from spikec.search.genome import Genome

COUNTS = {
    "auto-spikformer-mixed": 8_659_768_320,
    "auto-spikformer-ss": 995_328,
    "auto-spikformer-st-large": 8_061_120,
    "auto-spikformer-st-small": 6_192,
    "autost-base": 281_474_976_706_560,
    "autost-small": 13_060_693_980,
    "autost-tiny": 290_237_640,
    "digits": 4_542_048,
}

spaces = st.sampled_from(sorted(COUNTS))
seeds = st.integers(0, 2**32)
chances = st.floats(0.0, 1.0)


@pytest.mark.parametrize("name", spacefile.names())
def test_counts_are_exact(name):
    assert spacefile.load(name).count() == COUNTS[name]


def test_every_index_is_a_subnet_of_its_own(small):
    assert small.count() == 60
    everything = [small.at(index) for index in range(60)]
    assert len(set(everything)) == 60
    assert all(small.validate(genome) == genome for genome in everything)
    for index in (-1, 60):
        with pytest.raises(SpaceError, match="0 to 59"):
            small.at(index)


@given(spaces, seeds)
def test_samples_are_of_the_space(name, seed):
    space = spacefile.load(name)
    genome = space.sample(np.random.default_rng(seed))
    assert space.validate(genome).to_json() == genome.to_json()


def test_samples_draw_each_value_alike(small):
    rng = np.random.default_rng(0)
    drawn = [small.sample(rng) for _ in range(3000)]
    assert len(set(drawn)) == 60
    depths = Counter(genome.depth for genome in drawn)
    widths = Counter(genome.globals["width"] for genome in drawn)
    assert min(depths.values()) > 1400
    assert min(widths.values()) > 900


@given(spaces, seeds, chances, chances)
def test_mutants_and_children_are_of_the_space(name, seed, depth_probability, gene_probability):
    space, rng = spacefile.load(name), np.random.default_rng(seed)
    a, b = space.sample(rng), space.sample(rng)
    mutant = space.mutate(a, rng, depth_probability, gene_probability)
    child = space.cross(a, b, rng)
    assert space.validate(mutant).to_json() == mutant.to_json()
    assert space.validate(child).to_json() == child.to_json()


@given(spaces, seeds)
def test_each_gene_of_a_child_is_a_parents(name, seed):
    space, rng = spacefile.load(name), np.random.default_rng(seed)
    a, b = space.sample(rng), space.sample(rng)
    child = space.cross(a, b, rng)
    assert child.depth in (a.depth, b.depth)
    for gene in space.globals:
        assert child.globals[gene.name] in (a.globals[gene.name], b.globals[gene.name])
    for index, block in enumerate(child.blocks):
        parents = [p.blocks[index] for p in (a, b) if index < p.depth]
        assert all(block[g.name] in [p[g.name] for p in parents] for g in space.blocks)


def test_a_child_mixes_both_parents(digits):
    rng = np.random.default_rng(0)
    children = [digits.cross(digits.largest(), digits.corners()[0], rng) for _ in range(400)]
    assert {child.depth for child in children} == {1, 3}
    assert 100 < sum(child.globals["width"] == 64 for child in children) < 300
    assert 100 < sum(child.blocks[0]["ratio"] == 4 for child in children) < 300


def test_mutation_redraws_what_its_probabilities_say(digits):
    rng = np.random.default_rng(0)
    genome = digits.largest()
    assert digits.mutate(genome, rng, 0.0, 0.0) == genome
    cut = [digits.mutate(genome, rng, 1.0, 0.0) for _ in range(300)]
    assert all(other.blocks == genome.blocks[: other.depth] for other in cut)
    assert all(other.globals["width"] == 64 for other in cut)
    assert 60 < sum(other.depth == 1 for other in cut) < 140
    redrawn = [digits.mutate(genome, rng, 0.0, 1.0) for _ in range(300)]
    assert all(other.depth == 3 for other in redrawn)
    for gene in digits.globals:
        assert {other.globals[gene.name] for other in redrawn} == set(gene.values)
    for gene in digits.blocks:
        assert {block[gene.name] for other in redrawn for block in other.blocks} == set(gene.values)
    # A quarter is redrawn, of which two thirds are another width.
    changed = sum(digits.mutate(genome, rng, 0.0, 0.25).globals["width"] != 64 for _ in range(3000))
    assert 430 < changed < 570


def test_a_grown_genome_keeps_its_blocks_and_draws_new_ones(digits):
    rng = np.random.default_rng(0)
    genome = digits.corners()[0]
    grown = [digits.mutate(genome, rng, 1.0, 0.0) for _ in range(100)]
    assert {g.depth for g in grown} == {1, 2, 3}
    assert all(g.blocks[0] == genome.blocks[0] for g in grown)
    assert len({g.blocks[1] for g in grown if g.depth > 1}) > 20


def test_the_ends_and_corners(digits):
    lively, quiet = {"threshold": 0.6, "tau": 1.25}, {"threshold": 1.2, "tau": 4.0}
    usual = {"threshold": 1.0, "tau": 2.0}
    large, small = {"ratio": 4, "heads": 4}, {"ratio": 2, "heads": 2}
    top, bottom = {"depth": 3, "width": 64, "steps": 4}, {"depth": 1, "width": 32, "steps": 1}
    assert digits.largest() == Genome(top, [large | usual] * 3)
    assert set(digits.corners()) == {
        Genome(shape, [block | neuron] * shape["depth"])
        for shape, block in ((top, large), (bottom, small))
        for neuron in (lively, quiet)
    }
    assert len(spacefile.load("autost-tiny").corners()) == 2


def test_a_foreign_genome_is_refused_with_what_and_where(digits):
    good = digits.corners()[0]
    block = dict(good.blocks[0])
    with pytest.raises(SpaceError, match=r"globals, gene width: 33; expected one of 32, 48, 64"):
        digits.validate(Genome({**good.globals, "width": 33}, [block]))
    with pytest.raises(SpaceError, match=r"block 0, gene tau: missing"):
        digits.validate(Genome(good.globals, [{k: v for k, v in block.items() if k != "tau"}]))
    with pytest.raises(UnknownName, match="heads") as caught:
        digits.validate(Genome(good.globals, [block | {"haeds": 2}]))
    assert caught.value.nearest == ("heads",)
    with pytest.raises(SpaceError, match="gene depth: 4"):
        digits.validate(Genome({**good.globals, "depth": 4}, [block] * 4))
    with pytest.raises(UnknownName, match="ratio"):
        digits.gene("ration")


def test_validation_spells_numbers_as_the_space_does(small):
    genome = Genome({"depth": 1, "width": 8.0}, [{"ratio": 1, "tau": 2}])
    assert small.validate(genome).to_json() == ('{"blocks":[{"ratio":1.0,"tau":2}],"globals":{"depth":1,"width":8}}')
