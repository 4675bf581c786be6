"""Files read one after another in a process of their own: a line of JSON each, of how it ended and what memory it took.

    python tests/fuzz/measured.py FILE ...

Memory is the process's own, as the kernel counts it: what numpy, HDF5, zlib and protobuf allocate is in it, which
Python's tracemalloc does not see. Each file is read twice, and the second time is told: the first imports libraries.
"""

from __future__ import annotations

import json
import resource
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from worker import ADDRESS_SPACE, causes, peak

from spikec.errors import SpikecError
from spikec.tasks import opening


def ending(path: Path) -> str:
    """The class of the error that reading ends with; MemoryError where one was on the way to it."""
    try:
        opening.load(path)
    except SpikecError as error:
        short = any(isinstance(cause, MemoryError) for cause in causes(error))
        return "MemoryError" if short else type(error).__name__
    return "read"


def measured(path: Path) -> dict[str, object]:
    ending(path)
    before = peak(reset=True)
    return {"file": path.name, "ended": ending(path), "bytes": peak() - before}


if __name__ == "__main__":
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + ADDRESS_SPACE, resource.RLIM_INFINITY))
    for name in sys.argv[1:]:
        print(json.dumps(measured(Path(name))), flush=True)
