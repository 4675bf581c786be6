"""How long steps take, by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from hwmodels.mapping.core_activity import CoreActivity
from hwmodels.mapping.latency import BOTTLENECKS, CoreTimes, barrier_ns, phases, simple_latency, slowest_latency
from hwmodels.mapping.mesh import Places
from spikec.errors import UnknownName, UsageError

SANAFE = CoreTimes(
    {
        "soma_access": 6.0,
        "soma_update": 3.7,
        "soma_spike": 30.0,
        "message": 5.1,
        "message_in": 16.0,
        "synapse_dense": 3.8,
        "synapse_sparse": 4.7,
        "synapse_conv": 3.1,
    },
    tiles=(1, 2, 4, 29),
    barrier_ns=(600.0, 1000.0, 1400.0, 1800.0),
    between="next",
)
DAVIES = CoreTimes(
    {"neuron_update_active": 8.4, "neuron_update_inactive": 5.3, "ac": 3.5},
    tiles=(1, 32),
    barrier_ns=(113.0, 465.0),
    between="linear",
)


def whole(*numbers) -> np.ndarray:
    return np.array(numbers, dtype=np.int64)


def activity() -> CoreActivity:
    """Six inputs on core 0, of which 3, 2 and 0 fire; three and two neurons on cores 1 and 2; they reach nobody."""
    return CoreActivity(
        events=whole([[0, 0, 0], [9, 0, 0], [6, 0, 0]], [[0, 0, 0], [6, 0, 0], [4, 0, 0]], [[0, 0, 0]] * 3)[None],
        neurons=whole(0, 3, 2),
        updated=whole([0, 0, 0], [0, 3, 2], [0, 1, 2])[None],
        spikes=whole([0, 0, 0], [0, 3, 0], [0, 1, 2])[None],
        pairs=whole([0, 1], [0, 2]),
        packets=whole([3, 3], [2, 2], [0, 0])[None],
        places=Places(whole(0, 0, 0), whole(0, 0, 0), whole(0, 0, 2), whole(0, 1, 1)),
    )


def test_simple_is_the_longer_of_neurons_and_messages_on_the_slowest_core_and_the_barrier() -> None:
    # Step 0, core 1: 3 packets in, 9 events: 48 + 34.2; step 1, its neurons: 3 (6 + 3.7 + 30); step 2, core 2's: 2.
    found = simple_latency(activity(), SANAFE)
    np.testing.assert_allclose(found.total_ns, [[1082.2, 1119.1, 1079.4]], rtol=1e-12)
    assert found.barrier_ns == 1000.0
    assert [BOTTLENECKS[index] for index in found.binds[0]] == ["messages", "neurons", "neurons"]
    assert found.where.tolist() == [[1, 1, 2]]


def test_slowest_adds_a_cores_neurons_and_messages() -> None:
    # Core 1: 3 x 5.3 + 9 x 3.5; 3 x 8.4 + 6 x 3.5; core 2 at step 2: 2 x 8.4, core 1: 8.4 + 2 x 5.3.
    found = slowest_latency(activity(), DAVIES, np.zeros((1, 3, 1), np.int64), np.array([4.1]))
    barrier = 113 + (465 - 113) / 31
    np.testing.assert_allclose(found.total_ns - barrier, [[47.4, 46.2, 19.0]], rtol=1e-12)
    assert [BOTTLENECKS[index] for index in found.binds[0]] == ["messages", "neurons", "neurons"]
    assert found.where.tolist() == [[1, 1, 1]]


def test_a_link_binds_where_it_is_slower_than_every_core() -> None:
    loads = whole([0, 11], [0, 12], [5, 0])[None]
    found = slowest_latency(activity(), DAVIES, loads, np.array([6.5, 4.1]))
    np.testing.assert_allclose(found.total_ns - found.barrier_ns, [[47.4, 12 * 4.1, 5 * 6.5]], rtol=1e-12)
    assert [BOTTLENECKS[index] for index in found.binds[0]] == ["messages", "link", "link"]
    assert found.where.tolist() == [[1, 1, 0]]


def test_a_mesh_without_links() -> None:
    found = slowest_latency(activity(), DAVIES, np.zeros((1, 3, 0), np.int64), np.zeros(0))
    np.testing.assert_allclose(found.total_ns - found.barrier_ns, [[47.4, 46.2, 19.0]], rtol=1e-12)


def test_equal_phases_bind_once() -> None:
    even = replace(DAVIES, count_ns={"soma_access": 3.0, "message_in": 3.0})  # 3 neurons, 3 packets: 9 ns each
    found = slowest_latency(activity(), even, np.zeros((1, 3, 0), np.int64), np.zeros(0))
    assert found.total_ns[0, 0] - found.barrier_ns == pytest.approx(18.0)
    assert BOTTLENECKS[found.binds[0, 0]] == "neurons"


def test_phases_by_core() -> None:
    neurons, messages = phases(activity(), SANAFE)
    np.testing.assert_allclose(neurons[0, 0], [6 * 5.1, 3 * 6.0, 2 * 6.0])
    np.testing.assert_allclose(messages[0, 1], [0.0, 2 * 16 + 6 * 3.8, 2 * 16 + 4 * 3.8])


@pytest.mark.parametrize(
    ("tiles", "expected"), [(1, 600), (2, 1000), (3, 1000), (4, 1400), (28, 1400), (29, 1800), (32, 1800), (999, 1800)]
)
def test_a_barrier_that_holds_until_the_next(tiles: int, expected: float) -> None:
    assert barrier_ns(SANAFE, tiles) == expected


@pytest.mark.parametrize(("tiles", "expected"), [(1, 113), (32, 465), (64, 465), (16, 113 + 352 * 15 / 31)])
def test_a_barrier_that_grows(tiles: int, expected: float) -> None:
    assert barrier_ns(DAVIES, tiles) == pytest.approx(expected, rel=1e-12)


def test_below_the_first_number_of_tiles_its_barrier_holds() -> None:
    assert barrier_ns(replace(SANAFE, tiles=(2, 4), barrier_ns=(7.0, 9.0)), 1) == 7.0


def test_a_count_that_there_is_not() -> None:
    with pytest.raises(UnknownName, match=r"soma_acces.*soma_access"):
        replace(SANAFE, count_ns={"soma_acces": 1.0})


@pytest.mark.parametrize(("tiles", "barrier"), [((), ()), ((1, 2), (5.0,)), ((2, 1), (5.0, 6.0)), ((1, 1), (5.0, 6.0))])
def test_a_barrier_that_is_no_table(tiles, barrier) -> None:
    with pytest.raises(UsageError, match="a barrier of"):
        replace(SANAFE, tiles=tiles, barrier_ns=barrier)


def test_loads_that_do_not_fit() -> None:
    with pytest.raises(UsageError, match="2 links"):
        slowest_latency(activity(), DAVIES, np.zeros((1, 2, 2), np.int64), np.ones(2))
