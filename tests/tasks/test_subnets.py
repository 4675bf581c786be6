"""What a genome reaches, and which samples a search reads for what: nothing here trusts the functions it checks."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import binomtest

from hwmodels.registry import load as load_hardware
from spikec.cost import Policy
from spikec.data import digits
from spikec.data.dataset import Dataset
from spikec.frontend.tracer import trace
from spikec.ir.shapes import Reshape
from spikec.model import load
from spikec.search import spacefile
from spikec.search.genome import Genome
from spikec.snn.checkpoint import load_checkpoint
from spikec.snn.config import config_from_plain
from spikec.snn.supernet import Supernet, recalibrate
from spikec.tasks import search_run, search_setup
from spikec.tasks.search_setup import SearchSettings
from spikec.tasks.searching import Searched, search
from spikec.tasks.subnets import Subnets, config_of, predict

TINY = SearchSettings(trials=6, baseline=0, finalists=2, epochs=2, floor=0.1)
SPACE = spacefile.load("digits")


@pytest.fixture(scope="module")
def supernet() -> Supernet:
    return Supernet(config_of(SPACE, SPACE.largest(), 10), torch.Generator().manual_seed(0))


def scalars(graph: Any, block: int, slot: str) -> set[float]:
    return {
        round(float(weight.array), 12)
        for name, weight in graph.weights.items()
        if name.startswith(f"blocks.{block}.") and name.endswith(slot)
    }


def test_every_gene_reaches_its_place_in_the_config() -> None:
    rng = np.random.default_rng(3)
    for genome in (SPACE.sample(rng) for _ in range(50)):
        config = config_of(SPACE, genome, 10)
        assert (config.width, config.steps) == (genome.globals["width"], genome.globals["steps"])
        assert len(genome.blocks) == genome.globals["depth"]
        found = zip(config.ratios, config.heads, config.thresholds, config.taus, strict=True)
        asked = [tuple(block[gene] for gene in ("ratio", "heads", "threshold", "tau")) for block in genome.blocks]
        assert list(found) == asked
    stem: Any = SPACE.constants["stem"]
    assert (config.stem_threshold, config.stem_tau) == (stem["threshold"], stem["tau"])


def test_a_subnet_is_scored_on_a_chip_whose_passes_put_another_node_last(supernet: Supernet) -> None:
    """Where the mean over time stands behind the head, the output is that mean."""
    subnets = Subnets(supernet, SPACE, digits.load(0), load_hardware("loihi2"), Policy())
    graph = subnets.graph(SPACE.sample(np.random.default_rng(3)), 64)
    priced, accuracy = subnets.evaluate(graph)
    assert priced.graph.outputs != graph.outputs
    assert priced.outputs[priced.graph.outputs[0]].shape == (256, 10)
    assert 0 < accuracy < 1


@pytest.mark.full
def test_fifty_genomes_graphs_are_their_subnets_traces(supernet: Supernet) -> None:
    subnets = Subnets(supernet, SPACE, digits.load(0), load_hardware("45nm"), Policy())
    rng, texts = np.random.default_rng(5), set()
    images = torch.from_numpy(digits.load(0).train.samples[:256])
    for genome in (SPACE.sample(rng) for _ in range(50)):
        config = config_of(SPACE, genome, 10)
        module = supernet.subnet(config)
        recalibrate(module, images)
        built = subnets.graph(genome, 256)
        traced = trace(module, (1, 8, 8), layout="BX", steps=config.steps)
        assert built.text() == traced.text()
        assert built.sha256 == traced.sha256
        check_genes(built, genome)
        texts.add(built.text())
    assert len(texts) > 25


def check_genes(graph: Any, genome: Genome) -> None:
    """The numbers of a genome, read from the graph's weights and shapes."""
    for number, block in enumerate(genome.blocks):
        assert scalars(graph, number, "tau") == {block["tau"]}
        # Spikformer's attention neuron fires at half the threshold of the block's others
        assert max(scalars(graph, number, "v_threshold")) == block["threshold"]
        assert graph.weights[f"blocks.{number}.mlp.fc1_linear.weight"].array.shape == (
            block["ratio"] * genome.globals["width"],
            genome.globals["width"],
        )
        heads = {
            node.op.shape[1]
            for node in graph.nodes_of(Reshape)
            if node.scope == f"blocks.{number}.attn" and len(node.op.shape) == 3
        }
        assert block["heads"] in heads
    assert graph.steps == genome.globals["steps"]


def test_statistics_are_those_of_the_first_training_samples(supernet: Supernet) -> None:
    dataset = digits.load(1)
    subnets = Subnets(supernet, SPACE, dataset, load_hardware("45nm"), Policy())
    seen: list[torch.Tensor] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("spikec.tasks.subnets.recalibrate", lambda module, images: seen.append(images))
        subnets.network(SPACE.largest(), 100)
    np.testing.assert_array_equal(seen[0].numpy(), dataset.train.samples[:100])
    np.testing.assert_array_equal(subnets.calibration, dataset.validation.samples[:256])


def test_the_supernet_is_trained_on_subnets_that_reach_every_value_of_every_gene(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[Any] = []

    def train(supernet: object, split: object, draw: Any, *rest: object, **options: object) -> None:
        assert split is setup.dataset.train
        rng = np.random.default_rng(0)
        drawn.extend(draw(rng) for _ in range(200))

    setup = search_setup.set_up(TINY)
    monkeypatch.setattr(search_run, "train_supernet", train)
    search_run.trained(setup, tmp_path, lambda *_: None)
    assert {config.width for config in drawn} == {32, 48, 64}
    assert {config.steps for config in drawn} == {1, 2, 3, 4}
    assert {len(config.heads) for config in drawn} == {1, 2, 3}
    for field, values in {
        "ratios": {2.0, 3.0, 4.0},
        "heads": {2, 4},
        "thresholds": {0.6, 0.8, 1.0, 1.2},
        "taus": {1.25, 2.0, 4.0},
    }.items():
        assert {value for config in drawn for value in getattr(config, field)} == values


class Watched(Dataset):
    """Digits that write down who reads the test part, and whether the winner had been written by then."""

    reads: list[bool]
    winner: Path

    def __getattribute__(self, name: str) -> Any:
        # the fingerprint hashes every byte of the data and uses none
        if name == "test" and sys._getframe(1).f_code.co_name != "dataset_sha256":
            type(self).reads.append(type(self).winner.is_file())
        return super().__getattribute__(name)


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Searched]:
    folder = tmp_path_factory.mktemp("watched") / "study"
    whole = digits.load(0)
    watched = Watched(**{name: getattr(whole, name) for name in whole.__dataclass_fields__})
    Watched.reads, Watched.winner = [], folder / "winners" / "winner.pt"
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(search_setup.DATA_SETS, "digits", lambda split: watched)
        yield search(TINY, out=folder)


@pytest.mark.full
def test_the_test_part_is_read_once_after_the_choice_and_never_again(searched: Searched) -> None:
    assert Watched.reads == [True]
    again = search(out=searched.folder, resume=True)
    assert Watched.reads == [True]
    assert again.result == searched.result


def shifted(samples: np.ndarray, rows: int, columns: int) -> np.ndarray:
    padded = np.pad(samples, [(0, 0), (0, 0), (1, 1), (1, 1)])
    return padded[:, :, 1 - rows : 9 - rows, 1 - columns : 9 - columns]


@pytest.mark.full
def test_reported_accuracies_are_those_of_the_files(searched: Searched) -> None:
    whole, result = digits.load(0), searched.result
    graphs = [load(path).graph for path in (searched.winner, searched.folder / "largest.pt")]
    right = [predict(graph, whole.test.samples).argmax(1) == whole.test.labels for graph in graphs]
    assert result["test"]["samples"] == 360
    assert (result["test"]["winner_accuracy"], result["test"]["largest_accuracy"]) == tuple(r.mean() for r in right)
    only = int((right[0] & ~right[1]).sum()), int((right[1] & ~right[0]).sum())
    p = binomtest(only[0], sum(only)).pvalue if sum(only) else 1.0
    assert result["test"]["paired"]["p_value"] == pytest.approx(p)
    validation = whole.validation
    for which, graph in zip(("winner", "largest"), graphs, strict=True):
        copies = [shifted(validation.samples, r, c) for r in (-1, 0, 1) for c in (-1, 0, 1)]
        accuracies = [(predict(graph, copy).argmax(1) == validation.labels).mean() for copy in copies]
        assert result[which]["final"]["accuracy"] == pytest.approx(np.mean(accuracies), abs=1e-12)
        assert result[which]["final"]["accuracy_validation"] == accuracies[4]
        assert len(set(accuracies)) > 1


@pytest.mark.full
def test_the_winner_is_the_slice_of_the_supernet_with_statistics_of_512_training_samples(searched: Searched) -> None:
    stored = load_checkpoint(searched.folder / "supernet.pt", keys=["config", "model"])
    supernet = Supernet(config_from_plain(stored["config"]), torch.Generator())
    supernet.load_state_dict(stored["model"])
    genome = Genome.from_json(searched.result["winner"]["genome"])
    module = supernet.subnet(config_of(SPACE, genome, 10))
    recalibrate(module, torch.from_numpy(digits.load(0).train.samples[:512]))
    traced = trace(module, (1, 8, 8), layout="BX", steps=module.config.steps)
    winner = load(searched.winner)
    assert winner.graph.text() == traced.text()
    for name, weight in traced.weights.items():
        np.testing.assert_allclose(winner.graph.weights[name].array, weight.array, rtol=1e-5, atol=1e-6)
    assert replace(traced, weights=winner.graph.weights).sha256 == winner.graph.sha256
