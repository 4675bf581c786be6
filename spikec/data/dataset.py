"""What a data set is: arrays of samples and labels, split three ways, each sample known by an id."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spikec.errors import DataError


@dataclass(frozen=True, eq=False)
class Split:
    """Samples in a fixed order.

    Attributes:
        samples: float32 [n, C, H, W], or [n, T, C, H, W] for frames.
        labels: int64 [n], 0 to classes - 1.
        ids: int64 [n], each sample's place in its source, so that a stored result names its data.

    Raises:
        DataError: arrays of different lengths.
    """

    samples: NDArray[np.float32]
    labels: NDArray[np.int64]
    ids: NDArray[np.int64]

    def __post_init__(self) -> None:
        lengths = {len(self.samples), len(self.labels), len(self.ids)}
        if len(lengths) != 1:
            raise DataError(
                f"{len(self.samples)} samples, {len(self.labels)} labels and {len(self.ids)} ids",
                expected="one of each a sample",
            )

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, count: int) -> Split:
        """The first `count` samples; all where there are fewer."""
        return Split(self.samples[:count], self.labels[:count], self.ids[:count])


@dataclass(frozen=True, eq=False)
class Dataset:
    """A data set with its three splits: search on `train` and `validation`, read `test` once, at the end.

    Attributes:
        spec: how the command line names it, such as 'digits'.
        split: which of its fixed splits this is.
        classes: the classes' names, in label order.
        train, validation, test: disjoint.
    """

    spec: str
    split: int
    classes: tuple[str, ...]
    train: Split
    validation: Split
    test: Split

    @property
    def image(self) -> tuple[int, int, int]:
        """Channels, height and width of one image or frame."""
        channels, height, width = self.train.samples.shape[-3:]
        return channels, height, width
