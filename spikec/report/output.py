"""Writing a file whole: what stands under a final name is complete."""

import errno
import uuid
from contextlib import suppress
from pathlib import Path

from spikec.errors import OutputError


def write_whole(path: Path, data: bytes) -> None:
    """Writes the bytes at `path`, replacing what is there in one step.

    Raises:
        OutputError: the folder does not exist or cannot be written, or the disk is full; `path` is as it was.
    """
    stage = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}")
    try:
        stage.write_bytes(data)
        stage.replace(path)
    except OSError as error:
        with suppress(OSError):
            stage.unlink()
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        found = "the disk is full" if full else f"cannot be written ({error.strerror or error})"
        raise OutputError(found=found, where=str(path), expected="a file in a folder that exists") from error
