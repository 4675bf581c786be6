import inspect
import pickle
import re

import pytest

from spikec import errors
from spikec.errors import (
    BudgetExceeded,
    DoesNotFit,
    FitRefused,
    ModelFileError,
    NoWinner,
    Offender,
    SpikecError,
    StateOverflow,
    TraceError,
    UnknownName,
    UnsupportedOp,
    UsageError,
    VerificationFailed,
)

CLASSES = [c for _, c in inspect.getmembers(errors, inspect.isclass) if issubclass(c, SpikecError)]


def test_a_plain_message_is_the_text():
    assert str(UsageError("--alpha is -1; expected 0 or more")) == "--alpha is -1; expected 0 or more"


def test_the_four_parts_make_one_paragraph():
    error = ModelFileError(
        found="the file is empty",
        where="net.pt",
        expected="a model saved by spikec",
        mend="spikec new NAME -o net.pt",
    )
    assert str(error) == ("net.pt: the file is empty; expected a model saved by spikec. Try: spikec new NAME -o net.pt")


@pytest.mark.parametrize(
    ("parts", "text"),
    [
        ({"where": "a.toml: energy"}, "a.toml: energy"),
        ({"expected": "a number"}, "expected a number"),
        ({"found": "nothing.", "mend": "--data digits"}, "nothing. Try: --data digits"),
        ({"message": "full", "where": "runs/a"}, "runs/a: full"),
    ],
)
def test_any_part_may_be_missing(parts, text):
    assert str(SpikecError(**parts)) == text


def test_an_unknown_name_offers_the_nearest_first():
    error = UnknownName("LOIHI3", "hardware", ["45nm", "loihi2", "loihi1", "akida"])
    assert set(error.nearest) == {"loihi1", "loihi2"}
    assert str(error).startswith("unknown hardware 'LOIHI3'; expected one of: 45nm, akida, loihi1, loihi2. Try: loihi")


def test_a_name_near_nothing_is_offered_nothing():
    assert "Try" not in str(UnknownName("zzz", "space", ["tiny", "small"]))
    assert "none" in str(UnknownName("zzz", "space", []))


def test_an_unsupported_op_lists_every_offender_in_columns():
    error = UnsupportedOp(
        "lava-dl",
        [
            ("matmul(q, k)", "blocks.0.attn", "netx has no product of two activations"),
            Offender("add", "blocks.0", "netx is strictly sequential"),
        ],
        mend="--target lava (carries attention)",
        nodes=31,
    )
    assert str(error).splitlines() == [
        "lava-dl cannot take this graph: 2 of 31 nodes have no form there",
        "  blocks.0.attn  matmul(q, k)  netx has no product of two activations",
        "  blocks.0       add           netx is strictly sequential",
        "  try: --target lava (carries attention)",
    ]


def test_equal_offenders_are_one_line_that_counts_them():
    same = Offender("aten.ge.Scalar", "lif", "a comparison", "net.py:8: q = v >= 1")
    error = UnsupportedOp("spikec's IR", [same, Offender("relu", "act", "not taken"), *[same] * 15])
    assert str(error).splitlines() == [
        "spikec's IR cannot take this graph: 17 nodes have no form there",
        "  lif  aten.ge.Scalar  a comparison (x 16); net.py:8: q = v >= 1",
        "  act  relu            not taken",
    ]


def test_of_many_offenders_with_one_reason_the_first_are_listed():
    of = [Offender("add", f"at{number}", "is once") for number in range(176)]
    lines = str(UnsupportedOp("lava", [*of, of[-1], Offender("mul", "z", "no process")], nodes=200)).splitlines()
    assert [line.split()[0] for line in lines[1:13]] == [f"at{number}" for number in range(12)]
    assert lines[13:] == ["  z     mul  no process", "  and 165 more: is once"]
    assert len(str(UnsupportedOp("lava", of[:13])).splitlines()) == 14  # none is hidden behind 'and 1 more'


def test_the_answer_no_is_1_and_the_rest_is_2():
    no = {
        TraceError,
        UnsupportedOp,
        VerificationFailed,
        DoesNotFit,
        FitRefused,
        BudgetExceeded,
        NoWinner,
        StateOverflow,
    }
    assert {c for c in CLASSES if c.exit_code == 1} == no
    assert {c for c in CLASSES if c.exit_code == 2} == set(CLASSES) - no


def test_the_docstring_draws_every_class_with_its_exit_code():
    drawn = dict(re.findall(r"(\w+) {2,}([12])\b", errors.__doc__))
    assert drawn == {c.__name__: str(c.exit_code) for c in CLASSES}


@pytest.mark.parametrize(
    "error",
    [
        ModelFileError(found="empty", where="net.pt", mend="another"),
        UnknownName("loihi3", "hardware", ["loihi2"]),
        UnsupportedOp("nir", [("matmul", "a", "none")], nodes=3),
    ],
)
def test_an_error_crosses_a_process_border_whole(error):
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is type(error)
    assert str(again) == str(error)
    assert vars(again) == vars(error)
