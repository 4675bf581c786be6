"""What a search is made of, resolved before anything is written: space, data, chip, rule, settings."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

import spikec
from hwmodels.model import HardwareModel, Pipeline
from hwmodels.policies import preset
from hwmodels.registry import load as load_hardware
from spikec.cost import Policy, Rates
from spikec.data import digits
from spikec.data.dataset import Dataset, Split
from spikec.errors import StudyError, UnknownName, UsageError
from spikec.ir.arithmetic import MatMul
from spikec.ir.graph import Graph
from spikec.ir.linear import Conv1d, Conv2d, Linear
from spikec.search.config import StudyConfig
from spikec.search.objectives import Objective
from spikec.search.space import SearchSpace
from spikec.search.spacefile import load as load_space
from spikec.search.winner import WinnerRule
from spikec.snn.graph_builder import build_graph
from spikec.snn.spikformer import Spikformer
from spikec.snn.training import Recipe
from spikec.tasks.networks import SEEDS
from spikec.tasks.pricing import legal, price_rates
from spikec.tasks.spaces import check as check_space
from spikec.tasks.subnets import CALIBRATION, FINAL_STATISTICS, SCREEN_STATISTICS, config_of

DATA_SETS = {"digits": digits.load}
TRIALS = {"nsga2": 160, "random": 160, "evolution": 320}
"""Trials by method, unless given. F_AEB's evolution needs more: its first 50 are random (docs/search.md)."""

OPTIONS = {"baseline": "--random"}
"""Options that are spelt otherwise than the setting."""


@dataclass(frozen=True)
class SearchSettings:
    """What the user of `spikec search` chooses.

    Args:
        space: a search space, by name or TOML file.
        data: a data set's name.
        split: which of its fixed splits.
        hardware: the chip whose energy is minimised, by name or TOML file.
        method: nsga2, evolution or random.
        trials: distinct subnets that the search evaluates.
        baseline: subnets drawn at random beside them, for the plot; 0 for none.
        finalists: how many are re-scored.
        seed: of the supernet's training and of the sampler.
        epochs: of the supernet's training.
        rule: how the winner is chosen among the finalists.
        floor: the accuracy under which the front is not shown.
        options: of the method, where they are not its defaults.
        policy: how energy is counted.
        policy_name: of the named policy that it comes from, whose pipeline then replaces the chip's; or ''.

    Raises:
        UsageError: a value out of its range.
        UnknownName: no policy of that name.
    """

    space: str = "digits"
    data: str = "digits"
    split: int = 0
    hardware: str = "45nm"
    method: str = "nsga2"
    trials: int = TRIALS["nsga2"]
    baseline: int = 48
    finalists: int = 12
    seed: int = 0
    epochs: int = 45
    rule: WinnerRule = field(default_factory=WinnerRule)
    floor: float = 0.8
    options: Mapping[str, Any] = field(default_factory=dict)  # Any: plain data
    policy: Policy = field(default_factory=Policy)
    policy_name: str = ""

    def __post_init__(self) -> None:
        least = {"trials": 1, "finalists": 1, "epochs": 1, "baseline": 0, "seed": 0, "split": 0}
        for name, bound in least.items():
            if getattr(self, name) < bound:
                raise UsageError(f"{OPTIONS.get(name, f'--{name}')} {getattr(self, name)}", expected=f"{bound} or more")
        if self.seed >= SEEDS:
            raise UsageError(f"--seed {self.seed}", expected="0 to 2^63 - 1")
        if not 0.0 <= self.floor <= 1.0:
            raise UsageError(f"--floor {self.floor}", expected="an accuracy as a fraction, 0 to 1")
        named_policy(self.policy_name)

    @property
    def pipeline(self) -> Pipeline | None:
        """The passes of the named policy, in place of the chip's; None where it has none of its own."""
        return named_policy(self.policy_name)[1]

    def to_plain(self) -> dict[str, Any]:  # Any: plain data
        """As the study's config.toml holds them."""
        return {
            "space": self.space,
            "data": self.data,
            "split": self.split,
            "hardware": self.hardware,
            "trials": self.trials,
            "baseline": self.baseline,
            "finalists": self.finalists,
            "epochs": self.epochs,
            "floor": self.floor,
            "rule": {"kind": self.rule.kind, "value": self.rule.value},
            "policy": {**vars(self.policy), "name": self.policy_name},
            "statistics": {"screen": SCREEN_STATISTICS, "final": FINAL_STATISTICS},
            "calibration": CALIBRATION,
        }


def located(settings: SearchSettings) -> SearchSettings:
    """The settings with the paths among them absolute, so that a study is resumed from any folder."""
    return replace(settings, space=_located(settings.space), hardware=_located(settings.hardware))


def _located(name_or_path: str) -> str:
    return str(Path(name_or_path).resolve()) if name_or_path.endswith(".toml") else name_or_path


def settings_of(config: StudyConfig) -> SearchSettings:
    """The settings that a study's configuration holds: what `to_plain` wrote, with method and seed.

    Raises:
        StudyError: the study is not one of `spikec search`.
    """
    run = dict(config.run)
    try:
        policy = dict(run["policy"])
        return SearchSettings(
            **{key: run[key] for key in ("space", "data", "split", "hardware", "trials", "baseline", "finalists")},
            method=config.method,
            seed=config.seed,
            epochs=run["epochs"],
            floor=run["floor"],
            rule=WinnerRule(kind=run["rule"]["kind"], value=run["rule"]["value"]),
            options=dict(config.options),
            policy_name=policy.pop("name", ""),  # none in studies of before it was kept
            policy=Policy(**policy),
        )
    except (KeyError, TypeError) as error:
        raise StudyError(
            f"its configuration is not one of spikec search: {error}", where="config.toml", expected="[run] complete"
        ) from error


def named_policy(name: str) -> tuple[Policy, Pipeline | None]:
    """The policy of that name and the pipeline that it brings; the default where there is no name.

    Raises:
        UnknownName: there is none.
    """
    if not name:
        return Policy(), None
    found = preset(name)
    return found.policy, found.pipeline


@dataclass(frozen=True, eq=False)
class Setup:
    """The settings with everything they name, loaded."""

    settings: SearchSettings
    space: SearchSpace
    dataset: Dataset
    hardware: HardwareModel
    recipe: Recipe

    def config(self) -> StudyConfig:
        """The study's resolved configuration, hypervolume's reference point included."""
        s = self.settings
        accuracy = Objective("accuracy", "max", "linear", s.floor)
        energy = Objective("energy_pj", "min", "log10", self.energy_bound_pj())
        return StudyConfig(s.method, s.seed, (accuracy, energy), dict(s.options), s.to_plain())

    def energy_bound_pj(self) -> float:
        """pJ of the largest subnet at the greatest T with every rate 1: hypervolume's reference, known beforehand.

        By the policy's own bills, so that what it bills as MACs is not measured from a bound of ACs.
        """
        graph, asked = self.largest_graph(), self.settings.policy
        synaptic = graph.nodes_of(Conv1d, Conv2d, Linear, MatMul)
        rates = {(node.name, i): 1.0 for node in synaptic for i in range(len(node.inputs))}
        # Observed values outside -1, 0, 1 make MACs, which no rate tells: then every multi-bit stream is taken for one.
        multibit = "mac" if asked.domain == "observed" else asked.multibit
        policy = replace(asked, counting="rate", domain="inferred", zero_weights="count", multibit=multibit)
        priced = price_rates(graph, Rates(rates, graph.steps), self.hardware, policy, self.settings.pipeline)
        return float(f"{priced.energy_pj:.6g}")

    def largest_graph(self) -> Graph:
        """The largest subnet's graph, of weights that mean nothing."""
        config = config_of(self.space, self.space.largest(), len(self.dataset.classes))
        return build_graph(config, Spikformer(config).state_dict())

    def check_countable(self) -> None:
        """Checks that the chip counts the largest subnet, and so all, under the policy.

        Raises:
            UnsupportedOp: an op that it cannot take.
            UsageError: fields of the policy contradict each other.
        """
        policy = self.settings.policy
        graph, _ = legal(self.largest_graph(), self.hardware, policy, self.settings.pipeline)
        self.hardware.probes(graph, policy, self.hardware.plan(graph, policy))

    def fingerprints(self) -> dict[str, str]:
        """Hashes and versions of all that the trials' values depend on."""
        return {
            "space": self.space.sha256(),
            "data": dataset_sha256(self.dataset),
            "hardware": self.hardware.sha256,
            "spikec": spikec.__version__,
            "torch": torch.__version__,
            "numpy": np.__version__,
            "python": platform.python_version(),
            "machine": platform.machine(),
        }


def set_up(settings: SearchSettings) -> Setup:
    """The settings with everything they name.

    Raises:
        UnknownName, SpaceError, HardwareFileError, DataError: something they name is not there or will not do.
        UsageError: the space is not for this data, or the policy contradicts itself.
        UnsupportedOp: the chip cannot take the space's networks.
    """
    space = load_space(settings.space)
    check_space(space, settings.space if settings.space.endswith(".toml") else f"space {space.name}")
    if settings.data not in DATA_SETS:
        raise UnknownName(settings.data, "data set to search on", DATA_SETS)
    dataset = DATA_SETS[settings.data](settings.split)
    hardware = load_hardware(settings.hardware)
    image = config_of(space, space.largest(), len(dataset.classes)).image
    if image != dataset.image:
        raise UsageError(
            f"the space '{space.name}' is for images of {'x'.join(map(str, image))}, "
            f"'{settings.data}' has {'x'.join(map(str, dataset.image))}",
            mend="--space digits --data digits",
        )
    setup = Setup(settings, space, dataset, hardware, Recipe(epochs=settings.epochs))
    setup.check_countable()
    return setup


def dataset_sha256(dataset: Dataset) -> str:
    """A hash of every sample, label and id of the three parts."""
    digest = hashlib.sha256()
    parts: tuple[Split, ...] = (dataset.train, dataset.validation, dataset.test)
    for part in parts:
        for array in (part.samples, part.labels, part.ids):
            digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()
