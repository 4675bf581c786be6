"""Two pieces of work timed in turn, A B A B, and their ratio pair by pair: what every benchmark prints."""

from __future__ import annotations

import platform
import statistics
import time
from collections.abc import Callable
from importlib.metadata import version

PAIRS = 9


def line(
    work: str,
    ours: Callable[[], object],
    peer: Callable[[], object],
    names: tuple[str, str],
    bound: str = "",
    *,
    pairs: int = PAIRS,
    times: int = 1,
) -> str:
    """One line: work, pair of names, median ratio ours / peer with its range, bound, versions and machine.

    Args:
        work: what is done.
        ours: does it.
        peer: does it, too.
        names: of the two.
        bound: what the ratio should keep to.
        pairs: how often both are timed.
        times: how often ours runs beside one run of the peer, of which the mean is taken.
    """
    for run in (ours, peer):
        run()  # warm
    ratios = [sum(seconds(ours) for _ in range(times)) / times / seconds(peer) for _ in range(pairs)]
    least, middle, most = (shown(ratio) for ratio in (min(ratios), statistics.median(ratios), max(ratios)))
    spread = f"{middle} ({least}..{most}, {pairs} pairs)"
    return f"{work}   {names[0]} / {names[1]}  {spread}   {bound or 'no bound known'}   {where()}"


def shown(ratio: float) -> str:
    """A ratio with two places, small ones with four."""
    return f"{ratio:.2f}" if ratio >= 0.1 else f"{ratio:.4f}"


def where() -> str:
    """Versions and machine, as every line ends."""
    return f"Python {platform.python_version()}, torch {version('torch')}, {platform.machine()}"


def seconds(run: Callable[[], object]) -> float:
    """How long one run takes."""
    started = time.perf_counter()
    run()
    return time.perf_counter() - started
