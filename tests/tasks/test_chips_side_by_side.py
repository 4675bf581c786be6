"""A convnet and a Spikformer on several chips at once: each answers by itself."""

import numpy as np
import pytest

from spikec.cost import Policy, Report
from spikec.ir.builder import GraphBuilder
from spikec.ir.linear import Conv2d, Linear
from spikec.ir.neurons import LIF
from spikec.ir.pools import MaxPool
from spikec.ir.shapes import Reshape
from spikec.ir.time import Repeat, TimeMean
from spikec.ir.types import REAL, Int, TensorType, Timing
from spikec.model import Calibration, InputSpec, Model
from spikec.report.view import Refusal
from spikec.tasks.estimation import Question, estimate

OTHERS = ("truenorth", "spinnaker", "spinnaker2", "odin", "generic-core")


@pytest.fixture(scope="module")
def convnet():
    """An image, two convolutions, a maximum of spikes, and a head whose mean over time stands before it."""
    rng = np.random.default_rng(0)
    builder = GraphBuilder(4)
    x = builder.input("x", TensorType((1, 6, 6), REAL, Timing.ONCE))
    y = builder.add(Conv2d(padding=(1, 1)), x, scope="conv1", weights={"weight": rng.random((4, 1, 3, 3))})
    y = builder.add(LIF(), builder.add(Repeat(), y), scope="lif1", weights={"tau": 2.0, "v_threshold": 1.0})
    weight = rng.normal(size=(4, 4, 3, 3))
    y = builder.add(Conv2d(padding=(1, 1)), y, scope="conv2", weights={"weight": weight})
    y = builder.add(LIF(), y, scope="lif2", weights={"tau": 2.0, "v_threshold": 0.5})
    y = builder.add(TimeMean(), builder.add(Reshape((36,)), builder.add(MaxPool(), y, scope="pool")))
    graph = builder.graph(builder.add(Linear(), y, scope="head", weights={"weight": rng.normal(size=(10, 36))}))
    images = rng.random((3, 1, 6, 6)).astype(np.float32)
    return Model(
        "convnet", graph, InputSpec((1, 6, 6), "direct", 4), calibration=Calibration(images, np.arange(3), "made")
    )


def test_three_chips_price_a_convnet(convnet):
    base, loihi1, loihi2 = estimate(convnet, ("45nm", "loihi1", "loihi2"))
    assert all(isinstance(report, Report) and report.energy_pj > 0 for report in (base, loihi1, loihi2))
    assert loihi1.priced_graph_sha256 == loihi2.priced_graph_sha256 != base.priced_graph_sha256
    assert [report.hardware["evidence"] for report in (base, loihi1, loihi2)] == ["derived", "simulated", "derived"]
    counts = loihi1.totals["counts"]
    assert counts["host_mac"] == loihi1.left_out["host_mac"] > 0
    assert counts["ac"] == loihi2.totals["counts"]["ac"]
    assert loihi1.energy_pj >= 23.6 * counts["ac"] + 52 * counts["neuron_update_inactive"]
    assert (loihi1.totals["energy_pj_low"], loihi1.totals["energy_pj_high"]) == (pytest.approx(loihi1.energy_pj), None)
    low, high = loihi2.totals["energy_pj_low"], loihi2.totals["energy_pj_high"]
    assert (low / 11.6, high / 28.7) == (pytest.approx(counts["ac"]), pytest.approx(counts["ac"]))
    said = " ".join(loihi2.assumptions)
    assert "the price 'synaptic_event' is all-in" in said
    assert "agreement with it validates nothing" in said
    assert "not counted, since it takes a mapping to cores: message, hop_ew, hop_ns" in " ".join(loihi1.assumptions)


def test_the_price_of_loihi_2_follows_the_policy_that_it_was_derived_under(convnet):
    for zero_weights, price in (("count", 22.7), ("skip", 26.8)):
        (report,) = estimate(convnet, ("loihi2",), Question(Policy(zero_weights=zero_weights)))
        assert report.energy_pj == pytest.approx(price * report.totals["counts"]["ac"])


@pytest.mark.parametrize("chip", OTHERS)
def test_every_chip_prices_a_convnet(convnet, chip):
    (report,) = estimate(convnet, (chip,))
    assert report.energy_pj > 0
    assert report.totals["counts"]["ac"] > 0


def test_a_spikformer_is_refused_by_name_where_attention_has_no_form(small_model):
    base, loihi1, loihi2 = estimate(small_model, ("45nm", "loihi1", "loihi2"), Question(samples=2))
    assert isinstance(base, Report)
    assert isinstance(loihi1, Refusal)
    assert "blocks.0.attn" in loihi1.reason
    assert "a product of two activations has no stored weight" in loihi1.reason
    assert "--attention coincidence" in loihi1.reason
    assert loihi2.hardware["evidence"] == "assumed"


@pytest.mark.parametrize("chip", ["truenorth", "spinnaker"])
def test_a_spikformer_is_costed_as_coincidences(small_model, chip):
    (report,) = estimate(small_model, (chip,), Question(Policy(attention="coincidence"), samples=2))
    assert report.hardware["evidence"] == "assumed"
    # Two heads of 16 tokens and 16 channels: N^2 d a head for q k^T, as many a level of a score for (q k^T) v.
    assert f"coincidence neurons, {2 * 16**3 + 2 * 16**3 * 16:,} in all" in " ".join(report.assumptions)


def test_a_state_that_a_chip_cannot_hold_is_a_row_with_its_reason():
    builder = GraphBuilder(2)
    x = builder.input("x", TensorType((2,), Int(0, 10_000_000)))
    y = builder.add(Linear(), x, scope="fc", weights={"weight": np.ones((2, 2))})
    graph = builder.graph(builder.add(LIF(), y, scope="lif", weights={"tau": 2.0, "v_threshold": 1.0}))
    frames = np.full((1, 2, 2), 9_000_000, np.float32)
    model = Model("big", graph, InputSpec((2,), "frames", 2), calibration=Calibration(frames, np.arange(1), "made"))
    base, loihi2 = estimate(model, ("45nm", "loihi2"))
    assert isinstance(base, Report)
    assert isinstance(loihi2, Refusal)
    assert "its state reaches" in loihi2.reason
