"""Arrays by name in one .npz file, written without surprises and read without trust."""

from __future__ import annotations

import math
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from spikec.archive import read_npz
from spikec.errors import InputError, ModelFileError

MOST_BYTES = 16 * 2**30
"""More than any exported network that is read whole; what declares more is refused before it is allocated."""


def write_arrays(path: Path, arrays: Mapping[str, NDArray[np.generic]]) -> None:
    """Writes arrays under any names (np.savez keeps 'file' for itself), compressed, and always the same bytes."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, array in sorted(arrays.items()):
            info = zipfile.ZipInfo(f"{name}.npy")
            info.compress_type = zipfile.ZIP_DEFLATED
            big = math.prod(array.shape) * array.itemsize > 2**30
            with archive.open(info, "w", force_zip64=big) as file:
                np.lib.format.write_array(file, np.asanyarray(array), allow_pickle=False)


def read_arrays(path: Path) -> dict[str, NDArray[np.generic]]:
    """Every array of a file that `write_arrays` or np.savez wrote.

    Raises:
        ModelFileError: it is missing, truncated, holds pickles, or declares more than fits.
    """
    try:
        return dict(read_npz(path))
    except InputError as error:
        raise ModelFileError(error.found, where=error.where or str(path), expected=error.expected) from error
