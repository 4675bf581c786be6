"""Mutants of one or several formats, read one after another in a process of their own; a line of JSON for each.

    python tests/fuzz/worker.py onnx:0:100,nir:0:100  # mutants 0 to 99 of each
    python tests/fuzz/worker.py onnx:17:1 kept        # mutant 17 alone, its files left in the folder 'kept'

A mutant is made of its format and its number alone. Before one is read a line tells its number, so that whoever
started this knows which one killed the process: a crash, or a reading of more than LONGEST seconds.
"""

from __future__ import annotations

import faulthandler
import json
import os
import random
import resource
import shutil
import sys
import sysconfig
import tempfile
import time
import traceback
import warnings
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from originals import FORMATS, Format, is_checked

from spikec.errors import SpikecError

LONGEST = 20.0
MOST_GROWTH = 512 * 2**20
"""Bytes of memory that reading a file of some kB may take: --max-bytes is 64 MB, and a copy or two are made."""
ADDRESS_SPACE = 3 * 2**30
"""Bytes above what the process has when it starts; nothing may ask for more, used or not."""
LONGEST_ERROR = 20_000
FORBIDDEN = (
    *(
        "os.system",
        "os.exec",
        "os.fork",
        "os.forkpty",
        "os.posix_spawn",
        "os.spawn",
        "os.remove",
        "os.rename",
        "os.rmdir",
    ),
    *("os.link", "os.symlink", "os.chmod", "os.chown", "os.putenv", "os.kill", "subprocess.Popen", "pty.spawn"),
    *("pickle.find_class", "shutil.rmtree"),
    *("socket.__new__", "socket.connect", "socket.getaddrinfo", "urllib.Request", "webbrowser.open"),
)
READABLE = tuple(
    os.path.realpath(place)
    for place in {sys.prefix, sys.base_prefix, sysconfig.get_path("stdlib"), *map(str, Path(__file__).parents[:3])}
)


class Watch:
    """What Python is asked to do while a mutant is read; anything but reading in its folder is noted."""

    def __init__(self) -> None:
        self.folder, self.seen, self.armed = "", list[str](), False
        sys.addaudithook(self.hear)

    def hear(self, event: str, args: tuple[Any, ...]) -> None:
        if not self.armed:
            return
        if event in FORBIDDEN and not self.ours(event, args):
            self.note(event, args)
        elif event == "exec" and str(getattr(args[0], "co_filename", "")).startswith("<string") and not types_alone():
            self.note(event, (args[0].co_filename,))
        elif event == "open" and isinstance(args[0], str | bytes) and not self.may(os.fsdecode(args[0]), args[1]):
            self.note(event, args)

    def note(self, event: str, args: tuple[Any, ...]) -> None:
        self.armed = False
        self.seen.append(f"{event} {args!r:.200} at " + "".join(traceback.format_stack(limit=8)))
        self.armed = True

    def ours(self, event: str, args: tuple[Any, ...]) -> bool:
        """Renaming and removing within the folder, as writing a file whole does."""
        paths = [os.fsdecode(arg) for arg in args if isinstance(arg, str | bytes | os.PathLike)]
        return event in ("os.remove", "os.rename") and all(self.within(path) for path in paths)

    def may(self, path: str, mode: Any) -> bool:
        reads = mode is None or not set(str(mode)) & set("wax+")
        return self.within(path) or (
            reads and os.path.realpath(path).startswith((*READABLE, "/proc/self", "/dev/null"))
        )

    def within(self, path: str) -> bool:
        return os.path.realpath(path).startswith(self.folder + os.sep)

    @contextmanager
    def over(self, folder: Path) -> Iterator[None]:
        self.folder, self.seen, self.armed = os.path.realpath(folder), [], True
        try:
            yield
        finally:
            self.armed = False


def types_alone() -> bool:
    """Whether Python evaluates the annotations of our own code, or makes a class of them."""
    return sys._getframe(2).f_code.co_filename.endswith(("/typing.py", "/dataclasses.py", "/collections/__init__.py"))


@dataclass(frozen=True)
class Mutant:
    """How a mutant was made.

    Args:
        original: the folder that it was made of.
        path: of the file that was mutated, in its folder.
        mutators: by name.
    """

    original: Path
    path: Path
    mutators: tuple[str, ...]

    @property
    def checked(self) -> bool:
        """Whether a checksum tells any difference."""
        return is_checked(self.path.suffix, self.mutators)

    def __str__(self) -> str:
        return f"{self.path}: {', '.join(self.mutators)}"


def mutated(form: Format, originals: Collection[Path], rng: random.Random, folder: Path) -> Mutant:
    """Puts a mutant into the folder; says of what it is made."""
    original = rng.choice(list(originals))
    shutil.copytree(original, folder, dirs_exist_ok=True)
    path = rng.choice([path for path in sorted(folder.rglob("*")) if path.is_file() and path.suffix in form.mutators])
    data, names = path.read_bytes(), []
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        mutator = rng.choice(form.mutators[path.suffix])
        names.append(mutator.__name__)
        data = mutator(rng, data) if data else data
    path.write_bytes(data)
    return Mutant(original, path.relative_to(folder), tuple(names))


def peak(reset: bool = False) -> int:
    """Most memory in bytes that the process had since the last reset."""
    if reset:
        Path("/proc/self/clear_refs").write_text("5")
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) * 1024


def causes(error: BaseException) -> list[BaseException]:
    """An error and all that led to it, each once: they may lead to each other."""
    found: list[BaseException] = []
    now: BaseException | None = error
    while now is not None and all(now is not known for known in found):
        found.append(now)
        now = now.__cause__ or now.__context__
    return found


def outcome(form: Format, folder: Path, whole: Mapping[Path, str], made: Mutant) -> tuple[str, str]:
    """How reading ends, and what is wrong with that."""
    try:
        found = form.read(folder)
    except SpikecError as error:
        text = str(error)
        fault = "" if isinstance(error, form.errors) else f"a {type(error).__name__}: {text:.2000}"
        fault = fault or ("" if len(text) < LONGEST_ERROR else f"an error of {len(text)} letters: {text:.500}")
        if any(isinstance(cause, MemoryError) for cause in causes(error)):
            fault = f"it asked for too much memory: {traceback.format_exc()[-2000:]}"
        return f"exit {error.exit_code}", fault
    except BaseException:  # noqa: BLE001  # whatever it is, it is what is looked for
        return "fault", traceback.format_exc()
    if found == whole[made.original]:
        return "equal", ""
    return "other", "it is read as another, and its checksums are as they were" if made.checked else ""


def examine(name: str, number: int, whole: Mapping[Path, str], watch: Watch, folder: Path) -> dict[str, Any]:
    form = FORMATS[name]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of making it
        made = mutated(form, whole, random.Random(f"{name} {number}"), folder)
    before = peak(reset=True)
    faulthandler.dump_traceback_later(LONGEST, exit=True)
    start = time.perf_counter()
    with warnings.catch_warnings(record=True) as said, watch.over(folder):
        warnings.simplefilter("always")
        ended, fault = outcome(form, folder, whole, made)
    seconds = time.perf_counter() - start
    faulthandler.cancel_dump_traceback_later()
    growth = peak() - before
    fault = (
        fault
        or "".join(watch.seen)
        or "; ".join(f"{w.category.__name__} {w.message} {w.filename}:{w.lineno}" for w in said)
    )
    fault = fault or (f"{growth / 2**20:.0f} MB" if growth > MOST_GROWTH else "")
    return {
        "format": name,
        "number": number,
        "made": str(made),
        "checked": made.checked,
        "ended": ended,
        "fault": fault,
        "seconds": seconds,
        "mb": growth / 2**20,
    }


def run(name: str, numbers: range, watch: Watch, kept: Path | None) -> None:
    """Mutants of one format, one after the other."""
    with tempfile.TemporaryDirectory() as scratch:
        written = Path(scratch) / "written"
        written.mkdir()
        FORMATS[name].write(written)
        originals = sorted(written.iterdir())
        copies = [Path(shutil.copytree(path, Path(scratch) / f"read-{path.name}")) for path in originals]
        whole = {path: FORMATS[name].read(copy) for path, copy in zip(originals, copies, strict=True)}
        for number in numbers:
            print(json.dumps({"format": name, "number": number}), flush=True)
            with tempfile.TemporaryDirectory() as folder:
                print(json.dumps(examine(name, number, whole, watch, Path(folder) / "m")), flush=True)
                if kept is not None:
                    shutil.copytree(Path(folder) / "m", kept, dirs_exist_ok=True)


def main(jobs: list[str], kept: Path | None) -> None:
    watch = Watch()
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + ADDRESS_SPACE, resource.RLIM_INFINITY))
    for job in jobs:
        name, first, count = job.split(":")
        run(name, range(int(first), int(first) + int(count)), watch, kept)


if __name__ == "__main__":
    main(sys.argv[1].split(","), Path(sys.argv[2]) if len(sys.argv) > 2 else None)
