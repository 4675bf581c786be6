"""What every sampler has to pass, whatever it does."""

import subprocess
import sys

import numpy as np
import pytest

from spikec.errors import StudyError, UnknownName
from spikec.search.objectives import Objective
from spikec.search.sampler import SAMPLERS, make_sampler

NAMES = sorted(SAMPLERS)


@pytest.fixture
def begin(synthetic, digits):
    """A sampler at its beginning, small enough that a few dozen trials are several generations."""

    def make(name, seed=0, space=digits):
        rng = np.random.default_rng(seed)
        return make_sampler(name, space, synthetic.OBJECTIVES, rng, synthetic.OPTIONS[name])

    return make


def run(sampler, evaluate, trials):
    genomes = []
    for _ in range(trials):
        genomes.append(sampler.ask())
        sampler.tell(genomes[-1], evaluate(genomes[-1]))
    return genomes


@pytest.mark.parametrize("name", NAMES)
def test_a_seed_fixes_the_trials(name, begin, synthetic):
    one, again, other = (run(begin(name, seed), synthetic.evaluate, 60) for seed in (0, 0, 1))
    assert one == again
    assert one != other


@pytest.mark.parametrize("name", NAMES)
def test_genomes_are_valid_and_never_twice(name, begin, synthetic, digits):
    genomes = run(begin(name), synthetic.evaluate, 120)
    assert len(set(genomes)) == 120
    assert all(digits.validate(genome).to_json() == genome.to_json() for genome in genomes)


@pytest.mark.parametrize("name", NAMES)
def test_a_space_is_used_up_to_the_last_subnet(name, begin, small):
    sampler = begin(name, space=small)
    genomes = run(sampler, lambda genome: {"accuracy": 0.5, "energy_pj": 1.0 + genome.depth}, small.count())
    assert len(set(genomes)) == small.count() == 60
    with pytest.raises(StudyError, match="all 60 subnets of space small"):
        sampler.ask()


@pytest.mark.parametrize("name", NAMES)
def test_replayed_equals_uninterrupted_at_every_cut(name, begin, synthetic):
    whole = run(begin(name), synthetic.evaluate, 48)
    for cut in range(48):
        sampler = begin(name)
        assert run(sampler, synthetic.evaluate, cut) == whole[:cut]
        assert sampler.ask() == whole[cut]


@pytest.mark.parametrize("name", NAMES)
def test_workers_may_hold_several_and_tell_in_any_order(name, begin, synthetic):
    def spread(seed):
        sampler, order = begin(name), np.random.default_rng(seed)
        held, genomes = [], []
        for _ in range(80):
            genomes.append(sampler.ask())
            held.append(genomes[-1])
            while len(held) > 5 or (held and order.random() < 0.4):
                genome = held.pop(int(order.integers(len(held))))
                sampler.tell(genome, synthetic.evaluate(genome))
        return genomes

    assert len(set(spread(3))) == 80
    assert spread(3) == spread(3)


@pytest.mark.parametrize("name", NAMES)
def test_genomes_that_fail_are_passed_over(name, begin, synthetic):
    sampler, genomes = begin(name), []
    for number in range(60):
        genomes.append(sampler.ask())
        if number % 3:
            sampler.tell(genomes[-1], synthetic.evaluate(genomes[-1]))
    assert len(set(genomes)) == 60


@pytest.mark.parametrize("name", NAMES)
def test_a_value_that_is_no_value_is_refused_and_not_learnt(name, begin, synthetic):
    sampler, untouched = begin(name), begin(name)
    for genome in run(untouched, synthetic.evaluate, 7):
        assert sampler.ask() == genome
        for bad in ({}, {"accuracy": 0.5}, {"accuracy": float("nan"), "energy_pj": 1.0}):
            with pytest.raises(StudyError):
                sampler.tell(genome, bad)
        sampler.tell(genome, synthetic.evaluate(genome))
    for _ in range(20):
        genome = sampler.ask()
        assert genome == untouched.ask()
        for each in (sampler, untouched):
            each.tell(genome, synthetic.evaluate(genome))


@pytest.mark.parametrize("name", NAMES)
def test_an_unknown_option_is_refused_by_name(name, digits, synthetic):
    with pytest.raises(StudyError, match=f"options of {name}: populaton is unknown"):
        make_sampler(name, digits, synthetic.OBJECTIVES, np.random.default_rng(0), {"populaton": 4})


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("nsga2", {"population": 1}, "population: .*2, found 1"),
        ("nsga2", {"mutation": 1.5}, "mutation: .*1, found 1.5"),
        ("evolution", {"gene_mutation": -0.1}, "gene_mutation"),
        ("evolution", {"parents": "many"}, "parents: .*integer.*'many'"),
        ("evolution", {"populatio": 8}, r"populatio is unknown \(did you mean population"),
    ],
)
def test_options_out_of_range_are_refused_by_key(name, options, message, digits, synthetic):
    with pytest.raises(StudyError, match=message):
        make_sampler(name, digits, synthetic.OBJECTIVES, np.random.default_rng(0), options)


def test_an_unknown_method_brings_the_nearest(digits, synthetic):
    with pytest.raises(UnknownName, match="unknown search method 'nsga3'") as caught:
        make_sampler("nsga3", digits, synthetic.OBJECTIVES, np.random.default_rng(0))
    assert caught.value.nearest[0] == "nsga2"


def test_scalar_fitness_needs_one_objective_up_and_one_down(digits):
    two_down = [Objective("energy_pj", "min"), Objective("latency_ns", "min")]
    with pytest.raises(StudyError, match="one of each"):
        make_sampler("evolution", digits, two_down, np.random.default_rng(0))


def test_nothing_heavy_is_imported_before_it_is_needed():
    code = (
        "import sys; import spikec.search.study, spikec.search.front, spikec.search.comparison\n"
        "print([m for m in ('torch', 'pymoo', 'scipy', 'plotly', 'spikec.ir', 'spikec.snn') if m in sys.modules])"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "[]"
