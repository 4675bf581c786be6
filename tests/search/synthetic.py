"""A made-up accuracy and energy over the digits space, and a search of it that can kill itself.

Run as a program it is a process that searches and dies: synthetic.py FOLDER METHOD TRIALS CUT
"""

import math
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from spikec.search import spacefile, study
from spikec.search.config import StudyConfig
from spikec.search.genome import Genome
from spikec.search.objectives import Objective
from spikec.search.space import SearchSpace
from spikec.search.trial import Trial

OBJECTIVES = (
    Objective("accuracy", "max", reference=0.1),
    Objective("energy_pj", "min", axis="log10", reference=1e8),
)
FINGERPRINTS = {"space": "abc", "data": "digits", "hardware": "45nm", "numpy": "2"}
TRIALS = 20  # three generations of the smallest sampler
OPTIONS = {"random": {}, "nsga2": {"population": 6}, "evolution": {"population": 8, "parents": 4}}


def evaluate(genome: Genome) -> dict[str, float]:
    """Accuracy saturates in width, depth, steps and firing; energy grows with them; dead blocks learn nothing."""
    width, steps = genome.globals["width"], genome.globals["steps"]
    capacity, macs = 0.0, 20.0 * width
    for depth, block in enumerate(genome.blocks):
        reach = (1.0 - (1.0 - 1.0 / block["tau"]) ** steps) / block["threshold"]
        rate = max(0.0, min(0.5, 0.3 * (reach - 0.4)))
        lively = math.exp(-(((rate - 0.15) / 0.12) ** 2))
        capacity += lively * (0.6 + 0.1 * block["ratio"] + 0.02 * block["heads"]) / (1.0 + 0.7 * depth)
        macs += width * width * (4 + 2 * block["ratio"]) * rate
    accuracy = 0.1 + 0.9 * (1.0 - math.exp(-1.6 * capacity * (width / 48) ** 0.5 * (1 - 0.4**steps)))
    return {"accuracy": accuracy, "energy_pj": 0.9 * 16 * steps * macs, "blocks": float(genome.depth)}


def config(method: str, seed: int = 0) -> StudyConfig:
    return StudyConfig(method, seed, OBJECTIVES, OPTIONS[method], {"trials": 20, "hw": ["45nm"]})


def uninterrupted(
    folder: Path,
    space: SearchSpace,
    method: str,
    after_event: Callable[[], object] = lambda: None,
    extra: Mapping[str, float] | None = None,
) -> tuple[Trial, ...]:
    """A whole search in a new folder: what every search that was disturbed has to equal."""
    with study.create(folder, space, config(method), FINGERPRINTS) as opened:
        for _ in range(TRIALS):
            trial = opened.ask()
            after_event()
            opened.tell(trial, {**evaluate(trial.genome), **(extra or {})})
            after_event()
        return opened.trials


def finish(folder: Path, trials: int = TRIALS) -> tuple[Trial, ...]:
    """Goes on with the study until so many trials are told, and gives them."""
    with study.resume(folder, FINGERPRINTS) as opened:
        while sum(trial.state == "told" for trial in opened.trials) < trials:
            trial = opened.ask()
            opened.tell(trial, evaluate(trial.genome))
        return opened.trials


def main(folder: Path, method: str, trials: int, cut: int) -> None:
    """Searches; at the cut-th event (asks and tells count one each) the process kills itself, never with -1."""
    if not folder.exists():
        study.create(folder, spacefile.load("digits"), config(method), FINGERPRINTS).close()
    opened = study.resume(folder, FINGERPRINTS)
    events = 0
    while sum(trial.state == "told" for trial in opened.trials) < trials:
        trial = opened.ask()
        events += 1
        if events == cut:
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(0.001)
        opened.tell(trial, evaluate(trial.genome))
        print("told", trial.number, flush=True)
        events += 1
        if events == cut:
            os.kill(os.getpid(), signal.SIGKILL)
    opened.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
