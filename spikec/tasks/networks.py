"""Networks as models: the published ones from a seed, and any Spikformer with its own weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch

import spikec
from spikec.data import digits
from spikec.data.dataset import Dataset
from spikec.errors import ModelFileError, UsageError
from spikec.frontend.tracer import Layout, trace
from spikec.ir.graph import Graph
from spikec.model import Calibration, InputSpec, Model
from spikec.snn.config import SpikformerConfig, config_from_plain, config_to_plain
from spikec.snn.graph_builder import build_graph, input_domain
from spikec.snn.registry import network_config
from spikec.snn.spikformer import Spikformer, new_spikformer
from spikec.tasks.pricing import one_thread
from spikec.tasks.subnets import CALIBRATION

FAMILY = "spikformer"
TRACED_PIXELS = 128 * 128
"""Images up to here are traced and replayed; at 224 x 224 the replay in fp64 takes minutes and 11 GB."""
LONG_PIXELS = 2 * TRACED_PIXELS
"""Pixels of all steps from which on a replay takes a good part of a minute on one core."""
TRACED = "traced, and replayed against the network in fp64"
BUILT = f"built from the config: images above {TRACED_PIXELS} pixels are not replayed (--replay does)"
SEEDS = 2**63


def new(
    name: str, seed: int = 0, *, replay: bool | None = None, say: Callable[[str], None] = lambda words: None
) -> Model:
    """The published network `name`, untrained, its weights drawn from `seed` alone.

    Args:
        name: a key of `spikec.snn.registry.NETWORKS`.
        seed: 0 to 2^63 - 1.
        replay: see `graph_of`.
        say: told what is done, before it is.

    Returns:
        A model with its architecture; with a calibration batch where its data are bundled (digits).

    Raises:
        UnknownName: no such network; the nearest names are in the message.
        UsageError: the seed is out of range.
    """
    config = network_config(name)
    network = untrained(config, seed)
    dataset = digits.load(0) if config.form == "digits" else None
    say(_work(config) if is_replayed(config, replay) else "building its graph from the config")
    return model_of_network(network, name, {"made": "untrained", "network": name, "seed": seed}, dataset, replay)


def untrained(config: SpikformerConfig, seed: int) -> Spikformer:
    """A Spikformer in evaluation mode with weights from `seed` alone.

    Raises:
        UsageError: the seed is out of range.
    """
    if not 0 <= seed < SEEDS:
        raise UsageError(f"seed {seed}", expected="0 to 2^63 - 1")
    return new_spikformer(config, torch.Generator().manual_seed(seed)).eval()


def model_of_network(
    network: Spikformer,
    name: str,
    provenance: Mapping[str, Any],  # Any: plain data
    dataset: Dataset | None,
    replay: bool | None = None,
) -> Model:
    """A network as a model that can be trained further.

    Args:
        network: in evaluation mode.
        name: of the model.
        provenance: how the weights came to be; how the graph was taken and the versions are added.
        dataset: class names and the calibration batch, the first of its validation part; None for neither.
        replay: see `graph_of`.
    """
    config = network.config
    graph, how = graph_of(network, replay)
    return Model(
        name=name,
        graph=graph,
        input=InputSpec(
            shape=config.image,
            encoder="frames" if config.layout.frames else "direct",
            steps=config.steps,
            preprocessing="none stated" if dataset is None else "values in 0..1",
        ),
        class_names=() if dataset is None else dataset.classes,
        calibration=None if dataset is None else calibration_of(dataset),
        architecture={"family": FAMILY, "config": config_to_plain(config)},
        provenance={**provenance, "graph": how, "spikec": spikec.__version__, "torch": str(torch.__version__)},
    )


def graph_of(network: Spikformer, replay: bool | None = None) -> tuple[Graph, str]:
    """The graph of a network, and how it was taken.

    One rule: a network on images of up to `TRACED_PIXELS` pixels is traced, and the trace replayed against it; on
    larger ones the graph is built from the config. A test holds the two equal for every published network.

    Args:
        network: in evaluation mode.
        replay: trace and replay (True) or build (False) whatever the image; the rule unless given.

    Raises:
        TraceError: the replay differs.
    """
    config = network.config
    if not is_replayed(config, replay):
        return build_graph(config, network.state_dict()), BUILT
    with one_thread():
        layout: Layout = "TBX" if config.layout.frames else "BX"
        domain = input_domain(config)
        return trace(network, config.image, layout=layout, steps=config.steps, domain=domain), TRACED


def is_replayed(config: SpikformerConfig, replay: bool | None = None) -> bool:
    """Whether such a network is traced and replayed: as asked, else by the size of its images."""
    return config.image[1] * config.image[2] <= TRACED_PIXELS if replay is None else replay


def _work(config: SpikformerConfig) -> str:
    _, height, width = config.image
    long = config.steps * height * width >= LONG_PIXELS
    size = f"{config.steps} steps of {'x'.join(map(str, config.image))}"
    return f"tracing it and replaying its graph against it in fp64, {size}{': a minute or more' if long else ''}"


def calibration_of(dataset: Dataset) -> Calibration:
    """The samples on which energy is counted: the first of the validation part."""
    part = dataset.validation.take(CALIBRATION)
    return Calibration(part.samples, part.ids, f"{dataset.spec}:validation")


def network_of(model: Model) -> Spikformer:
    """The module of a model, rebuilt from its architecture and the weights of its graph; in evaluation mode.

    Raises:
        UsageError: the model has no architecture, or its graph is no longer that of its architecture.
        ModelFileError: the architecture cannot be read.
    """
    architecture = model.architecture
    if architecture is None or architecture.get("family") != FAMILY:
        raise UsageError(
            "it holds a graph and no architecture to train",
            where=f"model '{model.name}'",
            expected="a model of spikec new, spikec search or spikec train",
            mend="train it where it came from, then spikec trace it again",
        )
    try:
        config = config_from_plain(architecture["config"])
    except (KeyError, TypeError, AttributeError) as error:
        raise ModelFileError(f"its architecture cannot be read: {error}", where=f"model '{model.name}'") from error
    network = untrained(config, 0)
    state = network.state_dict()
    for name, tensor in state.items():
        weight = model.graph.weights.get(name)
        if weight is not None and weight.array.shape == tuple(tensor.shape):
            state[name] = torch.from_numpy(weight.array.copy())
    if build_graph(config, state).sha256 != model.graph.sha256:
        raise UsageError(
            "its graph is not that of its architecture, as after passes",
            where=f"model '{model.name}'",
            mend="train the model as it was before the passes",
        )
    network.load_state_dict(state)
    return network
