"""Chips whose synapses take spikes: counts by hand, what is the host's, what is refused."""

import numpy as np
import pytest

from hwmodels.registry import CHIPS, load
from hwmodels.totals import left_out, not_counted, total_bounds_pj, total_energy_pj, weakest_evidence
from spikec.cost import Evidence, Policy, Rates
from spikec.errors import UnsupportedOp, UsageError
from spikec.ir.arithmetic import Add, MatMul, Mul
from spikec.ir.builder import GraphBuilder
from spikec.ir.linear import BatchNorm, Conv2d, Linear
from spikec.ir.neurons import IF, LIF
from spikec.ir.pools import AvgPool, MaxPool, Mean
from spikec.ir.time import Repeat, TimeMean
from spikec.ir.types import REAL, SPIKE, Int, TensorType, Timing

EVENTS, PRODUCTS, WHOLE = load("truenorth"), load("generic-core"), load("spinnaker")
"""Chips without cores: all-in; with programmable neurons; that prices an update as a whole."""
PER_TERM = load("loihi1").chip
"""What operations cost there, cores apart."""
NEURON = {"v_threshold": 1.0}


def spikes(*shape):
    return TensorType(shape, SPIKE)


def frames(array):
    """[T, samples, ...] of one sample."""
    return np.asarray(array, dtype=np.float64)[:, None]


@pytest.fixture
def chain():
    """Spikes into a Linear and an IF, T = 3."""
    builder = GraphBuilder(3)
    x = builder.input("x", spikes(2))
    y = builder.add(Linear(), x, scope="fc", weights={"weight": [[1.0, 0.0], [1.0, 1.0], [0.0, 0.0]]})
    return builder.graph(builder.add(IF(), y, scope="if", weights=NEURON))


FRAMES = frames([[1, 0], [0, 0], [0, 1]])


def test_updates_are_active_where_the_drive_is_not_zero(chain, priced):
    layer, neurons = priced(chain, {"x": FRAMES}, hardware=EVENTS)
    assert layer.counts == {"ac": 2 * 3}
    # Drives: step 0 [1, 1, 0], step 1 nothing, step 2 [0, 1, 0].
    assert neurons.counts == {"neuron_update_active": 3, "neuron_update_inactive": 6, "spike": 3}


def test_a_chip_that_prices_updates_as_a_whole_counts_them_so(chain, priced):
    layer, neurons = priced(chain, {"x": FRAMES}, hardware=WHOLE)
    assert neurons.counts == {"neuron_update": 9, "spike": 3}
    assert total_energy_pj((layer, neurons), 1) == pytest.approx(6 * 13_300 + 9 * 26_000)


@pytest.fixture
def image():
    """An image into a Conv (direct coding), a neuron, a Linear and a mean over time."""
    builder = GraphBuilder(4)
    x = builder.input("x", TensorType((1, 2, 2), REAL, Timing.ONCE))
    y = builder.add(Conv2d(), x, scope="conv", weights={"weight": np.ones((1, 1, 1, 1))})
    y = builder.add(LIF(), builder.add(Repeat(), y), scope="lif", weights={"tau": 2.0, "v_threshold": 0.1})
    y = builder.add(Linear(), y, scope="fc", weights={"weight": np.ones((2, 2))})
    return builder.graph(builder.add(TimeMean(), y))


def test_what_comes_before_the_first_neuron_is_the_hosts(image, priced):
    costs = priced(image, {"x": np.array([[[[0.5, 0.0], [0.5, 0.0]]]])}, hardware=EVENTS)
    found = {cost.scope: cost for cost in costs}
    assert found["conv"].counts == {"host_mac": 2}
    assert found["conv"].energy_pj == {}
    assert found["fc"].counts == {"ac": 2 * 4 * 2}
    assert left_out(costs, EVENTS.prices(image, Policy()), 1)["host_mac"] == 2
    said = " ".join(EVENTS.assumptions(image, Policy()))
    assert (
        "inputs that are no spikes are multiplied by a host, outside this chip, and not priced (host_mac): %conv"
        in said
    )
    assert "read out as they are; no update is counted of them: %fc" in said


def test_an_image_of_integers_is_no_spikes(priced):
    builder = GraphBuilder(2)
    x = builder.input("x", TensorType((2,), Int(0, 255), Timing.ONCE))
    y = builder.add(Linear(), x, scope="fc", weights={"weight": np.ones((3, 2))})
    first = builder.add(IF(), builder.add(Repeat(), y), scope="coded", weights=NEURON)
    second = builder.add(IF(), builder.add(Repeat(), x), scope="biased", weights=NEURON)
    graph = builder.graph(first, second)
    found = {cost.scope: cost.counts for cost in priced(graph, {"x": np.array([[200.0, 0.0]])}, hardware=EVENTS)}
    assert found["fc"] == {"host_mac": 3}
    assert "ac" not in found["biased"]
    assert found["biased"]["neuron_update_active"] == 2


def test_a_chip_without_a_host_refuses_real_inputs(image, tmp_path):
    text = (CHIPS / "truenorth.toml").read_text("utf-8")
    path = tmp_path / "mine.toml"
    path.write_text(text.replace('real_input = "host"', 'real_input = "refuse"'), encoding="utf-8")
    with pytest.raises(UnsupportedOp, match=r"conv .*it multiplies an input that is no spikes") as caught:
        load(path).plan(image, Policy())
    assert [offender.path for offender in caught.value.offenders] == ["conv"]


def neuron_graph(build, *kinds):
    """A graph whose last op is what `build` adds to inputs a, b."""
    builder = GraphBuilder(2)
    values = [builder.input(name, kind) for name, kind in zip("ab", kinds, strict=False)]
    return builder.graph(build(builder, *values))


def norm_between(b, x):
    y = b.add(Linear(), x, scope="fc", weights={"weight": np.ones((2, 2))})
    y = b.add(BatchNorm(), y, scope="bn", weights={"mean": np.zeros(2), "var": np.ones(2)})
    return b.add(IF(), y, scope="if", weights=NEURON)


def pooled_sums(b, x):
    y = b.add(Conv2d(), x, scope="conv", weights={"weight": np.ones((1, 1, 1, 1))})
    return b.add(IF(), b.add(AvgPool(), y, scope="pool"), scope="if", weights=NEURON)


def late_mean(b, x):
    y = b.add(IF(), x, scope="if", weights=NEURON)
    return b.add(Linear(), b.add(TimeMean(), y), scope="head", weights={"weight": np.ones((2, 2))})


def membrane(b, x):
    first = b.add(IF(), x, scope="first", weights=NEURON)
    return b.add(IF(), f"{first}.v", scope="second", weights=NEURON)


REFUSED = {
    "membrane": (membrane, [spikes(2)], "second", "%first.v drives it, which is real", ""),
    "head on a mean over time": (late_mean, [spikes(2)], "head", "its operand is real", "time-reductions-last"),
    "norm": (norm_between, [spikes(2)], "bn", "no neuron has taken the sums", "fold-batchnorm"),
    "pool of sums": (pooled_sums, [spikes(1, 4, 4)], "pool", "no neuron has taken the sums", ""),
    "maximum": (lambda b, x: b.add(MaxPool(), x, scope="max"), [spikes(1, 4, 4)], "max", "no maximum", "lower-maxpool"),
    "attention": (
        lambda b, q, k: b.add(MatMul(), q, k, scope="qk"),
        [spikes(2, 2), spikes(2, 2)],
        "qk",
        "a product of two activations has no stored weight",
        "--attention coincidence",
    ),
    "gate": (
        lambda b, q, k: b.add(Mul(), q, k, scope="gate"),
        [spikes(2), spikes(2)],
        "gate",
        "a product of two activations has no stored weight",
        "--attention coincidence",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_has_no_form_is_refused_by_name_with_a_mend(case):
    build, kinds, path, reason, mend = REFUSED[case]
    for ask in (EVENTS.plan, EVENTS.probes):
        with pytest.raises(UnsupportedOp) as caught:
            ask(neuron_graph(build, *kinds), Policy())
        assert [offender.path for offender in caught.value.offenders] == [path]
        assert reason in str(caught.value)
        assert mend in caught.value.mend


def test_a_product_of_a_real_factor_is_refused_even_where_products_are_taken():
    def product(b, x):
        y = b.add(Linear(), x, scope="fc", weights={"weight": np.ones((2, 2))})
        return b.add(Mul(), x, y, scope="gate")

    with pytest.raises(UnsupportedOp, match=r"gate .*one is real"):
        PRODUCTS.plan(neuron_graph(product, spikes(2)), Policy())


@pytest.mark.parametrize(
    "policy", [Policy(multibit="mac"), Policy(domain="observed"), Policy(counting="rate", attention="coincidence")]
)
def test_a_policy_that_bills_what_the_chip_has_not_is_wrong_usage(chain, policy):
    with pytest.raises(UsageError, match=r"--\w+ \w+ beside .*Try: --"):
        EVENTS.plan(chain, policy)


def test_a_stream_is_the_spikes_that_it_stands_for(priced):
    def layer(b, x):
        return b.add(IF(), b.add(Linear(), x, scope="fc", weights={"weight": np.ones((2, 2))}), weights=NEURON)

    graph = neuron_graph(layer, TensorType((2,), Int(0, 3)))
    data = {"a": frames([[3, 0], [1, 1]])}
    assert priced(graph, data, hardware=EVENTS)[0].counts == {"ac": 5 * 2}
    assert priced(graph, data, Policy(multibit="ac"), hardware=EVENTS)[0].counts == {"ac": 3 * 2}
    assert "a value n of a stream of integers is n spikes: %fc" in EVENTS.assumptions(graph, Policy())
    assert "is one graded spike" in " ".join(EVENTS.assumptions(graph, Policy(multibit="ac")))


def test_a_programmable_product_is_counted_as_pairs_and_its_evidence_assumed(priced):
    graph = neuron_graph(lambda b, q, k: b.add(MatMul(), q, k, scope="qk"), spikes(2, 2), spikes(2, 2))
    data = {"a": frames(np.ones((2, 2, 2))), "b": frames(np.ones((2, 2, 2)))}
    (cost,) = priced(graph, data, hardware=PRODUCTS)
    assert cost.counts == {"ac": 2 * 8}
    assert weakest_evidence([cost]) is Evidence.ASSUMED
    assert "none was ever measured on such a chip: %qk" in " ".join(PRODUCTS.assumptions(graph, Policy()))
    (skipped,) = priced(graph, data, Policy(attention="skip"), hardware=EVENTS)
    assert skipped.counts == {"product_left_out": 16}


def test_a_residual_sum_that_is_read_by_a_layer_costs_nothing_itself(priced):
    def block(b, x, y):
        stream = b.add(Add(), x, y, scope="add")
        layer = b.add(
            Linear(), b.add(Mean((0,)), stream, scope="mean"), scope="fc", weights={"weight": np.ones((3, 2))}
        )
        return b.add(IF(), layer, weights=NEURON)

    graph = neuron_graph(block, spikes(2, 2), spikes(2, 2))
    ones = frames(np.ones((2, 2, 2)))
    found = {cost.scope: cost.counts for cost in priced(graph, {"a": ones, "b": ones}, hardware=EVENTS)}
    assert found["add"] == found["mean"] == {}
    assert found["fc"] == {"ac": 2 * 8 * 3}


def test_sums_that_no_neuron_takes_may_be_reduced_by_the_host(priced):
    def read(b, x):
        y = b.add(Linear(), x, scope="fc", weights={"weight": np.ones((2, 2))})
        return b.add(TimeMean(), b.add(Mean((0,)), y, scope="mean"))

    graph = neuron_graph(read, spikes(3, 2))
    layer, mean, _ = priced(graph, {"a": frames(np.ones((2, 3, 2)))}, hardware=EVENTS)
    assert layer.counts == {"ac": 2 * 6 * 2}
    assert mean.counts == {"mean": 2 * 6}  # listed, since no synapse does it


def test_rates_say_no_drive_so_that_every_update_may_be_active(chain):
    policy, rates = Policy(counting="rate"), Rates({("fc", 0): 0.5}, steps=3)
    layer, neurons = PER_TERM.price(chain, rates, policy)
    assert layer.counts["ac"] == pytest.approx(0.5 * 3 * 6)
    assert neurons.counts == {"neuron_update_active": 9, "neuron_update_inactive": 0}
    assert (neurons.low_pj, neurons.high_pj) == (9 * 52, None)
    assert sum(neurons.energy_pj.values()) == 9 * 81
    assert "the bounds hold for any share" in " ".join(PER_TERM.assumptions(chain, policy))


def test_rates_say_no_membrane_so_that_every_neuron_may_be_updated(chain):
    chip, policy, rates = load("loihi1-sanafe"), Policy(counting="rate"), Rates({("fc", 0): 0.5}, steps=3)
    layer, neurons = chip.price(chain, rates, policy)
    assert layer.counts["synapse_dense"] == pytest.approx(0.5 * 3 * 6)
    assert neurons.counts == {"soma_access": 9, "soma_update": 9}
    assert sum(neurons.energy_pj.values()) == pytest.approx(9 * (51.2 + 21.6))
    assert (neurons.low_pj, neurons.high_pj) == (pytest.approx(9 * 51.2), None)
    assert "every one is taken as updated" in " ".join(chip.assumptions(chain, policy))


def test_bounds_of_a_source_are_those_of_the_total(chain, priced):
    costs = priced(chain, {"x": FRAMES}, hardware=PER_TERM)
    total = 6 * 23.6 + 3 * 81 + 6 * 52
    assert total_energy_pj(costs, 1) == pytest.approx(total)
    assert total_bounds_pj(costs, 1) == (pytest.approx(total), None)  # the price of an operation is a minimum


def test_what_cores_alone_count_is_said_not_to_be_counted():
    assert not_counted((), PER_TERM.prices(None, Policy())) == ("message", "hop_ew", "hop_ns", "static_power")
    assert not_counted((), EVENTS.prices(None, Policy())) == ()
