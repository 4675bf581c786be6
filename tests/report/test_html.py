import json
import math
import re
from dataclasses import asdict, replace
from html.parser import HTMLParser

import pytest

from spikec.report.html import estimate_html
from spikec.report.study_html import flat, study_html

HOSTILE = "</script><script>alert(1)</script><!-- & \u2028"


class Page(HTMLParser):
    """What a browser would find: data scripts, other scripts, text, and everything that could load something."""

    def __init__(self, text):
        super().__init__()
        self.data, self.scripts, self.loads, self.words = {}, [], [], []
        self.inside = None
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        names = ("src", "srcset", "data", "action", "poster", "background", "href", "xlink:href")
        self.loads += [value for name, value in found.items() if name in names]
        if tag == "script":
            self.inside = found.get("id") if found.get("type") == "application/json" else "program"

    def handle_endtag(self, tag):
        if tag == "script":
            self.inside = None

    def handle_data(self, data):
        if self.inside == "program":
            self.scripts.append(data)
        elif self.inside:
            self.data[self.inside] = self.data.get(self.inside, "") + data
        else:
            self.words.append(data)


def as_json(value):
    return json.loads(json.dumps(value))


def assert_loads_nothing(text, page):
    assert all(load.startswith(("data:", "#")) for load in page.loads)
    assert not page.scripts
    assert not re.search(r"url\(\s*['\"]?(?!#)|@import", text)


@pytest.mark.parametrize("fixture", ["small_report", "digits_report", "deep_report"])
def test_holds_the_report_and_loads_nothing(request, fixture):
    report = request.getfixturevalue(fixture)
    text = estimate_html(report)
    page = Page(text)
    assert json.loads(page.data["report"]) == as_json(report.to_dict())
    assert_loads_nothing(text, page)
    assert "http" not in text
    assert not re.search(r"\b(nan|None|Undefined)\b", " ".join(page.words))
    assert len(text) < 300_000


def test_every_priced_node_has_its_bar_and_every_node_its_row(digits_report):
    text = estimate_html(digits_report)
    assert text.count("<rect ") == sum(len(node["energy_pj"]) for node in digits_report.nodes)
    assert text.count('<tr><td class="path whole">') == len(digits_report.nodes)


def test_a_node_without_a_price_has_a_dash_and_a_dead_one_a_zero(small_report):
    _, *lines = estimate_html(small_report).split('<tr><td class="path whole">')
    cells = {line.partition("<")[0]: re.findall(r'<td class="number">([^<]*)</td>', line) for line in lines}
    assert cells["stem.lif"][-2:] == ["-", "-"]  # energy and share
    assert cells["blocks.0.mlp.fc1_linear"][-2:] == ["0", "0"]
    assert cells["stem.conv"][-2] == "21.20"


def test_hostile_names_are_text_only(small_report, make_report):
    nodes = [{**node, "scope": HOSTILE, "op": HOSTILE} for node in small_report.nodes]
    model = {**small_report.model, "name": HOSTILE}
    report = make_report(nodes, model=model, assumptions=(HOSTILE,))
    page = Page(estimate_html(report))
    assert not page.scripts
    assert json.loads(page.data["report"]) == as_json(report.to_dict())


def test_a_number_that_is_not_finite_is_refused(small_report, make_report):
    with pytest.raises(ValueError, match="JSON"):
        estimate_html(make_report(small_report.nodes, totals={**small_report.totals, "energy_pj": math.nan}))


def test_a_chip_that_prices_nothing_has_a_page(digits_report, make_report):
    nodes = [{**node, "energy_pj": {}} for node in digits_report.nodes]
    assert "The chip has a price for no node." in estimate_html(make_report(nodes))


def test_the_study_page_holds_its_rows_and_loads_nothing(study_view):
    text = study_html(study_view)
    page = Page(text)
    assert json.loads(page.data["study"]) == as_json(asdict(study_view))
    assert_loads_nothing(text, page)
    words = " ".join(page.words)
    for said in (study_view.winner_rule, *study_view.next_commands, *study_view.fingerprints.values()):
        assert said in words
    assert '<tr class="winner">' in text
    assert len(text) < 500_000


def test_the_page_calls_random_subnets_what_the_table_calls_them(study_view):
    page = Page(study_html(replace(study_view, config={"baseline": 48, "trials": 160})))
    words = " ".join(" ".join(page.words).split())
    assert "random subnets 48 trials 160" in words
    assert "baseline" not in words
    assert json.loads(page.data["study"])["config"] == {"baseline": 48, "trials": 160}


def test_on_a_narrow_screen_a_genome_has_a_line_and_a_plot_its_whole_width(study_view):
    text = study_html(study_view)
    narrow = text[text.index("@media (max-width") : text.index("</style>")]
    assert ".trials .genome { grid-column: 1 / -1;" in narrow
    assert "svg { min-width: 0; }" in narrow
    assert text.count('<td class="path genome">') == len(study_view.shown)


def test_configuration_by_dotted_keys():
    assert flat({"a": 1, "b": {"c": [1, 2], "d": {"e": "x"}}}) == [("a", 1), ("b.c", [1, 2]), ("b.d.e", "x")]
