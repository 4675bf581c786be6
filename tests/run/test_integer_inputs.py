"""An input declared Int must hold its codes, or its events would be miscounted."""

from __future__ import annotations

import numpy as np
import pytest

from spikec.errors import DataError
from spikec.ir.graph import Graph
from spikec.ir.text import parse
from spikec.ir.types import weight_of
from spikec.run.interp import Interpreter


def graph(domain: str) -> Graph:
    text = f"graph(%x: {domain} step [2]) steps 1\n%y = linear(%x; weight=w)\nreturn %y\n"
    return parse(text, {"w": weight_of(np.ones((3, 2)))})


@pytest.mark.parametrize("value", [0.5, -1.0, 5.0, np.nan])
def test_values_that_are_no_codes_are_refused(value: float) -> None:
    with pytest.raises(DataError, match="%x"):
        Interpreter().run(graph("int(0,4)"), {"x": np.array([[[1.0, value]]])})


def test_codes_of_a_scale_are_taken() -> None:
    (y,) = Interpreter().run(graph("int(0,4,0.1)"), {"x": np.array([[[0.1 * 3, 0.4]]])}).values()
    assert y.tolist() == [[[pytest.approx(0.7)] * 3]]


def test_a_real_input_takes_anything_finite() -> None:
    (y,) = Interpreter().run(graph("real"), {"x": np.array([[[0.5, -1.25]]])}).values()
    assert y.tolist() == [[[-0.75] * 3]]
