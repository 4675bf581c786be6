"""What NIR's text leaves to its readers: ties, fields that older files lack, and numbers too many."""

import h5py
import nir
import numpy as np
import pytest

from spikec.errors import ModelFileError
from spikec.frontend.foreign import Reading, read

DT = 1e-4
ONE = np.ones(6)


def lif(tau=4.0, r=4.0, v_threshold=0.8):
    return nir.LIF(tau * DT * ONE, r * ONE, 0 * ONE, v_threshold * ONE, 0 * ONE)


def cuba(tau_syn=2.0, tau_mem=4.0, w_in=2.0, v_threshold=1.5):
    times = {"tau_syn": tau_syn * DT * ONE, "tau_mem": tau_mem * DT * ONE, "r": tau_mem * ONE, "v_leak": 0 * ONE}
    return nir.CubaLIF(**times, v_threshold=v_threshold * ONE, v_reset=0 * ONE, w_in=w_in * ONE)


TIES = {
    "LIF": lif(tau=2.0, r=2.0, v_threshold=1.0),
    "IF": nir.IF(ONE / DT, ONE, 0 * ONE),
    "CubaLIF": cuba(tau_syn=2.0, tau_mem=2.0, v_threshold=1.0),
    "Threshold": nir.Threshold(ONE),
}


@pytest.mark.parametrize("name", TIES)
def test_a_membrane_at_its_threshold_does_not_fire(taken, chain, values, name):
    graph = taken(*chain([6], [6], TIES[name]), dt=DT).graph
    x = np.array([np.nextafter(1.0, 0), 1.0, np.nextafter(1.0, 2)] * 2).reshape(1, 1, 6)
    (found,) = values(graph, x).values()
    assert found.ravel().tolist() == [0, 0, 1, 0, 0, 1]


OLDER = {
    "LIF": (lif(r=1.0, v_threshold=0.3), "v_reset"),
    "IF": (nir.IF(ONE / DT, 1.7 * ONE, 0 * ONE), "v_reset"),
    "CubaLIF": (cuba(), "v_reset"),
    "CubaLIF without weight": (cuba(w_in=1.0, v_threshold=0.6), "w_in"),
    "CubaLI": (nir.CubaLI(2 * DT * ONE, 4 * DT * ONE, 4 * ONE, 0 * ONE, ONE), "w_in"),
    "Flatten": (nir.Flatten(np.array([6]), 0, -1), "input_type"),
}


@pytest.mark.parametrize("name", OLDER)
def test_a_field_that_older_files_lack_is_what_nir_takes_it_for(written, chain, values, reference, name):
    """A reset of 0, a weight of 1, and no shape: nir's own defaults, which its reader fills in or its classes have."""
    node, field = OLDER[name]
    nodes, edges = chain([6], [6], node)
    path = written(nodes, edges)
    with h5py.File(path, "r+") as file:
        del file[f"node/nodes/n0/{field}"]
    x = np.random.default_rng(1).uniform(-0.3, 1, size=(40, 8, 6))
    expected = reference(nodes, edges, x, DT)["n0"]
    (found,) = values(read(path, Reading(dt=DT)).graph, x).values()
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("field", ["stride", "padding", "dilation"])
def test_more_numbers_than_axes_are_no_convolution(taken, chain, field):
    windows = {"stride": 1, "padding": 0, "dilation": 1, field: np.array([1, 1, 1])}
    node = nir.Conv2d(input_shape=None, weight=np.ones((4, 3, 3, 3)), groups=1, bias=np.zeros(4), **windows)
    with pytest.raises(ModelFileError, match=f"n0/{field} holds 3 numbers; expected 1 or 2"):
        taken(*chain([3, 8, 8], [4, 6, 6], node))
