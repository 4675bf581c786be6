"""scikit-learn's handwritten digits: 1,797 real 8x8 images of ten classes, bundled with the package.

The test part of the UCI set 'Optical Recognition of Handwritten Digits' (Alpaydin and Kaynak, 1998).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from spikec.data.dataset import Dataset, Split
from spikec.errors import DataError

SIZES = {"train": 1077, "validation": 360, "test": 360}
SPLITS = 2**32
"""A split's number is a seed of scikit-learn."""
IMAGE = (1, 8, 8)
LEVELS = 16.0
"""Pixels are whole numbers from 0 to 16."""


def load(split: int = 0) -> Dataset:
    """The digits in the fixed stratified split number `split`.

    Split N draws the 360 test images with seed N, then, from the rest and with the same seed, the 360 for
    validation; both keep the classes' shares. Samples are float32 [n, 1, 8, 8] in 0..1, their ids are their
    places in scikit-learn's order. Train samples stand in drawn order, so any first few are a fair subset.

    Args:
        split: 0 or more.

    Raises:
        DataError: a split that is negative or no seed.
    """
    if not 0 <= split < SPLITS:
        raise DataError(f"digits have no split {split}", expected="a number from 0 to 2^32 - 1")
    from sklearn.datasets import load_digits  # heavy, and needed for these data only

    digits = load_digits()
    samples = (digits.images[:, None] / LEVELS).astype(np.float32)
    labels = digits.target.astype(np.int64)
    parts = {name: Split(samples[ids], labels[ids], ids) for name, ids in split_ids(labels, split).items()}
    return Dataset(f"digits:{split}", split, tuple(map(str, digits.target_names)), **parts)


def split_ids(labels: NDArray[np.int64], split: int) -> dict[str, NDArray[np.int64]]:
    """The ids of each part of split number `split`: disjoint, and all samples together."""
    from sklearn.model_selection import train_test_split  # as above

    everything = np.arange(len(labels), dtype=np.int64)
    rest, test = train_test_split(everything, test_size=SIZES["test"], stratify=labels, random_state=split)
    train, validation = train_test_split(rest, test_size=SIZES["validation"], stratify=labels[rest], random_state=split)
    return {"train": train, "validation": validation, "test": test}
