"""Two pieces of work timed in turn, A B A B, and their ratio pair by pair: what every benchmark prints."""

from __future__ import annotations

import platform
import statistics
import time
from collections.abc import Callable
from importlib.metadata import version

PAIRS = 9


def line(
    work: str, ours: Callable[[], object], peer: Callable[[], object], names: tuple[str, str], bound: str = ""
) -> str:
    """One line: work, pair of names, median ratio ours / peer with its range, bound, versions and machine."""
    for run in (ours, peer):
        run()  # warm
    ratios = [seconds(ours) / seconds(peer) for _ in range(PAIRS)]
    spread = f"{statistics.median(ratios):.2f} ({min(ratios):.2f}..{max(ratios):.2f}, {PAIRS} pairs)"
    return f"{work}   {names[0]} / {names[1]}  {spread}   {bound or 'no bound known'}   {where()}"


def where() -> str:
    """Versions and machine, as every line ends."""
    return f"Python {platform.python_version()}, torch {version('torch')}, {platform.machine()}"


def seconds(run: Callable[[], object]) -> float:
    """How long one run takes."""
    started = time.perf_counter()
    run()
    return time.perf_counter() - started
