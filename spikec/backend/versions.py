"""The versions of what takes part in an export, for manifests and verdicts."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version

from spikec import __version__

PACKAGES = ("h5py", "nir", "numpy", "torch")


def versions() -> dict[str, str]:
    """Version by name; a package that is not installed is left out."""
    found = {"spikec": __version__, "python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
