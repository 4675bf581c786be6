"""space check: every bundled space is good; what a search could not build is named by file, key and nearest name."""

from __future__ import annotations

from pathlib import Path

import pytest

from spikec.errors import SpaceError
from spikec.search import spacefile
from spikec.tasks.search_setup import SearchSettings
from spikec.tasks.searching import search
from spikec.tasks.spaces import check
from spikec.tasks.subnets import config_of

TEXT = spacefile.space_toml(spacefile.load("digits"))

BREAKS = {
    "a gene of no such name": ("[globals.width]", "[globals.witdh]", "globals.witdh is unknown (did you mean width?)"),
    "a gene that is lacking": ("[globals.width]", "[globals.witdh]", "globals.width is missing"),
    "a block's gene of no such name": ("[blocks.tau]", "[blocks.taus]", "blocks.taus is unknown (did you mean tau?)"),
    "a form that is near": ('"digits"\nimage', '"digit"\nimage', "found 'digit' (did you mean digits?)"),
    "a form that is nothing": ('"digits"\nimage', '"foo"\nimage', "constants.form: input should be 'cifar', 'dvs'"),
    "heads that do not divide": ("[2, 4]", "[2, 3]", "globals.width.values: 32 is no multiple of 3, 64 is no multiple"),
    "a stem that does not divide": ("[32, 48, 64]", "[30, 48]", "30 is no multiple of 4, of the stem of form 'digits'"),
    "no step": (
        "[1, 2, 3, 4]",
        "[0, 1]",
        "globals.steps.values.0: input should be greater than or equal to 1, found 0",
    ),
    "a fraction of a step": ("[1, 2, 3, 4]", "[1.5, 2]", "globals.steps.values.0: input should be a valid integer"),
    "a negative threshold": (
        "[0.6, 0.8, 1.0, 1.2]",
        "[-1.0, 1.0]",
        "blocks.threshold.values.0: input should be greater",
    ),
    "a threshold of zero": ("[0.6, 0.8, 1.0, 1.2]", "[0.0, 1.0]", "blocks.threshold.values.0: input should be greater"),
    "a tau below 1": (
        "[1.25, 2.0, 4.0]",
        "[0.9, 2.0]",
        "blocks.tau.values.0: input should be greater than or equal to 1",
    ),
    "no hidden unit": ("[2, 3, 4]", "[0.01, 2]", "blocks.ratio.values: 0.01 of a width of 32 leaves no hidden unit"),
    "an image that pools do not divide": ("[1, 8, 8]", "[1, 9, 9]", "constants.image: sides 9x9"),
    "an image without channels": ("[1, 8, 8]", "[8, 8]", "constants.image.2 is missing"),
    "a constant of no such name": ("attention_scale", "attention_scal", "(did you mean attention_scale"),
    "a constant that has no say": (
        "factor = 0.5",
        "factor = 0.7",
        "constants.attention_threshold_factor: should be 0.5",
    ),
    "a stem's threshold": (
        "stem]\nthreshold = 1.0",
        "stem]\nthreshold = -1.0",
        "constants.stem.threshold: input should",
    ),
    "a stem that is not its RPE": ("rpe]\nthreshold = 1.0", "rpe]\nthreshold = 2.0", "constants.rpe: other than"),
    "a neuron's reset": ('reset = "hard"', 'reset = "hrad"', "found 'hrad' (did you mean hard?)"),
    "a neuron's key": ("fires_at", "fire_at", "constants.neuron.fire_at is unknown (did you mean fires_at"),
    "a neuron that is not trained": (
        '"hard"',
        '"soft"\nreset_delay = true',
        "constants.neuron.reset_delay: true beside",
    ),
}


@pytest.mark.parametrize("name", spacefile.names())
def test_every_space_that_comes_along_is_good_and_its_ends_are_networks(name: str) -> None:
    space = spacefile.load(name)
    check(space, name)
    for genome in (space.largest(), *space.corners()):
        config_of(space, genome, 10)


@pytest.mark.parametrize("case", BREAKS)
def test_what_a_search_could_not_build_is_named(case: str) -> None:
    old, new, said = BREAKS[case]
    assert old in TEXT
    space = spacefile.parse_space(TEXT.replace(old, new, 1), "mine.toml")
    assert space.count() > 0  # the schema alone has nothing against it
    with pytest.raises(SpaceError) as caught:
        check(space, "mine.toml")
    assert str(caught.value).startswith("mine.toml: ")
    assert said in str(caught.value)


def test_all_that_is_wrong_is_said_at_once() -> None:
    text = TEXT.replace("[0.6, 0.8, 1.0, 1.2]", "[-1.0, 1.0]").replace("[globals.steps]", "[globals.stesp]")
    with pytest.raises(SpaceError, match=r"stesp.*threshold|threshold.*stesp"):
        check(spacefile.parse_space(text, "mine.toml"), "mine.toml")


@pytest.mark.parametrize("case", ["a negative threshold", "a gene of no such name", "heads that do not divide"])
def test_a_search_says_the_same_before_it_writes_anything(tmp_path: Path, case: str) -> None:
    old, new, said = BREAKS[case]
    mine = tmp_path / "mine.toml"
    mine.write_text(TEXT.replace(old, new, 1))
    with pytest.raises(SpaceError) as caught:
        search(SearchSettings(space=str(mine)), out=tmp_path / "study")
    assert str(caught.value).startswith(f"{mine}: ")
    assert said in str(caught.value)
    assert not (tmp_path / "study").exists()
