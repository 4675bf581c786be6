"""The mesh as shapes, and the plot and page that draw them."""

import re
from dataclasses import replace
from xml.etree import ElementTree

import numpy as np
import pytest
from matplotlib.image import imread

from spikec.report.html import estimate_html
from spikec.report.mapping_mesh import GAP, SIDE, SLOWEST, picture
from spikec.report.mapping_plot import estimate_plot
from spikec.report.nodes import priced_rows
from spikec.report.plots import INCHES, bars_height, draw_bars, write_plot
from spikec.report.sections import headline


def test_tiles_stand_where_the_places_say_and_chips_apart(mapped_report):
    found = picture(mapped_report)
    assert [(tile.x, tile.y) for tile in found.tiles] == [(0.5, 0.5), (1.5, 0.5), (2.5 + GAP, 0.5), (3.5 + GAP, 0.5)]
    assert [tile.label for tile in found.tiles] == ["2", "1", "1", "1"]
    assert [(chip.x, chip.width, chip.name) for chip in found.chips] == [(0, 2, "chip 0"), (2 + GAP, 2, "chip 1")]
    assert (found.width, found.height) == (4 + GAP, 1)


def test_shades_are_how_full_the_tiles_cores_are_of_the_limit_that_is_nearest(mapped_report):
    """Two cores a tile: of the first layer three at 96 %, of another one at 50 %; a free slot is empty."""
    tiles = picture(mapped_report).tiles
    assert [tile.shade for tile in tiles] == pytest.approx([0.96, 0.96 / 2, 0.96 / 2, 0.5 / 2])
    assert "96.0 % full; 400.0 pJ; stem.lif" in tiles[0].title
    assert "blocks.0.attn.q_lif" in tiles[3].title
    assert [tile.slowest for tile in tiles] == [False, True, False, False]


def test_without_energies_shades_are_the_same(mapped_report, unpriced_report):
    found = picture(unpriced_report)
    assert [tile.shade for tile in found.tiles] == [tile.shade for tile in picture(mapped_report).tiles]
    assert found.key == picture(mapped_report).key[:1]
    assert "how full they are" in found.key[0]
    assert not any(tile.slowest for tile in found.tiles)


def test_wedges_point_where_packets_go_each_in_its_lane(mapped_report):
    there, back = picture(mapped_report).wedges
    foot, other, tip = there.points
    assert foot[0] == other[0] == pytest.approx(1.5 + SIDE / 2)
    assert tip[0] == pytest.approx(2.5 + GAP - SIDE / 2)
    assert tip[1] > 0.5 > back.points[2][1]  # eastward south of the middle, westward north of it
    assert back.points[2][0] == pytest.approx(1.5 + SIDE / 2)
    breadths = [abs(wedge.points[0][1] - wedge.points[1][1]) for wedge in (there, back)]
    assert breadths[0] > 2 * breadths[1]


def test_several_rows_of_chips_lie_below_each_other(mapped_report):
    facts = {**mapped_report.mapping, "board": {"chips_across": 1, "chips_down": 2}, "links": {}, "latency": None}
    found = picture(replace(mapped_report, mapping=facts))
    assert [(tile.x, tile.y) for tile in found.tiles] == [(0.5, 0.5), (1.5, 0.5), (0.5, 1.5 + GAP), (1.5, 1.5 + GAP)]
    assert [tile.label for tile in found.tiles] == ["2", "1", "1", "1"]


def test_the_link_that_binds_is_marked_and_no_tile_is(mapped_report):
    bottleneck = {"what": "link", "number": 1, "layer": None, "link": {"x": 2, "y": 0, "direction": "west"}}
    latency = {**mapped_report.mapping["latency"], "bottleneck": bottleneck}
    found = picture(replace(mapped_report, mapping={**mapped_report.mapping, "latency": latency}))
    assert [wedge.slowest for wedge in found.wedges] == [False, True]
    assert not any(tile.slowest for tile in found.tiles)
    assert "waits for, the link from tile (2, 0) to the west" in found.key[-1]


def test_what_has_no_places_has_no_picture(small_report, misfit_report):
    assert picture(small_report) is None
    assert picture(misfit_report) is None


def test_the_page_draws_every_tile_and_link(mapped_report):
    text = estimate_html(mapped_report)
    drawing = text[text.index('aria-label="Tiles and links"') : text.index("<h2>Layers on cores</h2>")]
    assert drawing.count('<rect class="tile"') == 4
    assert drawing.count('<rect class="chip"') == 2
    assert drawing.count("<polygon ") == 2
    assert drawing.count(f'stroke="{SLOWEST}"') == 1


@pytest.mark.parametrize("fixture", ["mapped_report", "unpriced_report", "misfit_report"])
def test_the_plot_is_drawn(request, fixture, tmp_path):
    estimate_plot(request.getfixturevalue(fixture), tmp_path / "a.png")
    pixels = imread(tmp_path / "a.png")[..., :3]
    assert pixels.shape[1] == 1200
    assert pixels.std() > 0.05
    estimate_plot(request.getfixturevalue(fixture), tmp_path / "b.png")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def words_of(path):
    return " ".join(ElementTree.fromstring(path.read_text("utf-8")).itertext())


def test_the_plot_says_what_its_marks_are(mapped_report, tmp_path):
    estimate_plot(mapped_report, tmp_path / "plot.svg")
    words = words_of(tmp_path / "plot.svg")
    for said in (*picture(mapped_report).key, "energy per inference [nJ]", "chip 1", "on 45nm: 23.32 nJ"):
        assert said in words
    assert len(re.findall(rf"stroke: ?{SLOWEST}", (tmp_path / "plot.svg").read_text("utf-8"))) >= 1


def test_without_energies_the_plot_has_cores_a_layer(unpriced_report, misfit_report, tmp_path):
    estimate_plot(unpriced_report, tmp_path / "plot.svg")
    assert "4, split by neurons 96.0 %" in words_of(tmp_path / "plot.svg")
    estimate_plot(misfit_report, tmp_path / "misfit.svg")
    assert "does not fit" in words_of(tmp_path / "misfit.svg")


def test_without_a_mapping_the_plot_is_the_bars_alone(small_report, tmp_path):
    estimate_plot(small_report, tmp_path / "plot.png")
    rows = priced_rows(small_report)

    def bars(figure):
        figure.set_size_inches(INCHES[0], bars_height(len(rows)))
        draw_bars(figure, figure.add_subplot(), rows, headline(small_report))

    write_plot(bars, tmp_path / "bars.png")
    assert np.array_equal(imread(tmp_path / "plot.png"), imread(tmp_path / "bars.png"))
