"""The steps of a search, each of which finds what an earlier run left on disk and goes on from there."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from spikec.errors import StudyError, TraceError
from spikec.files import write_json
from spikec.ir.graph import Graph
from spikec.model import Model, save
from spikec.search import record as records
from spikec.search import study as studies
from spikec.search.comparison import paired_test
from spikec.search.config import StudyConfig
from spikec.search.front import points, ranks
from spikec.search.genome import Genome
from spikec.search.study import Study
from spikec.search.trial import Trial
from spikec.search.winner import WinnerRule
from spikec.search.winner import winner as choose
from spikec.snn.checkpoint import load_checkpoint, save_checkpoint
from spikec.snn.config import config_to_plain
from spikec.snn.graph_builder import build_graph
from spikec.snn.supernet import Supernet
from spikec.snn.training import Progress, train_supernet
from spikec.tasks.networks import model_of_network
from spikec.tasks.pricing import one_thread
from spikec.tasks.search_setup import Setup
from spikec.tasks.study_view import RANDOM, RESULT, result_of
from spikec.tasks.subnets import FINAL_STATISTICS, Subnets, accuracy_of, config_of, correct, predict

SHIFTS = tuple((rows, columns) for rows in (0, -1, 1) for columns in (0, -1, 1))
RESCORE = 0.015
SUPERNET = "supernet.pt"
CHECKPOINT = "checkpoints/supernet.pt"
Tick = Callable[[str, int, int, str], None]  # step, done, of how many, words


def trained(setup: Setup, folder: Path, tick: Tick) -> Supernet:
    """The supernet of the study, trained now, or taken from disk where it was before.

    Raises:
        KeyboardInterrupt: as raised by the user; the last epoch's checkpoint is on disk.
    """
    classes = len(setup.dataset.classes)
    largest = config_of(setup.space, setup.space.largest(), classes)
    generator = torch.Generator().manual_seed(setup.settings.seed)
    supernet = Supernet(largest, generator)
    finished = folder / SUPERNET
    if finished.exists():
        supernet.load_state_dict(load_checkpoint(finished, keys=["config", "model"])["model"])
        return supernet

    def draw(rng: np.random.Generator) -> Any:  # Any: a SpikformerConfig
        return config_of(setup.space, setup.space.sample(rng), classes)

    def progress(at: Progress) -> None:
        tick("supernet", at.epoch, at.epochs, f"loss {at.loss:.3f}")

    checkpoint = folder / CHECKPOINT
    checkpoint.parent.mkdir(exist_ok=True)
    with one_thread():
        train_supernet(
            supernet,
            setup.dataset.train,
            draw,
            setup.recipe,
            generator,
            checkpoint=checkpoint,
            progress=progress,
        )
    save_checkpoint(finished, {"config": config_to_plain(largest), "model": supernet.state_dict()})
    return supernet


def done_so_far(study: Study, setup: Setup, folder: Path) -> str:
    """How far an earlier run of this study got, in words."""
    if (folder / RESULT).exists():
        return "it has ended"
    if told := sum(trial.screen is not None for trial in study.trials):
        return f"{told} of {setup.settings.trials} trials are told"
    if (folder / SUPERNET).exists():
        return "the supernet is trained"
    if (folder / CHECKPOINT).exists():
        epoch = load_checkpoint(folder / CHECKPOINT, keys=["epoch"])["epoch"]
        return f"the supernet is trained to epoch {epoch} of {setup.settings.epochs}"
    return "nothing is done yet"


def screen(study: Study, subnets: Subnets, trials: int, step: str, tick: Tick) -> None:
    """Asks, evaluates and tells until `trials` were told."""
    done = sum(trial.screen is not None for trial in study.trials)
    while done < trials:
        trial = study.ask()
        started = time.monotonic()
        values = subnets.screen(trial.genome)
        study.tell(trial, values, time.monotonic() - started)
        done += 1
        best = max(t.screen["accuracy"] for t in study.trials if t.screen is not None)
        tick(step, done, trials, f"best accuracy {best * 100:.1f} %")


def baseline(setup: Setup, folder: Path, subnets: Subnets, tick: Tick) -> tuple[Trial, ...]:
    """Random subnets beside the search, in a study of their own in `folder`/random."""
    count = setup.settings.baseline
    if not count:
        return ()
    with _random_study(setup, folder / RANDOM) as study:
        screen(study, subnets, count, "random", tick)
        return study.trials


def _random_study(setup: Setup, folder: Path) -> Study:
    if folder.exists():
        return studies.resume(folder, setup.fingerprints())
    config = replace(setup.config(), method="random", options={})
    return studies.create(folder, setup.space, config, setup.fingerprints())


def finals(study: Study, subnets: Subnets, setup: Setup, tick: Tick) -> list[Trial]:
    """The finalists, re-scored with statistics of more samples and on shifted copies of the validation part."""
    chosen = finalists(study, setup.settings.finalists, setup.settings.rule)
    for done, trial in enumerate(chosen):
        if trial.final is None:
            chosen[done] = study.finish(trial, final_values(subnets, trial.genome))
        tick("finalists", done + 1, len(chosen), "")
    return chosen


def finalists(study: Study, count: int, rule: WinnerRule) -> list[Trial]:
    """The `count` trials that the rule might choose, by number: first fronts first, of a front the most accurate.

    Only trials near enough to what the rule asks of accuracy are taken, as long as there are enough of them:
    re-scoring moves an accuracy by a point or so.
    """
    told = [trial for trial in study.trials if trial.screen is not None]
    rows = [trial.screen for trial in told if trial.screen is not None]
    floor = rule_floor(rule, max(row["accuracy"] for row in rows))
    near = [i for i, row in enumerate(rows) if row["accuracy"] >= floor]
    order = ranks(points([rows[i] for i in near], study.config.objectives))
    by_rank = sorted(zip(order.tolist(), near, strict=True), key=lambda at: (at[0], -rows[at[1]]["accuracy"], at[1]))
    rest = sorted(set(range(len(told))) - set(near), key=lambda i: (-rows[i]["accuracy"], i))
    chosen = [told[i].number for i in (*(i for _, i in by_rank), *rest)][:count]
    return [trial for trial in told if trial.number in chosen]


def rule_floor(rule: WinnerRule, best: float) -> float:
    """The screened accuracy under which the rule is not expected to choose, `RESCORE` allowed for re-scoring."""
    if rule.kind == "alpha":
        return 0.0
    return (best - rule.value if rule.kind == "within" else rule.value) - RESCORE


def final_values(subnets: Subnets, genome: Genome) -> dict[str, float]:
    """Values of the canonical evaluation.

    accuracy: mean over the validation part and its eight copies shifted by one pixel; accuracy_validation: on the
    part itself; energy_pj: pJ per inference on the calibration batch, as `spikec estimate` prints it.
    """
    graph = subnets.graph(genome, FINAL_STATISTICS)
    priced, plain = subnets.evaluate(graph)
    validation = subnets.dataset.validation
    shifted = [
        accuracy_of(predict(priced.graph, moved(validation.samples, *by)), validation.labels) for by in SHIFTS[1:]
    ]
    accuracy = float(np.mean([plain, *shifted]))
    return {"accuracy": accuracy, "accuracy_validation": plain, "energy_pj": priced.energy_pj}


def moved(samples: NDArray[np.float32], rows: int, columns: int) -> NDArray[np.float32]:
    """Images moved by whole pixels, zeros following."""
    out = np.zeros_like(samples)
    height, width = samples.shape[-2:]
    to = np.s_[..., max(rows, 0) : height + min(rows, 0), max(columns, 0) : width + min(columns, 0)]
    of = np.s_[..., max(-rows, 0) : height + min(-rows, 0), max(-columns, 0) : width + min(-columns, 0)]
    out[to] = samples[of]
    return out


def winner_of(study: Study, chosen: list[Trial], setup: Setup) -> Trial:
    """The finalist that the rule chooses.

    Raises:
        StudyError: none will do.
    """
    return chosen[choose([trial.final for trial in chosen if trial.final is not None], setup.settings.rule)]


def model_of(subnets: Subnets, genome: Genome, name: str, provenance: dict[str, Any]) -> Model:  # Any: plain data
    """The subnet with its own statistics as a model, its graph traced for real.

    Raises:
        TraceError: the trace is not the graph that was priced: a fault of the graph builder.
    """
    network = subnets.network(genome, FINAL_STATISTICS)
    model = model_of_network(network, name, provenance, subnets.dataset, replay=True)
    if model.graph.sha256 != build_graph(network.config, network.state_dict()).sha256:
        raise TraceError("the traced subnet is not the graph that the search priced", where=str(genome))
    return model


def results(
    study: Study, folder: Path, setup: Setup, subnets: Subnets, chosen: list[Trial]
) -> dict[str, Any]:  # Any: plain
    """Winner and largest subnet, written as models; their accuracy on the test part, which is read here only.

    Done once: where result.json is there already, it is read.

    Raises:
        StudyError: no finalist will do, or result.json is damaged.
    """
    if (found := result_of(folder)) is not None:
        return found
    best = winner_of(study, chosen, setup)
    assert best.final is not None
    largest = setup.space.largest()
    models = folder / "winners"
    models.mkdir(exist_ok=True)
    study_name = folder.resolve().name  # also of `--resume .`
    notes = {"study": study_name, "trial": best.number, "genome": best.genome.to_json(), "seed": setup.settings.seed}
    energy = {"final_energy_pj": best.final["energy_pj"], "hardware": setup.hardware.name}
    model = model_of(subnets, best.genome, f"{study_name}-winner", {**notes, **energy})
    save(model, models / "winner.pt", force=True)
    reference = model_of(subnets, largest, f"{study_name}-largest", {"study": study_name, "genome": largest.to_json()})
    save(reference, folder / "largest.pt", force=True)
    result = {
        "winner": {"trial": best.number, "genome": best.genome.to_json(), "final": dict(best.final)},
        "largest": {"genome": largest.to_json(), "final": final_values(subnets, largest)},
        "test": test_of(subnets, model.graph, reference.graph),
        "rule": str(setup.settings.rule),
    }
    write_json(folder / RESULT, result)
    return result


def test_of(subnets: Subnets, winner: Graph, largest: Graph) -> dict[str, Any]:  # Any: plain data
    """Test accuracies of the two, and the paired test between them."""
    test = subnets.dataset.test
    logits = [predict(graph, test.samples) for graph in (winner, largest)]
    right = [correct(values, test.labels) for values in logits]
    paired = paired_test(right[0], right[1])
    return {
        "samples": len(test),
        "winner_accuracy": float(right[0].mean()),
        "largest_accuracy": float(right[1].mean()),
        "paired": {**asdict(paired), "text": str(paired)},
    }


def open_study(setup: Setup, folder: Path, *, resume: bool) -> Study:
    """The study, new or as it was left.

    Raises:
        OutputError, StudyError: it exists, cannot be written, or was made with something else.
    """
    if resume:
        return studies.resume(folder, setup.fingerprints())
    return studies.create(folder, setup.space, setup.config(), setup.fingerprints())


def settings_from(folder: Path) -> StudyConfig:
    """The configuration of the study in `folder`.

    Raises:
        StudyError: there is none.
    """
    try:
        return records.read(folder).config
    except KeyError as error:
        raise StudyError(f"its configuration lacks {error}", where=str(folder)) from error
