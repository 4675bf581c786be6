"""hw fit from runs to a chip file: its prices, what it says of them, and that it is a chip like any other."""

from __future__ import annotations

import hashlib
import json
import tomllib
from pathlib import Path

import numpy as np
import pytest

from hwmodels.fitting import Rules
from spikec.errors import DataError, FitRefused, HardwareFileError, UnknownName, UsageError
from spikec.tasks import hardware
from spikec.tasks.fitted_chip import Card
from spikec.tasks.fitting import Fitted, Wanted, fit_chip

TRUE = {"ac": 0.9, "mac": 4.6}
Columns = dict[str, np.ndarray]


def counts(runs: int = 12, seed: int = 0) -> Columns:
    rng = np.random.default_rng(seed)
    return {"ac": rng.integers(10**5, 10**7, runs), "mac": rng.integers(10**4, 10**6, runs)}


def written(tmp_path: Path, columns: Columns) -> Path:
    lines = [",".join(columns), *(",".join(map(str, row)) for row in zip(*columns.values(), strict=True))]
    (tmp_path / "runs.csv").write_text("\n".join(lines) + "\n")
    return tmp_path / "runs.csv"


def energy(columns: Columns, noise: float = 0.0, seed: int = 1) -> np.ndarray:
    exact = sum(price * columns[kind] for kind, price in TRUE.items())
    return np.asarray(exact * (1 + noise * np.random.default_rng(seed).standard_normal(len(exact))))


def fitted(tmp_path: Path, more: Columns | None = None, noise: float = 0.02, wanted: Wanted | None = None) -> Fitted:
    columns = counts()
    return fit_chip(written(tmp_path, {**columns, **(more or {}), "energy_pj": energy(columns, noise)}), wanted)


def test_the_file_is_a_chip_whose_prices_are_those_of_the_fit(tmp_path: Path) -> None:
    card = Card("board", "Board 3", "28 nm", ("fold-batchnorm", "quantize:weight_bits=8"))
    found = fitted(tmp_path, wanted=Wanted(card=card))
    (tmp_path / "board.toml").write_text(found.toml)
    chip = hardware.check(tmp_path / "board.toml")
    assert (chip.name, chip.node) == ("board", "28 nm")
    assert chip.pipeline == ("fold-batchnorm", {"pass": "quantize", "weight_bits": 8})
    plain = tomllib.loads(found.toml)
    digest = hashlib.sha256((tmp_path / "runs.csv").read_bytes()).hexdigest()
    assert digest in found.toml
    for price in found.energy.prices:
        table = plain["terms"][price.kind]["energy"]
        assert (table["evidence"], table["unit"], table["scope"]) == ("measured", "pJ", "per-term")
        assert [table[key] for key in ("low", "value", "high")] == pytest.approx([price.low, price.value, price.high])
        assert table["low"] < TRUE[price.kind] < table["high"]
        for part in ("12 runs of runs.csv", digest[:12], "95 % intervals", "condition number", "R^2"):
            assert part in table["source"]


def test_exact_runs_give_the_exact_prices_to_the_digit(tmp_path: Path) -> None:
    plain = tomllib.loads(fitted(tmp_path, noise=0.0).toml)
    assert {kind: table["energy"]["value"] for kind, table in plain["terms"].items()} == TRUE
    assert (plain["name"], plain["node"], plain["pipeline"]) == ("measured", "not given", ["fold-batchnorm"])


def test_the_level_widens_the_intervals(tmp_path: Path) -> None:
    narrow, wide = (fitted(tmp_path, wanted=Wanted(rules=Rules(level))) for level in (0.5, 0.99))
    for one, other in zip(narrow.energy.prices, wide.energy.prices, strict=True):
        assert other.high - other.low > 3 * (one.high - one.low)
    assert "99 % intervals" in wide.toml


def test_what_is_not_priced_is_said(tmp_path: Path) -> None:
    spikes = {"spike": np.random.default_rng(5).integers(1, 100, 12)}
    found = fitted(tmp_path, spikes, wanted=Wanted(("mac", "ac")))
    assert [price.kind for price in found.energy.prices] == ["mac", "ac"]
    assert "counted and not priced: spike" in " ".join(found.notes)
    assert "no static power" in " ".join(found.notes)
    assert "# counted and not priced: spike" in found.toml


def test_notes_on_what_a_price_rests_on(tmp_path: Path) -> None:
    columns = {**counts(), "neuron_update": np.full(12, 5000)}
    columns["mac"][:] = 0
    columns["mac"][3] = 10**6
    path = written(tmp_path, {**columns, "name": np.array([f"n{i}" for i in range(12)]), "energy_pj": energy(columns)})
    notes = " ".join(fit_chip(path).notes)
    assert "neuron_update is the same in every run" in notes
    assert "a price hangs on n3 alone" in notes
    assert "neuron_update takes 0 pJ" in notes


@pytest.mark.parametrize(
    ("seed", "said"),
    [(6, "the interval of spike reaches 0 pJ"), (2, "spike takes 0 pJ, which is no proof that it takes none")],
)
def test_a_price_that_is_not_told_from_0_is_said(tmp_path: Path, seed: int, said: str) -> None:
    columns = {**counts(), "spike": np.random.default_rng(5).integers(10**4, 10**5, 12)}
    found = fit_chip(written(tmp_path, {**columns, "energy_pj": energy(columns, 0.1, seed)}))
    assert said in " ".join(found.notes)
    assert (found.energy.prices[2].value > 0) is (seed == 6)
    assert tomllib.loads(found.toml)["terms"]["spike"]["energy"]["low"] == 0


def test_runs_that_scatter_more_than_their_sd_are_told(tmp_path: Path) -> None:
    """Of 10 degrees of freedom chi-square is above 21.0 by a chance of 2 %, above 27.2 by one of 0.2 %."""
    whole = fitted(tmp_path, {"sd": 0.1 * energy(counts())}, noise=0.1).energy.misfit
    assert whole is not None
    for misfit, said in ((1.45, False), (1.65, True)):
        found = fitted(tmp_path, {"sd": 0.1 * whole / misfit * energy(counts())}, noise=0.1)
        assert found.energy.misfit == pytest.approx(misfit)
        assert (f"the runs scatter {misfit} times as much as the given sd" in " ".join(found.notes)) is said


def test_runs_weigh_what_the_file_says(tmp_path: Path) -> None:
    """A run that is wrong by half does no harm where it weighs nothing, and says so where it weighs as much as all."""
    columns, wrong = counts(), np.array([1.5] + [1.0] * 11)
    for weight, right in ((1e-9, True), (1.0, False)):
        weights = np.array([weight] + [1.0] * 11)
        measured = {"energy_pj": wrong * energy(columns), "time_ns": wrong * energy(columns)}
        found = fit_chip(written(tmp_path, {**columns, "weight": weights, **measured}))
        assert found.time is not None
        for one in (found.energy, found.time):
            assert ({price.kind: price.value for price in one.prices} == pytest.approx(TRUE, rel=1e-6)) is right
        assert "runs taken to scatter as the weights given" in found.toml


def test_times_are_fitted_beside(tmp_path: Path) -> None:
    columns = counts()
    found = fitted(tmp_path, {"time_us": (0.5 * columns["ac"] + 3 * columns["mac"]) / 1e3})
    assert found.time is not None
    assert [price.value for price in found.time.prices] == pytest.approx([0.5, 3])
    assert "cores that work at once are not modelled" in " ".join(found.notes)
    times = {kind: table["time"] for kind, table in tomllib.loads(found.toml)["terms"].items()}
    assert {kind: (time["value"], time["unit"]) for kind, time in times.items()} == {
        "ac": (0.5, "ns"),
        "mac": (3.0, "ns"),
    }
    alone = fitted(tmp_path, {"time_us": columns["ac"]}, wanted=Wanted(times=False))
    assert alone.time is None
    assert "time" not in tomllib.loads(alone.toml)["terms"]["ac"]


def on_a_board(tmp_path: Path) -> Path:
    """Runs of a chip with a static power of 12 mW, whose times follow from nothing that is counted."""
    rng = np.random.default_rng(3)
    columns = {kind: rng.integers(10**5, 10**7, 12) for kind in ("ac", "neuron_update_active")}
    time = rng.uniform(1e5, 1e6, 12)
    measured = 20 * columns["ac"] + 80 * columns["neuron_update_active"] + 12 * time
    return written(tmp_path, {**columns, "energy_pj": measured, "time_ns": time})


def test_times_that_follow_from_nothing_that_is_counted_are_left_out(tmp_path: Path) -> None:
    found = fit_chip(on_a_board(tmp_path), Wanted(static=True))
    assert found.time is None
    assert "no times: the counts explain them worse than their mean does (R^2 -" in " ".join(found.notes)
    assert "time" not in tomllib.loads(found.toml)["terms"]["ac"]


def test_energies_that_follow_from_nothing_that_is_counted_are_said_to(tmp_path: Path) -> None:
    columns = counts()
    noise = np.random.default_rng(8).uniform(1e6, 9e6, 12)
    found = fit_chip(written(tmp_path, {**columns, "energy_pj": noise}))
    assert found.energy.r_squared is not None
    assert -2 < found.energy.r_squared < 0
    notes = found.notes
    assert "the prices explain the energies worse than their mean does" in " ".join(notes)
    assert "worse" not in " ".join(fitted(tmp_path).notes)


def test_a_wide_span_of_energies_asks_how_errors_grow(tmp_path: Path) -> None:
    columns = {kind: np.append(column, column[:3] // 100) for kind, column in counts().items()}
    path = written(tmp_path, {**columns, "energy_pj": energy(columns, 0.02)})
    equal, relative = fit_chip(path), fit_chip(path, Wanted(rules=Rules(scatter="relative")))
    assert "so the largest runs decide: where errors grow with the energy, --scatter relative" in " ".join(equal.notes)
    assert "the largest runs decide" not in " ".join((*relative.notes, *fitted(tmp_path).notes))
    assert "runs taken to scatter all alike" in equal.toml
    assert "runs taken to scatter in proportion to what they take" in relative.toml


def test_static_power_comes_from_the_times(tmp_path: Path) -> None:
    path = on_a_board(tmp_path)
    found = fit_chip(path, Wanted(static=True))
    plain = tomllib.loads(found.toml)
    energies = {kind: (table["energy"]["value"], table["energy"]["unit"]) for kind, table in plain["terms"].items()}
    assert energies == {"ac": (20, "pJ"), "neuron_update_active": (80, "pJ"), "chip_ns": (12, "mW")}
    assert (plain["model"], plain["real_input"], plain["attention"]) == ("events", "refuse", "unsupported")
    assert "chip_ns: counted on cores alone" in " ".join(found.notes)
    assert "no static power" not in " ".join(found.notes)
    assert fit_chip(path, Wanted(("ac", "chip_ns"), times=False)).energy.prices[1].kind == "chip_ns"
    assert "spikec hw fit --static fits one" in " ".join(fit_chip(path, Wanted(times=False)).notes)


def test_what_a_model_of_chips_does_not_count_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="a price of mac beside chip_ns in a chip of the model 'events'"):
        fitted(tmp_path, {"time_ns": counts()["ac"]}, wanted=Wanted(static=True))
    with pytest.raises(UsageError, match="a price of neuron_update_active in a chip of the model 'arithmetic'"):
        fit_chip(on_a_board(tmp_path), Wanted(times=False, card=Card(model="arithmetic")))
    with pytest.raises(DataError, match="no times for a static power"):
        fitted(tmp_path, wanted=Wanted(("ac",), static=True))


def test_times_that_no_counts_explain_are_refused_apart(tmp_path: Path) -> None:
    columns = counts()
    with pytest.raises(FitRefused, match=r"the times: least squares prices mac at -0\.05 .*--no-times"):
        fitted(tmp_path, {"time_ns": 1.0 * columns["ac"] - 0.05 * columns["mac"]})


def test_prices_that_nothing_can_have_are_refused(tmp_path: Path) -> None:
    columns = counts()
    path = written(tmp_path, {**columns, "energy_j": energy(columns)})
    with pytest.raises(FitRefused, match=r"runs.csv: 9e\+11 pJ for each ac; expected 0, or 1e-06 to 1e\+09 pJ"):
        fit_chip(path)


def test_a_bound_that_a_chip_file_cannot_hold_moves_outwards(tmp_path: Path) -> None:
    column = counts()["ac"]
    measured = 1.3e-6 * column * np.random.default_rng(0).uniform(0.2, 1.8, 12)
    found = fit_chip(written(tmp_path, {"ac": column, "energy_pj": measured}))
    assert 0 < found.energy.prices[0].low < 1e-6
    table = tomllib.loads(found.toml)["terms"]["ac"]["energy"]
    assert table["low"] == 0
    assert table["value"] == pytest.approx(found.energy.prices[0].value)


def test_columns_that_go_together_are_refused_with_the_file(tmp_path: Path) -> None:
    columns = counts()
    path = written(tmp_path, {**columns, "spike": 2 * columns["ac"], "energy_pj": energy(columns)})
    with pytest.raises(FitRefused, match=r"runs.csv: condition number above 1e12: ac and spike go together"):
        fit_chip(path)
    assert fit_chip(path, Wanted(("ac", "mac"))).energy.condition < 30


def test_kinds_that_no_chip_file_prices_together_are_said_to_be_of_the_file_to_be_written(tmp_path: Path) -> None:
    both = {"neuron_update": counts(seed=3)["ac"], "neuron_update_active": counts(seed=4)["ac"]}
    path = written(tmp_path, {**both, "energy_pj": sum(both.values())})
    with pytest.raises(HardwareFileError, match=r"the chip file of .*runs.csv.*key terms.neuron_update.count"):
        fit_chip(path)


@pytest.mark.parametrize(
    ("make", "error", "said"),
    [
        (lambda: Wanted(("ac", "spike")), UnknownName, "unknown term 'spike'; expected one of: ac, mac"),
        (lambda: Wanted(()), UsageError, "each once"),
        (lambda: Wanted(("ac", "ac")), UsageError, "--terms ac,ac"),
        (lambda: Wanted(rules=Rules(level=1.0)), UsageError, "--level 1"),
        (lambda: Wanted(rules=Rules(level=float("nan"))), UsageError, "--level nan"),
        (lambda: Wanted(rules=Rules(most_condition=0)), UsageError, "--max-condition 0"),
        (lambda: Wanted(card=Card(pipeline=("fold-batchnrom",))), UnknownName, "fold-batchnorm"),
        (lambda: Wanted(card=Card(pipeline=("quantize:bits=8",))), UsageError, "bits"),
    ],
)
def test_what_is_asked_must_be_there(tmp_path: Path, make, error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said):
        fitted(tmp_path, wanted=make())


def test_relative_scatter_contradicts_sd(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--scatter relative beside a column 'sd'"):
        fitted(tmp_path, {"sd": energy(counts())}, wanted=Wanted(rules=Rules(scatter="relative")))


def report(folder: Path, name: str, counted: dict[str, float], **policy: str) -> str:
    plain = {"totals": {"counts": counted}, "policy": {"counting": "events", **policy}}
    (folder / f"{name}.json").write_text(json.dumps(plain))
    return f"{name}.json"


def test_counts_come_from_reports(tmp_path: Path) -> None:
    columns = counts()
    names = [
        report(tmp_path, f"net{run}", {"ac": int(ac), "mac": int(mac), "spike": 3})
        for run, (ac, mac) in enumerate(zip(*columns.values(), strict=True))
    ]
    path = written(tmp_path, {"report": np.array(names), "energy_pj": energy(columns)})
    with pytest.raises(UsageError, match="a column 'report' without --terms"):
        fit_chip(path)
    found = fit_chip(path, Wanted(("ac", "mac")))
    assert [price.value for price in found.energy.prices] == pytest.approx([0.9, 4.6])
    assert "counted under the policy counting events" in found.toml
    digest = hashlib.sha256((tmp_path / "net3.json").read_bytes()).hexdigest()
    assert f"counts from net3.json, sha256 {digest}" in found.toml


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "b.json: no JSON"),
        ("[" * 100_000, "b.json: no JSON"),
        ("[]", "b.json: no counts; expected what `spikec estimate"),
        ('{"totals": {"counts": {"ac": -1}}, "policy": {}}', "b.json, ac: a count of -1"),
        ('{"totals": {"counts": {"ac": NaN}}, "policy": {}}', "b.json, ac: a count of nan"),
        ('{"totals": {"counts": {"ac": true}}, "policy": {}}', "b.json, ac: a count of True"),
        ('{"totals": {"counts": {"ac": 1}}, "policy": {"counting": "rate"}}', "counting events and rate"),
        (None, "b.json: there is no such file"),
    ],
)
def test_reports_that_are_none(tmp_path: Path, text: str | None, said: str) -> None:
    report(tmp_path, "a", {"ac": 1.0})
    if text is not None:
        (tmp_path / "b.json").write_text(text)
    path = written(tmp_path, {"report": np.array(["a.json", "b.json"]), "energy_pj": np.ones(2)})
    with pytest.raises(DataError) as error:
        fit_chip(path, Wanted(("ac",)))
    assert said in str(error.value)
