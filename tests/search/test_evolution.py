import numpy as np

from spikec.search.evolution import Evolution, EvolutionOptions
from spikec.search.fitness import Scale, f_aeb
from spikec.search.random import Random


def searched(sampler, evaluate, trials):
    rows = []
    for _ in range(trials):
        genome = sampler.ask()
        rows.append(evaluate(genome))
        sampler.tell(genome, rows[-1])
    return rows


def test_the_defaults_are_the_papers():
    options = EvolutionOptions()
    assert (options.population, options.parents) == (50, 20)
    assert (options.depth_mutation, options.gene_mutation, options.alpha) == (0.3, 0.4, 0.5)


def test_the_scale_is_that_of_the_initial_population_and_stays(digits, synthetic):
    sampler = Evolution(digits, synthetic.OBJECTIVES, np.random.default_rng(0))
    assert sampler.facts() == {}
    first = searched(sampler, synthetic.evaluate, 50)
    facts = sampler.facts()
    assert facts == {
        "alpha": 0.5,
        "accuracy": "accuracy",
        "energy": "energy_pj",
        "accuracy_low": min(row["accuracy"] for row in first),
        "accuracy_high": max(row["accuracy"] for row in first),
        "energy_low": min(row["energy_pj"] for row in first),
        "energy_high": max(row["energy_pj"] for row in first),
    }
    later = searched(sampler, synthetic.evaluate, 250)
    assert min(row["energy_pj"] for row in later) < facts["energy_low"]
    assert sampler.facts() == facts


def test_bred_from_are_the_fittest_of_all_told(digits, synthetic):
    options = EvolutionOptions(population=10, parents=4)
    sampler = Evolution(digits, synthetic.OBJECTIVES, np.random.default_rng(0), options)
    told = {}
    for _ in range(60):
        genome = sampler.ask()
        told[genome] = synthetic.evaluate(genome)
        sampler.tell(genome, told[genome])
    scale = Scale.of(list(told.values())[:10], "accuracy", "energy_pj")
    fittest = sorted(told, key=lambda genome: -f_aeb(told[genome], scale))[:4]
    assert sampler._parents == fittest


def test_the_third_flag_is_the_share_that_is_crossed(digits, synthetic):
    options = EvolutionOptions(population=20, parents=2, depth_mutation=0.0, gene_mutation=0.0, crossover=1.0)
    sampler = Evolution(digits, synthetic.OBJECTIVES, np.random.default_rng(0), options)
    searched(sampler, synthetic.evaluate, 20)
    a, b = sampler._parents
    for _ in range(10):
        child = sampler.ask()
        assert child.depth in (a.depth, b.depth)
        assert all(child.globals[g.name] in (a.globals[g.name], b.globals[g.name]) for g in digits.globals)


def test_beats_random_search_in_its_own_fitness(digits, synthetic):
    bests = {Evolution: [], Random: []}
    for seed in range(8):
        for kind, found in bests.items():
            sampler = kind(digits, synthetic.OBJECTIVES, np.random.default_rng(seed))
            rows = searched(sampler, synthetic.evaluate, 500)
            if kind is Evolution:
                scale = Scale.of(rows[:50], "accuracy", "energy_pj")
            found.append(max(f_aeb(row, scale) for row in rows))
    print("best F_AEB", {kind.__name__: np.round(v, 4).tolist() for kind, v in bests.items()})
    gains = np.subtract(bests[Evolution], bests[Random])
    assert gains.mean() > 0
    assert (gains > 0).sum() >= 7
