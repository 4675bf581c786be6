"""docs/policy.md is what the tables of the code say, and those tables leave no op and no value out."""

from itertools import product
from pathlib import Path
from typing import get_args

import pytest

from hwmodels.counting import ASIDES, ASKS, ROWS, SYNAPTIC, UNPRICED, Aside, Operand, row_of
from hwmodels.dense import DENSE
from hwmodels.policy_table import VALUES, policy_table_markdown
from spikec.cost import Policy
from spikec.ir.ops import OPS

DOCS = Path(__file__).parents[2] / "docs" / "policy.md"


def test_the_committed_page_is_the_generated_one():
    assert DOCS.read_text(encoding="utf-8") == policy_table_markdown(), "scripts/make-docs writes it anew"


def test_every_op_is_in_the_table():
    assert {*ASIDES, *UNPRICED} == set(OPS.values())
    assert set(ASIDES).isdisjoint(UNPRICED)
    assert set(DENSE) == set(ASKS)


def test_exactly_one_row_holds_for_each_case():
    for operand, multibit in product(Operand, Policy.choices()["multibit"]):
        assert row_of(operand, multibit) in ROWS
    assert sum(len(row.multibit) for row in ROWS) == len(Operand) * len(Policy.choices()["multibit"])


def test_every_value_of_every_field_is_explained():
    assert {name: set(values) for name, values in VALUES.items()} == {
        name: set(choices) for name, choices in Policy.choices().items()
    }


@pytest.mark.parametrize("kind", [*SYNAPTIC, *get_args(Aside)])
def test_every_kind_of_count_is_on_the_page(kind):
    assert f"| {kind} |" in policy_table_markdown()
