"""Files of torch.save with plain data and tensors, found sound before torch reads them.

torch.load with `weights_only=True` runs nothing of a file, but believes what it declares: tensors of terabytes over a
storage of one number, byte arrays of any length, lists that hold themselves, keys that take years to hash. So the
archive and the pickle in it are walked first; see `spikec.pickled`.
"""

from __future__ import annotations

import pickle
import zipfile
from pathlib import Path
from typing import Any

import torch

from spikec.archive import READ_FAULTS, opened, sizes
from spikec.errors import InputError, ModelFileError, why_unread
from spikec.pickled import check_pickle


def read_plain(path: Path, expected: str, instead: str) -> Any:  # Any: plain data and tensors
    """What a file of torch.save holds, on the CPU. Runs no code of it.

    Args:
        path: of the file.
        expected: what it should be, for errors.
        instead: what to do with a file that holds pickled objects.

    Raises:
        ModelFileError: it cannot be opened, is empty or damaged, holds Python objects, or declares what it has not.
    """
    try:
        _check_head(path, instead)
        with opened(path, packed=False) as archive:
            folder = _folder(archive, instead)
            numbers = {name.removeprefix(f"{folder}/data/"): size for name, size in sizes(archive).items()}
            check_pickle(archive.read(f"{folder}/data.pkl"), numbers, instead)
        return torch.load(path, map_location="cpu", weights_only=True)
    except InputError as error:
        mend = error.mend or "copy or write it again"
        raise ModelFileError(error.found, where=str(path), expected=expected, mend=mend) from error
    except (*READ_FAULTS, pickle.UnpicklingError) as error:
        found = (why_unread(error).splitlines() or [type(error).__name__])[0]
        raise ModelFileError(
            f"{found:.200}", where=str(path), expected=expected, mend="copy or write it again"
        ) from error


def _check_head(path: Path, instead: str) -> None:
    """Raises InputError where the file does not begin as torch's files do."""
    with path.open("rb") as file:
        head = file.read(4)
        if not head:
            raise InputError("the file is empty")
        if head[:2] != b"PK":
            pickled = head[:1] == b"\x80"
            found = "a bare pickle, which could run any code when read" if pickled else "no file written by torch.save"
            raise InputError(found, mend=instead)
        if not zipfile.is_zipfile(file):
            raise InputError("the file is truncated")


def _folder(archive: zipfile.ZipFile, instead: str) -> str:
    """The folder that all parts are in.

    Raises:
        InputError: there is none, a part has not its checksum, which torch does not look at, or there is no pickle.
    """
    folders = {name.partition("/")[0] for name in archive.namelist()}
    if len(folders) != 1:
        raise InputError("its parts lie in several folders, or in none", expected="one folder")
    damaged = archive.testzip()
    if damaged is not None:
        raise InputError(f"the checksum of its part '{damaged}' is wrong")
    (folder,) = folders
    if f"{folder}/data.pkl" not in archive.namelist():
        raise InputError("no file written by torch.save: it holds no data.pkl", mend=instead)
    return folder
