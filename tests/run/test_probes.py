"""Answers to probes against sums by brute force over elements, steps and products."""

import itertools

import numpy as np
import pytest

from spikec.cost import UNGROUPED, Probe
from spikec.errors import UsageError
from spikec.ir.builder import GraphBuilder
from spikec.ir.types import REAL, SPIKE, Int, TensorType, Timing
from spikec.run.interp import Interpreter

T, B = 3, 4
KEEPS = [frozenset(k) for r in range(3) for k in itertools.combinations(("sample", "step"), r)]
STREAM = Int(-2, 3, 0.5)


def answers(probes, **values):
    """Counts of probes on inputs given as (domain, array, timing)."""
    builder = GraphBuilder(T)
    for name, (domain, array, timing) in values.items():
        lead = 2 if timing is Timing.STEP else 1
        builder.input(name, TensorType(array.shape[lead:], domain, timing))
    graph = builder.graph(next(iter(values)))
    data = {name: array for name, (_, array, _) in values.items()}
    counts = Interpreter().count(graph, data, probes)
    for probe in probes:
        assert counts.of(probe).dtype == np.int64
    assert counts.answers_all(tuple(probes))
    return [counts.of(probe) for probe in probes]


def kept(full, keep, reduce=np.sum):
    """[T, B, ...] with the axes that are not kept reduced, samples first."""
    if "step" not in keep:
        full = reduce(full, axis=0, keepdims=True)
    if "sample" not in keep:
        full = reduce(full, axis=1, keepdims=True)
    full = np.moveaxis(full, 1, 0)
    return full if "step" in keep else full[:, 0]


@pytest.fixture
def stream(rng):
    """Codes -2..3 of a stream at scale 0.5."""
    return rng.integers(-2, 4, (T, B, 2, 5))


@pytest.mark.parametrize("keep", KEEPS, ids=lambda k: "+".join(sorted(k)) or "none")
def test_of_an_integer_stream(keep, stream):
    kinds = ("sum", "nonzero", "other", "outside", "max", "per-element")
    probes = [Probe(("x",), kind, keep=keep, levels=(0.0, 1.0, 7.0)) for kind in kinds]
    found = dict(zip(kinds, answers(probes, x=(STREAM, stream * 0.5, Timing.STEP)), strict=True))
    codes = np.abs(stream)
    flat = (T, B, -1)
    np.testing.assert_array_equal(found["sum"], kept(codes.reshape(flat).sum(2, keepdims=True), keep))
    np.testing.assert_array_equal(found["nonzero"], kept((codes > 0).reshape(flat).sum(2, keepdims=True), keep))
    # of the value, not of the code: here only the codes -2, 0 and 2 stand for -1, 0 and 1
    other = ~np.isin(stream * 0.5, (-1.0, 0.0, 1.0))
    np.testing.assert_array_equal(found["other"], kept(other.reshape(flat).sum(2, keepdims=True), keep))
    outside = ~np.isin(stream, (0, 2))  # -1 is none of them
    np.testing.assert_array_equal(found["outside"], kept(outside.reshape(flat).sum(2, keepdims=True), keep))
    np.testing.assert_array_equal(found["max"], kept(codes.reshape(flat).max(2), keep, np.max))
    np.testing.assert_array_equal(found["per-element"], kept(codes, keep))


@pytest.mark.parametrize("keep", KEEPS, ids=lambda k: "+".join(sorted(k)) or "none")
@pytest.mark.parametrize("kind", ["sum", "nonzero", "other"])
def test_grouped(kind, keep, stream, rng):
    groups = rng.integers(0, 4, (2, 5))
    groups[0, 0] = 3
    (found,) = answers([Probe(("x",), kind, groups, keep=keep)], x=(STREAM, stream * 0.5, Timing.STEP))
    measure = {"sum": np.abs(stream), "nonzero": stream != 0, "other": ~np.isin(stream, (-2, 0, 2))}[kind]
    full = np.zeros((T, B, 4), np.int64)
    for t, b, i, j in np.ndindex(stream.shape):
        full[t, b, groups[i, j]] += int(measure[t, b, i, j])
    np.testing.assert_array_equal(found, kept(full, keep))


def test_of_a_real_value(rng):
    x = rng.normal(size=(T, B, 6)) * (rng.uniform(size=(T, B, 6)) < 0.5)
    probes = [Probe(("x",), kind) for kind in ("sum", "nonzero", "max", "per-element")]
    total, nonzero, most, each = answers(probes, x=(REAL, x, Timing.STEP))
    np.testing.assert_array_equal(total, (x != 0).sum((0, 2))[:, None])
    np.testing.assert_array_equal(total, nonzero)
    np.testing.assert_array_equal(most, (x != 0).max((0, 2)))
    np.testing.assert_array_equal(each, (x != 0).sum(0))


def test_of_a_value_once(rng):
    x = rng.integers(-1, 3, (B, 6))
    probes = [Probe(("x",), "sum"), Probe(("x",), "sum", keep=frozenset()), Probe(("x",), "per-element")]
    by_sample, together, each = answers(probes, x=(Int(-1, 2), x, Timing.ONCE))
    np.testing.assert_array_equal(by_sample, np.abs(x).sum(1)[:, None])
    np.testing.assert_array_equal(together, [[np.abs(x).sum()]])
    np.testing.assert_array_equal(each, np.abs(x))
    (steps,) = answers([Probe(("x",), "sum", keep=KEEPS[3])], x=(Int(-1, 2), x, Timing.ONCE))
    assert steps.shape == (B, 1, 1)


@pytest.mark.parametrize("kind", ["sum", "nonzero", "max", "per-element"])
def test_of_a_value_without_axes(kind, rng):
    x = rng.integers(-2, 3, (T, B))
    (found,) = answers([Probe(("x",), kind)], x=(Int(-2, 2), x, Timing.STEP))
    expected = {"nonzero": (x != 0).sum(0), "max": np.abs(x).max(0)}.get(kind, np.abs(x).sum(0))
    np.testing.assert_array_equal(found.reshape(-1), expected)


@pytest.mark.parametrize("scale", [1 / 9, 0.1, 1 / 49, 1e-3])
def test_codes_are_exact_where_the_scale_is_not(scale, rng):
    codes = rng.integers(0, 50, (T, B, 6))
    (found,) = answers([Probe(("x",), "per-element")], x=(Int(0, 49, scale), codes * scale, Timing.STEP))
    np.testing.assert_array_equal(found, codes.sum(0))


@pytest.mark.parametrize("turned", list(itertools.product([False, True], repeat=2)))
@pytest.mark.parametrize("keep", KEEPS, ids=lambda k: "+".join(sorted(k)) or "none")
def test_coincidences(keep, turned, rng):
    heads, n, k, m = 2, 3, 4, 5
    a, b = rng.integers(-2, 3, (T, B, heads, n, k)), rng.integers(0, 3, (T, B, heads, k, m))
    held = [np.swapaxes(x, -1, -2) if t else x for x, t in zip((a, b), turned, strict=True)]
    full = {kind: np.zeros((T, B, 1), np.int64) for kind in ("coincidence", "coincidence-nonzero")}
    for t, s, h, i, j, c in np.ndindex(T, B, heads, n, m, k):
        x, y = abs(int(a[t, s, h, i, c])), abs(int(b[t, s, h, c, j]))
        full["coincidence"][t, s, 0] += x * y
        full["coincidence-nonzero"][t, s, 0] += x > 0 and y > 0
    probes = [Probe(("a", "b"), kind, transposed=turned, keep=keep) for kind in full]
    found = answers(probes, a=(Int(-2, 2, 0.125), held[0] * 0.125, Timing.STEP), b=(Int(0, 2), held[1], Timing.STEP))
    for answer, expected in zip(found, full.values(), strict=True):
        np.testing.assert_array_equal(answer, kept(expected, keep))


def test_attention_by_hand():
    q, k, v = ([[1, 0], [1, 1], [0, 1]], [[1, 1], [0, 1], [1, 0]], [[1, 0], [0, 1], [1, 1]])
    q, k, v = (np.array(x).reshape(1, 1, 3, 2).repeat(T, 0) for x in (q, k, v))
    scores = q @ np.swapaxes(k, -1, -2)
    probes = [
        Probe(("q", "k"), "coincidence", transposed=(False, True)),
        Probe(("s", "v"), "coincidence"),
        Probe(("s", "v"), "coincidence-nonzero"),
    ]
    step = {name: (SPIKE, x, Timing.STEP) for name, x in (("q", q), ("k", k), ("v", v))}
    found = answers(probes, **step, s=(Int(0, 2), scores, Timing.STEP))
    assert [answer.item() for answer in found] == [8 * T, 10 * T, 9 * T]


@pytest.mark.parametrize("keep", KEEPS, ids=lambda k: "+".join(sorted(k)) or "none")
def test_overlaps(keep, stream, rng):
    other = rng.integers(0, 2, stream.shape)
    probes = [Probe(("x", "y"), kind, keep=keep) for kind in ("overlap", "overlap-nonzero")]
    found = answers(probes, x=(STREAM, stream * 0.5, Timing.STEP), y=(SPIKE, other, Timing.STEP))
    products = (np.abs(stream) * other).reshape(T, B, -1)
    np.testing.assert_array_equal(found[0], kept(products.sum(2, keepdims=True), keep))
    np.testing.assert_array_equal(found[1], kept((products > 0).sum(2, keepdims=True), keep))


def test_a_value_with_itself(stream):
    (found,) = answers([Probe(("x", "x"), "overlap")], x=(STREAM, stream * 0.5, Timing.STEP))
    np.testing.assert_array_equal(found, (stream**2).sum((0, 2, 3))[:, None])


def test_sums_beyond_32_bits():
    x = np.full((T, B, 4), 2**29, np.int64)
    probes = [Probe(("x",), "sum"), Probe(("x", "x"), "overlap")]
    total, squares = answers(probes, x=(Int(0, 2**29), x, Timing.STEP))
    assert (total == T * 4 * 2**29).all()
    assert (squares == T * 4 * 2**58).all()


def test_the_key_says_the_whole_question():
    groups = np.array([[0, 1], [1, 0]])
    probes = [
        Probe(("x",), "sum"),
        Probe(("y",), "sum"),
        Probe(("x",), "nonzero"),
        Probe(("x",), "sum", groups),
        Probe(("x",), "sum", groups.T[::-1]),
        Probe(("x",), "sum", groups.reshape(4)),
        Probe(("x",), "sum", keep=frozenset()),
        Probe(("x",), "sum", keep=frozenset({"sample", "step"})),
        Probe(("x", "y"), "coincidence"),
        Probe(("x", "y"), "coincidence", transposed=(True, False)),
        Probe(("x", "y"), "coincidence", transposed=(False, True)),
        Probe(("y", "x"), "coincidence"),
        Probe(("x",), "outside", levels=(0.0, 1.0)),
        Probe(("x",), "outside", levels=(0.0, 2.0)),
    ]
    assert len({probe.key for probe in probes}) == len(probes)
    assert Probe(("x",), "sum", groups.copy()).key == probes[3].key


def test_a_question_not_asked_has_no_answer(stream):
    builder = GraphBuilder(T)
    x = builder.input("x", TensorType((2, 5), STREAM))
    counts = Interpreter().count(builder.graph(x), {"x": stream * 0.5}, [Probe(("x",), "sum")])
    with pytest.raises(KeyError):
        counts.of(Probe(("x",), "max"))
    assert not counts.answers_all((Probe(("x",), "max"),))


@pytest.mark.parametrize("kind", sorted(UNGROUPED))
def test_groups_are_refused_where_the_answer_has_none(kind):
    """They would be left unread."""
    with pytest.raises(UsageError, match=f"groups for a probe of kind '{kind}'; expected none, or one of sum, "):
        Probe(("x", "y") if kind[0] in "co" else ("x",), kind, np.zeros(4, dtype=np.int64))
    assert Probe(("x",), "touched", np.zeros(4, dtype=np.int64)).group_count == 1


def test_groups_are_read_by_every_other_kind(stream):
    """Each half of the elements by itself, and both together as without groups."""
    groups = np.arange(10).reshape(2, 5) // 5
    for kind in ("sum", "nonzero", "other", "outside"):
        levels = (0.0, 1.0) if kind == "outside" else ()
        asked = [Probe(("x",), kind, which, levels=levels) for which in (groups, None)]
        found, whole = answers(asked, x=(STREAM, stream * 0.5, Timing.STEP))
        assert found.shape[-1] == 2
        np.testing.assert_array_equal(found.sum(-1, keepdims=True), whole)
        assert found.all(-1).any()
