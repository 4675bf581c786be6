"""Subnets of a supernet as graphs: what a genome builds, with statistics of its own, and what it is worth."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray

from hwmodels.model import HardwareModel, Pipeline
from spikec.cost import Policy
from spikec.data.dataset import Dataset
from spikec.errors import SpaceError
from spikec.ir.graph import Graph
from spikec.run.interp import Interpreter
from spikec.search.genome import Genome
from spikec.search.space import SearchSpace
from spikec.snn.config import FORMS, SpikformerConfig
from spikec.snn.graph_builder import build_graph
from spikec.snn.neuron import Convention
from spikec.snn.spikformer import Spikformer
from spikec.snn.supernet import Supernet, recalibrate
from spikec.tasks.pricing import Priced, feed, one_thread, price

SCREEN_STATISTICS = 256
FINAL_STATISTICS = 512
CALIBRATION = 256


def config_of(space: SearchSpace, genome: Genome, classes: int) -> SpikformerConfig:
    """The Spikformer that a genome of `space` says.

    Raises:
        SpaceError: the space's constants do not say a Spikformer.
    """
    constants = cast(Mapping[str, Any], space.constants)  # plain data of the space's file
    try:
        stem = constants["stem"]
        if constants["rpe"] != stem:
            raise SpaceError("stem and RPE have different constants", where=f"space {space.name}")
        form = FORMS[constants["form"]]
        return SpikformerConfig(
            form=constants["form"],
            image=tuple(constants["image"]),
            classes=classes,
            width=int(genome.globals["width"]),
            ratios=tuple(float(block["ratio"]) for block in genome.blocks),
            heads=tuple(int(block["heads"]) for block in genome.blocks),
            thresholds=tuple(float(block["threshold"]) for block in genome.blocks),
            taus=tuple(float(block["tau"]) for block in genome.blocks),
            steps=int(genome.globals["steps"]),
            stem_threshold=float(stem["threshold"]),
            stem_tau=float(stem["tau"]),
            attention_scale=float(constants["attention_scale"]),
            pools=form.pools,
            neuron=Convention(**constants["neuron"]),
        )
    except (KeyError, TypeError) as error:
        raise SpaceError(
            f"its genes and constants say no Spikformer: {error}",
            where=f"space {space.name}",
            expected="as digits.toml",
        ) from error


@dataclass(frozen=True, eq=False)
class Subnets:
    """The subnets of a trained supernet, evaluated on a data set and priced on a chip.

    Args:
        supernet: trained.
        space: of the genomes.
        dataset: statistics come from its train part, values from its validation part.
        hardware, policy: what energy is counted by.
        pipeline: in place of the chip's own, where a named policy says so.
    """

    supernet: Supernet
    space: SearchSpace
    dataset: Dataset
    hardware: HardwareModel
    policy: Policy
    pipeline: Pipeline | None = None

    def network(self, genome: Genome, samples: int) -> Spikformer:
        """The subnet as a module of its own, its BatchNorm statistics those of the first training samples."""
        network = self.supernet.subnet(config_of(self.space, genome, len(self.dataset.classes)))
        images = torch.from_numpy(self.dataset.train.samples[:samples])
        with one_thread():
            recalibrate(network, images)
        return network

    def graph(self, genome: Genome, samples: int) -> Graph:
        """The subnet's graph, statistics included, built from its genome."""
        network = self.network(genome, samples)
        return build_graph(network.config, network.state_dict())

    @property
    def calibration(self) -> NDArray[np.float32]:
        """The samples on which energy is counted: the first of the validation part."""
        return self.dataset.validation.samples[:CALIBRATION]

    def screen(self, genome: Genome) -> dict[str, float]:
        """Accuracy on the validation part and energy on the calibration batch, with screening statistics."""
        priced, accuracy = self.evaluate(self.graph(genome, SCREEN_STATISTICS))
        return {"accuracy": accuracy, "energy_pj": priced.energy_pj}

    def evaluate(self, graph: Graph) -> tuple[Priced, float]:
        """The cost of a graph on the calibration batch, and its accuracy on the whole validation part."""
        validation = self.dataset.validation
        priced = price(graph, self.calibration, graph.steps, self.hardware, self.policy, self.pipeline)
        (output,) = priced.graph.outputs  # a pass may have put another node last, as loihi2's do
        logits = [priced.outputs[output], predict(priced.graph, validation.samples[CALIBRATION:])]
        return priced, accuracy_of(np.concatenate(logits), validation.labels)


def predict(graph: Graph, samples: NDArray[np.float32]) -> NDArray[np.float64]:
    """Logits [n, classes] of a graph in fp32 on one thread; no samples give none."""
    (output,) = graph.outputs
    if len(samples) == 0:
        return np.zeros((0, *graph.types[output].shape))
    with one_thread():
        values = Interpreter(torch.float32).run(graph, feed(graph, samples))
    return values[output].double().numpy()


def correct(logits: NDArray[np.float64], labels: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Whether the greatest logit of each sample is its label's."""
    found: NDArray[np.bool_] = logits.argmax(1) == labels
    return found


def accuracy_of(logits: NDArray[np.float64], labels: NDArray[np.int64]) -> float:
    """The share of samples that are right, in [0, 1]."""
    return float(correct(logits, labels).mean())
