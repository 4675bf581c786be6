"""Counts and price of the large network at its mapping, on loihi1-sanafe, against SANA-FE's simulation of it alone.

Ours: from the answers of a run and a mapping, both given, to what every core does and what every node costs; the
answers are another object each time, so that no run is remembered. Theirs: `sim` on one thread with its simple model
of time and no trace, the fastest that it has; the chip is loaded anew for each, which is not timed. Both are in
seconds of the processor: other work on the machine would lengthen a simulation, and hardly a price.
"""

from __future__ import annotations

import gc
import math
import os
import runpy
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from pairs import where

from hwmodels.mapping.placed import placed_on
from hwmodels.mapping.plans import given_plan
from hwmodels.registry import load
from spikec.cost import Cost, Policy
from spikec.run.interp import Interpreter

SIMULATIONS, PRICES = 5, 25
LEAST = 1000
NETWORK = ("message", "message_in", "hop_ew", "hop_ns")
SHARED = Path(__file__).resolve().parents[1] / "tests" / "whole" / "sanafe" / "conftest.py"


def costs_of(case: Any) -> Callable[[], tuple[Cost, ...]]:  # Any: a module that no import finds defines its type
    """What prices the case, counts and mapping given."""
    from sanafe_graphs import core_of, data_of, graph_of

    chip, policy, graph = load("loihi1-sanafe"), Policy(), graph_of(case)
    plan, on = given_plan(graph, chip.table, chip.form, chip.name, core_of(case))
    counts = Interpreter(torch.float64).count(graph, data_of(case), chip.probes(graph, policy, plan))
    placed = placed_on(plan, on)
    return lambda: chip.price(graph, replace(counts), policy, placed)


def seconds(run: Callable[[], object]) -> float:
    """The processor's time of one run."""
    started = time.process_time()
    run()
    return time.process_time() - started


@contextmanager
def silenced() -> Iterator[None]:
    """Nothing on stdout: SANA-FE shows its progress there, past Python."""
    sys.stdout.flush()
    kept, nowhere = os.dup(1), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    try:
        yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)
        os.close(nowhere)


if __name__ == "__main__":
    try:
        import sanafe
    except ImportError:
        print("left out: sanafe is not there (make oracles installs it)", file=sys.stderr)
        sys.exit()
    runpy.run_path(str(SHARED))
    from sanafe_cases import large
    from sanafe_oracle import chip_for, network_for

    torch.set_num_threads(1)
    case = large()
    ours = costs_of(case)
    architecture = chip_for(case)
    network = network_for(case, architecture.cores())
    ratios, sims, prices = [], [], []
    for _ in range(SIMULATIONS):
        chip: Any = sanafe.SpikingChip(architecture)  # Any: the package ships no types
        found: dict[str, Any] = {}  # Any: the package ships no types
        with silenced():
            chip.load(network)
            options = {"timing_model": "simple", "processing_threads": 1}
            sims.append(seconds(lambda: found.update(chip.sim(case.steps, **options))))  # noqa: B023
        chip = None  # 4 GB
        gc.collect()
        prices.append(statistics.median(seconds(ours) for _ in range(PRICES)))
        ratios.append(sims[-1] / prices[-1])
    sent_pj = sum(cost.energy_pj.get(term, 0.0) for cost in ours() for term in NETWORK)
    if not math.isclose(sent_pj, found["energy"]["network"] * 1e12, rel_tol=1e-9):
        sys.exit(f"error: what is sent takes {sent_pj} pJ, by SANA-FE {found['energy']['network'] * 1e12} pJ")
    ratio = statistics.median(sims) / statistics.median(prices)
    spread = f"{ratio:.0f} ({min(ratios):.0f}..{max(ratios):.0f}, {SIMULATIONS} sims, {PRICES} prices beside each)"
    work = f"counts and price of 71,108 neurons on 112 cores, {case.steps} steps, 1 thread"
    print(f"{work}   SANA-FE's sim / spikec  {spread}   at least {LEAST}   sanafe {version('sanafe')}, {where()}")
