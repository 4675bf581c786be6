"""Prices from measured runs: recovered from a known chip, within intervals as often as these say, else refused."""

from __future__ import annotations

import re

import numpy as np
import pytest
from scipy.optimize import lsq_linear
from scipy.special import stdtrit

from hwmodels.fitting import Fit, Price, Rules, fit
from spikec.errors import FitRefused

KINDS = ("ac", "mac", "neuron_update")
TRUE = np.array([0.9, 4.6, 2.0])
RUNS = 20


@pytest.fixture(scope="module")
def counts() -> np.ndarray:
    """Runs of networks whose counts span two orders of magnitude and change apart."""
    return np.exp(np.random.default_rng(7).uniform(np.log([1e5, 1e4, 1e4]), np.log([1e7, 1e6, 1e6]), (RUNS, 3)))


def prices(found: Fit) -> np.ndarray:
    return np.array([price.value for price in found.prices])


def covered(found: Fit) -> np.ndarray:
    return np.array([price.low <= true <= price.high for price, true in zip(found.prices, TRUE, strict=True)])


def test_exact_data_give_the_exact_prices(counts: np.ndarray) -> None:
    found = fit(counts, counts @ TRUE, KINDS)
    assert prices(found) == pytest.approx(TRUE, rel=1e-9)
    assert [price.high - price.low for price in found.prices] == pytest.approx([0, 0, 0], abs=1e-6)
    assert found.r_squared == pytest.approx(1)
    assert found.predicted == pytest.approx(found.measured, rel=1e-9)
    assert 1 <= found.condition < 30


def test_a_price_of_0_in_exact_data_is_0_and_not_refused(counts: np.ndarray) -> None:
    found = fit(counts, counts @ [0.9, 0.0, 2.0], KINDS)
    assert found.prices[1] == Price("mac", 0.0, 0.0, 0.0, 0.0)


@pytest.mark.parametrize("level", [0.8, 0.95])
@pytest.mark.parametrize("scatter", ["equal", "relative", "sd", "weight"])
def test_intervals_hold_the_prices_as_often_as_they_say(counts: np.ndarray, scatter: str, level: float) -> None:
    """400 repeats: the share that is covered is within 3.5 binomial standard deviations, for each price."""
    rng, energy = np.random.default_rng(1), counts @ TRUE
    sd = np.full(RUNS, 0.02 * energy.mean()) if scatter == "equal" else 0.1 * energy
    rules = Rules(level, "relative" if scatter == "relative" else "equal")
    deviations, weights = (sd if scatter == "sd" else None), (3.0 / sd**2 if scatter == "weight" else None)
    measured = [energy + sd * rng.standard_normal(RUNS) for _ in range(400)]
    found = [covered(fit(counts, one, KINDS, rules, deviations=deviations, weights=weights)) for one in measured]
    share, slack = np.mean(found, axis=0), 3.5 * np.sqrt(level * (1 - level) / 400)
    assert (share > level - slack).all(), share
    # Deviations that are given set a least width as well, so these intervals hold somewhat more often.
    assert (share < level + slack).all(), share


def test_relative_scatter_does_not_pull_prices_down(counts: np.ndarray) -> None:
    """Weighted by what was measured instead of what is predicted, low runs would weigh more."""
    rng, energy = np.random.default_rng(2), counts @ TRUE
    found = [
        prices(fit(counts, energy * rng.uniform(0.7, 1.3, RUNS), KINDS, Rules(scatter="relative"))) for _ in range(200)
    ]
    assert np.mean(found, axis=0) == pytest.approx(TRUE, rel=0.02)


def test_equal_scatter_is_ordinary_least_squares(counts: np.ndarray) -> None:
    measured = counts @ TRUE * np.random.default_rng(3).uniform(0.95, 1.05, RUNS)
    found = fit(counts, measured, KINDS)
    expected, *_ = np.linalg.lstsq(counts, measured, rcond=None)
    assert prices(found) == pytest.approx(expected)
    rest = measured - counts @ expected
    assert found.r_squared == pytest.approx(1 - rest @ rest / np.sum((measured - measured.mean()) ** 2))


def test_each_run_is_predicted_by_a_fit_without_it(counts: np.ndarray) -> None:
    measured = counts @ TRUE * np.random.default_rng(4).uniform(0.9, 1.1, RUNS)
    found = fit(counts, measured, KINDS)
    for run in (0, 7, 19):
        rest = np.arange(RUNS) != run
        assert found.left_out[run] == pytest.approx(counts[run] @ prices(fit(counts[rest], measured[rest], KINDS)))


def test_a_run_that_alone_has_a_kind_is_predicted_by_no_other() -> None:
    alone = np.array([[1.0, 0.0], [2.0, 0.0], [3.0, 0.0], [1.0, 5.0]])
    found = fit(alone, np.array([1.1, 1.9, 3.0, 11.0]), ("ac", "mac"))
    assert np.isnan(found.left_out).tolist() == [False, False, False, True]


def test_a_price_not_told_from_0_is_0_with_what_it_is_at_most() -> None:
    rng = np.random.default_rng(0)
    many = rng.uniform(1, 10, (30, 3))
    energy = many @ [1.0, 0.0, 2.0]
    tries = (fit(many, energy + rng.normal(0, 1.0, 30), KINDS) for _ in range(50))
    found, measured = next((f, f.measured) for f in tries if f.prices[1].unconstrained < 0)
    price = found.prices[1]
    assert (price.value, price.low) == (0, 0)
    assert price.high > 0
    assert not price.told_from_zero
    expected = lsq_linear(many, measured, bounds=(0, np.inf), tol=1e-12).x
    assert prices(found) == pytest.approx(expected, abs=1e-5)
    for other in found.prices:
        assert other.low <= other.value <= other.high


def test_a_price_surely_below_0_is_refused_with_its_interval() -> None:
    rng = np.random.default_rng(0)
    many = rng.uniform(1, 10, (30, 2))
    with pytest.raises(FitRefused, match=r"prices mac at -0\.[45]\d* \(at most -0\.[345]\d*\): the 95 % interval"):
        fit(many, many @ [3.0, -0.5] + rng.normal(0, 0.1, 30), ("ac", "mac"))


def test_standard_deviations_are_a_least_width_and_misfit_is_told(counts: np.ndarray) -> None:
    energy = counts @ TRUE
    exact = fit(counts, energy, KINDS, deviations=0.01 * energy)
    assert exact.misfit == pytest.approx(0, abs=1e-9)
    weighted = counts / (0.01 * energy)[:, None]
    errors = np.sqrt(np.diag(np.linalg.inv(weighted.T @ weighted)))
    widths = [price.high - price.low for price in exact.prices]
    assert widths == pytest.approx(2 * stdtrit(RUNS - 3, 0.975) * errors, rel=1e-6)
    noisy = energy * (1 + 0.1 * np.random.default_rng(5).standard_normal(RUNS))
    narrow, wide = (fit(counts, noisy, KINDS, deviations=share * energy) for share in (0.02, 0.1))
    assert narrow.misfit == pytest.approx(5 * (wide.misfit or 0))
    assert narrow.prices[0].high - narrow.prices[0].low == pytest.approx(
        (wide.prices[0].high - wide.prices[0].low) * max(wide.misfit or 0, 1) ** -1 * (wide.misfit or 0)
    )


def test_counts_that_go_together_are_named_with_what_would_part_them(counts: np.ndarray) -> None:
    both = counts.copy()
    both[:, 2] = 0.1 * both[:, 0] * np.random.default_rng(6).uniform(0.999, 1.001, RUNS)
    with pytest.raises(FitRefused) as refused:
        fit(both, both @ TRUE, KINDS)
    text = str(refused.value)
    assert "ac and neuron_update go together (neuron_update is 0.0999" in text
    changes = (
        r"runs in which (ac changes and neuron_update|neuron_update changes and ac) does not \(these runs again at half"
    )
    assert re.search(changes, text)
    assert "expected a condition number of at most 30" in text
    assert refused.value.exit_code == 1
    number = float(text.split("condition number ")[1].split(":")[0])
    assert number == pytest.approx(np.linalg.cond(both / np.linalg.norm(both, axis=0)), rel=1e-2)
    assert fit(both, both @ TRUE, KINDS, Rules(most_condition=1.1 * number)).condition == pytest.approx(
        number, rel=1e-2
    )


def test_multiples_are_refused_whatever_bound_is_given(counts: np.ndarray) -> None:
    both = counts.copy()
    both[:, 1] = 3 * both[:, 0]
    with pytest.raises(FitRefused, match=r"condition number above 1e12: ac and mac go together \(mac is 3 times ac"):
        fit(both, both @ TRUE, KINDS, Rules(most_condition=1e6))


def test_too_few_runs_and_counts_of_0_are_refused(counts: np.ndarray) -> None:
    with pytest.raises(FitRefused, match="3 runs for 3 prices; expected 4 runs or more"):
        fit(counts[:3], counts[:3] @ TRUE, KINDS)
    silent = counts * [1, 0, 1]
    with pytest.raises(FitRefused, match=r"mac is 0 in every run.*--terms ac,neuron_update"):
        fit(silent, silent @ TRUE, KINDS)
    assert fit(counts[:4], counts[:4] @ TRUE, KINDS).runs == 4
