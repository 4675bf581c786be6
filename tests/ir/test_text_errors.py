"""What the parser says of text that is no graph: a line number, and never an error of another kind."""

import random
import re

import numpy as np
import pytest

from spikec.errors import GraphError, SpikecError, VerifyError
from spikec.ir.text import parse, parse_type
from spikec.ir.types import SPIKE, Int, Role, TensorType, Timing, Weight, constant, weight_of

TEXT = """graph(%image: real once [2,8,8], %frames: int(0,3,0.5) step [4]) steps 3
# the stem
%r = repeat(%image)
%c = conv2d(%r; bias=b, weight=w) {stride=(2, 2), padding=(1, 1)} @stem.conv
%n = batch_norm(%c; mean=b, var=b) {eps=0.001} @stem.bn
%q = lif(%n; tau=t, v_threshold=v) {reset='soft', fires_at='>'} @stem.lif
%p = avg_pool(%q) {stride=(1, 2)}
%t = transpose(%p) {axes=(1, 2, 0)}
%f = reshape(%t) {shape=(6, 4)}
%m = matmul(%f, %f) {transpose_b=True} @attn
%s = scale(%m) {factor=0.125}
%mean = mean(%s) {axes=(1,)}
%back = delay(%z; steps=d) : int(0,9,0.5) step [4]
%z0 = threshold(%frames; v_threshold=v)
%once = time_mean(%mean)
%z = delay(%w0; steps=d) : int(0,9,0.5) step [4]
%w0 = delay(%back; steps=d) : int(0,9,0.5) step [4]
return %once, %q.v, %z0, %w0
"""


@pytest.fixture
def weights():
    rng = np.random.default_rng(0)
    return {
        "w": weight_of(rng.normal(size=(4, 2, 3, 3))),
        "b": weight_of(rng.uniform(size=4), Role.STATISTIC),
        "t": constant(2.0),
        "v": constant(1.0),
        "d": Weight(np.asarray(1), Role.CONSTANT),
    }


def test_the_text_is_read(weights):
    graph = parse(TEXT, weights)
    assert graph.steps == 3
    assert graph.inputs["frames"] == TensorType((4,), Int(0, 3, 0.5))
    assert graph.types["m"] == TensorType((6, 6), Int(0, 64, 0.0625))
    assert [line for line in TEXT.splitlines() if not line.startswith("#")] == graph.text().splitlines()


@pytest.mark.parametrize(
    ("found", "put", "line", "word"),
    [
        ("%r = repeat(%image)", "%r := repeat(%image)", 3, "%r := repeat"),
        ("%r = repeat(%image)", "%r = repeats(%image)", 3, "repeats"),
        ("%r = repeat(%image)", "%r = repeat(%imag)", 3, "%imag"),
        ("%r = repeat(%image)", "%r = repeat(%image) : real step [2,8,8]", 3, "no type"),
        ("%r = repeat(%image)", "%r = repeat(%frames)", 3, "one value for the inference"),
        ("weight=w)", "weight=w9)", 4, "w9"),
        ("weight=w)", "weight)", 4, "slot=weight"),
        ("{stride=(2, 2), ", "{stride=(0, 2), ", 4, "stride"),
        ("{stride=(2, 2), ", "{stride=(2, 2, 2), ", 4, "stride"),
        ("{stride=(2, 2), ", "{strides=(2, 2), ", 4, "strides"),
        ("{stride=(2, 2), ", "{stride=open('x'), ", 4, "plain values"),
        ("{stride=(2, 2), ", "{(2, 2), ", 4, "field=value"),
        ("{stride=(2, 2), ", "{**{'stride': (2, 2)}, ", 4, "field=value"),
        ("eps=0.001", "eps=1", 5, "eps=1"),
        ("fires_at='>'", "fires_at='='", 6, "fires_at"),
        ("shape=(6, 4)", "shape=('6', 4)", 9, "shape"),
        ("axes=(1,)", "axes=(2,)", 12, "axes"),
        ("int(0,9,0.5) step [4]\n%z0", "int(9,0,0.5) step [4]\n%z0", 13, "int(9,0,0.5)"),
        ("return %once", "return once", 18, "return"),
        ("return %once", "%once2 = repeat(%once)", 18, "return"),
        ("real once", "reel once", 1, "reel once"),
        ("int(0,3,0.5)", "int(0,3,0)", 1, "int(0,3,0)"),
        ("int(0,3,0.5)", "int(0,3,inf)", 1, "int(0,3,inf)"),
        ("int(0,3,0.5)", "int(a)", 1, "int(a)"),
        ("%frames:", "%image:", 1, "each name once"),
        ("steps 3", "steps three", 1, "steps T"),
    ],
)
def test_a_bad_line_is_named_by_its_number(found, put, line, word, weights):
    assert TEXT.count(found) >= 1
    with pytest.raises(GraphError) as caught:
        parse(TEXT.replace(found, put, 1), weights)
    assert f"line {line} " in str(caught.value)
    assert word in str(caught.value)


def test_errors_of_type_rules_stay_verify_errors(weights):
    with pytest.raises(VerifyError, match=r"line 12 .*%mean"):
        parse(TEXT.replace("axes=(1,)", "axes=(5,)"), weights)


@pytest.mark.parametrize("text", ["", "\n# nothing\n", "return %x", "graph() steps 1", "graph() steps 1\nreturn %x"])
def test_text_that_ends_early(text, weights):
    with pytest.raises(GraphError):
        parse(text, weights)


def test_a_type_alone():
    assert parse_type("spike step [64,8,8]") == TensorType((64, 8, 8), SPIKE)
    assert parse_type("real once []") == TensorType((), timing=Timing.ONCE)
    with pytest.raises(GraphError, match="is no type"):
        parse_type("spike [4]")


ALPHABET = "%(),;=@{}[]:.'\"*-+ #\n019aeintwrx_\\²\u0660\x00"


def mutated(rng, text):
    """The text with some characters, words or lines changed, removed, doubled or moved."""
    for _ in range(rng.randint(1, 3)):
        at = rng.randrange(len(text) + 1)
        cut = at + rng.choice([1, 1, 2, 5, 40])
        match rng.randrange(6):
            case 0:
                text = text[:at] + rng.choice(ALPHABET) + text[cut:]
            case 1:
                text = text[:at] + text[cut:]
            case 2:
                text = text[:at] + text[at:cut] + text[at:]
            case 3:
                text = text[:at]
            case 4:
                words = re.findall(r"[\w.]+", text) or ["x"]
                text = re.sub(rf"\b{re.escape(rng.choice(words))}\b", rng.choice(words), text, count=1)
            case 5:
                number = rng.choice(["0", "-1", "1e999", "10**9", "99999999999999999999", "1.5", "()", "None", "True"])
                places = [m.span() for m in re.finditer(r"\d+", text)] or [(0, 0)]
                start, end = rng.choice(places)
                text = text[:start] + number + text[end:]
    return text


def survives(text, weights):
    """Parses and, where that is a graph, prints: True where it was one."""
    try:
        graph = parse(text, weights)
    except SpikecError:
        return False
    assert parse(graph.text(), graph.weights).sha256 == graph.sha256
    return True


def test_random_mutations_are_refused_as_errors_of_ours_or_are_graphs(weights):
    rng = random.Random(0)
    graphs = sum(survives(mutated(rng, TEXT), weights) for _ in range(500))
    assert 0 < graphs < 250


@pytest.mark.long
def test_many_random_mutations(weights):
    rng = random.Random(1)
    for _ in range(100_000):
        survives(mutated(rng, TEXT), weights)
