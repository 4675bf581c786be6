"""The acceptance figures of the search over the seeds and splits 0 to 3, fixed beforehand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from spikec.search import record as records
from spikec.search.fitness import Scale, f_aeb
from spikec.search.front import hypervolume
from spikec.search.objectives import Values
from spikec.tasks.search_run import open_study, screen, trained
from spikec.tasks.search_setup import TRIALS, SearchSettings, set_up
from spikec.tasks.searching import Searched, search
from spikec.tasks.subnets import Subnets

pytestmark = [pytest.mark.long, pytest.mark.xdist_group("four-splits")]
SPLITS = (0, 1, 2, 3)


@dataclass(frozen=True)
class Outcome:
    """One search with NSGA-II, as many random subnets as either method has trials, and the evolution's trials."""

    searched: Searched
    search: list[Values]
    random: list[Values]
    evolution: list[Values]


def screened(folder: Path) -> list[Values]:
    return [trial.screen for trial in records.read(folder).trials if trial.screen is not None]


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Outcome]:
    return {split: _outcome(split, tmp_path_factory.mktemp("splits")) for split in SPLITS}


def _outcome(split: int, folder: Path) -> Outcome:
    silent: Callable[..., None] = lambda *words: None  # noqa: E731  # shorter than the def it stands for
    settings = SearchSettings(split=split, seed=split, baseline=TRIALS["evolution"])
    searched = search(settings, out=folder / "nsga2")
    setup = set_up(settings)
    supernet = trained(setup, searched.folder, silent)
    subnets = Subnets(supernet, setup.space, setup.dataset, setup.hardware, settings.policy)
    evolved = replace(setup, settings=replace(settings, method="evolution", trials=TRIALS["evolution"]))
    with open_study(evolved, folder / "evolution", resume=False) as study:
        screen(study, subnets, TRIALS["evolution"], "search", silent)
    return Outcome(
        searched,
        screened(searched.folder),
        screened(searched.folder / "random"),
        screened(folder / "evolution"),
    )


def test_every_winner_reaches_95_percent_on_its_untouched_test_split(outcomes: dict[int, Outcome]) -> None:
    found = {split: one.searched.result["test"]["winner_accuracy"] for split, one in outcomes.items()}
    print("winners on their test splits:", found)
    assert min(found.values()) >= 0.95


def test_winners_lose_at_most_a_point_at_half_the_energy(outcomes: dict[int, Outcome]) -> None:
    results = {split: one.searched.result for split, one in outcomes.items()}
    lost = [r["test"]["largest_accuracy"] - r["test"]["winner_accuracy"] for r in results.values()]
    share = [r["winner"]["final"]["energy_pj"] / r["largest"]["final"]["energy_pj"] for r in results.values()]
    print("points lost:", [round(100 * x, 2) for x in lost], "energy shares:", [round(x, 3) for x in share])
    print("paired tests:", [r["test"]["paired"]["text"] for r in results.values()])
    assert np.mean(lost) <= 0.01
    assert max(share) <= 0.5


def test_nsga2_spans_more_than_random_at_equal_trials(outcomes: dict[int, Outcome]) -> None:
    for split, one in outcomes.items():
        objectives = records.read(one.searched.folder).config.objectives
        trials = len(one.search)
        ours, random = hypervolume(one.search, objectives), hypervolume(one.random[:trials], objectives)
        print(f"split {split}: hypervolume {ours:.4f}, random {random:.4f}, {trials} trials each")
        assert ours > random


def test_evolution_by_f_aeb_beats_random_on_f_aeb(outcomes: dict[int, Outcome]) -> None:
    bests = []
    for split, one in outcomes.items():
        scale = Scale.of(one.evolution[:50], "accuracy", "energy_pj")  # as it fixed it: its initial population
        trials = len(one.evolution)
        best = tuple(max(f_aeb(v, scale) for v in rows[:trials]) for rows in (one.evolution, one.random))
        print(f"split {split}: best F_AEB {best[0]:.4f}, random {best[1]:.4f}, {trials} trials each")
        bests.append(best)
    assert all(ours >= random for ours, random in bests)
    assert np.mean([ours for ours, _ in bests]) > np.mean([random for _, random in bests])
