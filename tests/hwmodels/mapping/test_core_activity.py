"""What cores do, by hand: three cores on two tiles, one sample, two steps."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from hwmodels.mapping.core_activity import COUNTS, OUTSIDE, CoreActivity, counts_of, update_bounds
from hwmodels.mapping.mesh import Distances, Places
from spikec.errors import UsageError

SAME_TILE, TO_THE_EAST, TO_ITSELF = 0, 1, 2
HOPS = Distances(np.array([0, 3, 0]), np.array([0, 2, 0]), np.array([0, 1, 0]))


def whole(*numbers) -> np.ndarray:
    return np.array(numbers, dtype=np.int64)


def activity() -> CoreActivity:
    """Core 0 sends inputs to 1 and 2, core 1 sends to itself; 1 has a dense layer, 2 a convolution."""
    return CoreActivity(
        events=whole([[0, 0, 0], [12, 1, 0], [0, 0, 9]], [[0, 0, 0], [4, 0, 0], [0, 0, 3]])[None],
        neurons=whole(0, 4, 6),
        updated=whole([0, 0, 0], [0, 4, 5])[None],
        spikes=whole([0, 0, 0], [0, 1, 2])[None],
        pairs=whole([0, 1], [0, 2], [1, 1]),
        packets=whole([3, 2, 0], [1, 1, 1])[None],
        places=Places(whole(0, 0, 0), whole(0, 0, 3), whole(0, 0, 2), whole(0, 1, 0)),
    )


def test_counts_by_core() -> None:
    assert {name: found.tolist() for name, found in counts_of(activity(), HOPS).items()} == {
        "neuron_update_active": [[0, 4, 5]],
        "neuron_update_inactive": [[0, 4, 7]],
        "soma_access": [[0, 8, 12]],
        "soma_update": [[0, 4, 5]],
        "soma_spike": [[0, 1, 2]],
        "message": [[7, 1, 0]],
        "message_in": [[0, 5, 3]],
        "ac": [[0, 17, 12]],
        "synapse_dense": [[0, 16, 0]],
        "synapse_sparse": [[0, 1, 0]],
        "synapse_conv": [[0, 0, 12]],
        "hop_ew": [[9, 0, 0]],
        "hop_ns": [[6, 0, 0]],
        "chip_crossing": [[3, 0, 0]],
    }


def test_samples_are_kept_apart() -> None:
    one = activity()
    both = CoreActivity(
        events=np.concatenate([one.events, 2 * one.events]),
        neurons=one.neurons,
        updated=np.concatenate([one.updated, one.updated]),
        spikes=np.concatenate([one.spikes, one.spikes]),
        pairs=one.pairs,
        packets=np.concatenate([one.packets, 3 * one.packets]),
        places=one.places,
    )
    found = counts_of(both, HOPS)
    assert found["ac"].tolist() == [[0, 17, 12], [0, 34, 24]]
    assert found["message"].tolist() == [[7, 1, 0], [21, 3, 0]]
    assert found["hop_ew"].tolist() == [[9, 0, 0], [27, 0, 0]]
    assert found["soma_access"].tolist() == [[0, 8, 12]] * 2


def test_what_comes_from_outside_is_received_and_neither_sent_nor_carried() -> None:
    found = counts_of(replace(activity(), pairs=whole([OUTSIDE, 1], [OUTSIDE, 2], [1, 1])), HOPS)
    assert found["message"].tolist() == [[0, 1, 0]]
    assert found["message_in"].tolist() == [[0, 5, 3]]
    assert [found[name].sum() for name in ("hop_ew", "hop_ns", "chip_crossing")] == [0, 0, 0]


def test_cores_of_one_tile_are_one_tile() -> None:
    assert activity().tiles == 2
    places = activity().places
    assert replace(activity(), places=replace(places, chip=whole(0, 1, 0))).tiles == 3
    assert replace(activity(), places=replace(places, y=whole(0, 1, 2))).tiles == 3


def test_nobody_tracked_updates() -> None:
    least, most = update_bounds(activity())
    assert counts_of(least, HOPS)["soma_update"].tolist() == [[0, 1, 2]]
    assert counts_of(most, HOPS)["soma_update"].tolist() == [[0, 8, 12]]
    assert counts_of(most, HOPS)["soma_spike"].tolist() == counts_of(activity(), HOPS)["soma_spike"].tolist()


def test_every_count_is_of_a_sample_a_step_and_a_core() -> None:
    assert {name: count.of(activity()).shape for name, count in COUNTS.items()} == dict.fromkeys(COUNTS, (1, 2, 3))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"neurons": whole(4, 6)}, r"neurons has shape \[2\]; expected \[3\]"),
        ({"events": np.zeros((1, 2, 3, 2), np.int64)}, r"events has shape .*expected \[1, 2, 3, 3\]"),
        ({"updated": whole([0, 0, 0], [0, 4, 5])}, "updated has shape"),
        ({"spikes": np.zeros((1, 1, 3), np.int64)}, "spikes has shape"),
        ({"packets": np.zeros((1, 2, 2), np.int64)}, "packets has shape"),
        ({"pairs": whole([0, 1, 2], [0, 2, 1])}, "pairs has shape"),
        ({"pairs": whole([0, 1], [0, 3], [1, 1])}, "other cores than 0 to 2"),
        ({"pairs": whole([0, 1], [-2, 1], [1, 1])}, "other cores than 0 to 2"),
        ({"pairs": whole([0, 1], [0, -1], [1, 1])}, "other cores than 0 to 2"),
        ({"updated": whole([0, 0, 0], [0, 5, 5])[None]}, "more neurons are updated"),
        ({"places": Places(*[whole(0, 1)] * 4)}, "3 cores, 2 places"),
    ],
)
def test_what_does_not_fit_is_refused(changes, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        replace(activity(), **changes)


def test_no_core_is_refused() -> None:
    none = np.zeros((1, 2, 0), np.int64)
    with pytest.raises(UsageError, match="0 cores"):
        CoreActivity(
            none[..., None].repeat(3, 3), whole(), none, none, np.zeros((0, 2), np.int64), none, Places(*[whole()] * 4)
        )
