import numpy as np
import pytest

from spikec.search.front import hypervolume, nondominated
from spikec.search.nsga2 import Nsga2, Nsga2Options
from spikec.search.random import Random


def searched(sampler, evaluate, trials):
    rows = []
    for _ in range(trials):
        genome = sampler.ask()
        rows.append(evaluate(genome))
        sampler.tell(genome, rows[-1])
    return rows


def test_the_corners_come_first(digits, synthetic):
    sampler = Nsga2(digits, synthetic.OBJECTIVES, np.random.default_rng(0))
    assert tuple(sampler.ask() for _ in range(4)) == digits.corners()
    without = Nsga2(digits, synthetic.OBJECTIVES, np.random.default_rng(0), Nsga2Options(corners=False))
    assert without.ask() not in digits.corners()


def test_the_nondominated_are_bred_from(digits, synthetic):
    """One gene decides both objectives: soon nearly all children carry it."""
    sampler = Nsga2(digits, synthetic.OBJECTIVES, np.random.default_rng(0))

    def evaluate(genome):
        narrow = genome.globals["width"] == 32
        return {"accuracy": 0.9 if narrow else 0.1, "energy_pj": 1.0 if narrow else 100.0}

    rows = searched(sampler, evaluate, 160)
    late = [row["accuracy"] == 0.9 for row in rows[64:]]
    assert sum(late) > 0.75 * len(late)


def test_keeps_the_ends_of_the_front(digits, synthetic):
    """Crowding: of a front longer than the population, the extremes survive every selection."""
    sampler = Nsga2(digits, synthetic.OBJECTIVES, np.random.default_rng(1), Nsga2Options(population=8))
    rows = searched(sampler, synthetic.evaluate, 160)
    front = [rows[i] for i in nondominated(rows, synthetic.OBJECTIVES)]
    assert len(front) > 8
    kept = [coords for _, coords in sampler._parents]
    assert min(k[0] for k in kept) == -max(row["accuracy"] for row in rows)
    assert min(k[1] for k in kept) == pytest.approx(np.log10(min(row["energy_pj"] for row in rows)))


def test_beats_random_search_in_hypervolume(digits, synthetic):
    volumes = {
        kind: [
            hypervolume(
                searched(kind(digits, synthetic.OBJECTIVES, np.random.default_rng(seed)), synthetic.evaluate, 160),
                synthetic.OBJECTIVES,
            )
            for seed in range(8)
        ]
        for kind in (Nsga2, Random)
    }
    gains = np.subtract(volumes[Nsga2], volumes[Random])
    print("hypervolume", {kind.__name__: np.round(v, 3).tolist() for kind, v in volumes.items()})
    assert gains.mean() > 0
    assert (gains > 0).sum() >= 7
