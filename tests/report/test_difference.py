"""What differs between two reports: hand-made pairs, and rules that hold of any two."""

from __future__ import annotations

import csv
import json
import math
from io import StringIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikec.errors import InputError
from spikec.report.compared import compared
from spikec.report.difference import Change, difference
from spikec.report.difference_csv import HEADER, compared_csv
from spikec.report.saved import Saved
from spikec.report.view import Refusal


def saved(report, **changes):
    return Saved({**json.loads(report.to_json()), **changes})


@pytest.fixture
def before(small_report):
    return saved(small_report)


@pytest.fixture
def after(small_report, make_report):
    """The head has half the MACs, one linear became a matmul, one is gone, one is new, and a reshape has moved."""
    conv, lif, reshape, q, first, second, _, head = (dict(node) for node in small_report.nodes)
    head |= {"counts": {**head["counts"], "mac": 80.0}, "energy_pj": {"mac": 368.0}}
    q["op"] = "matmul"
    new = {**q, "name": "blocks.1.fc", "scope": "blocks.1.fc", "op": "linear"}
    report = make_report([reshape, conv, lif, q, first, second, new, head])
    return saved(report, policy={**small_report.policy, "multibit": "unit"}, passes=["fold-batchnorm"])


@given(*2 * [st.none() | st.floats(allow_nan=False, allow_infinity=False)])
def test_a_change_is_finite_or_none(a, b):
    change = Change(a, b)
    for value in (change.difference, change.percent):
        assert value is None or math.isfinite(value)
    if change.percent is not None:
        assert (change.percent > 0) <= (b > a)
        assert (change.percent == 0) >= (a == b)


@pytest.mark.parametrize(
    ("a", "b", "difference", "percent"),
    [
        (100.0, 105.0, 5.0, 5.0),
        (100.0, 50.0, -50.0, -50.0),
        (0.0, 0.0, 0.0, 0.0),
        (0.0, 3.0, 3.0, None),
        (3.0, 0.0, -3.0, -100.0),
        (None, 3.0, None, None),
        (3.0, None, None, None),
        (-1e308, 1.7e308, None, None),
        (5e-324, 1.0, 1.0, None),
    ],
)
def test_percent_of_nothing_is_none(a, b, difference, percent):
    assert Change(a, b).to_plain() == {"a": a, "b": b, "difference": difference, "percent": percent}


def test_a_report_and_itself_do_not_differ(before):
    found = difference(before, saved_again(before))
    assert not found.assumptions
    assert not found.changed
    assert [layer.state for layer in found.layers] == ["both"] * 8


def saved_again(one):
    return Saved(json.loads(json.dumps(one.plain)))


def test_layers_are_paired_and_those_of_one_side_are_said(before, after):
    found = {layer.name: layer for layer in difference(before, after).layers}
    assert {name: layer.state for name, layer in found.items() if layer.state != "both"} == {
        "dead": "removed",
        "blocks.1.fc": "added",
    }
    assert list(found)[-1] == "blocks.1.fc"
    assert found["blocks.0.attn.q_linear.linear3"].op == "linear -> matmul"
    assert found["blocks.0.attn.q_linear.linear3"].changed
    head = found["head.linear7"]
    assert (head.counts["mac"].a, head.counts["mac"].b, head.terms_pj["mac"].difference) == (160.0, 80.0, -368.0)
    assert head.energy_pj.percent == -50.0
    assert not found["stem.conv.conv2d0"].changed
    assert not found["reshape2"].counted


def test_a_node_whose_name_was_counted_on_is_found_by_its_place(before):
    plain = json.loads(json.dumps(before.plain))
    for node in plain["nodes"]:
        node["name"] += "_1"
    found = difference(before, Saved(plain)).layers
    assert [layer.state for layer in found if layer.scope] == ["both"] * 7
    assert [layer.state for layer in found if not layer.scope] == ["removed", "added"]  # the reshape, which has no path


def test_assumptions_that_differ_are_named_by_their_path(before, after):
    found = {one.name: (one.a, one.b) for one in difference(before, after).assumptions}
    assert found == {
        "policy.multibit": ("mac", "unit"),
        "passes": (["fold-batchnorm", "hoist-repeat"], ["fold-batchnorm"]),
    }


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"steps": 2}, "steps"),
        ({"priced_graph_sha256": "0" * 64}, "priced_graph_sha256"),
        ({"model": {"name": "x", "parameters": 96_346, "graph_sha256": "5ab1e0" * 10 + "5ab1"}}, "model.name"),
        ({"data": {"spec": "calibration batch of winner.pt", "samples": 255, "seed": 0}}, "data.samples"),
        ({"mapping": {"cores": 1, "chips": 1, "layers": []}}, "mapping"),
        ({"left_out": {}}, "left_out"),
        ({"assumptions": []}, "assumptions"),
    ],
)
def test_each_assumption_alone_is_seen(before, changes, name):
    found = difference(before, Saved({**before.plain, **changes}))
    assert [one.name for one in found.assumptions] == [name]


def test_a_price_and_a_chip_that_differ_are_seen(before):
    plain = json.loads(json.dumps(before.plain))
    plain["hardware"] |= {"sha256": "1" * 64, "name": "mine"}
    plain["hardware"]["terms"][0]["energy_pj"] = 0.1
    found = difference(before, Saved(plain))
    assert found.label == "45nm -> mine"
    assert {one.name for one in found.assumptions} == {
        *("hardware.name", "hardware.sha256", "hardware.terms.ac.energy_pj")
    }


def test_a_sentence_that_one_side_alone_says_is_on_its_side(before):
    found = difference(before, Saved({**before.plain, "assumptions": ["new"]})).assumptions
    assert [(one.a, one.b) for one in found] == [(before.plain["assumptions"][0], None), (None, "new")]


def test_totals_terms_and_counts(before, after):
    found = difference(before, after)
    assert found.terms_pj["mac"].difference == pytest.approx(-368.0)
    assert found.counts["mac"].to_plain()["difference"] == -80.0
    for one, side in (("a", before), ("b", after)):
        total = math.fsum(getattr(change, one) for change in found.terms_pj.values())
        assert total == pytest.approx(side.plain["totals"]["energy_pj"])
    assert (found.totals["latency_ns"].a, found.totals["latency_ns"].b) == (12_500.0, None)
    assert not found.totals["cores"].known


def test_cores_are_compared_by_layer_and_a_term_that_nobody_uses_costs_nothing(before):
    plain = json.loads(json.dumps(before.plain))
    layers = [{"node": "stem.lif.lif1", "cores": 3, "binding_limit": "words"}, {"node": "head.linear7", "cores": 1}]
    later = [{**layers[0], "cores": 1, "binding_limit": "neurons"}, {"node": "head.linear7", "cores": 1}]
    one = Saved({**plain, "mapping": {"cores": 4, "chips": 1, "rule": "tiles", "layers": layers}})
    other = Saved({**plain, "mapping": {"cores": 2, "chips": 1, "rule": "contiguous", "layers": later}})
    found = difference(one, other)
    by_name = {layer.name: layer for layer in found.layers}
    lif, head, conv = (by_name[name] for name in ("stem.lif.lif1", "head.linear7", "stem.conv.conv2d0"))
    assert (lif.cores, lif.limits, lif.changed) == (Change(3, 1), ("words", "neurons"), True)
    assert (head.cores, head.limits, head.changed) == (Change(1, 1), (None, None), False)
    assert not conv.cores.known
    assert found.totals["cores"] == Change(4, 2)
    assert [(one.name, one.a, one.b) for one in found.assumptions] == [("mapping.rule", "tiles", "contiguous")]
    plain["hardware"]["terms"].append({"name": "spike"})
    assert difference(before, Saved(plain)).terms_pj["spike"] == Change(None, 0.0)


def test_no_energies_on_one_side(before):
    plain = json.loads(json.dumps(before.plain))
    for node in plain["nodes"]:
        node["energy_pj"] = None
    plain["totals"]["energy_pj"] = None
    found = difference(before, Saved(plain))
    assert found.totals["energy_pj"].b is None
    assert {change.b for change in found.terms_pj.values()} == {None}
    assert found.layers[0].energy_pj.b is None


def named(one, name, file=None):
    return Saved({**one.plain, "hardware": {**one.plain["hardware"], "name": name, "file": file}})


def test_chips_are_paired_by_name_and_file_then_by_name(before):
    first = [named(before, "x", "/a/x.toml"), named(before, "x", "/b/x.toml"), named(before, "y", "/a/y.toml")]
    second = [named(before, "y", "/c/y.toml"), named(before, "x", "/b/x.toml"), Refusal("z", "no matmul")]
    found = compared("a", first, "b", second)
    assert [(one.a.file, one.b.file) for one in found.differences] == [
        ("/b/x.toml", "/b/x.toml"),
        ("/a/y.toml", "/c/y.toml"),
    ]
    assert [(one.label, one.reason, one.lost) for one in found.alone] == [
        ("x (x.toml)", "not in B", True),
        ("z", "not in A; refused in B: no matmul", False),
    ]


def test_two_lone_chips_are_compared_whatever_their_names_and_several_are_not(before):
    assert compared("a", [before], "b", [named(before, "other")]).differences[0].label == "45nm -> other"
    with pytest.raises(InputError, match="b: chips other and third; expected one of those of a: 45nm"):
        compared("a", [before], "b", [named(before, "other"), named(before, "third")])


def test_the_csv_has_every_number_and_reads_back(before, after):
    found = compared("a.json", [before], "b.json", [after])
    text = compared_csv(found)
    assert text == compared_csv(found)
    comments = [line for line in text.splitlines() if line.startswith("# ")]
    assert comments[:3] == ['# a: "a.json"', '# b: "b.json"', "# alone: []"]
    assert '"policy.multibit"' in comments[3]
    rows = list(csv.DictReader(StringIO("\n".join(text.splitlines()[len(comments) :]))))
    assert tuple(rows[0]) == HEADER
    by = {(row["node"], row["quantity"]): row for row in rows}
    assert float(by["", "energy_pj"]["a"]) == before.plain["totals"]["energy_pj"]
    assert by["", "latency_ns"]["b"] == ""
    assert (by["head.linear7", "mac_count"]["percent"], by["head.linear7", "mac_energy_pj"]["b"]) == ("-50.0", "368.0")
    assert {row["state"] for row in rows} == {"", "both", "added", "removed"}
    energies = [float(row["b"]) for row in rows if row["node"] and row["quantity"] == "energy_pj" and row["b"]]
    assert math.fsum(energies) == pytest.approx(after.plain["totals"]["energy_pj"])


def test_the_json_has_what_the_csv_has(before, after):
    plain = compared("a.json", [before], "b.json", [after]).to_plain()
    (chip,) = json.loads(json.dumps(plain, allow_nan=False))["chips"]
    assert chip["nodes"][-1]["state"] == "added"
    assert chip["totals"]["energy_pj"]["a"] == before.plain["totals"]["energy_pj"]
    assert {"name": "policy.multibit", "a": "mac", "b": "unit"} in chip["assumptions"]
