"""What the keys of a chip file of the model 'events' may say, and what is said of contradictions."""

import pytest

from hwmodels.registry import CHIPS, load
from spikec.cost import Policy
from spikec.errors import HardwareFileError

GOOD = """\
name = "mine"
title = "a chip of mine"
node = "22 nm"
model = "events"
real_input = "host"
attention = "unsupported"
pipeline = []

[terms.event]
count = "ac"
energy = { value = 20.0, unit = "pJ", evidence = "measured", scope = "per-term", source = "our bench" }
time = { value = 3.0, unit = "ns", bound = "upper", evidence = "measured", source = "our bench" }

[terms.active]
count = "neuron_update_active"
energy = { value = 0.08, unit = "nJ", evidence = "measured", scope = "per-term", source = "our bench" }

[terms.static]
count = "chip_ns"
energy = { value = 0.1, unit = "W", evidence = "measured", scope = "per-term", source = "our bench" }
"""
ALL_IN = 'scope = "all-in"'
PER_TERM = 'scope = "per-term"'


def read(tmp_path, text):
    path = tmp_path / "mine.toml"
    path.write_text(text, encoding="utf-8")
    return load(path)


def refused(tmp_path, text):
    with pytest.raises(HardwareFileError) as caught:
        read(tmp_path, text)
    return str(caught.value)


def test_prices_are_in_picojoules_times_in_ns_and_power_in_milliwatt(tmp_path):
    event, active, static = read(tmp_path, GOOD).prices(None, Policy())
    assert (event.energy_pj, event.time_ns, event.scope) == (20.0, 3.0, "per-term")
    assert active.energy_pj == pytest.approx(80.0)
    assert active.time_ns is None
    assert static.energy_pj == pytest.approx(100.0)  # 100 mW are 100 pJ a ns
    slow, *_ = read(tmp_path, GOOD.replace('3.0, unit = "ns"', '3.0, unit = "us"')).prices(None, Policy())
    assert slow.time_ns == pytest.approx(3000.0)


# case: (old, new, the line and key that is named, what is expected there)
BAD = {
    "power for an operation": ('unit = "pJ"', 'unit = "mW"', "line 11, key terms.event.energy.unit", "such as pJ"),
    "energy for static power": ('unit = "W"', 'unit = "pJ"', "line 20, key terms.static.energy.unit", "such as mW"),
    "energy for a time": ('unit = "ns"', 'unit = "pJ"', "line 12, key terms.event.time", "a unit of time such as ns"),
    "a time that is none": ("value = 3.0", "value = -3.0", "line 12, key terms.event.time.value", "or equal to 0"),
    "a second for a synapse": ("value = 3.0", "value = 3.0e12", "line 12, key terms.event.time", "plausible time"),
    "a time of nanoseconds": (
        'count = "ac"',
        'count = "chip_ns"',
        "line 12, key terms.event.time",
        "no time, since a nanosecond takes one",
    ),
    "a megawatt": ("value = 0.1", "value = 1e6", "line 20, key terms.static.energy", "1e-06 to 1e+06 mW a chip"),
    "multiplications": ('count = "ac"', 'count = "mac"', "line 10, key terms.event.count", "host_mac"),
    "an update twice": (
        'count = "ac"',
        'count = "neuron_update"',
        "line 10, key terms.event.count",
        "no price of the whole beside one of neuron_update_active",
    ),
    "no host": ('real_input = "host"\n', "", "key real_input", "a value, which a chip of the model 'events'"),
    "unknown behaviour": ('"unsupported"', '"maybe"', "line 6, key attention", "'unsupported' or 'programmable'"),
    "bound twice": ('bound = "upper"', 'bound = "upper", high = 4.0', "line 12, key terms.event.time", "no key high"),
    "an extra key of a time": (
        'bound = "upper"',
        'bond = "upper"',
        "line 12, key terms.event.time.bond",
        "value, unit",
    ),
    "an extra key of cores": ("[terms.event]", "[cores]\nmash = 1\n\n[terms.event]", "line 10, key cores.mash", "mesh"),
    "a condition on nothing": (
        'count = "ac"',
        'count = "ac"\nwhen = { zeros = "skip" }',
        "line 11, key terms.event.when.zeros",
        "a field of the policy",
    ),
    "a condition that is never met": (
        'count = "ac"',
        'count = "ac"\nwhen = { zero_weights = "never" }',
        "line 11, key terms.event.when.zero_weights",
        "count, skip",
    ),
    "a condition that leaves a gap": (
        'count = "ac"',
        'count = "ac"\nwhen = { zero_weights = "skip" }',
        "line 11, key terms.event.when",
        "for zero_weights = count as well, which would cost nothing",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_a_contradiction_is_named_by_line_and_key(tmp_path, case):
    old, new, place, expected = BAD[case]
    assert old in GOOD
    message = refused(tmp_path, GOOD.replace(old, new, 1))
    assert f"{place}" in message
    assert expected in message


def test_all_in_beside_anything_names_each_of_the_others(tmp_path):
    message = refused(tmp_path, GOOD.replace(PER_TERM, ALL_IN, 1))
    assert "2 keys break the schema" in message
    assert "line 14, key terms.active: 'neuron_update_active', expected an all-in price as the only term" in message
    assert "line 18, key terms.static: 'chip_ns'" in message


def test_all_in_prices_of_two_policies_stand_beside_each_other(tmp_path):
    head = GOOD.split("[terms.active]", 1)[0].replace(PER_TERM, ALL_IN)
    first = head.replace('count = "ac"', 'count = "ac"\nwhen = { zero_weights = "count" }')
    second = head.split("[terms.event]")[1].replace('count = "ac"', 'count = "ac"\nwhen = { zero_weights = "skip" }')
    both = first + "[terms.stored]" + second.replace("20.0", "25.0")
    chip = read(tmp_path, both)
    assert [t.energy_pj for t in chip.prices(None, Policy())] == [20.0]
    assert [t.energy_pj for t in chip.prices(None, Policy(zero_weights="skip"))] == [25.0]
    message = refused(tmp_path, both.replace('when = { zero_weights = "skip" }\n', ""))
    assert "an all-in price as the only term" in message


@pytest.mark.parametrize(
    ("line", "key"),
    [
        ('real_input = "host"', "line 9, key real_input"),
        ('attention = "programmable"', "line 9, key attention"),
    ],
)
def test_what_is_for_events_is_refused_beside_arithmetic(tmp_path, line, key):
    text = (CHIPS / "45nm.toml").read_text("utf-8").replace('model = "arithmetic"\n', f'model = "arithmetic"\n{line}\n')
    assert key in refused(tmp_path, text)


def test_cores_are_refused_beside_arithmetic(tmp_path):
    loihi, arithmetic = ((CHIPS / f"{name}.toml").read_text("utf-8") for name in ("loihi1", "45nm"))
    cores = loihi[loihi.index("[cores") :].split("[terms", 1)[0]
    message = refused(tmp_path, f"{arithmetic}\n{cores}")
    assert f"line {arithmetic.count(chr(10)) + 2}, key cores: a table that breaks a rule" in message
    assert "no cores beside the model 'arithmetic'" in message


@pytest.mark.parametrize("count", ["neuron_update_active", "message", "hop_ew", "chip_ns", "host_mac"])
def test_a_kind_that_arithmetic_never_counts_is_refused_there(tmp_path, count):
    text = (CHIPS / "45nm.toml").read_text("utf-8").replace('count = "ac"', f'count = "{count}"')
    assert f"key terms.ac.count: '{count}'" in refused(tmp_path, text)


def test_contradictions_are_listed_together_five_at_most(tmp_path):
    text = GOOD.replace('unit = "pJ"', 'unit = "mW"').replace('unit = "W"', 'unit = "uJ"').replace('"ac"', '"mac"')
    text = text.replace('real_input = "host"\n', "").replace('attention = "unsupported"\n', "")
    text = text.replace(PER_TERM, ALL_IN, 1)
    message = refused(tmp_path, text)
    assert "7 keys break the schema" in message
    assert message.count("key ") == 5
    assert message.endswith("; and 2 more")


def test_a_mesh_that_no_chip_has_is_refused(tmp_path):
    text = (CHIPS / "loihi1.toml").read_text("utf-8")
    assert text.count("columns = 8\n") == 1
    message = refused(tmp_path, text.replace("columns = 8\n", "columns = 1000000000\n"))
    assert "key cores.mesh" in message
    assert "at most 1048576 cores a chip, found 16000000000" in message


@pytest.mark.parametrize("key", ["name", "title", "node"])
def test_what_is_printed_in_a_line_is_one(tmp_path, key):
    line = next(line for line in GOOD.splitlines() if line.startswith(f"{key} = "))
    with pytest.raises(HardwareFileError, match=f"line .*key {key}"):
        read(tmp_path, GOOD.replace(line, f'{key} = "two\\nlines"'))
