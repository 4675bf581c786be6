"""Reports read back: all of what estimate writes, and nothing else."""

from __future__ import annotations

import json

import pytest

from spikec.errors import InputError
from spikec.report.nodes import node_rows
from spikec.report.saved import Saved, read
from spikec.report.view import Refusal


@pytest.fixture
def write(tmp_path):
    """Writes a value as JSON, or a text as it is, and gives the path."""

    def call(value):
        path = tmp_path / "r.json"
        path.write_text(value if isinstance(value, str) else json.dumps(value))
        return path

    return call


def test_a_report_is_read_as_it_was_written(write, digits_report):
    (found,) = read(write(digits_report.to_json()))
    assert isinstance(found, Saved)
    assert found.plain == json.loads(digits_report.to_json())
    assert found.rows == node_rows(digits_report)
    assert (found.hardware, found.file, found.label) == ("45nm", "", "45nm")


def test_a_list_holds_several_chips_and_refusals(write, small_report):
    other = small_report.to_dict() | {"hardware": small_report.hardware | {"name": "mine", "file": "/a/mine.toml"}}
    refused = {"hardware": "loihi1", "file": None, "refused": "no matmul"}
    first, second, third = read(write([small_report.to_dict(), refused, other]))
    assert isinstance(first, Saved)
    assert second == Refusal("loihi1", "no matmul")
    assert isinstance(third, Saved)
    assert third.label == "mine (mine.toml)"


def test_a_mapping_without_data_has_no_energies(write, small_report):
    plain = small_report.to_dict()
    plain["nodes"] = [{**node, "energy_pj": None, "counts": {}} for node in plain["nodes"]]
    plain["totals"] = {**plain["totals"], "energy_pj": None, "counts": {}}
    plain["mapping"] = {
        "cores": 3,
        "chips": 1,
        "layers": [{"node": "x", "cores": 3, "binding_limit": "words"}],
    }
    (found,) = read(write(plain))
    assert isinstance(found, Saved)
    assert {row.energy_pj for row in found.rows} == {None}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no JSON"),
        ("spikec", "no JSON"),
        ('{"schema_version": 1', "no JSON"),
        ("[" * 100_000, "no JSON"),
        ("[]", "an empty list"),
        ("{}", "no schema_version"),
        ("[1]", "r.json, 0: a int in the place of a report"),
        ('"report"', "a str in the place of a report"),
        ('{"schema_version": 2}', "schema version 2; expected 1. Try: .*spikec estimate"),
        ('{"schema_version": "1"}', "schema version '1'; expected 1"),
        ('{"hardware": "45nm", "refused": 3}', "refused: .*string.*found 3"),
        ('{"schema_version": 1}', "model is missing"),
        ('{"schema_version": 1, "x": NaN}', "NaN is no finite number"),
        ('{"schema_version": 1, "x": 1e999}', "1e999 is no finite number"),
        ('{"schema_version": 1, "x": ' + "9" * 5000 + "}", "no JSON"),
    ],
)
def test_what_is_no_report_is_refused_by_name(write, text, said):
    with pytest.raises(InputError, match=said) as error:
        read(write(text))
    assert error.value.exit_code == 2
    assert "r.json" in str(error.value)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("totals", "energy_pj"), "12"),
        (("totals", "energy_pj"), True),
        (("totals", "counts", "ac"), None),
        (("totals", "energy_pj"), 10**400),
        (("nodes", 0, "counts"), []),
        (("nodes", 0, "energy_pj", "mac"), "much"),
        (("hardware", "terms", 0), {}),
        (("steps",), 4.5),
        (("mapping",), {"layers": [{"node": "x", "cores": "3"}]}),
        (("assumptions",), "none"),
    ],
)
def test_a_key_of_another_kind_is_named(write, small_report, path, value):
    plain = json.loads(small_report.to_json())
    at = plain
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = value
    with pytest.raises(InputError, match=".".join(map(str, path[:2]))):
        read(write(plain))


def test_no_file_and_no_text(tmp_path):
    (tmp_path / "b.json").write_bytes(b"\xff\xfe\x00")
    for name in ("absent.json", "b.json", ""):
        with pytest.raises(InputError, match="expected a report of spikec estimate"):
            read(tmp_path / name)


def test_what_would_steer_a_terminal_is_shown_as_marks(write, small_report):
    plain = json.loads(small_report.to_json())
    plain["nodes"][0]["scope"] = "\x1b[31mstem\ud800"
    (found,) = read(write(plain))
    assert isinstance(found, Saved)
    assert found.rows[0].scope == "?[31mstem?"
