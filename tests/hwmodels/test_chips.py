"""The chips that come along hold the numbers of their sources, with their evidence and bounds."""

import pytest

from hwmodels.registry import CHIPS, load
from spikec.cost import Evidence, Policy
from spikec.tasks import hardware

EXPECTED = {
    "loihi1": {
        "ac": (23.6, 3.5, Evidence.SIMULATED),
        "neuron_update_active": (81.0, 8.4, Evidence.SIMULATED),
        "neuron_update_inactive": (52.0, 5.3, Evidence.SIMULATED),
        "message": (1.7, 2.1, Evidence.SIMULATED),
        "hop_ew": (3.0, 4.1, Evidence.SIMULATED),
        "hop_ns": (4.0, 6.5, Evidence.SIMULATED),
        "chip_ns": (104.0, None, Evidence.DERIVED),
    },
    "truenorth": {"ac": (26.0, None, Evidence.DERIVED)},
    "spinnaker": {"ac": (13.3e3, None, Evidence.DERIVED), "neuron_update": (26e3, None, Evidence.DERIVED)},
    "spinnaker2": {"ac": (450.0, None, Evidence.DERIVED), "neuron_update": (2.19e3, None, Evidence.DERIVED)},
    "odin": {"ac": (12.7, None, Evidence.DERIVED)},
    "generic-core": {"ac": (0.9, None, Evidence.ASSUMED), "neuron_update": (4.6, None, Evidence.ASSUMED)},
}
ALL_IN = ("truenorth", "loihi2")


def terms_of(name, policy=None):
    return load(name).prices(None, policy or Policy())


@pytest.mark.parametrize("name", EXPECTED)
def test_prices_and_times(name):
    found = {term.count: (pytest.approx(term.energy_pj), term.time_ns, term.evidence) for term in terms_of(name)}
    assert found == EXPECTED[name]


def test_what_a_source_calls_a_minimum_is_a_lower_bound():
    for name, price in (("loihi1", 23.6), ("odin", 12.7)):
        (event,) = (term for term in terms_of(name) if term.count == "ac")
        assert (event.low_pj, event.high_pj) == (price, None)


@pytest.mark.parametrize("name", [*EXPECTED, "loihi2"])
def test_all_in_or_term_by_term(name):
    assert {term.scope for term in terms_of(name)} == {"all-in" if name in ALL_IN else "per-term"}


# zero_weights: the events of one inference of the network that was measured, with and without weights of zero
MEASURED_MJ = {"low": 0.562, "point": 1.094, "high": 1.386}
EVENTS = {"count": 48_267_067, "skip": 40_871_264}


@pytest.mark.parametrize("zero_weights", EVENTS)
def test_the_price_of_loihi_2_is_the_measured_energy_over_the_events_of_its_policy(zero_weights):
    (event,) = terms_of("loihi2", Policy(zero_weights=zero_weights))
    per_event = {name: round(mj * 1e9 / EVENTS[zero_weights], 1) for name, mj in MEASURED_MJ.items()}
    assert {"low": event.low_pj, "point": event.energy_pj, "high": event.high_pj} == per_event
    assert event.evidence is Evidence.DERIVED
    assert "agreement with it validates nothing" in event.note
    assert f"{EVENTS[zero_weights]:,}" in event.source


@pytest.mark.parametrize(("name", "attention"), [("loihi1", "unsupported"), ("loihi2", "programmable")])
def test_what_loihi_does_with_attention(name, attention):
    chip = load(name)
    assert getattr(chip, "chip", chip).attention == attention
    assert {"pass": "quantize", "weight_bits": 8} in chip.pipeline


@pytest.mark.parametrize("path", sorted(CHIPS.glob("*.toml")), ids=lambda path: path.stem)
def test_every_file_that_comes_along_passes_its_own_check(path):
    assert hardware.check(path).name == path.stem
