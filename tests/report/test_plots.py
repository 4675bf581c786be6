from dataclasses import replace
from xml.etree import ElementTree

import numpy as np
import pytest
from matplotlib.image import imread

from spikec.errors import OutputError, UsageError
from spikec.report.mapping_plot import estimate_plot
from spikec.report.plots import caption, front_plot, front_svg


def assert_drawn(path, least=(800, 1200)):
    pixels = imread(path)[..., :3]
    assert pixels.shape[0] >= least[0]
    assert pixels.shape[1] == least[1]
    assert pixels.std() > 0.05
    assert len(np.unique((pixels * 255).astype(np.uint8).reshape(-1, 3), axis=0)) > 50


def test_energy_bars(digits_report, tmp_path):
    estimate_plot(digits_report, tmp_path / "bars.png")
    assert_drawn(tmp_path / "bars.png")


def test_many_nodes_make_the_picture_taller(deep_report, tmp_path):
    estimate_plot(deep_report, tmp_path / "bars.png")
    assert_drawn(tmp_path / "bars.png", (1500, 1200))


def test_axes_have_units(digits_report, study_view, tmp_path):
    estimate_plot(digits_report, tmp_path / "bars.svg")
    bars = " ".join(ElementTree.fromstring((tmp_path / "bars.svg").read_text("utf-8")).itertext())
    assert "energy per inference [nJ]" in bars
    front = " ".join(ElementTree.fromstring(front_svg(study_view)).itertext())
    assert "[uJ], logarithmic" in front
    assert "accuracy on the validation split [%]" in front
    assert "seed 0, split 0, T = 1..4" in front
    assert "accuracy floor, 50 %" in front
    assert "Hypervolume from 50 % and 12.00 uJ, energy in log10" in front
    assert "random sampling (160 trials" in front


def test_front_plot(study_view, tmp_path):
    front_plot(study_view, tmp_path / "front.png")
    assert_drawn(tmp_path / "front.png")


@pytest.mark.parametrize(
    "change",
    [{"rows": ()}, {"reference": None}, {"hypervolume": None, "random_hypervolume": None}, {"accuracy_floor": 0.0}],
)
def test_a_study_that_has_only_begun_is_drawn(study_view, tmp_path, change):
    front_plot(replace(study_view, **change), tmp_path / "front.png")
    assert_drawn(tmp_path / "front.png")


def test_one_trial_is_drawn(study_view, tmp_path):
    front_plot(replace(study_view, rows=study_view.front[:1]), tmp_path / "front.png")
    assert_drawn(tmp_path / "front.png")


def test_the_same_plot_is_the_same_file(study_view, tmp_path):
    assert front_svg(study_view) == front_svg(study_view)
    for name in ("a.png", "b.png"):
        front_plot(study_view, tmp_path / name)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_hypervolumes_say_of_how_many_trials(study_view):
    assert "nsga2 0.8123 of 160 trials, random sampling 0.7711 of 160 trials" in caption(study_view)


def test_an_unknown_ending_is_refused(digits_report, tmp_path):
    with pytest.raises(UsageError, match=r"\.png"):
        estimate_plot(digits_report, tmp_path / "bars.jpeg")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_there_leaves_nothing(digits_report, tmp_path):
    with pytest.raises(OutputError, match="cannot be written"):
        estimate_plot(digits_report, tmp_path / "none" / "bars.png")
    (tmp_path / "bars.png").mkdir()
    with pytest.raises(OutputError):
        estimate_plot(digits_report, tmp_path / "bars.png")
    assert [path.name for path in tmp_path.iterdir()] == ["bars.png"]
