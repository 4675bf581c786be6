"""Targets by name."""

from importlib.metadata import EntryPoint

import pytest

from passes.manager import PASSES
from spikec.backend import registry
from spikec.errors import ToolchainError, UnknownName, UsageError


def test_every_target_has_its_name_and_a_pipeline_of_known_passes():
    for name in registry.names():
        target = registry.load(name)
        assert target.name == name
        assert set(target.pipeline) <= set(PASSES)
    assert registry.load("nir").pipeline == registry.load("nir", "strict").pipeline
    assert "lower-maxpool" not in registry.load("nir", "extended").pipeline


def test_unknown_names_come_with_the_nearest():
    with pytest.raises(UnknownName, match=r"unknown target 'niir'.*Try: nir"):
        registry.load("niir")
    with pytest.raises(UnknownName, match=r"dialect 'strickt'.*Try: strict"):
        registry.load("nir", "strickt")
    with pytest.raises(UsageError, match="no dialect"):
        registry.load("lava", "strict")


def test_other_packages_add_targets_but_take_none_over(monkeypatch):
    points = [
        EntryPoint("mine", "spikec.backend.registry:_lava", registry.GROUP),
        EntryPoint("nir", "no.such:thing", registry.GROUP),
        EntryPoint("broken", "no.such:thing", registry.GROUP),
    ]
    monkeypatch.setattr(registry, "entry_points", lambda group: points)
    assert registry.names() == ("broken", "lava", "mine", "nir")
    assert registry.load("mine").name == "lava"
    assert registry.load("nir").name == "nir"
    with pytest.raises(ToolchainError, match="'broken'"):
        registry.load("broken")
