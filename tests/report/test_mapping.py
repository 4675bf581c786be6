"""What the table, the comparison, the CSV and the page show of a mapping."""

import csv
import re
from dataclasses import replace
from io import StringIO

import pytest

from spikec.errors import DoesNotFit
from spikec.report.comparison import comparison_table
from spikec.report.csv_table import estimate_csv
from spikec.report.html import estimate_html
from spikec.report.mapping_facts import check_fit, mapping_sections
from spikec.report.mapping_rows import RESOURCES, layer_rows
from spikec.report.table import estimate_table

FIXTURES = ["mapped_report", "unpriced_report", "misfit_report"]
WORDS = ("cores", "rule", "placement", "latency", "a step", "slowest step", "steps wait for", "links")


def facts_of(report):
    (section,) = mapping_sections(report)
    found = {}
    for fact in section.facts:
        found.setdefault(fact.label, []).append(fact.text)
    return found


def changed(report, **keys):
    return replace(report, mapping={**report.mapping, **keys})


@pytest.mark.parametrize("width", [80, 100, 130])
@pytest.mark.parametrize("fixture", FIXTURES)
def test_the_table_is_no_wider_than_asked_and_nothing_is_no_number(request, fixture, width):
    text = estimate_table(request.getfixturevalue(fixture), width)
    assert max(map(len, text.splitlines())) <= width
    assert not re.search(r"\b(nan|inf|None)\b|…", text)


def test_a_report_without_a_mapping_says_nothing_of_cores(small_report):
    assert mapping_sections(small_report) == ()
    assert "core" not in estimate_table(small_report, 130)
    assert "core" not in re.sub(r"<style>.*?</style>", "", estimate_html(small_report), flags=re.DOTALL)
    assert "layer_cores" not in estimate_csv([small_report])


def test_the_section_says_cores_time_traffic_and_what_was_gained(mapped_report):
    found = facts_of(mapped_report)
    assert set(WORDS) <= set(found)
    assert found["cores"] == ["5, on 2 chips of 4 each"]
    assert "60 an inference, is 25.0 % less than the 80 of cores in the order" in found["placement"][0]
    assert found["latency"] == ["12.50 us an inference, 4 steps one after the other"]
    assert found["a step"] == ["3.125 us on the mean, 3.000 to 3.400, of which 113.0 ns are the barrier that ends it"]
    assert found["slowest step"] == ["waits for core 2 (stem.lif), the messages that it takes in"]
    assert found["steps wait for"] == ["the messages that a core takes in 75.0 %, the neurons of a core 25.0 %"]
    expected = "the busiest from tile (1, 0) to the east, 24 packets an inference; 15 on the mean of the 2 in use, of 6"
    assert found["links"] == [expected]
    assert found["energy a core"] == ["1.200 nJ at most (core 2), 0.504 nJ on the mean"]


def test_hops_at_their_prices_are_said_where_both_are_priced(mapped_report):
    assert "packets times hops, 60" in facts_of(mapped_report)["placement"][0]
    terms = [{"name": kind, "count": kind, "energy_pj": 3.0} for kind in ("hop_ew", "hop_ns")]
    priced = replace(mapped_report, hardware={**mapped_report.hardware, "terms": terms})
    assert "packets times hops, each hop at its price, 60" in facts_of(priced)["placement"][0]


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ({"method": "given", "file": "mine.json"}, "as mine.json gives it"),
        ({"method": "contiguous"}, "core after core, in the order of the layers"),
        ({"method": "swaps", "seed": 0, "objective": 0.0, "contiguous_objective": 0.0}, "no packet leaves its tile"),
        ({"method": "swaps", "seed": 0, "objective": 7.0, "contiguous_objective": 7.0}, "none was found that beats"),
    ],
)
def test_every_way_of_placing_has_its_words(mapped_report, how, said):
    assert said in facts_of(changed(mapped_report, placement=how))["placement"][0]


def test_a_link_that_binds_is_named_by_its_tile(mapped_report):
    latency = mapped_report.mapping["latency"]
    bottleneck = {"what": "link", "number": 1, "layer": None, "link": {"x": 1, "y": 0, "direction": "east"}}
    found = facts_of(changed(mapped_report, latency={**latency, "bottleneck": bottleneck}))
    assert found["slowest step"] == ["waits for the link from tile (1, 0) to the east"]


def test_reasons_that_differ_in_numbers_alone_are_one(mapped_report):
    found = facts_of(mapped_report)["extrapolated"]
    assert found == [
        "2 chips",
        "an input layer of shape [64] (1 layer)",
        "2 values that come together, and the like (1 layer)",
    ]


def test_more_reasons_than_are_listed_are_counted(mapped_report):
    reasons = [f"reason {chr(97 + i)}" for i in range(12)]
    layers = [{**mapped_report.mapping["layers"][0], "extrapolated": reasons}]
    found = facts_of(changed(mapped_report, layers=layers, extrapolated=[f"stem.lif: {text}" for text in reasons]))
    assert len(found["extrapolated"]) == 9
    assert found["extrapolated"][-1] == "and 4 more reasons, in the JSON"


def test_a_layer_that_fits_nowhere_has_its_limit_by_how_much_and_every_mend(misfit_report):
    found = facts_of(misfit_report)
    assert found["cores"] == ["4 (the layers that fit), on 2 chips of 4 each"]
    lack = "blocks.0.attn.q_lif: its smallest part takes 65,536 words of synapses, a core has 12,000"
    assert found["does not fit"] == [f"{lack} (5.46 times as many are needed)"]
    assert found["  would fit"] == misfit_report.mapping["misfits"][0]["mends"]
    assert "a layer does not fit" in found["of a run"][0]
    assert re.search(r"q_lif +none +16 +- +synapses", estimate_table(misfit_report, 130))
    with pytest.raises(DoesNotFit, match=re.escape(f"does not fit on 45nm: {lack}. Try: at most 900 inputs; another")):
        check_fit([misfit_report])


def test_what_fits_raises_nothing(mapped_report, unpriced_report, small_report):
    check_fit([mapped_report, unpriced_report, small_report])


def test_a_wide_table_has_a_column_a_resource_and_a_narrow_one_the_limit_with_its_share(mapped_report):
    wide, narrow = (estimate_table(mapped_report, width).split("\nlayer ")[1] for width in (130, 80))
    assert "neurons %  synapses %  axons in %  energy [nJ]" in wide
    assert re.search(r"stem\.lif +4 +64 +8 x 2 x 2 +neurons +96\.0 +25\.0 +- +21\.20", wide)
    assert re.search(r"q_lif +1 +16 +16 +- +50\.0 +- +12\.5 +0\.92", wide)
    assert "synapses" not in narrow
    assert re.search(r"stem\.lif +4 +64 +8 x 2 x 2 +neurons 96\.0 % +21\.20", narrow)


def test_without_data_there_are_layers_and_no_energies(unpriced_report):
    text = estimate_table(unpriced_report, 130)
    assert text.startswith("digits-winner on 45nm: not priced, T = 4\n  + 8 nodes without counts: ")
    assert "energy   not priced" not in text
    assert "energy  not priced: nothing was counted" in text
    assert "energy [" not in text
    assert "everything  nothing was counted" in text
    assert "no counts of what cores do" in facts_of(unpriced_report)["of a run"][0]


def test_chips_with_cores_beside_others(mapped_report, small_report, misfit_report):
    text = comparison_table([small_report, mapped_report, misfit_report], 130)
    header, _, bare, mapped, misfit = text.splitlines()[:5]
    assert re.search(r"latency +cores +chips", header)
    assert re.search(r"12\.50 us +- +- ", bare)
    assert re.search(r"12\.50 us +5 +2 ", mapped)
    assert "do not fit" in misfit
    assert "no mapping, since there are no cores: 45nm\n" in text
    assert "it does not fit on 45nm: blocks.0.attn.q_lif: its smallest part takes 65,536" in text
    assert "chips" not in comparison_table([small_report, small_report], 130)


@pytest.mark.parametrize("width", [80, 100])
def test_a_narrow_comparison_holds_cores_and_chips(mapped_report, small_report, width):
    text = comparison_table([small_report, mapped_report], width)
    assert max(map(len, text.splitlines())) <= width
    assert re.search(r"12\.50 us +5 +2 ", text)


def test_the_csv_has_each_layer_at_the_node_of_its_neurons(mapped_report, small_report):
    lines = (line for line in StringIO(estimate_csv([mapped_report, small_report])) if not line.startswith("#"))
    rows = list(csv.DictReader(lines))
    (stem,) = (row for row in rows if row["layer_cores"])
    assert (stem["node"], stem["layer_cores"], stem["layer_part"]) == ("stem.lif.lif1", "4", "8 x 2 x 2")
    assert (stem["layer_split_by"], float(stem["layer_energy_pj"])) == ("neurons", 21_196.8)
    assert (float(stem["neurons_use_percent"]), float(stem["synapses_use_percent"])) == (96.0, 25.0)
    assert stem["axons_in_use_percent"] == ""


@pytest.mark.parametrize("fixture", FIXTURES)
def test_the_page_has_section_and_layers(request, fixture):
    report = request.getfixturevalue(fixture)
    text = estimate_html(report)
    assert "<h2>Mapping to cores</h2>" in text
    assert text.count('<td class="layer path whole">') == len(report.mapping["layers"])
    assert ("<h2>The mesh</h2>" in text) is ("places" in report.mapping)
    assert (text.count("energy [") == 2) is (report.totals["energy_pj"] is not None)
    assert ("Nothing was counted" in text) is (report.totals["energy_pj"] is None)
    assert not re.search(r">\s*(nan|None|Undefined)\s*<", text)


def test_every_resource_of_a_row_has_a_word(mapped_report):
    for row in layer_rows(mapped_report):
        assert set(row.uses) <= set(RESOURCES.values())
