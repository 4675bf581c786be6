"""Mt-KaHyPar's partitions: fewer packets where they fit, the one given where not, and the extra by its name."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from scipy.sparse import csr_array

from hwmodels.mapping import kahypar
from hwmodels.mapping.hypergraph import Capacity, Incidence, broken_limits, connectivity, incidence_of
from hwmodels.mapping.kahypar import partition_mtkahypar, whole_weights
from spikec.errors import ToolchainError, UsageError


@pytest.fixture
def library() -> None:
    pytest.importorskip("mtkahypar", reason="the extra is not installed: pip install 'spikec[partition]'")


@pytest.fixture
def shuffled() -> tuple[Incidence, np.ndarray]:
    """Sources that reach 6 targets near each other on a line of 60; the targets are shuffled."""
    random = np.random.default_rng(0)
    near = (np.repeat(np.arange(120) // 2, 6) + random.integers(0, 12, 720)) % 60
    made = csr_array((np.ones(720), (np.repeat(np.arange(120), 6), random.permutation(60)[near])), shape=(120, 60))
    return incidence_of(made), random.integers(0, 20, 120)


@pytest.mark.usefixtures("library")
def test_it_sends_fewer_packets_and_keeps_to_the_limit(shuffled) -> None:
    incidence, weights = shuffled
    given, capacity = np.arange(60) // 15, Capacity(neurons=15)
    found = partition_mtkahypar(incidence, given, weights, 4, capacity)
    assert found.note == ""
    assert not broken_limits(incidence, found.core_of, 4, capacity)
    assert found.packets == connectivity(incidence, found.core_of, weights) < 0.6 * found.before
    again = partition_mtkahypar(incidence, given, weights, 4, capacity)
    assert again.core_of.tolist() == found.core_of.tolist()


@pytest.mark.usefixtures("library")
def test_words_are_the_limit_where_they_are_scarcer(shuffled) -> None:
    incidence, weights = shuffled
    given = np.arange(60) % 4
    words = np.where(np.arange(60) < 12, 30, 1)
    capacity = Capacity(neurons=60, words=110, words_of=words)
    found = partition_mtkahypar(incidence, given, weights, 4, capacity)
    assert (found.note, broken_limits(incidence, found.core_of, 4, capacity)) == ("", ())
    assert found.packets < found.before
    scarce = partition_mtkahypar(incidence, given, weights, 4, Capacity(neurons=15, words=408, words_of=words))
    assert (scarce.note, np.bincount(scarce.core_of).tolist()) == ("", [15] * 4)


@pytest.mark.usefixtures("library")
def test_cores_need_not_be_alike(shuffled) -> None:
    incidence, weights = shuffled
    even, free = (
        partition_mtkahypar(incidence, np.arange(60) // 15, weights, 4, Capacity(neurons=most)) for most in (15, 40)
    )
    assert np.bincount(even.core_of).max() == 15 < np.bincount(free.core_of).max() <= 40
    assert free.packets < even.packets


@pytest.mark.usefixtures("library")
def test_what_sources_send_decides() -> None:
    """Of four targets two pairs are of two quiet sources each, and two across them of one loud source each."""
    pairs = [[0, 1], [0, 1], [2, 3], [2, 3], [0, 2], [1, 3]]
    made = csr_array((np.ones(12), (np.repeat(np.arange(6), 2), np.ravel(pairs))), shape=(6, 4))
    weights = np.array([1, 1, 1, 1, 50, 50])
    found = partition_mtkahypar(incidence_of(made), np.array([0, 0, 1, 1]), weights, 2, Capacity(neurons=2))
    assert found.core_of[0] == found.core_of[2] != found.core_of[1] == found.core_of[3]
    assert (found.before, found.packets) == (4 + 200, 8 + 100)


@pytest.mark.usefixtures("library")
def test_the_partition_given_is_kept_with_the_reason(shuffled) -> None:
    incidence, weights = shuffled
    given = np.arange(60) // 15
    narrow = partition_mtkahypar(incidence, given, weights, 4, Capacity(neurons=15, fits=lambda m: m[-1] - m[0] == 14))
    assert narrow.core_of.tolist() == given.tolist()
    assert narrow.packets == narrow.before == connectivity(incidence, given, weights)
    assert narrow.note.startswith("Mt-KaHyPar's does not fit: core 0 cannot hold its targets")
    dense = incidence_of(csr_array(np.ones((5, 60))))
    alike = partition_mtkahypar(dense, given, np.ones(5), 4, Capacity(neurons=15))
    assert (alike.note, alike.packets) == ("Mt-KaHyPar's sends 20 packets", 20)


@pytest.mark.usefixtures("library")
@pytest.mark.parametrize(("cores", "dense"), [(1, 1.0), (4, 0.0)])
def test_nothing_to_choose(cores: int, dense: float) -> None:
    incidence = incidence_of(csr_array(np.full((3, 8), dense)))
    found = partition_mtkahypar(incidence, np.zeros(8, dtype=np.int64), np.ones(3), cores, Capacity())
    assert found.note.startswith("no source reaches two targets")


@pytest.mark.usefixtures("library")
def test_a_partition_that_does_not_fit_is_refused(shuffled) -> None:
    with pytest.raises(UsageError, match="core 0 has 15 neurons of 14"):
        partition_mtkahypar(shuffled[0], np.arange(60) // 15, shuffled[1], 4, Capacity(neurons=14))


@pytest.mark.parametrize(
    ("weights", "cores", "whole"),
    [
        (np.array([0, 3, 7]), 100, [0, 3, 7]),
        (np.array([0.0, 0.25, 0.75]), 4, [0, 2**26, 3 * 2**26]),
        (np.array([0, 2**40, 3 * 2**40]), 4, [0, 2**26, 3 * 2**26]),
        (np.array([1, 2**60]), 1, [1, 2**30]),
        (np.zeros(2), 4, [0, 0]),
    ],
)
def test_weights_become_whole_and_small_enough(weights: np.ndarray, cores: int, whole: list[int]) -> None:
    assert whole_weights(weights, cores).tolist() == whole


def test_where_it_is_missing_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mtkahypar", None)
    kahypar._library.cache_clear()
    with pytest.raises(ToolchainError, match=r"mtkahypar.* is not installed. Try: pip install 'spikec\[partition\]'"):
        partition_mtkahypar(incidence_of(csr_array(np.ones((2, 2)))), np.array([0, 1]), np.ones(2), 2, Capacity())
