"""Measured runs as CSV: what is read, and that what cannot be is named by line and column."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from spikec.errors import DataError, SpikecError, UnknownName
from spikec.tasks.measurements import read_measurements

GOOD = """# board 3, one inference each
name,ac, mac,energy_mj,time_us,sd
a,100,20,0.5,3,0.01

b,200,0,1e-1,4.5,0.02
"""


def written(tmp_path: Path, text: str | bytes) -> Path:
    path = tmp_path / "runs.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode("utf-8"))
    return path


def test_a_file_is_read_in_pj_and_ns(tmp_path: Path) -> None:
    found = read_measurements(written(tmp_path, GOOD))
    assert (found.file, found.names, found.runs) == ("runs.csv", ("a", "b"), 2)
    assert found.sha256 == hashlib.sha256(GOOD.encode()).hexdigest()
    assert {kind: column.tolist() for kind, column in found.counts.items()} == {"ac": [100, 200], "mac": [20, 0]}
    assert found.energy_pj.tolist() == [0.5e9, 0.1e9]
    assert found.time_ns is not None
    assert found.sd_pj is not None
    assert (found.time_ns.tolist(), found.sd_pj.tolist()) == ([3000, 4500], [0.01e9, 0.02e9])
    assert found.weights is None


@pytest.mark.parametrize(
    ("unit", "size"),
    [("pj", 1), ("nJ", 1e3), ("uj", 1e6), ("µJ", 1e6), ("μj", 1e6), ("mJ", 1e9), ("mj", 1e9), ("J", 1e12), ("j", 1e12)],
)
def test_units_of_energy(tmp_path: Path, unit: str, size: float) -> None:
    found = read_measurements(written(tmp_path, f"ac,energy_{unit},weight\n1,2,3"))
    assert found.energy_pj.tolist() == [2 * size]
    assert found.weights is not None
    assert found.weights.tolist() == [3]
    assert read_measurements(written(tmp_path, f"ac,energy_j,sd_{unit}\n1,2,4")).sd_pj == pytest.approx(4 * size)


@pytest.mark.parametrize(("column", "size"), [("time_s", 1e9), ("latency_ms", 1e6), ("time_US", None), ("time_ns", 1)])
def test_units_of_time(tmp_path: Path, column: str, size: float | None) -> None:
    path = written(tmp_path, f"ac,energy_j,{column}\n1,2,3")
    if size is None:
        with pytest.raises(DataError, match="unit 'US' of 'time_US'"):
            read_measurements(path)
    else:
        assert read_measurements(path).time_ns == pytest.approx(3 * size)


def test_a_byte_order_mark_is_no_part_of_a_column(tmp_path: Path) -> None:
    assert list(read_measurements(written(tmp_path, b"\xef\xbb\xbfac,energy_j\r\n1,2\r\n")).counts) == ["ac"]


def test_runs_without_a_name_have_their_line(tmp_path: Path) -> None:
    text = "# above\nac,name,energy_j\n\n1,,2\n# between\n1,x,2\n1,,2\n"
    assert read_measurements(written(tmp_path, text)).names == ("line 4", "x", "line 7")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "runs.csv: the file is empty"),
        ("# only words\n\n", "runs.csv: the file is empty"),
        ("ac,energy_j\n", "runs.csv: a header and no run"),
        (b"\xff\xfe\x00", "it is no text"),
        ("ac,energy_j\n1,2\n1,nan\n", "line 3, column energy_j: 'nan'; expected a number of more than 0"),
        ("ac,energy_j\n1,inf\n", "line 2, column energy_j: 'inf'"),
        ("ac,energy_j\n1,0\n", "line 2, column energy_j: '0'; expected a number of more than 0"),
        ("ac,energy_j\n# note\n-1,2\n", "line 3, column ac: '-1'; expected a number of 0 or more"),
        ("ac,energy_j\nmany,2\n", "line 2, column ac: 'many'"),
        ("ac,energy_j\n,2\n", "line 2, column ac: nothing"),
        ("ac,energy_j\n1,1e300\n", "line 2, column energy_j: '1e300'"),
        ("ac,energy_j\n1e-200,1\n", "line 2, column ac: '1e-200'"),
        ("ac,energy_j,sd\n1,2,0\n", "line 2, column sd: '0'; expected a number of more than 0"),
        ("ac,energy_j,weight\n1,2,-3\n", "line 2, column weight: '-3'"),
        ("ac,energy_j,time_s\n1,2,0\n", "line 2, column time_s: '0'"),
        ("ac,energy_j\n1,2,3\n", "line 2: 3 cells; expected 2"),
        ("ac,energy_j\n1\n", "line 2: 1 cells; expected 2"),
        ("ac,mac\n1,2\n", "line 1: no column of energy"),
        ("ac,energy\n1,2\n", "line 1: 'energy' without a unit; expected such as energy_mJ"),
        ("ac,energy_MJ\n1,2\n", "line 1: unit 'MJ' of 'energy_MJ'; expected one of pJ, nJ, uJ, mJ, J"),
        ("ac,energy_cal\n1,2\n", "line 1: unit 'cal' of 'energy_cal'"),
        ("ac,ac,energy_j\n1,1,2\n", "line 1: columns 'ac' and 'ac'; expected one of ac"),
        ("ac,energy_j,energy_mj\n1,1,2\n", "line 1: columns 'energy_j' and 'energy_mj'; expected one of energy"),
        ("ac,energy_j,sd,weight\n1,1,2,2\n", "line 1: columns 'sd' and 'weight'"),
        ("energy_j,time_s\n1,1\n", "line 1: neither a kind of count nor reports"),
        ("ac,report,energy_j\n1,a.json,1\n", "line 1: counts and reports"),
        ("ac;energy_j\n1;2\n", "line 1: columns parted by ';'; expected commas"),
        ('ac,energy_j\n1,"2\n', "no CSV"),
    ],
)
def test_what_cannot_be_read_is_named(tmp_path: Path, text: str | bytes, said: str) -> None:
    with pytest.raises(DataError) as error:
        read_measurements(written(tmp_path, text))
    assert said in str(error.value)
    assert error.value.exit_code == 2


@pytest.mark.parametrize(
    ("column", "near"), [("acs", "ac"), ("neuron_updates", "neuron_update"), ("enrgy_mj", "energy_mj"), ("", "")]
)
def test_an_unknown_column_has_the_nearest_shown(tmp_path: Path, column: str, near: str) -> None:
    with pytest.raises(UnknownName) as error:
        read_measurements(written(tmp_path, f"ac,energy_j,{column}\n1,2,3\n"))
    assert near in error.value.nearest or not near
    assert "runs.csv, line 1" in str(error.value)


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(SpikecError, match="there is no such file"):
        read_measurements(tmp_path / "absent.csv")
    with pytest.raises(SpikecError, match="this is a folder"):
        read_measurements(tmp_path)
