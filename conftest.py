"""The tiers of the tests: fast by default, more with --tier, and a note of what was left out.

An unmarked test is fast. `--tier full` adds the tests marked full, `--tier long` those marked long as well.
A test named by its node id, or an explicit `-m`, is run whatever its tier.
"""

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

# On shared cores two threads on tiny tensors are far slower than one. Set before torch is imported.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest

TIERS = ("fast", "full", "long")
LEFT_OUT = pytest.StashKey[Counter[str]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Adds --tier."""
    parser.addoption("--tier", choices=TIERS, default="fast", help="run the tests up to this tier")


def pytest_configure(config: pytest.Config) -> None:
    """Starts with nothing left out; under xdist, listens to the workers, who alone collect."""
    config.stash[LEFT_OUT] = Counter()
    if config.pluginmanager.hasplugin("xdist") and not hasattr(config, "workerinput"):
        config.pluginmanager.register(WorkerNotes(config))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leaves out the tests above the tier asked for."""
    if config.option.markexpr:
        return
    wanted = TIERS.index(config.getoption("--tier"))
    named = [Path(config.invocation_params.dir, arg.partition("[")[0]).as_posix() for arg in config.args if "::" in arg]
    above = [item for item in items if TIERS.index(tier(item)) > wanted and not is_named(item, named)]
    if above:
        config.stash[LEFT_OUT].update(tier(item) for item in above)
        config.hook.pytest_deselected(items=above)
        left_out = set(above)
        items[:] = [item for item in items if item not in left_out]


def is_named(item: pytest.Item, named: Sequence[str]) -> bool:
    """Whether one of the node ids on the command line is the item's, or holds it."""
    own = f"{item.path.as_posix()}::{item.nodeid.partition('::')[2]}"
    return any(own == name or own.startswith((f"{name}::", f"{name}[")) for name in named)


def tier(item: pytest.Item) -> str:
    """The highest tier that the test is marked with; fast where it bears no mark."""
    return next((name for name in reversed(TIERS) if item.get_closest_marker(name)), "fast")


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Hands a worker's note to the process that prints."""
    workeroutput = getattr(session.config, "workeroutput", None)
    if workeroutput is not None:
        workeroutput["left_out"] = dict(session.config.stash[LEFT_OUT])


class WorkerNotes:
    """Takes over the note of the workers; each collects all tests, so any one note is the whole."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: object) -> None:
        """Keeps the note of a worker that has ended."""
        note = getattr(node, "workeroutput", {}).get("left_out")
        if note:
            self.config.stash[LEFT_OUT] = Counter(note)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Prints how many tests of which tier were left out, and how to run them."""
    for name, count in sorted(config.stash[LEFT_OUT].items()):
        terminalreporter.write_line(
            f"left out: {count} test{'s' * (count != 1)} of the {name} tier, because --tier is"
            f" {config.getoption('--tier')}; run them with: pytest --tier {name}"
        )
