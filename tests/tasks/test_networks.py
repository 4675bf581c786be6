"""Published networks as models: their counts, their graphs, their seeds; and the module back from a model."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import torch

from hwmodels.dense import dense_macs
from spikec.data import digits
from spikec.errors import UnknownName, UsageError
from spikec.frontend.tracer import trace
from spikec.ir.arithmetic import MatMul
from spikec.ir.linear import Conv1d, Conv2d, Linear
from spikec.ir.types import Timing
from spikec.model import Model, load, save
from spikec.snn.config import SpikformerConfig
from spikec.snn.registry import NETWORKS, network_config
from spikec.tasks import networks
from spikec.tasks.networks import BUILT, TRACED, graph_of, network_of, new, untrained
from spikec.tasks.showing import passed


class Published(NamedTuple):
    """Live parameters, and MACs a step of conv and linear, of SSA, and of the head once an inference.

    From the authors' own model code. SSA of the ImageNet form is q (k^T v), two products of N D d a block, d = 64.
    """

    parameters: int
    body: int | None
    attention: int | None
    head: int


IMAGENET_SSA = {width: 8 * 2 * 196 * width * 64 for width in (384, 512, 768)}
TABLE = {
    "spikformer-4-256": Published(4_155_178, 409_829_376, 418_217_984 - 409_829_376, 2_560),
    "spikformer-2-384": Published(5_765_050, 694_960_128, 701_251_584 - 694_960_128, 3_840),
    "spikformer-4-384": Published(9_324_730, 921_452_544, 934_035_456 - 921_452_544, 3_840),
    "spikformer-4-384-cifar100": Published(9_359_380, 921_452_544, 934_035_456 - 921_452_544, 38_400),
    "spikformer-8-384": Published(16_816_024, 4_660_346_880, IMAGENET_SSA[384], 384_000),
    "spikformer-8-512": Published(29_689_384, 8_256_159_744, IMAGENET_SSA[512], 512_000),
    "spikformer-8-768": Published(66_338_632, 18_511_331_328, IMAGENET_SSA[768], 768_000),
    "spikingformer-8-512": Published(29_689_384, 8_256_159_744, IMAGENET_SSA[512], 512_000),
    "spikformer-dvs-2-256": Published(2_566_666, None, None, 2_560),
    "spikformer-dvs128-2-256": Published(2_566_923, None, None, 2_816),
}
LARGE = [name for name, config in NETWORKS.items() if config.form == "imagenet"]


def check_counts(model: Model, expected: Published) -> None:
    graph = model.graph
    macs = [(node, dense_macs(graph, node)) for node in graph.nodes]
    step = [(node, count) for node, count in macs if node.type.timing is Timing.STEP]
    assert graph.parameters == expected.parameters
    assert sum(count for node, count in macs if node.type.timing is Timing.ONCE) == expected.head
    if expected.body is not None:
        assert sum(n for node, n in step if isinstance(node.op, Conv1d | Conv2d | Linear)) == expected.body
        assert sum(n for node, n in step if isinstance(node.op, MatMul)) == expected.attention


def test_the_table_has_every_published_network() -> None:
    assert {*TABLE, "spikformer-digits"} == set(NETWORKS)


@pytest.mark.parametrize("name", TABLE)
def test_parameters_and_macs_of_the_built_graph_are_the_published_ones(name: str) -> None:
    check_counts(new(name, replay=False), TABLE[name])


@pytest.mark.full
@pytest.mark.parametrize("name", [*LARGE, pytest.param("spikingformer-8-512", marks=pytest.mark.long)])
def test_the_graph_that_is_built_for_a_large_image_is_the_one_that_is_traced(name: str) -> None:
    network = untrained(network_config(name), 0)
    config = network.config
    traced = trace(network, config.image, layout="BX", steps=config.steps, check=False)
    built, how = graph_of(network, replay=False)
    assert built.text() == traced.text()
    assert built.sha256 == traced.sha256
    assert how == BUILT


@pytest.mark.long
@pytest.mark.parametrize("name", LARGE)
def test_large_networks_replay_as_well(name: str) -> None:
    assert new(name, replay=True).graph.sha256 == new(name).graph.sha256


def test_the_rule_looks_at_the_image(monkeypatch: pytest.MonkeyPatch) -> None:
    network = untrained(network_config("spikformer-digits"), 0)
    assert graph_of(network)[1] == TRACED
    monkeypatch.setattr(networks, "TRACED_PIXELS", 63)
    assert graph_of(network)[1] == BUILT
    assert graph_of(network, replay=True)[1] == TRACED
    assert graph_of(network)[0].sha256 == graph_of(network, replay=True)[0].sha256


def test_a_seed_gives_the_same_weights_bit_for_bit_and_another_gives_others() -> None:
    first, again, other = (new("spikformer-digits", seed) for seed in (3, 3, 4))
    assert first.graph.sha256 == again.graph.sha256
    assert first.graph.sha256 != other.graph.sha256
    assert first.graph.text() == other.graph.text()
    assert first.provenance["seed"] == 3


def test_the_seed_alone_decides_whatever_torch_has_drawn_before() -> None:
    first = new("spikformer-digits", 1)
    torch.rand(7)
    assert new("spikformer-digits", 1).graph.sha256 == first.graph.sha256


@pytest.mark.parametrize("seed", [-1, 2**63])
def test_a_seed_out_of_range_is_refused(seed: int) -> None:
    with pytest.raises(UsageError, match="seed"):
        new("spikformer-digits", seed)


def test_an_unknown_name_gives_the_nearest() -> None:
    with pytest.raises(UnknownName) as error:
        new("spikformer-4-348")
    assert error.value.nearest[0] == "spikformer-4-384"


def test_digits_bring_their_calibration_batch_and_others_none() -> None:
    model = new("spikformer-digits")
    validation = digits.load(0).validation
    assert model.calibration is not None
    assert model.calibration.spec == "digits:0:validation"
    np.testing.assert_array_equal(model.calibration.inputs, validation.samples[:256])
    np.testing.assert_array_equal(model.calibration.ids, validation.ids[:256])
    assert model.class_names == tuple("0123456789")
    other = new("spikformer-2-384", replay=False)
    assert other.calibration is None
    assert other.class_names == ()


def test_frames_are_said_to_be_frames() -> None:
    model = new("spikformer-dvs-2-256", replay=False)
    assert (model.input.encoder, model.input.steps, model.input.shape) == ("frames", 16, (2, 128, 128))
    assert new("spikformer-digits").input.encoder == "direct"


def test_a_model_gives_its_module_back_bit_for_bit(tmp_path: Path, small_config: SpikformerConfig) -> None:
    network = untrained(small_config, 5)
    with torch.no_grad():
        for name, buffer in network.named_buffers():
            if name.endswith("running_mean"):
                buffer.add_(0.25)
    save(networks.model_of_network(network, "x", {}, None), tmp_path / "x.pt")
    again = network_of(load(tmp_path / "x.pt"))
    assert again.config == small_config
    assert not again.training
    for name, tensor in network.state_dict().items():
        assert torch.equal(tensor, again.state_dict()[name]), name


def test_a_model_without_architecture_gives_no_module(small_model: Model) -> None:
    with pytest.raises(UsageError, match="no architecture"):
        network_of(replace(small_model, architecture=None))


def test_a_graph_that_passes_changed_is_no_longer_its_architectures(small_model: Model) -> None:
    folded = passed(small_model, ["fold-batchnorm"]).model
    with pytest.raises(UsageError, match="after passes"):
        network_of(replace(folded, architecture=small_model.architecture))


def test_an_architecture_that_is_not_the_graphs_is_refused(small_model: Model) -> None:
    assert small_model.architecture is not None
    config = {**small_model.architecture["config"], "heads": (4,)}
    with pytest.raises(UsageError, match="not that of its architecture"):
        network_of(replace(small_model, architecture={**small_model.architecture, "config": config}))
