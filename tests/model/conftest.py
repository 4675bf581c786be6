"""A small model with every optional part, and its file."""

import numpy as np
import pytest

from spikec.ir.text import parse
from spikec.ir.types import FLOAT64, IntFormat, Role, Weight, constant, weight_of
from spikec.model import Calibration, InputSpec, Model, save

TEXT = """graph(%input: real once [1,2,2]) steps 3
%f = reshape(%input) {shape=(4,)}
%r = repeat(%f)
%a = linear(%r; bias=fc.bias, weight=fc.weight) @fc
%q = lif(%a; tau=t, v_threshold=v) @lif
%m = time_mean(%q)
return %m
"""


def weights(rng):
    return {
        "fc.weight": weight_of(rng.normal(size=(3, 4)).astype(np.float32)),
        "fc.bias": Weight(rng.integers(-9, 9, 3).astype(np.int8), Role.STATISTIC, IntFormat(8, 0.1)),
        "t": constant(1.1),
        "v": Weight(np.asarray(-0.0), Role.CONSTANT, FLOAT64),
    }


@pytest.fixture
def model():
    rng = np.random.default_rng(0)
    return Model(
        name="small",
        graph=parse(TEXT, weights(rng)),
        input=InputSpec((1, 2, 2), "direct", 3, "grey values over 16"),
        class_names=("a", "b", "c"),
        calibration=Calibration(rng.normal(size=(5, 1, 2, 2)).astype(np.float32), np.arange(5) * 7, "digits:0", seed=3),
        architecture={"form": "digits", "ratios": (2.0, 3.0), "image": [1, 8, 8], "neuron": {"reset": "hard"}},
        provenance={"study": "runs/a", "trial": 17, "energy_pj": 0.1 + 0.2, "nested": {"none": None, "yes": True}},
    )


@pytest.fixture
def saved(model, tmp_path):
    save(model, tmp_path / "model.pt")
    return tmp_path / "model.pt"


@pytest.fixture
def text():
    return TEXT


@pytest.fixture(name="weights")
def weights_fixture():
    return weights(np.random.default_rng(0))
