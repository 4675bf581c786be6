"""The networks on which SANA-FE is compared: dense, sparse, conv; on one and several cores and tiles."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from sanafe_networks import INPUT, Case, Drawn

ROW = tuple(range(32))
"""The cores of the eight tiles in the northern row."""


def drawn(seed: int, name: str, shape: tuple[int, ...], cores, **options) -> Drawn:
    return Drawn(np.random.default_rng(seed), name, shape, cores, **options)


def cancelling() -> Case:
    """Weights that are zero, and pairs that cancel: neurons that receive and whose membrane does not move."""
    case = drawn(10, "zeros-and-pairs-that-cancel", (8,), [0], rate=0.3).dense(9, [1, 4], 40).case()
    (layer,) = case.layers
    weights = layer.weights.copy()
    weights[:3] = 0
    weights[3:6] = np.resize([32, -32], 8)
    return replace(case, layers=(replace(layer, weights=weights),))


CASES: dict[str, Case] = {
    case.name: case
    for case in (
        drawn(1, "dense-on-one-core", (10,), [5]).dense(12, [5], 90).case(),
        drawn(2, "dense-in-one-tile", (12,), [8]).dense(20, [9, 10], 100, decay=0.75).dense(8, [11], 70).case(),
        drawn(3, "dense-to-the-east", (16,), [0]).dense(24, [4, 16, 28], 110, reset="soft").case(),
        drawn(4, "dense-to-the-west-and-north", (16,), [127]).dense(24, [92, 63, 1], 110, decay=0.5).case(),
        drawn(5, "sparse-on-one-core", (24,), [40]).sparse(30, [40], 60).case(),
        drawn(6, "sparse-over-tiles", (30,), [3, 70])
        .sparse(40, [17, 33, 90], 70, decay=0.9)
        .sparse(20, [2, 99], 50)
        .case(),
        drawn(7, "conv-on-one-core", (2, 8, 8), [0]).conv(4, 3, [1], 130).case(),
        drawn(8, "conv-over-tiles", (2, 9, 9), [0, 6])
        .conv(6, 3, [12, 13, 50, 100], 120, reset="soft", decay=0.75, parts=(2, 2))
        .case(),
        drawn(9, "conv-stride-then-dense", (3, 9, 9), [20])
        .conv(8, 3, [21, 24], 150, stride=2)
        .dense(10, [60], 160, decay=0.5)
        .case(),
        cancelling(),
        drawn(11, "two-layers-on-one-core", (12,), [0])
        .dense(10, [4, 5], 100)
        .sparse(14, [5, 64], 50, source=INPUT, decay=0.5)
        .dense(6, [4, 65], 80, source="layer0", reset="soft")
        .case(),
        drawn(12, "all-kinds-in-depth", (2, 10, 10), [30, 31], steps=14)
        .conv(4, 3, [32, 36], 110, decay=0.9)
        .conv(6, 3, [77, 78, 79], 140, stride=2)
        .dense(20, [101, 120], 180, reset="soft")
        .sparse(12, [44], 60)
        .case(),
        drawn(13, "one-layer-on-every-tile", (64,), range(0, 128, 8))
        .dense(64, range(2, 128, 4), 220, decay=0.5)
        .case(),
        drawn(14, "anywhere-on-the-mesh", (40,), None).sparse(80, None, 90).dense(40, None, 150, decay=0.75).case(),
        drawn(15, "a-row-of-thirty-two-cores", (3, 8, 8), ROW).conv(5, 3, ROW, 140, reset="soft", decay=0.5).case(),
    )
}


def large(steps: int = 20) -> Case:
    """71,108 neurons, inputs among them, with 2.9 million synapses on 112 cores: 4 GB in SANA-FE, for timings."""
    case = drawn(21, "large", (2, 64, 64), range(8), steps=steps, rate=0.2)
    case.conv(8, 3, range(8, 48), 100, decay=0.75, parts=(8, 5))
    case.conv(8, 3, range(48, 96), 170, decay=0.75, parts=(8, 6))
    return case.conv(4, 3, range(96, 112), 150, stride=2, reset="soft", parts=(4, 4)).case()
