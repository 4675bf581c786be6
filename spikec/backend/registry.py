"""The targets by the name that `--target` spells; other packages add theirs by entry points."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from importlib.metadata import EntryPoint, entry_points

from spikec.errors import ToolchainError, UnknownName, UsageError
from spikec.target import Target

GROUP = "spikec.target"
"""The entry points' group: a point's name is the target's, and it loads a Maker, which is given the dialect or None."""

Maker = Callable[[str | None], Target]

PEELABLE = ("canonicalise", "repeat-first", "time-reductions-last")
"""Bring what touches time to the borders of the network, where the caller takes it over."""

NIR_PIPELINES: dict[str, tuple[str, ...]] = {
    "strict": (*PEELABLE, "fold-batchnorm", "fold-scale", "lower-maxpool", "remove-dead"),
    "extended": (*PEELABLE, "fold-batchnorm", "remove-dead"),
}
LAVA_PIPELINE = (*PEELABLE, "fold-batchnorm", "remove-dead")


def _nir(dialect: str | None) -> Target:
    dialect = dialect or "strict"
    if dialect not in NIR_PIPELINES:
        raise UnknownName(dialect, "NIR dialect", NIR_PIPELINES)
    from spikec.backend.nir import execute, reader, writer  # nir and h5py only where they are asked for

    write = partial(writer.write, dialect=dialect)
    return Target("nir", NIR_PIPELINES[dialect], write, reader.read, execute.execute)


def _lava(dialect: str | None) -> Target:
    if dialect is not None:
        raise UsageError(f"the target lava has no dialect '{dialect}'", mend="leave --dialect out")
    from spikec.backend.lava import execute, program, reader, writer

    return Target("lava", LAVA_PIPELINE, writer.write, reader.read, execute.execute, execute.runtime, program.inspect)


TARGETS: dict[str, Maker] = {"lava": _lava, "nir": _nir}


def names() -> tuple[str, ...]:
    """Every target's name, ours and those that installed packages add."""
    return tuple(sorted({*TARGETS, *_added()}))


def load(name: str, dialect: str | None = None) -> Target:
    """The target `name`, in a dialect where it has several (nir: strict, the default, or extended).

    Raises:
        UnknownName: no such target or dialect.
        UsageError: the target has no dialects.
        ToolchainError: another package's target cannot be loaded.
    """
    if name in TARGETS:
        return TARGETS[name](dialect)
    added = _added()
    if name not in added:
        raise UnknownName(name, "target", names())
    try:
        maker: Maker = added[name].load()
    except (ImportError, AttributeError) as error:
        raise ToolchainError(f"the target '{name}' of another package cannot be loaded: {error}") from error
    return maker(dialect)


def _added() -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=GROUP) if point.name not in TARGETS}
