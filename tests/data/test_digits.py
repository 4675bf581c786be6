"""The digits and their fixed splits."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from spikec.data import digits
from spikec.data.dataset import Split
from spikec.errors import DataError

# SHA-256, first 16 digits, of the ids of train, validation and test as little-endian int64, in order.
# A study's results stand and fall with these: a change of the splits has to be meant.
FINGERPRINTS = {0: "022ab4edd3134f59", 1: "83f59519ad9cea84", 2: "321e045fadad02b7", 3: "182d3c47d0ff4171"}


def fingerprint(parts: list[Split]) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part.ids.astype("<i8").tobytes())
    return digest.hexdigest()[:16]


@pytest.mark.parametrize("split", sorted(FINGERPRINTS))
def test_splits_are_disjoint_stratified_and_as_they_always_were(split: int) -> None:
    data = digits.load(split)
    parts = [data.train, data.validation, data.test]
    assert [len(part) for part in parts] == [1077, 360, 360]
    assert sorted(np.concatenate([part.ids for part in parts])) == list(range(1797))
    for part in parts:
        assert np.ptp(np.bincount(part.labels, minlength=10) / len(part)) < 0.01
    assert fingerprint(parts) == FINGERPRINTS[split]


def test_samples_are_the_images_scaled() -> None:
    from sklearn.datasets import load_digits

    source = load_digits()
    data = digits.load(0)
    assert data.image == (1, 8, 8)
    assert data.classes == tuple("0123456789")
    assert data.test.samples.dtype == np.float32
    assert np.array_equal(data.test.samples[:, 0] * 16, source.images[data.test.ids])
    assert np.array_equal(data.test.labels, source.target[data.test.ids])
    assert (data.train.samples.min(), data.train.samples.max()) == (0.0, 1.0)


def test_take_gives_the_first() -> None:
    data = digits.load(0)
    assert np.array_equal(data.train.take(5).ids, data.train.ids[:5])
    assert len(data.test.take(1000)) == 360


def test_refuses_a_negative_split() -> None:
    with pytest.raises(DataError, match="split -1"):
        digits.load(-1)


def test_refuses_arrays_of_different_lengths() -> None:
    with pytest.raises(DataError, match="2 samples, 1 labels"):
        Split(np.zeros((2, 1, 1, 1), np.float32), np.zeros(1, np.int64), np.zeros(2, np.int64))
