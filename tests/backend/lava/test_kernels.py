"""The arithmetic that the processes call, without Lava."""

from importlib import import_module
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from torch.nn import functional as F

random = np.random.default_rng(3)


@pytest.fixture
def weighted(runtime: Path) -> ModuleType:
    return import_module("spikec_lava.kernels.weighted")


@pytest.fixture
def plain(runtime: Path) -> ModuleType:
    return import_module("spikec_lava.kernels.plain")


@pytest.fixture
def state(runtime: Path) -> ModuleType:
    return import_module("spikec_lava.kernels.state")


@pytest.mark.parametrize("groups", [1, 2, 4])
@pytest.mark.parametrize(
    ("stride", "padding", "dilation"),
    [((1, 1), (0, 0), (1, 1)), ((2, 1), (1, 2), (1, 1)), ((1, 3), (2, 0), (2, 1))],
)
def test_conv2d_is_torchs(weighted: ModuleType, groups: int, stride: tuple, padding: tuple, dilation: tuple) -> None:
    x, w, b = random.normal(size=(4, 9, 8)), random.normal(size=(8, 4 // groups, 3, 2)), random.normal(size=8)
    ours = weighted.conv2d(x, w, b, stride, padding, dilation, groups)
    theirs = F.conv2d(*map(torch.tensor, (x[None], w, b)), stride, padding, dilation, groups)[0]
    np.testing.assert_allclose(ours, theirs, atol=1e-12)


def test_conv2d_of_128_groups_is_not_silently_zero(weighted: ModuleType) -> None:
    x, w = random.normal(size=(256, 3, 3)), random.normal(size=(256, 1, 3, 3))
    np.testing.assert_allclose(weighted.conv2d(x, w, groups=256)[:, 0, 0], (x * w[:, 0]).sum((1, 2)), atol=1e-12)


def test_conv1d_is_torchs(weighted: ModuleType) -> None:
    x, w = random.normal(size=(4, 11)), random.normal(size=(6, 2, 3))
    ours = weighted.conv1d(x, w, None, (2,), (1,), (2,), 2)
    np.testing.assert_allclose(ours, F.conv1d(torch.tensor(x), torch.tensor(w), None, 2, 1, 2, 2), atol=1e-12)


def test_max_pool_never_takes_the_padding(plain: ModuleType) -> None:
    x = -1.0 - random.random(size=(2, 5, 5))
    ours = plain.max_pool(x, (3, 3), (2, 2), (1, 1))
    np.testing.assert_array_equal(ours, F.max_pool2d(torch.tensor(x), 3, 2, 1))


def test_mean_divides_once(plain: ModuleType) -> None:
    assert plain.mean_over(np.ones((49, 2)), axes=[0]).tolist() == [1.0, 1.0]


def test_a_hard_reset_neuron_by_hand(state: ModuleType) -> None:
    neuron = state.Neuron((1,), v_threshold=1.0, tau=2.0)
    drive = [1.0, 1.0, 2.0, 0.5]
    seen = [(bool(neuron.step(np.array([x]))[0]), float(neuron.v[0])) for x in drive]
    assert seen == [(False, 0.5), (False, 0.75), (True, 0.0), (False, 0.25)]


def test_a_soft_reset_neuron_by_hand(state: ModuleType) -> None:
    neuron = state.Neuron((1,), v_threshold=1.0, tau=2.0, decay_input=False, reset="soft", fires_at=">")
    seen = [(bool(neuron.step(np.array([x]))[0]), float(neuron.v[0])) for x in [1.0, 1.0, 0.0]]
    assert seen == [(False, 1.0), (True, 0.5), (False, 0.25)]


def test_a_refractory_neuron_stays_at_its_reset_value(state: ModuleType) -> None:
    neuron = state.Neuron((1,), v_threshold=1.0, refractory=2, v_reset=-0.5)
    seen = [(bool(neuron.step(np.array([x]))[0]), float(neuron.v[0])) for x in [2.0, 9.0, 9.0, 9.0]]
    assert seen == [(True, -0.5), (False, -0.5), (False, -0.5), (True, -0.5)]


@pytest.mark.parametrize(("fires_at", "expected"), [(">=", [False, True, True]), (">", [False, False, True])])
def test_a_membrane_at_the_threshold(state: ModuleType, fires_at: str, expected: list[bool]) -> None:
    neuron = state.Neuron((3,), v_threshold=1.0, tau=2.0, fires_at=fires_at)
    drive = 2.0 * np.array([np.nextafter(1.0, 0.0), 1.0, np.nextafter(1.0, 2.0)])
    assert neuron.step(drive).tolist() == expected


def test_begin_forgets_everything(state: ModuleType) -> None:
    neuron = state.Neuron((3,), v_threshold=1.0, tau=2.0, reset_delay=True, refractory=1, v0=0.25)
    drive = random.normal(1.0, 1.0, size=(5, 3))
    first = [(neuron.step(x).tolist(), neuron.v.tolist()) for x in drive]
    neuron.begin()
    assert [(neuron.step(x).tolist(), neuron.v.tolist()) for x in drive] == first


def test_delay_by_element(state: ModuleType) -> None:
    delay = state.Delay((3,), np.array([0.0, 1.0, 2.0]))
    seen = []
    for t in range(1, 5):
        delay.write(np.full(3, float(t)))
        seen.append(delay.read().tolist())
        delay.advance()
    assert seen == [[1, 0, 0], [2, 1, 0], [3, 2, 1], [4, 3, 2]]


def test_a_state_in_fixed_point_ends_where_it_cannot_be_held(state: ModuleType) -> None:
    def membrane(drive: float, held: str) -> float:
        neuron = state.Neuron((2,), v_threshold=1e9, reset="none", state=held)
        neuron.step(np.array([0.0, drive]))
        return float(neuron.v[1])

    assert [membrane(drive, "int(8,1.0)") for drive in (127.0, -128.0)] == [127.0, -128.0]
    assert membrane(63.5, "int(8,0.5)") == 63.5
    for drive, held in ((128.0, "int(8,1.0)"), (-129.0, "int(8,1.0)"), (64.0, "int(8,0.5)")):
        with pytest.raises(OverflowError, match="beyond"):
            membrane(drive, held)
    with pytest.raises(OverflowError, match="no whole multiple"):
        membrane(1.25, "int(8,0.5)")
