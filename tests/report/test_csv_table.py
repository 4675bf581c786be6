import csv
import json
from io import StringIO

import pytest

from spikec.report.csv_table import FIXED, estimate_csv
from spikec.report.view import Refusal


def parsed(text):
    return list(csv.DictReader(line for line in StringIO(text) if not line.startswith("#")))


@pytest.mark.parametrize("fixture", ["small_report", "digits_report", "deep_report"])
def test_reads_back_to_the_same_numbers(request, fixture):
    report = request.getfixturevalue(fixture)
    rows = parsed(estimate_csv([report]))
    assert [row["node"] for row in rows] == [node["name"] for node in report.nodes]
    for row, node in zip(rows, report.nodes, strict=True):
        assert (row["scope"], row["op"]) == (node["scope"], node["op"])
        assert (float(row["rate_per_element_step"]) if row["rate_per_element_step"] else None) == node["rate"]
        kinds = {k.removesuffix("_count"): float(v) for k, v in row.items() if k.endswith("_count") and v}
        assert kinds == node["counts"]
        terms = {k: float(v) for k, v in row.items() if k.endswith("_energy_pj") and v}
        assert terms == {f"{term}_energy_pj": pj for term, pj in node["energy_pj"].items()}
        assert float(row["energy_pj"]) == sum(node["energy_pj"].values())


def test_several_chips_follow_each_other_under_one_header(small_report, digits_report):
    text = estimate_csv([small_report, digits_report])
    assert len(parsed(text)) == len(small_report.nodes) + len(digits_report.nodes)
    (header,) = (line for line in text.splitlines() if line.startswith(",".join(FIXED)))
    assert header.count("energy_low_pj") == 1


def test_no_chip_gives_a_header_alone():
    assert estimate_csv([]) == ",".join(FIXED) + "\n"


def test_names_with_commas_are_quoted(small_report, make_report):
    nodes = [{**node, "scope": 'a,"b'} for node in small_report.nodes]
    assert {row["scope"] for row in parsed(estimate_csv([make_report(nodes)]))} == {'a,"b'}


def test_what_is_said_of_the_whole_stands_above_the_header_with_full_precision(digits_report):
    lines = estimate_csv([digits_report, Refusal("loihi1", "no attention\non that chip")]).splitlines()
    said = dict(line.removeprefix("# ").split(": ", 1) for line in lines if line.startswith("# "))
    whole = json.loads(digits_report.to_json())
    del whole["nodes"]
    assert {key: json.loads(value) for key, value in said.items() if key != "refused"} == whole
    assert json.loads(said["refused"]) == {"hardware": "loihi1", "reason": "no attention\non that chip"}
    assert all(line.startswith("#") for line in lines[: len(said)])
